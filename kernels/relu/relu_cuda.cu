#include "kernels/relu/relu.h"
#include "kernels/simt/packet.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

template <class T>
__global__ void forward(std::int64_t count, const T* x, T* y) {
  const std::int64_t i = simt::first_element();
  auto value = simt::load<4>(x, i, count);
#pragma unroll
  for (T& v : value.at) v = v < 0 ? T(0) : v;
  simt::store<4>(y, i, count, value);
}

template <class T>
__global__ void backward(std::int64_t count, const T* y, const T* grad_y, T* grad_x) {
  const std::int64_t i = simt::first_element();
  const auto out = simt::load<4>(y, i, count);
  auto g = simt::load<4>(grad_y, i, count);
#pragma unroll
  for (int k = 0; k < 4; ++k) g.at[k] = out.at[k] > 0 ? g.at[k] : T(0);
  simt::store<4>(grad_x, i, count, g);
}

}  // namespace

extern const ReluRow relu_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    [](const ReluParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const ReluParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch_elementwise(exec.stream, forward<T>, p.count, p.count, x.as<T>(), y.as<T>());
      });
    },
    [](Exec& exec, const ReluParams& p, ConstView y, ConstView grad_y, View grad_x) {
      dispatch_floating(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch_elementwise(exec.stream, backward<T>, p.count, p.count, y.as<T>(),
                                 grad_y.as<T>(), grad_x.as<T>());
      });
    },
};

}  // namespace duet
