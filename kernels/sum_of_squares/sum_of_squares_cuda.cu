#include "kernels/simt/simt.h"
#include "kernels/sum_of_squares/sum_of_squares.h"

namespace duet {
namespace {

constexpr int block_threads = 256, packets_per_thread = 8;

template <class T>
struct Array {
  const T* x;
  std::int64_t count;
  unsigned first_block;
};

template <class T>
constexpr int block_elements = block_threads* packets_per_thread* simt::packet_width<T>;

__device__ __forceinline__ double square(double x) { return x * x; }

/// The sum of a block's elements, in double whatever they are: partial[block].
template <class T>
__global__ void __launch_bounds__(block_threads)
    sum_blocks(const Array<T>* arrays, int array_count, double* partial) {
  constexpr int width = simt::packet_width<T>;
  const Array<T> array = simt::entry_of_block(arrays, array_count);
  const std::int64_t begin = std::int64_t{blockIdx.x - array.first_block} * block_elements<T>;
  double sum = 0;
#pragma unroll
  for (int k = 0; k < packets_per_thread; ++k) {
    const std::int64_t i =
        begin + (k * block_threads + static_cast<int>(threadIdx.x)) * std::int64_t{width};
    const auto x = simt::load<width>(array.x, i, array.count);
#pragma unroll
    for (int j = 0; j < width; ++j) sum += square(x.at[j]);
  }
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

/// → the number of partial sums.
template <class T>
unsigned sum_all(Exec& exec, std::span<const ConstView> xs, double** partial) {
  std::vector<Array<T>> table;
  unsigned blocks = 0;
  for (const ConstView& x : xs) {
    if (x.numel() == 0) continue;
    table.push_back({x.as<T>(), x.numel(), blocks});
    blocks += simt::blocks_for(x.numel(), block_elements<T>);
  }
  *partial = exec.workspace.allocate_array<double>(blocks);
  if (blocks == 0) return 0;
  const Array<T>* on_device = simt::upload(exec, table);
  simt::launch(exec.stream, sum_blocks<T>, blocks, block_threads, 0, on_device,
               static_cast<int>(table.size()), *partial);
  return blocks;
}

}  // namespace

extern const SumOfSquaresRow sum_of_squares_cuda = {
    {SIMT_ROW("tree"), RowKind::handwritten, simt::device_type},
    [](const SumOfSquaresParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const SumOfSquaresParams&, std::span<const ConstView> xs, View y) {
      double* partial = nullptr;
      const unsigned count =
          dispatch_floating(xs.empty() ? DType::f32 : xs[0].dtype,
                            [&](auto zero) { return sum_all<decltype(zero)>(exec, xs, &partial); });
      simt::launch(exec.stream, sum_partials, 1, block_threads, 0, partial, count, y.as<double>());
    },
};

}  // namespace duet
