#include "kernels/base/onednn.h"

#if DUET_HAVE_ONEDNN

#include "kernels/conv2d/conv2d.h"
#include "kernels/relu/relu.h"

namespace duet {

extern const ReluRow relu_cpu;

namespace {

using onednn::Desc;
using onednn::Plan;
using onednn::Tag;

enum Direction : std::int64_t { forward, forward_biased, backward_data, backward_weights };

onednn::PlanCache<12>& plans() {
  static onednn::PlanCache<12> cache;
  return cache;
}

/// The operands in one layout each, and the numbers every direction needs. oneDNN names dimensions
/// in the order (N, C, H, W) and (O, I, kH, kW), whatever the layout.
struct Problem {
  explicit Problem(const Conv2dParams& c)
      : x_dims{c.n, c.in_channels, c.h, c.w},
        weight_dims{c.out_channels, c.in_channels, c.kernel_h, c.kernel_w},
        bias_dims{c.out_channels},
        y_dims{c.n, c.out_channels, c.out_h(), c.out_w()},
        strides{c.stride_h, c.stride_w},
        pad_before{c.pad_h, c.pad_w},
        // What the output needs at the far side: less than pad where the stride leaves a rest.
        pad_after{(c.out_h() - 1) * c.stride_h + c.kernel_h - c.h - c.pad_h,
                  (c.out_w() - 1) * c.stride_w + c.kernel_w - c.w - c.pad_w} {}

  dnnl::memory::dims x_dims, weight_dims, bias_dims, y_dims, strides, pad_before, pad_after;

  Desc x(Tag tag) const { return onednn::describe(x_dims, tag); }
  Desc weight(Tag tag) const { return onednn::describe(weight_dims, tag); }
  Desc bias() const { return onednn::describe(bias_dims, Tag::a); }
  Desc y(Tag tag) const { return onednn::describe(y_dims, tag); }

  template <class Primitive, class... Operands>
  auto forward(const Operands&... operands) const {
    return onednn::implementation<Primitive>(dnnl::prop_kind::forward_training,
                                             dnnl::algorithm::convolution_direct, operands...,
                                             strides, pad_before, pad_after);
  }
  template <class Primitive, class Hint, class... Operands>
  auto backward(const Hint& hint, const Operands&... operands) const {
    return onednn::backward_implementation<Primitive>(hint, dnnl::algorithm::convolution_direct,
                                                      operands..., strides, pad_before, pad_after);
  }
};

/// The layout of the images inside. oneDNN's blocked layouts, which it chooses for Tag::any, are up
/// to 1.5 times faster than its NHWC code, reorders included; with few input channels they would be
/// mostly padding, and NHWC wins.
Tag layout(const Conv2dParams& c) { return c.in_channels < 32 ? Tag::nhwc : Tag::any; }

Plan make_plan(Direction direction, const Conv2dParams& c) {
  const Problem p(c);
  const Desc x = p.x(Tag::nhwc), weight = p.weight(Tag::ohwi), y = p.y(Tag::nhwc);
  const Desc any_x = p.x(layout(c)), any_weight = p.weight(Tag::any), any_y = p.y(layout(c));
  using Forward = dnnl::convolution_forward;
  const auto hint = [&] { return p.forward<Forward>(any_x, any_weight, any_y); };
  switch (direction) {
    case forward: {
      const auto made = hint();
      return {Forward(made),
              made.scratchpad_desc(),
              {{DNNL_ARG_SRC, x, made.src_desc()},
               {DNNL_ARG_WEIGHTS, weight, made.weights_desc()},
               {DNNL_ARG_DST, y, made.dst_desc()}}};
    }
    case forward_biased: {
      const auto made = p.forward<Forward>(any_x, any_weight, p.bias(), any_y);
      return {Forward(made),
              made.scratchpad_desc(),
              {{DNNL_ARG_SRC, x, made.src_desc()},
               {DNNL_ARG_WEIGHTS, weight, made.weights_desc()},
               {DNNL_ARG_BIAS, p.bias(), p.bias()},
               {DNNL_ARG_DST, y, made.dst_desc()}}};
    }
    case backward_data: {
      using Backward = dnnl::convolution_backward_data;
      const auto made = p.backward<Backward>(hint(), any_x, any_weight, any_y);
      return {Backward(made),
              made.scratchpad_desc(),
              {{DNNL_ARG_DIFF_DST, y, made.diff_dst_desc()},
               {DNNL_ARG_WEIGHTS, weight, made.weights_desc()},
               {DNNL_ARG_DIFF_SRC, x, made.diff_src_desc()}}};
    }
    case backward_weights: {
      using Backward = dnnl::convolution_backward_weights;
      const auto made = p.backward<Backward>(hint(), any_x, any_weight, any_y);
      return {Backward(made),
              made.scratchpad_desc(),
              {{DNNL_ARG_SRC, x, made.src_desc()},
               {DNNL_ARG_DIFF_DST, y, made.diff_dst_desc()},
               {DNNL_ARG_DIFF_WEIGHTS, weight, made.diff_weights_desc()}}};
    }
  }
  fail("[conv2d] no direction {}", static_cast<int>(direction));
}

std::shared_ptr<const Plan> plan(Direction direction, const Conv2dParams& c) {
  return plans().get({direction, c.n, c.h, c.w, c.in_channels, c.out_channels, c.kernel_h,
                      c.kernel_w, c.stride_h, c.stride_w, c.pad_h, c.pad_w},
                     [&] { return make_plan(direction, c); });
}

}  // namespace

extern const Conv2dRow conv2d_onednn = {
    {"onednn", RowKind::library, DeviceType::cpu},
    [](const Conv2dParams&, DType dtype) { return only(DType::f32, dtype); },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView weight, ConstView bias, View y) {
      if (bias)
        plan(forward_biased, c)->run(exec.workspace, {x.data, weight.data, bias.data, y.data});
      else
        plan(forward, c)->run(exec.workspace, {x.data, weight.data, y.data});
      // oneDNN's own, as a post-op, would make zeros of NaN.
      if (c.relu) relu_cpu.forward(exec, {y.numel()}, y, y);
    },
    [](Exec& exec, const Conv2dParams& c, ConstView grad_y, ConstView weight, View grad_x) {
      plan(backward_data, c)->run(exec.workspace, {grad_y.data, weight.data, grad_x.data});
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView grad_y, View grad_weight) {
      plan(backward_weights, c)->run(exec.workspace, {x.data, grad_y.data, grad_weight.data});
    },
};

}  // namespace duet

#endif
