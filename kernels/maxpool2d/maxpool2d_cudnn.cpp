#include "kernels/cuda/cudnn.h"
#include "kernels/maxpool2d/maxpool2d.h"

namespace duet {
namespace {

using cudnn::Descriptor;
using cudnn::Plan;
using cudnn::Tensor;

enum Direction : std::int64_t { forward, backward };
enum Id : std::int64_t { id_x, id_y, id_tap };

/// Not destroyed: at the end of a process cuDNN may be gone before them.
cudnn::PlanCache& plans() {
  static auto& cache = *new cudnn::PlanCache;
  return cache;
}

Descriptor window(const MaxPool2dParams& p) {
  const cudnnResampleMode_t mode = CUDNN_RESAMPLE_MAXPOOL;
  const cudnnNanPropagation_t nan = CUDNN_PROPAGATE_NAN;
  const cudnnPaddingMode_t padding = CUDNN_NEG_INF_PAD;
  Descriptor d(CUDNN_BACKEND_RESAMPLE_DESCRIPTOR);
  d.set(CUDNN_ATTR_RESAMPLE_MODE, CUDNN_TYPE_RESAMPLE_MODE, 1, &mode);
  d.set(CUDNN_ATTR_RESAMPLE_COMP_TYPE, CUDNN_DATA_FLOAT);
  d.set(CUDNN_ATTR_RESAMPLE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, 1, &nan);
  d.set(CUDNN_ATTR_RESAMPLE_PADDING_MODE, CUDNN_TYPE_PADDING_MODE, 1, &padding);
  d.set(CUDNN_ATTR_RESAMPLE_SPATIAL_DIMS, 2);
  d.set(CUDNN_ATTR_RESAMPLE_WINDOW_DIMS, {p.kernel, p.kernel});
  d.set(CUDNN_ATTR_RESAMPLE_STRIDES, {p.stride, p.stride});
  d.set(CUDNN_ATTR_RESAMPLE_PRE_PADDINGS, {0, 0});
  // What lies beyond the last window is left out.
  d.set(CUDNN_ATTR_RESAMPLE_POST_PADDINGS, {0, 0});
  d.finalize();
  return d;
}

/// cuDNN's index of a maximum is the tap: its place in the window, row by row, the first if there
/// are several.
Plan make_plan(Direction direction, const MaxPool2dParams& p) {
  const Tensor x{id_x, CUDNN_DATA_FLOAT, {p.n, p.channels, p.h, p.w}};
  const Tensor y{id_y, CUDNN_DATA_FLOAT, {p.n, p.channels, p.out_h(), p.out_w()}};
  const Tensor tap{id_tap, CUDNN_DATA_INT8, y.extents};
  std::vector<Descriptor> operations;
  if (direction == forward) {
    Descriptor& d = operations.emplace_back(CUDNN_BACKEND_OPERATION_RESAMPLE_FWD_DESCRIPTOR);
    d.set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_DESC, window(p));
    d.set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_XDESC, describe(x));
    d.set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_YDESC, describe(y));
    d.set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_IDXDESC, describe(tap));
  } else {
    Descriptor& d = operations.emplace_back(CUDNN_BACKEND_OPERATION_RESAMPLE_BWD_DESCRIPTOR);
    d.set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_DESC, window(p));
    d.set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_DXDESC, describe(x));
    d.set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_DYDESC, describe(y));
    d.set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_IDXDESC, describe(tap));
  }
  operations.back().finalize();
  return Plan(operations);
}

std::shared_ptr<const Plan> plan(Direction direction, const MaxPool2dParams& p) {
  return plans().get({direction, p.n, p.h, p.w, p.channels, p.kernel, p.stride},
                     [&] { return make_plan(direction, p); });
}

}  // namespace

extern const MaxPool2dRow maxpool2d_cudnn = {
    {"cudnn", RowKind::library, DeviceType::cuda},
    [](const MaxPool2dParams& p, DType dtype) {
      if (dtype != DType::f32) return only(DType::f32, dtype);
      if (p.kernel * p.kernel > 128) return Support::no("an index has 7 bits");
      return cudnn::PlanCache::support([&] {
        for (const Direction direction : {forward, backward}) plan(direction, p);
      });
    },
    [](Exec& exec, const MaxPool2dParams& p, ConstView x, View y, View tap) {
      plan(forward, p)->run(exec, {{id_x, x.data}, {id_y, y.data}, {id_tap, tap.data}});
    },
    [](Exec& exec, const MaxPool2dParams& p, ConstView tap, ConstView grad_y, View grad_x) {
      plan(backward, p)->run(exec, {{id_x, grad_x.data}, {id_y, grad_y.data}, {id_tap, tap.data}});
    },
};

}  // namespace duet
