#include "kernels/block_tail/block_tail.h"

namespace duet {

extern const BlockTailRow block_tail_cuda;
#if DUET_HAVE_CUDNN
extern const BlockTailRow block_tail_cudnn;
#endif
#if !DUET_CUDA_PLUGIN
extern const BlockTailRow block_tail_cpu, block_tail_ref;
#endif

RowList<BlockTailRow>& block_tail_rows() {
  static RowList<BlockTailRow> rows("block_tail", {
    block_tail_cuda,
#if DUET_HAVE_CUDNN
        block_tail_cudnn,
#endif
#if !DUET_CUDA_PLUGIN
        block_tail_cpu, block_tail_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = block_tail_rows();

std::string describe(const BlockTailParams& p) {
  return fmt::format("({},{},{},{}) pool {} dropout {} {}", p.n, p.h, p.w, p.channels, p.pool,
                     p.dropout, p.training ? "training" : "inference");
}

}  // namespace duet
