#include "kernels/relu/relu.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

struct Rectify {
  template <class T>
  __device__ T operator()(T x) const {
    return rectified(x);
  }
};

struct PassWherePositive {
  template <class T>
  __device__ T operator()(T y, T grad_y) const {
    return y > 0 ? grad_y : T(0);
  }
};

}  // namespace

extern const ReluRow relu_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    [](const ReluParams&, DType dtype) { return any_real(dtype); },
    [](Exec& exec, const ReluParams& p, ConstView x, View y) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::map(exec.stream, p.count, Rectify(), y.as<T>(), x.as<T>());
      });
    },
    [](Exec& exec, const ReluParams& p, ConstView y, ConstView grad_y, View grad_x) {
      dispatch_real(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::map(exec.stream, p.count, PassWherePositive(), grad_x.as<T>(), y.as<T>(),
                  grad_y.as<T>());
      });
    },
};

}  // namespace duet
