#include "kernels/reduce/reduce.h"

namespace duet {

extern const ReduceRow reduce_cuda;
#if !DUET_CUDA_PLUGIN
extern const ReduceRow reduce_cpu, reduce_ref;
#endif

RowList<ReduceRow>& reduce_rows() {
  static RowList<ReduceRow> rows("reduce", {
    reduce_cuda,
#if !DUET_CUDA_PLUGIN
        reduce_cpu, reduce_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = reduce_rows();

const char* to_string(ReduceOp op) {
  switch (op) {
    case ReduceOp::sum: return "sum";
    case ReduceOp::mean: return "mean";
    case ReduceOp::max: return "max";
  }
  return "?";
}

std::string describe(const ReduceParams& p) {
  return fmt::format("{} ({},[{}],{})", to_string(p.op), p.outer, p.n, p.inner);
}

}  // namespace duet
