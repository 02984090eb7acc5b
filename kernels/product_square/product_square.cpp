#include "kernels/product_square/product_square.h"

namespace duet {

extern const ProductSquareRow product_square_cuda;
#if !DUET_CUDA_PLUGIN
extern const ProductSquareRow product_square_cpu, product_square_ref;
#endif

RowList<ProductSquareRow>& product_square_rows() {
  static RowList<ProductSquareRow> rows("product_square", {
    product_square_cuda,
#if !DUET_CUDA_PLUGIN
        product_square_cpu, product_square_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = product_square_rows();

std::string describe(const ProductSquareParams& p) {
  return fmt::format("({},{})T * ({},{})", p.n, p.rows, p.n, p.columns);
}

}  // namespace duet
