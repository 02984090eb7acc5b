#include "kernels/simt/packet.h"
#include "kernels/simt/simt.h"
#include "kernels/unary/unary_functions.h"

namespace duet {
namespace {

template <class T>
__global__ void forward(UnaryParams p, const T* x, T* y) {
  const std::int64_t i = simt::first_element();
  auto value = simt::load<4>(x, i, p.count);
#pragma unroll
  for (T& v : value.at) v = unary::value(p, v);
  simt::store<4>(y, i, p.count, value);
}

template <class T>
__global__ void backward(UnaryParams p, const T* x, const T* y, const T* grad_y, T* grad_x) {
  const std::int64_t i = simt::first_element();
  const auto in = simt::load<4>(x, i, p.count), out = simt::load<4>(y, i, p.count);
  auto g = simt::load<4>(grad_y, i, p.count);
#pragma unroll
  for (int k = 0; k < 4; ++k) g.at[k] *= unary::derivative(p, in.at[k], out.at[k]);
  simt::store<4>(grad_x, i, p.count, g);
}

}  // namespace

extern const UnaryRow unary_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    [](const UnaryParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const UnaryParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch_elementwise(exec.stream, forward<T>, p.count, p, x.as<T>(), y.as<T>());
      });
    },
    [](Exec& exec, const UnaryParams& p, ConstView x, ConstView y, ConstView grad_y, View grad_x) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch_elementwise(exec.stream, backward<T>, p.count, p, x.as<T>(), y.as<T>(),
                                 grad_y.as<T>(), grad_x.as<T>());
      });
    },
};

}  // namespace duet
