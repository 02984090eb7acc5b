#include "kernels/sum_of_squares/sum_of_squares.h"

namespace duet {

extern const SumOfSquaresRow sum_of_squares_cuda;
#if !DUET_CUDA_PLUGIN
extern const SumOfSquaresRow sum_of_squares_cpu, sum_of_squares_ref;
#endif

RowList<SumOfSquaresRow>& sum_of_squares_rows() {
  static RowList<SumOfSquaresRow> rows("sum_of_squares", {
    sum_of_squares_cuda,
#if !DUET_CUDA_PLUGIN
        sum_of_squares_cpu, sum_of_squares_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = sum_of_squares_rows();

std::string describe(const SumOfSquaresParams& p) { return fmt::format("({})", p.count); }

}  // namespace duet
