#include "kernels/base/parallel.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/relu/relu.h"

namespace duet {
namespace {

/// Calls `f(p, q, r, s, y, x)` for every output position of an image and every kernel tap that
/// falls inside the image at (y, x).
template <class F>
void for_each_tap(const Conv2dParams& c, F&& f) {
  for (std::int64_t p = 0; p < c.out_h(); ++p)
    for (std::int64_t q = 0; q < c.out_w(); ++q)
      for (std::int64_t r = 0; r < c.kernel_h; ++r)
        for (std::int64_t s = 0; s < c.kernel_w; ++s) {
          const std::int64_t y = p * c.stride_h + r - c.pad_h, x = q * c.stride_w + s - c.pad_w;
          if (y >= 0 && y < c.h && x >= 0 && x < c.w) f(p, q, r, s, y, x);
        }
}

template <class T>
void forward(const Conv2dParams& c, const T* x, const T* weight, const T* bias, T* y) {
  const std::int64_t ci = c.in_channels, co = c.out_channels;
  parallel_chunks(c.n, [&](std::int64_t n) {
    const T* image = x + n * c.h * c.w * ci;
    T* out = y + n * c.out_h() * c.out_w() * co;
    for (std::int64_t i = 0; i < c.out_h() * c.out_w() * co; ++i)
      out[i] = bias ? bias[i % co] : T(0);
    for_each_tap(c, [&](auto p, auto q, auto r, auto s, auto iy, auto ix) {
      const T* in = image + (iy * c.w + ix) * ci;
      for (std::int64_t o = 0; o < co; ++o) {
        const T* w = weight + ((o * c.kernel_h + r) * c.kernel_w + s) * ci;
        T sum = 0;
        for (std::int64_t i = 0; i < ci; ++i) sum += in[i] * w[i];
        out[(p * c.out_w() + q) * co + o] += sum;
      }
    });
    if (c.relu)
      for (std::int64_t i = 0; i < c.out_h() * c.out_w() * co; ++i) out[i] = rectified(out[i]);
  });
}

template <class T>
void backward_data(const Conv2dParams& c, const T* grad_y, const T* weight, T* grad_x) {
  const std::int64_t ci = c.in_channels, co = c.out_channels;
  parallel_chunks(c.n, [&](std::int64_t n) {
    const T* gy = grad_y + n * c.out_h() * c.out_w() * co;
    T* gx = grad_x + n * c.h * c.w * ci;
    std::fill(gx, gx + c.h * c.w * ci, T(0));
    for_each_tap(c, [&](auto p, auto q, auto r, auto s, auto iy, auto ix) {
      for (std::int64_t o = 0; o < co; ++o) {
        const T g = gy[(p * c.out_w() + q) * co + o];
        const T* w = weight + ((o * c.kernel_h + r) * c.kernel_w + s) * ci;
        for (std::int64_t i = 0; i < ci; ++i) gx[(iy * c.w + ix) * ci + i] += g * w[i];
      }
    });
  });
}

template <class T>
void backward_weights(const Conv2dParams& c, const T* x, const T* grad_y, T* grad_weight) {
  const std::int64_t ci = c.in_channels, co = c.out_channels, taps = c.kernel_h * c.kernel_w;
  parallel_chunks(co, [&](std::int64_t o) {
    T* gw = grad_weight + o * taps * ci;
    std::fill(gw, gw + taps * ci, T(0));
    for (std::int64_t n = 0; n < c.n; ++n)
      for_each_tap(c, [&](auto p, auto q, auto r, auto s, auto iy, auto ix) {
        const T g = grad_y[((n * c.out_h() + p) * c.out_w() + q) * co + o];
        const T* in = x + ((n * c.h + iy) * c.w + ix) * ci;
        for (std::int64_t i = 0; i < ci; ++i) gw[(r * c.kernel_w + s) * ci + i] += g * in[i];
      });
  });
}

}  // namespace

extern const Conv2dRow conv2d_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const Conv2dParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const Conv2dParams& c, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(c, x.as<T>(), weight.as<T>(), bias ? bias.as<T>() : nullptr, y.as<T>());
      });
    },
    [](Exec&, const Conv2dParams& c, ConstView grad_y, ConstView weight, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_data<T>(c, grad_y.as<T>(), weight.as<T>(), grad_x.as<T>());
      });
    },
    [](Exec&, const Conv2dParams& c, ConstView x, ConstView grad_y, View grad_weight) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_weights<T>(c, x.as<T>(), grad_y.as<T>(), grad_weight.as<T>());
      });
    },
};

}  // namespace duet
