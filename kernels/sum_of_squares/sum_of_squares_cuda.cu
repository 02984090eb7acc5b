#include "kernels/simt/simt.h"
#include "kernels/sum_of_squares/sum_of_squares.h"

namespace duet {
namespace {

constexpr int block_threads = 256, block_elements = 32 * block_threads;

struct Array {
  const void* x;
  DType dtype;
  std::int64_t count;
  unsigned first_block;
};

/// What a thread finds among the block's elements, which start at `begin`.
template <class T>
__device__ __forceinline__ double thread_sum(const Array& array, std::int64_t begin) {
  constexpr int width = simt::packet_width<T>;
  double sum = 0;
#pragma unroll
  for (int k = 0; k < block_elements; k += block_threads * width) {
    const std::int64_t i = begin + k + static_cast<int>(threadIdx.x) * width;
    const auto packet = simt::load<width>(static_cast<const T*>(array.x), i, array.count);
#pragma unroll
    for (int j = 0; j < width; ++j) {
      const double x = packet.at[j];
      sum += x * x;
    }
  }
  return sum;
}

/// The sum of a block's elements, in double whatever they are: partial[block].
__global__ void __launch_bounds__(block_threads)
    sum_blocks(const Array* arrays, int array_count, double* partial) {
  const Array array = simt::entry_of_block(arrays, array_count);
  const std::int64_t begin = std::int64_t{blockIdx.x - array.first_block} * block_elements;
  double sum = array.dtype == DType::bf16  ? thread_sum<bf16>(array, begin)
               : array.dtype == DType::f32 ? thread_sum<float>(array, begin)
                                           : thread_sum<double>(array, begin);
  sum = simt::block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/// One block adds up what the others left.
__global__ void __launch_bounds__(block_threads)
    sum_partials(const double* partial, unsigned count, double* y) {
  double sum = 0;
  for (unsigned i = threadIdx.x; i < count; i += block_threads) sum += partial[i];
  sum = simt::block_sum(sum);
  if (threadIdx.x == 0) *y = sum;
}

}  // namespace

extern const SumOfSquaresRow sum_of_squares_cuda = {
    {SIMT_ROW("tree"), RowKind::handwritten, simt::device_type},
    [](const SumOfSquaresParams&, DType dtype) { return any_real(dtype); },
    [](Exec& exec, const SumOfSquaresParams&, std::span<const ConstView> xs, View y) {
      std::vector<Array> table;
      unsigned blocks = 0;
      for (const ConstView& x : xs) {
        if (x.numel() == 0) continue;
        table.push_back({x.data, x.dtype, x.numel(), blocks});
        blocks += simt::blocks_for(x.numel(), block_elements);
      }
      double* partial = exec.workspace.allocate_array<double>(blocks);
      simt::launch(exec.stream, sum_blocks, blocks, block_threads, 0, simt::upload(exec, table),
                   static_cast<int>(table.size()), partial);
      simt::launch(exec.stream, sum_partials, 1, block_threads, 0, partial, blocks, y.as<double>());
    },
};

}  // namespace duet
