#include "kernels/unary/unary.h"

namespace duet {

extern const UnaryRow unary_cuda;
#if !DUET_CUDA_PLUGIN
extern const UnaryRow unary_cpu, unary_ref;
#endif

RowList<UnaryRow>& unary_rows() {
  static RowList<UnaryRow> rows("unary", {
    unary_cuda,
#if !DUET_CUDA_PLUGIN
        unary_cpu, unary_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = unary_rows();

const char* to_string(UnaryOp op) {
  switch (op) {
    case UnaryOp::affine: return "affine";
    case UnaryOp::square: return "square";
    case UnaryOp::sqrt: return "sqrt";
    case UnaryOp::exp: return "exp";
    case UnaryOp::log: return "log";
    case UnaryOp::sigmoid: return "sigmoid";
    case UnaryOp::tanh: return "tanh";
  }
  return "?";
}

std::string describe(const UnaryParams& p) {
  return fmt::format("{} ({})", to_string(p.op), p.count);
}

}  // namespace duet
