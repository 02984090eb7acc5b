#include "kernels/cuda/cudnn.h"
#include "kernels/softmax/softmax.h"

// cuDNN's graph interface has no softmax by itself; the function that this calls is not deprecated.

namespace duet {

extern const SoftmaxRow softmax_cudnn = {
    {"cudnn", RowKind::library, DeviceType::cuda},
    [](const SoftmaxParams& p, DType dtype) {
      if (p.rows < 1 || p.rows > cudnn::most_extent || p.classes > cudnn::most_extent)
        return Support::no("takes 1 … 2^31 - 1 rows and classes");
      return any_floating(dtype);
    },
    [](Exec& exec, const SoftmaxParams& p, ConstView x, View y) {
      const cudnn::ImageDescriptor rows(x.dtype, {p.rows, p.classes, 1, 1});
      const cudnn::Factor one(x.dtype, 1), zero(x.dtype, 0);
      cudnn::check(cudnnSoftmaxForward(cudnn::handle(exec.stream), CUDNN_SOFTMAX_ACCURATE,
                                       CUDNN_SOFTMAX_MODE_INSTANCE, one.address(), rows, x.data,
                                       zero.address(), rows, y.data),
                   "softmax");
    },
    [](Exec& exec, const SoftmaxParams& p, ConstView y, ConstView grad_y, View grad_x) {
      const cudnn::ImageDescriptor rows(y.dtype, {p.rows, p.classes, 1, 1});
      const cudnn::Factor one(y.dtype, 1), zero(y.dtype, 0);
      cudnn::check(cudnnSoftmaxBackward(cudnn::handle(exec.stream), CUDNN_SOFTMAX_ACCURATE,
                                        CUDNN_SOFTMAX_MODE_INSTANCE, one.address(), rows, y.data,
                                        rows, grad_y.data, zero.address(), rows, grad_x.data),
                   "softmax's gradient");
    },
};

}  // namespace duet
