#include "kernels/relu/relu.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

constexpr int block_threads = 256;

template <class T>
__global__ void forward(std::int64_t count, const T* x, T* y) {
  const std::int64_t i = blockIdx.x * std::int64_t{block_threads} + threadIdx.x;
  if (i < count) y[i] = x[i] < 0 ? T(0) : x[i];
}

template <class T>
__global__ void backward(std::int64_t count, const T* y, const T* grad_y, T* grad_x) {
  const std::int64_t i = blockIdx.x * std::int64_t{block_threads} + threadIdx.x;
  if (i < count) grad_x[i] = y[i] > 0 ? grad_y[i] : T(0);
}

dim3 grid(std::int64_t count) {
  return dim3(static_cast<unsigned>((count + block_threads - 1) / block_threads));
}

}  // namespace

extern const ReluRow relu_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    [](const ReluParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const ReluParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch(exec.stream, forward<T>, grid(p.count), block_threads, 0, p.count, x.as<T>(),
                     y.as<T>());
      });
    },
    [](Exec& exec, const ReluParams& p, ConstView y, ConstView grad_y, View grad_x) {
      dispatch_floating(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch(exec.stream, backward<T>, grid(p.count), block_threads, 0, p.count,
                     y.as<T>(), grad_y.as<T>(), grad_x.as<T>());
      });
    },
};

}  // namespace duet
