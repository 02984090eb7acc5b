#include "engine/adam.h"

#include "engine/ops/run.h"
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

AdamParams Adam::params(std::int64_t step) const {
  return {options_.lr, options_.beta1, options_.beta2, options_.eps, step};
}

AdamRates Adam::next_rates() const { return rates_of(params(steps_ + 1)); }

void Adam::step() { update(params(++steps_)); }

void Adam::step(const AdamRates* rates, const Tensor& grad_square) {
  AdamParams by_memory = params(steps_ + 1);
  by_memory.rates = rates;
  by_memory.grad_square = grad_square.view().as<double>();
  update(by_memory);
}

void Adam::update(const AdamParams& params) {
  std::vector<AdamSlot> slots;
  std::vector<Tensor> grads;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const AdamParameter& p = parameters_[i];
    if (!p.trained().grad()) continue;
    grads.push_back(p.trained().grad());
    slots.push_back(
        {p.weight, grads.back(), m_[i], v_[i], p.l2_gradient, p.group, p.rounded.view()});
  }
  if (slots.empty()) return;
  const Tensor& first = parameters_[0].weight;
  const AdamRow& row = select_row(adam_rows(), params, first);
  OpExec exec(row, first.device());
  row.step(exec, params, slots);
  for (const AdamParameter& p : parameters_) p.trained().set_grad({});
}

std::vector<std::pair<std::string, Tensor>> Adam::state() const {
  std::vector<std::pair<std::string, Tensor>> all;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    all.emplace_back("m." + parameters_[i].name, m_[i]);
    all.emplace_back("v." + parameters_[i].name, v_[i]);
  }
  return all;
}

std::vector<Tensor> Adam::gradients() const {
  std::vector<Tensor> grads;
  for (const AdamParameter& p : parameters_)
    if (p.trained().grad()) grads.push_back(p.trained().grad());
  return grads;
}

Tensor sum_of_squares(const std::vector<Tensor>& tensors) {
  require(!tensors.empty(), "[sum_of_squares] no tensors");
  SumOfSquaresParams params{0};
  std::vector<ConstView> views;
  for (const Tensor& t : tensors) {
    views.push_back(t);
    params.count += t.numel();
  }
  const Tensor& first = tensors[0];
  const Tensor sum = Tensor::empty({}, DType::f64, first.device());
  const SumOfSquaresRow& row = select_row(sum_of_squares_rows(), params, first);
  OpExec exec(row, first.device());
  row.forward(exec, params, views, sum);
  return sum;
}

}  // namespace duet
