#include "kernels/nonfinite/nonfinite.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

constexpr int block_threads = 256, packets_per_thread = 8;

template <class T>
constexpr int block_elements = block_threads* packets_per_thread* simt::packet_width<T>;

/// partial[block]: the block's non-finite elements.
template <class T>
__global__ void __launch_bounds__(block_threads)
    count_blocks(std::int64_t count, const T* x, int* partial) {
  constexpr int width = simt::packet_width<T>;
  int found = 0;
#pragma unroll
  for (int k = 0; k < packets_per_thread; ++k) {
    const std::int64_t i = blockIdx.x * std::int64_t{block_elements<T>} +
                           (k * block_threads + static_cast<int>(threadIdx.x)) * width;
    const auto packet = simt::load<width>(x, i, count);
#pragma unroll
    for (int j = 0; j < width; ++j)  // the difference of NaN or infinity from itself is NaN
      found += packet.at[j] - packet.at[j] == 0 ? 0 : 1;
  }
  found = simt::block_sum(found);
  if (threadIdx.x == 0) partial[blockIdx.x] = found;
}

__global__ void __launch_bounds__(block_threads)
    count_partials(const int* partial, unsigned count, int* y) {
  int found = 0;
  for (unsigned i = threadIdx.x; i < count; i += block_threads) found += partial[i];
  found = simt::block_sum(found);
  if (threadIdx.x == 0) *y = found;
}

}  // namespace

extern const NonfiniteRow nonfinite_cuda = {
    {SIMT_ROW("tree"), RowKind::handwritten, simt::device_type},
    [](const NonfiniteParams&, DType dtype) { return any_real(dtype); },
    [](Exec& exec, const NonfiniteParams&, ConstView x, View y) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        const std::int64_t count = x.numel();
        const unsigned blocks = simt::blocks_for(count, block_elements<T>);
        int* partial = exec.workspace.allocate_array<int>(blocks);
        simt::launch(exec.stream, count_blocks<T>, blocks, block_threads, 0, count, x.as<T>(),
                     partial);
        simt::launch(exec.stream, count_partials, 1, block_threads, 0, partial, blocks,
                     y.as<std::int32_t>());
      });
    },
};

}  // namespace duet
