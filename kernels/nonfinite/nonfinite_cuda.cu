#include "kernels/nonfinite/nonfinite.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

constexpr int block_threads = 256, packs_per_thread = 8;

template <class T>
constexpr int block_elements = block_threads* packs_per_thread* simt::Pack<T>::count;

/// 1 where x is infinite or NaN, whose difference from itself is NaN.
template <class T>
__device__ __forceinline__ int nonfinite(T x) {
  return x - x == T(0) ? 0 : 1;
}

/// partial[block]: the block's non-finite elements.
template <class T>
__global__ void __launch_bounds__(block_threads)
    count_blocks(std::int64_t count, bool packs, const T* x, int* partial) {
  constexpr int width = simt::Pack<T>::count;
  int found = 0;
#pragma unroll
  for (int k = 0; k < packs_per_thread; ++k) {
    const std::int64_t i = blockIdx.x * std::int64_t{block_elements<T>} +
                           (k * block_threads + static_cast<int>(threadIdx.x)) * width;
    if (packs && i + width <= count) {
      const simt::Pack<T> pack = simt::load_pack(x + i);
#pragma unroll
      for (int j = 0; j < width; ++j) found += nonfinite(pack.at[j]);
    } else {
      for (std::int64_t j = i; j < i + width && j < count; ++j) found += nonfinite(x[j]);
    }
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
    [](const NonfiniteParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const NonfiniteParams&, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        const std::int64_t count = x.numel();
        const auto blocks =
            static_cast<unsigned>((count + block_elements<T> - 1) / block_elements<T>);
        int* partial = exec.workspace.allocate_array<int>(blocks);
        if (blocks > 0)
          simt::launch(exec.stream, count_blocks<T>, blocks, block_threads, 0, count,
                       simt::takes_packs(x.data), x.as<T>(), partial);
        simt::launch(exec.stream, count_partials, 1, block_threads, 0, partial, blocks,
                     y.as<std::int32_t>());
      });
    },
};

}  // namespace duet
