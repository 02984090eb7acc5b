// The definition of convolution, one thread an element of the result: what to read first, and what
// to compare the others with. It reads every input as often as the sums name it.

#include "kernels/conv2d/conv2d_cuda.h"
#include "kernels/relu/relu.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

constexpr int block_threads = 256;

__device__ std::int64_t global_thread() {
  return static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    forward(const Conv2dGeometry g, const T* x, const T* weight, const T* bias, bool relu, T* y) {
  const std::int64_t index = global_thread();  // of y (n, p, q, o)
  const int o = static_cast<int>(index % g.out_channels);
  const int pixel = static_cast<int>(index / g.out_channels);
  const int q = pixel % g.out_w, p = pixel / g.out_w % g.out_h, n = pixel / g.out_w / g.out_h;
  if (n >= g.n) return;
  T sum = 0;
  for (int r = 0; r < g.kernel_h; ++r)
    for (int s = 0; s < g.kernel_w; ++s) {
      const int iy = p * g.stride_h + r - g.pad_h, ix = q * g.stride_w + s - g.pad_w;
      if (iy < 0 || iy >= g.h || ix < 0 || ix >= g.w) continue;
      const T* in = x + (static_cast<std::int64_t>(n * g.h + iy) * g.w + ix) * g.in_channels;
      const T* w = weight + ((o * g.kernel_h + r) * g.kernel_w + s) * g.in_channels;
      for (int i = 0; i < g.in_channels; ++i) sum += in[i] * w[i];
    }
  if (bias) sum += bias[o];
  y[index] = relu ? rectified(sum) : sum;
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    backward_data(const Conv2dGeometry g, const T* grad_y, const T* weight, T* grad_x) {
  const std::int64_t index = global_thread();  // of x (n, iy, ix, i)
  const int i = static_cast<int>(index % g.in_channels);
  const int pixel = static_cast<int>(index / g.in_channels);
  const int ix = pixel % g.w, iy = pixel / g.w % g.h, n = pixel / g.w / g.h;
  if (n >= g.n) return;
  T sum = 0;
  for (int r = 0; r < g.kernel_h; ++r)
    for (int s = 0; s < g.kernel_w; ++s) {
      // The output (p, q) that read this pixel with tap (r, s), if there is one.
      const int y = iy + g.pad_h - r, x = ix + g.pad_w - s;
      if (y < 0 || x < 0 || y % g.stride_h != 0 || x % g.stride_w != 0) continue;
      const int p = y / g.stride_h, q = x / g.stride_w;
      if (p >= g.out_h || q >= g.out_w) continue;
      const T* in =
          grad_y + (static_cast<std::int64_t>(n * g.out_h + p) * g.out_w + q) * g.out_channels;
      const T* w = weight + (r * g.kernel_w + s) * g.in_channels + i;
      const int pitch = g.kernel_h * g.kernel_w * g.in_channels;
      for (int o = 0; o < g.out_channels; ++o) sum += in[o] * w[o * pitch];
    }
  grad_x[index] = sum;
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    backward_weights(const Conv2dGeometry g, const T* x, const T* grad_y, T* grad_weight) {
  const std::int64_t index = global_thread();  // of weight (o, r, s, i)
  const int i = static_cast<int>(index % g.in_channels);
  const int tap = static_cast<int>(index / g.in_channels);
  const int s = tap % g.kernel_w, r = tap / g.kernel_w % g.kernel_h;
  const int o = tap / g.kernel_w / g.kernel_h;
  if (o >= g.out_channels) return;
  T sum = 0;
  for (int n = 0; n < g.n; ++n)
    for (int p = 0; p < g.out_h; ++p) {
      const int iy = p * g.stride_h + r - g.pad_h;
      if (iy < 0 || iy >= g.h) continue;
      const T* in = x + static_cast<std::int64_t>(n * g.h + iy) * g.w * g.in_channels + i;
      const T* gy =
          grad_y + static_cast<std::int64_t>(n * g.out_h + p) * g.out_w * g.out_channels + o;
      T row = 0;  // a sum of its own for each row of pixels: less rounding error than one long sum
      for (int q = 0; q < g.out_w; ++q) {
        const int ix = q * g.stride_w + s - g.pad_w;
        if (ix >= 0 && ix < g.w) row += in[ix * g.in_channels] * gy[q * g.out_channels];
      }
      sum += row;
    }
  grad_weight[index] = sum;
}

dim3 grid(std::int64_t count) {
  return dim3(static_cast<unsigned>((count + block_threads - 1) / block_threads));
}

}  // namespace

extern const Conv2dRow conv2d_cuda_naive = {
    {SIMT_ROW("naive"), RowKind::handwritten, simt::device_type},
    [](const Conv2dParams& c, DType dtype) {
      const Support floating = any_floating(dtype);
      return floating ? fits_in_32_bits(c) : floating;
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch(exec.stream, forward<T>, grid(y.numel()), block_threads, 0, Conv2dGeometry(c),
                     x.as<T>(), weight.as<T>(), bias.as<T>(), c.relu, y.as<T>());
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView grad_y, ConstView weight, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch(exec.stream, backward_data<T>, grid(grad_x.numel()), block_threads, 0,
                     Conv2dGeometry(c), grad_y.as<T>(), weight.as<T>(), grad_x.as<T>());
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView grad_y, View grad_weight) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch(exec.stream, backward_weights<T>, grid(grad_weight.numel()), block_threads, 0,
                     Conv2dGeometry(c), x.as<T>(), grad_y.as<T>(), grad_weight.as<T>());
      });
    },
};

}  // namespace duet
