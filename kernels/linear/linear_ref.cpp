#include "kernels/base/parallel.h"
#include "kernels/linear/linear.h"
#include "kernels/relu/relu.h"

namespace duet {
namespace {

template <class T>
void forward(const LinearParams& p, const T* x, const T* weight, const T* bias, T* y) {
  parallel_chunks(p.n, [&](std::int64_t n) {
    for (std::int64_t o = 0; o < p.out_features; ++o) {
      T sum = bias ? bias[o] : T(0);
      for (std::int64_t i = 0; i < p.in_features; ++i)
        sum += x[n * p.in_features + i] * weight[o * p.in_features + i];
      y[n * p.out_features + o] = p.relu ? rectified(sum) : sum;
    }
  });
}

template <class T>
void backward_data(const LinearParams& p, const T* grad_y, const T* weight, T* grad_x) {
  parallel_chunks(p.n, [&](std::int64_t n) {
    T* gx = grad_x + n * p.in_features;
    std::fill(gx, gx + p.in_features, T(0));
    for (std::int64_t o = 0; o < p.out_features; ++o)
      for (std::int64_t i = 0; i < p.in_features; ++i)
        gx[i] += grad_y[n * p.out_features + o] * weight[o * p.in_features + i];
  });
}

template <class T>
void backward_weights(const LinearParams& p, const T* x, const T* grad_y, T* grad_weight) {
  parallel_chunks(p.out_features, [&](std::int64_t o) {
    T* gw = grad_weight + o * p.in_features;
    std::fill(gw, gw + p.in_features, T(0));
    for (std::int64_t n = 0; n < p.n; ++n)
      for (std::int64_t i = 0; i < p.in_features; ++i)
        gw[i] += grad_y[n * p.out_features + o] * x[n * p.in_features + i];
  });
}

}  // namespace

extern const LinearRow linear_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const LinearParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const LinearParams& p, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(p, x.as<T>(), weight.as<T>(), bias ? bias.as<T>() : nullptr, y.as<T>());
      });
    },
    [](Exec&, const LinearParams& p, ConstView grad_y, ConstView weight, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_data<T>(p, grad_y.as<T>(), weight.as<T>(), grad_x.as<T>());
      });
    },
    [](Exec&, const LinearParams& p, ConstView x, ConstView grad_y, View grad_weight) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_weights<T>(p, x.as<T>(), grad_y.as<T>(), grad_weight.as<T>());
      });
    },
};

}  // namespace duet
