#pragma once
/// Convolution as a matrix product one of whose operands, the patches of the image under each
/// output pixel, is never stored: its elements are looked up in the image when a tile is loaded.
///
///   direction          rows           columns         depth
///   forward            output pixels  out channels    (r, s, in channel)
///   backward_data      input pixels   in channels     (r, s, out channel)
///   backward_weights   out channels   (r, s, in ch.)  output pixels

#include "kernels/conv2d/conv2d_cuda.h"
#include "kernels/gemm/operand.h"

namespace duet::implicit_gemm {

using device_gemm::MatrixByDepth;
using device_gemm::MatrixByRows;
using device_gemm::takes_full_packs;
using device_gemm::with_width;

/// A coordinate that no tap brings into an image.
inline constexpr int outside = -(1 << 30);

/// A depth (r, s, channel) of forward and backward_data.
struct Tap {
  int r, s, channel;
  __device__ static Tap at(int k, int channels, int kernel_w) {
    return {k / channels / kernel_w, k / channels % kernel_w, k % channels};
  }
  __device__ void advance(int by, int channels, int kernel_w) {
    channel += by;
    while (channel >= channels) {
      channel -= channels;
      if (++s == kernel_w) {
        s = 0;
        ++r;
      }
    }
  }
};

/// Row: an output pixel. Depth: (r, s, i). The pixel of x that the tap reads there.
template <class T, int width_>
struct Patches {
  using Element = T;
  static constexpr int width = width_;
  static constexpr bool along_depth = true;
  const T* data;
  Conv2dGeometry g;

  struct Place {
    const T* image;
    int y, x;  // where tap (0, 0) falls
  };
  using Step = Tap;
  __device__ Place place(int row) const {
    const int q = row % g.out_w, p = row / g.out_w % g.out_h, n = row / g.out_w / g.out_h;
    return {data + static_cast<std::int64_t>(n) * g.h * g.w * g.in_channels,
            n < g.n ? p * g.stride_h - g.pad_h : outside, q * g.stride_w - g.pad_w};
  }
  __device__ Step start(int k) const { return Tap::at(k, g.in_channels, g.kernel_w); }
  __device__ void advance(Step& step, int by) const { step.advance(by, g.in_channels, g.kernel_w); }
  __device__ const T* find(const Place& at, const Step& tap) const {
    const int y = at.y + tap.r, x = at.x + tap.s;
    const bool inside = tap.r < g.kernel_h && y >= 0 && y < g.h && x >= 0 && x < g.w;
    return inside ? at.image + ((y * g.w + x) * g.in_channels + tap.channel) : nullptr;
  }
};

/// Row: an input pixel. Depth: (r, s, o). The pixel of grad_y whose tap (r, s) read the row's.
template <class T, int width_>
struct GradientPatches {
  using Element = T;
  static constexpr int width = width_;
  static constexpr bool along_depth = true;
  const T* data;
  Conv2dGeometry g;

  struct Place {
    const T* image;
    int y, x;  // with the padding
  };
  using Step = Tap;
  __device__ Place place(int row) const {
    const int x = row % g.w, y = row / g.w % g.h, n = row / g.w / g.h;
    return {data + static_cast<std::int64_t>(n) * g.out_h * g.out_w * g.out_channels,
            n < g.n ? y + g.pad_h : outside, x + g.pad_w};
  }
  __device__ Step start(int k) const { return Tap::at(k, g.out_channels, g.kernel_w); }
  __device__ void advance(Step& step, int by) const {
    step.advance(by, g.out_channels, g.kernel_w);
  }
  __device__ const T* find(const Place& at, const Step& tap) const {
    int p = at.y - tap.r, q = at.x - tap.s;
    bool read = tap.r < g.kernel_h && p >= 0 && q >= 0;
    if (g.stride_h > 1 || g.stride_w > 1) {
      read = read && p % g.stride_h == 0 && q % g.stride_w == 0;
      p /= g.stride_h;
      q /= g.stride_w;
    }
    read = read && p < g.out_h && q < g.out_w;
    return read ? at.image + ((p * g.out_w + q) * g.out_channels + tap.channel) : nullptr;
  }
};

/// Row: an input channel. Depth: (r, s, o). The weight between them.
template <class T, int width_>
struct WeightColumns {
  using Element = T;
  static constexpr int width = width_;
  static constexpr bool along_depth = false;
  const T* data;
  int taps, in_channels, out_channels;

  struct Place {
    int i;
  };
  struct Step {
    int tap, o;
  };
  __device__ Place place(int row) const { return {row}; }
  __device__ Step start(int k) const { return {k / out_channels, k % out_channels}; }
  __device__ void advance(Step& step, int by) const {
    step.o += by;
    while (step.o >= out_channels) {
      step.o -= out_channels;
      ++step.tap;
    }
  }
  __device__ const T* find(const Place& at, const Step& step) const {
    return step.tap < taps && at.i < in_channels
               ? data + ((step.o * taps + step.tap) * in_channels + at.i)
               : nullptr;
  }
};

/// Row: (r, s, i). Depth: an output pixel. The pixel of x that the tap reads there.
template <class T, int width_>
struct PatchColumns {
  using Element = T;
  static constexpr int width = width_;
  static constexpr bool along_depth = false;
  const T* data;
  Conv2dGeometry g;

  struct Place {
    int y, x, i;  // relative to the pixel that tap (pad_h, pad_w) reads
  };
  struct Step {
    int n, p, q;
  };
  __device__ Place place(int row) const {
    const Tap tap = Tap::at(row, g.in_channels, g.kernel_w);
    return {tap.r < g.kernel_h ? tap.r - g.pad_h : outside, tap.s - g.pad_w, tap.channel};
  }
  __device__ Step start(int k) const {
    return {k / g.out_w / g.out_h, k / g.out_w % g.out_h, k % g.out_w};
  }
  __device__ void advance(Step& step, int by) const {
    step.q += by;
    while (step.q >= g.out_w) {
      step.q -= g.out_w;
      if (++step.p == g.out_h) {
        step.p = 0;
        ++step.n;
      }
    }
  }
  __device__ const T* find(const Place& at, const Step& pixel) const {
    const int y = pixel.p * g.stride_h + at.y, x = pixel.q * g.stride_w + at.x;
    const bool inside = pixel.n < g.n && y >= 0 && y < g.h && x >= 0 && x < g.w;
    return inside
               ? data + (static_cast<std::int64_t>(pixel.n * g.h + y) * g.w + x) * g.in_channels +
                     at.i
               : nullptr;
  }
};

// The three directions. Each calls `multiply(A, B, c, rows, columns, depth)` once.

template <class T, class Multiply>
void forward(const Conv2dParams& c, const T* x, const T* weight, T* y, Multiply&& multiply) {
  const Conv2dGeometry g(c);
  const int depth = g.kernel_h * g.kernel_w * g.in_channels;
  const bool full = takes_full_packs(x, g.in_channels) && takes_full_packs(weight, g.in_channels);
  with_width<T>(full, [&](auto width) {
    multiply(Patches<T, width>{x, g}, MatrixByRows<T, width>{weight, g.out_channels, depth}, y,
             g.n * g.out_h * g.out_w, g.out_channels, depth);
  });
}

template <class T, class Multiply>
void backward_data(const Conv2dParams& c, const T* grad_y, const T* weight, T* grad_x,
                   Multiply&& multiply) {
  const Conv2dGeometry g(c);
  const int taps = g.kernel_h * g.kernel_w;
  const bool full =
      takes_full_packs(grad_y, g.out_channels) && takes_full_packs(weight, g.in_channels);
  with_width<T>(full, [&](auto width) {
    multiply(GradientPatches<T, width>{grad_y, g},
             WeightColumns<T, width>{weight, taps, g.in_channels, g.out_channels}, grad_x,
             g.n * g.h * g.w, g.in_channels, taps * g.out_channels);
  });
}

template <class T, class Multiply>
void backward_weights(const Conv2dParams& c, const T* x, const T* grad_y, T* grad_weight,
                      Multiply&& multiply) {
  const Conv2dGeometry g(c);
  const int pixels = g.n * g.out_h * g.out_w;
  const auto with = [&](auto grad_width, auto width) {
    multiply(MatrixByDepth<T, grad_width>{grad_y, g.out_channels, pixels},
             PatchColumns<T, width>{x, g}, grad_weight, g.out_channels,
             g.kernel_h * g.kernel_w * g.in_channels, pixels);
  };
  // An image has three channels, but the gradient of its convolution's result has many.
  const auto one = std::integral_constant<int, 1>();
  if (takes_full_packs(grad_y, g.out_channels))
    with_width<T>(takes_full_packs(x, g.in_channels), [&](auto width) {
      with(std::integral_constant<int, device_gemm::full_width<T>>(), width);
    });
  else
    with(one, one);
}

}  // namespace duet::implicit_gemm
