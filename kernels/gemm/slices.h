#pragma once
/// What the handwritten CUDA matrix products do around their loops: C is made in tiles, by a block
/// each; where there are too few of these to fill the device, the depth is cut into slices whose
/// sums are merged afterwards, in a fixed order. How the work is cut depends on the sizes alone, so
/// that the same operands give the same bits.

#include <algorithm>

#include "kernels/base/exec.h"
#include "kernels/relu/relu.h"
#include "kernels/simt/simt.h"

namespace duet::device_gemm {

/// What becomes of a sum on its way into C.
template <class T>
struct Epilogue {
  const T* bias = nullptr;  // of the columns, or null
  bool relu = false;

  __device__ Wide<T> operator()(Wide<T> sum, std::int64_t column) const {
    if (bias) sum += widen(bias[column]);
    return relu ? rectified(sum) : sum;
  }
};

/// C (rows, columns) of each product, one after the other; or so for each slice.
template <class T>
struct Output {
  T* data;
  int rows, columns;
  Epilogue<T> epilogue;
};

inline std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Blocks that fill a device: two for each of an H100's 132 multiprocessors.
inline constexpr std::int64_t enough_blocks = 264;
/// The shortest slice worth a place in the merge.
inline constexpr std::int64_t shortest_slice = 128;

template <class Tiling>
std::int64_t tile_count(int rows, int columns) {
  return divide_up(rows, Tiling::rows) * divide_up(columns, Tiling::columns);
}

/// Whether tiles as large as these pay: they fit, and there are enough of them, in slices, to give
/// an eighth of the device work, which blocks of 256 threads fill.
template <class Tiling>
bool pays(int rows, int columns, int depth, std::int64_t batch) {
  const std::int64_t slices = std::max<std::int64_t>(depth / shortest_slice, 1);
  return rows >= Tiling::rows && columns >= Tiling::columns &&
         tile_count<Tiling>(rows, columns) * slices * batch * Tiling::threads >=
             enough_blocks / 8 * 256;
}

/// Calls `f` with the first of the tilings that pays; false where none does.
template <class... Tilings, class F>
bool with_tiling_that_pays(int rows, int columns, int depth, std::int64_t batch, F&& f) {
  return ((pays<Tilings>(rows, columns, depth, batch) && (f(Tilings()), true)) || ...);
}

struct Slices {
  int length, count;

  /// Of whole steps of `step`, where `tiles` blocks would run without slices.
  Slices(std::int64_t tiles, int depth, int step) {
    const std::int64_t wanted = std::clamp<std::int64_t>(
        enough_blocks / tiles, 1, std::max<std::int64_t>(depth / shortest_slice, 1));
    length = static_cast<int>(std::max<std::int64_t>(divide_up(divide_up(depth, wanted), step), 1) *
                              step);
    count = static_cast<int>(std::max<std::int64_t>(divide_up(depth, length), 1));
  }
};

inline constexpr int merge_threads = 256;

/// c = epilogue(Σ over the slices, in their order).
template <class T>
__global__ void __launch_bounds__(merge_threads)
    merge_kernel(const Wide<T>* partial, int slices, std::int64_t size, int columns,
                 const Epilogue<T> epilogue, T* c) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * merge_threads + threadIdx.x;
  if (i >= size) return;
  Wide<T> sum = partial[i];
  for (int s = 1; s < slices; ++s) sum += partial[s * size + i];
  c[i] = static_cast<T>(epilogue(sum, i % columns));
}

/// Makes `batch` results `out`, one after the other: calls `multiply(null)` for a kernel that
/// writes them, or, where there are slices, `multiply(sums)` for one that writes each slice's sums,
/// which are merged then.
template <class T, class Multiply>
void with_slices(Exec& exec, const Slices& slices, const Output<T>& out, int batch,
                 Multiply&& multiply) {
  Wide<T>* const no_sums = nullptr;
  if (slices.count == 1) return multiply(no_sums);
  const std::int64_t size = static_cast<std::int64_t>(out.rows) * out.columns * batch;
  auto* const sums = exec.workspace.allocate_array<Wide<T>>(slices.count * size);
  multiply(sums);
  simt::launch(exec.stream, merge_kernel<T>,
               dim3(static_cast<unsigned>(divide_up(size, merge_threads))), merge_threads, 0, sums,
               slices.count, size, out.columns, out.epilogue, out.data);
}

}  // namespace duet::device_gemm
