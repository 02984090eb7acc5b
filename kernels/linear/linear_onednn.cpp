#include "kernels/base/onednn.h"

#if DUET_HAVE_ONEDNN

#include "kernels/linear/linear.h"
#include "kernels/relu/relu.h"

namespace duet {

extern const ReluRow relu_cpu;

namespace {

using onednn::Desc;
using onednn::Plan;
using onednn::Tag;

enum Direction : std::int64_t { forward, forward_biased, backward_data, backward_weights };

onednn::PlanCache<4>& plans() {
  static onednn::PlanCache<4> cache;
  return cache;
}

/// A transposed operand is the same memory described with its dimensions exchanged (Tag::ba).
Plan make_plan(Direction direction, const LinearParams& p) {
  const auto product = [](const Desc& a, const Desc& b, const Desc& result) {
    const auto made = onednn::implementation<dnnl::matmul>(a, b, result);
    return Plan(dnnl::matmul(made), made.scratchpad_desc(),
                {{DNNL_ARG_SRC, a, a}, {DNNL_ARG_WEIGHTS, b, b}, {DNNL_ARG_DST, result, result}});
  };
  const Desc x = onednn::describe({p.n, p.in_features}, Tag::ab);
  const Desc y = onednn::describe({p.n, p.out_features}, Tag::ab);
  const Desc weight = onednn::describe({p.out_features, p.in_features}, Tag::ab);
  const Desc weight_transposed = onednn::describe({p.in_features, p.out_features}, Tag::ba);
  switch (direction) {
    case forward: return product(x, weight_transposed, y);
    case forward_biased: {
      const Desc bias = onednn::describe({1, p.out_features}, Tag::ab);
      const auto made = onednn::implementation<dnnl::matmul>(x, weight_transposed, bias, y);
      return {dnnl::matmul(made),
              made.scratchpad_desc(),
              {{DNNL_ARG_SRC, x, x},
               {DNNL_ARG_WEIGHTS, weight_transposed, weight_transposed},
               {DNNL_ARG_BIAS, bias, bias},
               {DNNL_ARG_DST, y, y}}};
    }
    case backward_data: return product(y, weight, x);
    case backward_weights:
      return product(onednn::describe({p.out_features, p.n}, Tag::ba), x, weight);
  }
  fail("[linear] no direction {}", static_cast<int>(direction));
}

std::shared_ptr<const Plan> plan(Direction direction, const LinearParams& p) {
  return plans().get({direction, p.n, p.in_features, p.out_features},
                     [&] { return make_plan(direction, p); });
}

}  // namespace

extern const LinearRow linear_onednn = {
    {"onednn", RowKind::library, DeviceType::cpu},
    [](const LinearParams&, DType dtype) { return only(DType::f32, dtype); },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView weight, ConstView bias, View y) {
      if (bias)
        plan(forward_biased, p)->run(exec.workspace, {x.data, weight.data, bias.data, y.data});
      else
        plan(forward, p)->run(exec.workspace, {x.data, weight.data, y.data});
      // oneDNN's own, as a post-op, would make zeros of NaN.
      if (p.relu) relu_cpu.forward(exec, {y.numel()}, y, y);
    },
    [](Exec& exec, const LinearParams& p, ConstView grad_y, ConstView weight, View grad_x) {
      plan(backward_data, p)->run(exec.workspace, {grad_y.data, weight.data, grad_x.data});
    },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView grad_y, View grad_weight) {
      plan(backward_weights, p)->run(exec.workspace, {grad_y.data, x.data, grad_weight.data});
    },
};

}  // namespace duet

#endif
