#include "kernels/binary/binary.h"

namespace duet {

extern const BinaryRow binary_cuda;
#if !DUET_CUDA_PLUGIN
extern const BinaryRow binary_cpu, binary_ref;
#endif

RowList<BinaryRow>& binary_rows() {
  static RowList<BinaryRow> rows("binary", {
    binary_cuda,
#if !DUET_CUDA_PLUGIN
        binary_cpu, binary_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = binary_rows();

const char* to_string(BinaryOp op) {
  switch (op) {
    case BinaryOp::add: return "add";
    case BinaryOp::subtract: return "subtract";
    case BinaryOp::multiply: return "multiply";
    case BinaryOp::divide: return "divide";
  }
  return "?";
}

BinaryParams BinaryParams::broadcast(BinaryOp op, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::array<std::int64_t, Shape::max_rank> extents{};
  BinaryParams p{op, {}, {}, {}};
  std::int64_t a_stride = 1, b_stride = 1;
  for (int i = rank - 1; i >= 0; --i) {
    const int from_end = i - rank;
    const std::int64_t ea = -from_end <= a.rank() ? a[from_end] : 1;
    const std::int64_t eb = -from_end <= b.rank() ? b[from_end] : 1;
    require(ea == eb || ea == 1 || eb == 1, "[{}] shapes {} and {} do not fit together",
            duet::to_string(op), duet::to_string(a), duet::to_string(b));
    extents[i] = ea == 1 ? eb : ea;
    p.a_strides[i] = ea == 1 ? 0 : a_stride;
    p.b_strides[i] = eb == 1 ? 0 : b_stride;
    a_stride *= ea;
    b_stride *= eb;
  }
  p.shape = Shape(std::span<const std::int64_t>(extents.data(), rank));
  return p;
}

bool BinaryParams::same_shape() const {
  for (int i = 0; i < shape.rank(); ++i)
    if (shape[i] != 1 && (a_strides[i] == 0 || b_strides[i] == 0)) return false;
  return true;
}

std::string describe(const BinaryParams& p) {
  return fmt::format("{} {}{}", to_string(p.op), to_string(p.shape),
                     p.same_shape() ? "" : " broadcast");
}

}  // namespace duet
