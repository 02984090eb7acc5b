// 3×3 convolution, stride 1, padding 1, in all three directions by Winograd's F(4×4, 3×3)
// (winograd.h has the algebra and the error bound): images are cut into tiles of 4 × 4 outputs and
// transformed, 36 matrix products do the work of 144, and the results are transformed back.
// backward_data is the forward direction with the kernel turned by 180° and its channels exchanged.
//
// Transformed arrays lie as (product, tile, channel) and (product, out channel, in channel). Tiles
// are worked through in rounds, so that what lies between the steps stays small.

#include "kernels/conv2d/conv2d_cuda.h"
#include "kernels/conv2d/winograd.h"
#include "kernels/gemm/block_gemm.h"

namespace duet {
namespace {

using block_gemm::Batch;
using block_gemm::Epilogue;
using block_gemm::MatrixByDepth;
using block_gemm::MatrixByRows;
using winograd::outputs;
using winograd::points;
using winograd::products;
using winograd::taps;

constexpr int block_threads = 128;
/// Tiles that are transformed and multiplied at once: as many as make the 36 products of 64 or 128
/// channels one full wave of blocks on an H100's 132 multiprocessors (504 of 528, 252 of 264).
constexpr int round_tiles = 896;

/// Images (n, h, w, channels), cut into tiles that may reach over the lower and right edge.
struct Tiling {
  int n, h, w;
  __host__ __device__ int rows() const { return (h + outputs - 1) / outputs; }
  __host__ __device__ int cols() const { return (w + outputs - 1) / outputs; }
  __host__ __device__ int count() const { return n * rows() * cols(); }
};

/// A thread's tile and channel, of `tiles` × `channels`.
struct Item {
  int tile, channel;
  bool valid;
  __device__ Item(int tiles, int channels) {
    const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
    tile = static_cast<int>(i / channels);
    channel = static_cast<int>(i % channels);
    valid = tile < tiles;
  }
};

dim3 grid(std::int64_t items, std::int64_t channels) {
  return dim3(static_cast<unsigned>(block_gemm::divide_up(items * channels, block_threads)));
}

/// A transform of the columns, then of the rows.
template <class T, int In, int Out, void (*transform)(const T*, T*)>
__device__ __forceinline__ void in_both_directions(const T (&from)[In][In], T (&to)[Out][Out]) {
  T half[In][Out];  // [column][row]
#pragma unroll
  for (int j = 0; j < In; ++j) {
    T column[In];
#pragma unroll
    for (int i = 0; i < In; ++i) column[i] = from[i][j];
    transform(column, half[j]);
  }
#pragma unroll
  for (int i = 0; i < Out; ++i) {
    T row[In];
#pragma unroll
    for (int j = 0; j < In; ++j) row[j] = half[j][i];
    transform(row, to[i]);
  }
}

/// Tiles of Side × Side pixels, the first at `offset` from the tile's output, into `to` (36, tiles,
/// channels). What lies outside the image is zero.
template <class T, int Side, int offset, void (*transform)(const T*, T*)>
__global__ void __launch_bounds__(block_threads)
    transform_images(const T* images, const Tiling tiling, int channels, int first_tile, int tiles,
                     T* to) {
  const Item item(tiles, channels);
  if (!item.valid) return;
  const int tile = first_tile + item.tile;
  const int x0 = tile % tiling.cols() * outputs + offset;
  const int y0 = tile / tiling.cols() % tiling.rows() * outputs + offset;
  const int n = tile / tiling.cols() / tiling.rows();
  const T* image =
      images + static_cast<std::int64_t>(n) * tiling.h * tiling.w * channels + item.channel;
  T pixels[Side][Side], transformed[points][points];
#pragma unroll
  for (int i = 0; i < Side; ++i)
#pragma unroll
    for (int j = 0; j < Side; ++j) {
      const int y = y0 + i, x = x0 + j;
      const bool inside = y >= 0 && y < tiling.h && x >= 0 && x < tiling.w;
      pixels[i][j] = inside ? image[(y * tiling.w + x) * channels] : T(0);
    }
  in_both_directions<T, Side, points, transform>(pixels, transformed);
  const std::int64_t plane = static_cast<std::int64_t>(tiles) * channels;
  T* place = to + static_cast<std::int64_t>(item.tile) * channels + item.channel;
#pragma unroll
  for (int i = 0; i < points; ++i)
#pragma unroll
    for (int j = 0; j < points; ++j) place[(i * points + j) * plane] = transformed[i][j];
}

/// weight (O, 3, 3, I), turned by 180° if asked, into `to` (36, O, I).
template <class T>
__global__ void __launch_bounds__(block_threads)
    transform_weights(const T* weight, int out_channels, int in_channels, bool turned, T* to) {
  const Item item(out_channels, in_channels);
  if (!item.valid) return;
  T kernel[taps][taps], transformed[points][points];
#pragma unroll
  for (int i = 0; i < taps; ++i)
#pragma unroll
    for (int j = 0; j < taps; ++j) {
      const int tap = turned ? 8 - (i * taps + j) : i * taps + j;
      kernel[i][j] = weight[(item.tile * 9 + tap) * in_channels + item.channel];
    }
  in_both_directions<T, taps, points, winograd::transform_weights<T>>(kernel, transformed);
  const std::int64_t plane = static_cast<std::int64_t>(out_channels) * in_channels;
  T* place = to + static_cast<std::int64_t>(item.tile) * in_channels + item.channel;
#pragma unroll
  for (int i = 0; i < points; ++i)
#pragma unroll
    for (int j = 0; j < points; ++j) place[(i * points + j) * plane] = transformed[i][j];
}

/// The products (36, tiles, channels) back into images, by way of the epilogue.
template <class T>
__global__ void __launch_bounds__(block_threads)
    transform_outputs(const T* from, const Epilogue<T> epilogue, const Tiling tiling, int channels,
                      int first_tile, int tiles, T* images) {
  const Item item(tiles, channels);
  if (!item.valid) return;
  T transformed[points][points], pixels[outputs][outputs];
  const std::int64_t plane = static_cast<std::int64_t>(tiles) * channels;
  const T* place = from + static_cast<std::int64_t>(item.tile) * channels + item.channel;
#pragma unroll
  for (int i = 0; i < points; ++i)
#pragma unroll
    for (int j = 0; j < points; ++j) transformed[i][j] = place[(i * points + j) * plane];
  in_both_directions<T, points, outputs, winograd::transform_output<T>>(transformed, pixels);
  const int tile = first_tile + item.tile;
  const int x0 = tile % tiling.cols() * outputs;
  const int y0 = tile / tiling.cols() % tiling.rows() * outputs;
  const int n = tile / tiling.cols() / tiling.rows();
  T* image = images + static_cast<std::int64_t>(n) * tiling.h * tiling.w * channels + item.channel;
#pragma unroll
  for (int i = 0; i < outputs; ++i)
#pragma unroll
    for (int j = 0; j < outputs; ++j)
      if (y0 + i < tiling.h && x0 + j < tiling.w)
        image[((y0 + i) * tiling.w + x0 + j) * channels] = epilogue(pixels[i][j], item.channel);
}

/// The sums of `rounds` rounds, (36, O, I) each, into the gradient (O, 3, 3, I).
template <class T>
__global__ void __launch_bounds__(block_threads)
    transform_sums(const T* sums, int rounds, int out_channels, int in_channels, T* grad_weight) {
  const Item item(out_channels, in_channels);
  if (!item.valid) return;
  T transformed[points][points] = {}, gradient[taps][taps];
  const std::int64_t plane = static_cast<std::int64_t>(out_channels) * in_channels;
  const T* place = sums + static_cast<std::int64_t>(item.tile) * in_channels + item.channel;
  // 36 loads on their way at once.
  for (int r = 0; r < rounds; ++r, place += products * plane)
#pragma unroll
    for (int i = 0; i < points; ++i)
#pragma unroll
      for (int j = 0; j < points; ++j) transformed[i][j] += place[(i * points + j) * plane];
  in_both_directions<T, points, taps, winograd::transform_weight_gradient<T>>(transformed,
                                                                              gradient);
#pragma unroll
  for (int i = 0; i < taps; ++i)
#pragma unroll
    for (int j = 0; j < taps; ++j)
      grad_weight[(item.tile * 9 + i * taps + j) * in_channels + item.channel] = gradient[i][j];
}

template <class T>
void transform_inputs(Exec& exec, const T* x, const Tiling& tiling, int channels, int first,
                      int tiles, T* to) {
  simt::launch(exec.stream, transform_images<T, points, -1, winograd::transform_input<T>>,
               grid(tiles, channels), block_threads, 0, x, tiling, channels, first, tiles, to);
}

/// Forward, and backward_data with the images' and results' channels exchanged.
/// `operand(width, data)` is the transformed weights as the columns of the products.
template <class T, class MakeOperand>
void convolve(Exec& exec, const Conv2dGeometry& g, const T* images, int channels, const T* weight,
              bool turned, MakeOperand&& operand, const Epilogue<T>& epilogue, int results, T* y) {
  const Tiling tiling{g.n, g.h, g.w};
  const std::int64_t weights = static_cast<std::int64_t>(g.out_channels) * g.in_channels;
  const int most = std::min(round_tiles, tiling.count());
  T* u = exec.workspace.allocate_array<T>(products * weights);
  T* v = exec.workspace.allocate_array<T>(std::int64_t{products} * most * channels);
  T* m = exec.workspace.allocate_array<T>(std::int64_t{products} * most * results);
  simt::launch(exec.stream, transform_weights<T>, grid(g.out_channels, g.in_channels),
               block_threads, 0, weight, g.out_channels, g.in_channels, turned, u);
  const bool full =
      channels % block_gemm::full_width<T> == 0 && g.in_channels % block_gemm::full_width<T> == 0;
  for (int first = 0; first < tiling.count(); first += round_tiles) {
    const int tiles = std::min(round_tiles, tiling.count() - first);
    transform_inputs(exec, images, tiling, channels, first, tiles, v);
    block_gemm::with_width<T>(full, [&](auto width) {
      const MatrixByRows<T, width> a{v, tiles, channels};
      const auto b = operand(width, u);
      block_gemm::multiply<T>(
          exec, Batch<MatrixByRows<T, width>>{a, static_cast<std::int64_t>(tiles) * channels},
          Batch<std::remove_const_t<decltype(b)>>{b, weights}, {}, m, tiles, results, channels,
          products);
    });
    simt::launch(exec.stream, transform_outputs<T>, grid(tiles, results), block_threads, 0, m,
                 epilogue, tiling, results, first, tiles, y);
  }
}

template <class T>
void forward(Exec& exec, const Conv2dGeometry& g, const T* x, const T* weight,
             const Epilogue<T>& epilogue, T* y) {
  convolve<T>(
      exec, g, x, g.in_channels, weight, false,
      [&](auto width, const T* u) {
        return MatrixByRows<T, width>{u, g.out_channels, g.in_channels};
      },
      epilogue, g.out_channels, y);
}

template <class T>
void backward_data(Exec& exec, const Conv2dGeometry& g, const T* grad_y, const T* weight,
                   T* grad_x) {
  convolve<T>(
      exec, g, grad_y, g.out_channels, weight, true,
      [&](auto width, const T* u) {
        return MatrixByDepth<T, width>{u, g.in_channels, g.out_channels};
      },
      {}, g.in_channels, grad_x);
}

template <class T>
void backward_weights(Exec& exec, const Conv2dGeometry& g, const T* x, const T* grad_y,
                      T* grad_weight) {
  const Tiling tiling{g.n, g.h, g.w};
  const int rounds = (tiling.count() + round_tiles - 1) / round_tiles;
  const int most = std::min(round_tiles, tiling.count());
  const std::int64_t size = std::int64_t{products} * g.out_channels * g.in_channels;
  T* v = exec.workspace.allocate_array<T>(std::int64_t{products} * most * g.in_channels);
  T* z = exec.workspace.allocate_array<T>(std::int64_t{products} * most * g.out_channels);
  T* sums = exec.workspace.allocate_array<T>(rounds * size);
  const bool full = g.in_channels % block_gemm::full_width<T> == 0 &&
                    g.out_channels % block_gemm::full_width<T> == 0;
  for (int r = 0; r < rounds; ++r) {
    const int first = r * round_tiles, tiles = std::min(round_tiles, tiling.count() - first);
    transform_inputs(exec, x, tiling, g.in_channels, first, tiles, v);
    simt::launch(exec.stream, transform_images<T, outputs, 0, winograd::transform_gradient<T>>,
                 grid(tiles, g.out_channels), block_threads, 0, grad_y, tiling, g.out_channels,
                 first, tiles, z);
    block_gemm::with_width<T>(full, [&](auto width) {
      using Operand = MatrixByDepth<T, width>;
      block_gemm::multiply<T>(exec,
                              Batch<Operand>{{z, g.out_channels, tiles},
                                             static_cast<std::int64_t>(tiles) * g.out_channels},
                              Batch<Operand>{{v, g.in_channels, tiles},
                                             static_cast<std::int64_t>(tiles) * g.in_channels},
                              {}, sums + r * size, g.out_channels, g.in_channels, tiles, products);
    });
  }
  simt::launch(exec.stream, transform_sums<T>, grid(g.out_channels, g.in_channels), block_threads,
               0, sums, rounds, g.out_channels, g.in_channels, grad_weight);
}

Support supports(const Conv2dParams& c, DType dtype) {
  if (const Support floating = any_floating(dtype); !floating) return floating;
  if (const Support fits = fits_in_32_bits(c); !fits) return fits;
  if (c.kernel_h != 3 || c.kernel_w != 3 || c.stride_h != 1 || c.stride_w != 1 || c.pad_h != 1 ||
      c.pad_w != 1)
    return Support::no("takes 3x3 kernels with stride 1 and pad 1 only");
  // A product with fewer channels costs less than its operands' transforms.
  if (std::min(c.in_channels, c.out_channels) < 16)
    return Support::no("does not pay with fewer than 16 channels");
  const Tiling tiling{static_cast<int>(c.n), static_cast<int>(c.h), static_cast<int>(c.w)};
  if (std::int64_t{tiling.count()} * outputs * outputs > 2 * c.n * c.h * c.w)
    return Support::no("does not pay where tiles of 4x4 cover more than twice the image");
  return Support::yes();
}

}  // namespace

extern const Conv2dRow conv2d_cuda_winograd = {
    {SIMT_ROW("winograd"), RowKind::handwritten, simt::device_type, winograd::error_factor},
    supports,
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(exec, Conv2dGeometry(c), x.as<T>(), weight.as<T>(), {bias.as<T>(), c.relu},
                   y.as<T>());
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView grad_y, ConstView weight, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_data<T>(exec, Conv2dGeometry(c), grad_y.as<T>(), weight.as<T>(), grad_x.as<T>());
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView grad_y, View grad_weight) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_weights<T>(exec, Conv2dGeometry(c), x.as<T>(), grad_y.as<T>(),
                            grad_weight.as<T>());
      });
    },
};

}  // namespace duet
