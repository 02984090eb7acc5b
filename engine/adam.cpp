#include "engine/adam.h"

#include <algorithm>

#include "engine/ops/binary.h"
#include "engine/ops/run.h"
#include "kernels/product_square/product_square.h"
#include "kernels/sum_of_squares/sum_of_squares.h"

namespace duet {
namespace {

/// Σ of the squares of a product's elements: one f64 element.
Tensor product_square(const Tensor::Factors& factors) {
  const auto& [left, right, multiply] = factors;
  const ProductSquareParams params{left.dim(0), left.dim(1), right.dim(1)};
  const Tensor sum = Tensor::empty({}, DType::f64, left.device());
  const ProductSquareRow& row = select_row(product_square_rows(), params, left);
  OpExec exec(row, left.device());
  row.forward(exec, params, left, right, sum);
  return sum;
}

}  // namespace

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

const AdamRow& Adam::row() const {
  return select_row(adam_rows(), params(steps_ + 1), parameters_[0].weight);
}

void Adam::update(const AdamParams& params) {
  const AdamRow& row = this->row();
  std::vector<AdamSlot> slots;
  std::vector<Tensor> grads;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const AdamParameter& p = parameters_[i];
    const Tensor grad = p.trained().grad();
    if (!grad) continue;
    AdamSlot slot{p.weight, {}, m_[i], v_[i], p.l2_gradient, p.group, p.rounded.view()};
    const Tensor::Factors* const factors = row.takes_factors ? grad.factors() : nullptr;
    if (factors && !updates(factors->left) && !updates(factors->right)) {
      slot.left = factors->left;
      slot.right = factors->right;
    } else {
      slot.grad = grad;
    }
    grads.push_back(grad);
    slots.push_back(slot);
  }
  if (slots.empty()) return;
  OpExec exec(row, parameters_[0].weight.device());
  row.step(exec, params, slots);
  for (const AdamParameter& p : parameters_) p.trained().set_grad({});
}

bool Adam::updates(const Tensor& tensor) const {
  return std::any_of(parameters_.begin(), parameters_.end(), [&](const AdamParameter& p) {
    return p.weight.view().data == tensor.view().data;
  });
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
  const Device device = tensors[0].device();
  SumOfSquaresParams params{0};
  std::vector<ConstView> views;
  Tensor total;
  const auto add_up = [&](const Tensor& sum) { total = total ? total + sum : sum; };
  for (const Tensor& t : tensors) {
    if (const Tensor::Factors* const factors = t.factors()) {
      add_up(product_square(*factors));
    } else {
      views.push_back(t);
      params.count += t.numel();
    }
  }
  if (views.empty()) return total;
  const Tensor sum = Tensor::empty({}, DType::f64, device);
  {
    const SumOfSquaresRow& row = select_row(sum_of_squares_rows(), params, tensors[0]);
    OpExec exec(row, device);
    row.forward(exec, params, views, sum);
  }
  add_up(sum);
  return total;
}

}  // namespace duet
