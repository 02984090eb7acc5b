#include "kernels/simt/simt.h"
#include "kernels/unary/unary_functions.h"

namespace duet {
namespace {

struct Value {
  UnaryParams params;

  template <class T>
  __device__ T operator()(T x) const {
    return unary::value(params, x);
  }
};

struct Gradient {
  UnaryParams params;

  template <class T>
  __device__ T operator()(T x, T y, T grad_y) const {
    return grad_y * unary::derivative(params, x, y);
  }
};

}  // namespace

extern const UnaryRow unary_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    [](const UnaryParams&, DType dtype) { return any_real(dtype); },
    [](Exec& exec, const UnaryParams& p, ConstView x, View y) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::map(exec.stream, p.count, Value{p}, y.as<T>(), x.as<T>());
      });
    },
    [](Exec& exec, const UnaryParams& p, ConstView x, ConstView y, ConstView grad_y, View grad_x) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::map(exec.stream, p.count, Gradient{p}, grad_x.as<T>(), x.as<T>(), y.as<T>(),
                  grad_y.as<T>());
      });
    },
};

}  // namespace duet
