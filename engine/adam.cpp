#include "engine/adam.h"

#include <cmath>

#include "kernels/adam/adam.h"
#include "kernels/sum_of_squares/sum_of_squares.h"

namespace duet {

Adam::Adam(std::vector<AdamParameter> parameters, AdamOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  require(!parameters_.empty(), "[adam] no parameters");
  for (const AdamParameter& p : parameters_) {
    m_.push_back(Tensor::zeros(p.weight.shape(), p.weight.dtype(), p.weight.device()));
    v_.push_back(Tensor::zeros(p.weight.shape(), p.weight.dtype(), p.weight.device()));
  }
}

void Adam::step() {
  ++steps_;
  std::vector<AdamSlot> slots;
  std::vector<Tensor> grads;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const AdamParameter& p = parameters_[i];
    if (!p.weight.grad()) continue;
    grads.push_back(p.weight.grad());
    slots.push_back({p.weight, grads.back(), m_[i], v_[i], p.l2_gradient});
  }
  if (slots.empty()) return;
  const AdamParams params{options_.lr, options_.beta1, options_.beta2, options_.eps, steps_};
  const Tensor& first = parameters_[0].weight;
  OpExec exec(first.device());
  adam_rows().select(params, first.dtype(), first.device().type).step(exec, params, slots);
  for (const AdamParameter& p : parameters_) p.weight.set_grad({});
}

std::vector<std::pair<std::string, Tensor>> Adam::state() const {
  std::vector<std::pair<std::string, Tensor>> all;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    all.emplace_back("m." + parameters_[i].name, m_[i]);
    all.emplace_back("v." + parameters_[i].name, v_[i]);
  }
  return all;
}

double Adam::gradient_norm() const {
  std::vector<Tensor> grads;
  for (const AdamParameter& p : parameters_)
    if (p.weight.grad()) grads.push_back(p.weight.grad());
  return std::sqrt(sum_of_squares(grads));
}

double sum_of_squares(const std::vector<Tensor>& tensors) {
  if (tensors.empty()) return 0;
  SumOfSquaresParams params{0};
  std::vector<ConstView> views;
  for (const Tensor& t : tensors) {
    views.push_back(t);
    params.count += t.numel();
  }
  const Tensor& first = tensors[0];
  const Tensor sum = Tensor::empty({}, DType::f64, first.device());
  OpExec exec(first.device());
  sum_of_squares_rows()
      .select(params, first.dtype(), first.device().type)
      .forward(exec, params, views, sum);
  return sum.item();
}

}  // namespace duet
