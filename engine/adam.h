#pragma once
/// The Adam optimiser with the paper's coupled L2 term; kernels/adam/adam.h has the formula.

#include <string>
#include <vector>

#include "engine/tensor.h"
#include "kernels/adam/adam.h"

namespace duet {

struct AdamOptions {
  double lr = 3e-4, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
};

struct AdamParameter {
  std::string name;
  Tensor weight;
  /// What the penalty adds to the gradient per unit of weight (2λ for λ·Σw²).
  double l2_gradient = 0;
  /// Which of the rates in the device's memory it goes by.
  std::uint32_t group = 0;
  /// bf16: the weight rounded, which has the gradient and is written along. Undefined where the
  /// weight itself has the gradient.
  Tensor rounded = {};

  const Tensor& trained() const { return rounded ? rounded : weight; }
};

class Adam {
 public:
  Adam(std::vector<AdamParameter> parameters, AdamOptions options);

  /// Whether the row that runs here takes a gradient's factors (`FactorsScope`).
  bool takes_factors() const { return row().takes_factors; }

  /// One update of every parameter that has a gradient; the gradients are then let go.
  void step();
  /// The same by what lies in the device's memory when the kernels run: the rates, one for each
  /// group of parameters, which `step` takes from `next_rates`, and Σ grad², one f64 element; where
  /// that is not finite nothing is changed. It does not count: the caller does, by `set_steps`.
  void step(const AdamRates* rates, const Tensor& grad_square);
  /// Of the update after `steps()`.
  AdamRates next_rates() const;
  double lr() const { return options_.lr; }
  void set_lr(double lr) { options_.lr = lr; }

  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }
  /// The moments, named "m.<parameter>" and "v.<parameter>".
  std::vector<std::pair<std::string, Tensor>> state() const;

  /// The gradients that there are.
  std::vector<Tensor> gradients() const;

 private:
  AdamParams params(std::int64_t step) const;
  const AdamRow& row() const;
  void update(const AdamParams& params);
  /// Whether it is one of the weights.
  bool updates(const Tensor& tensor) const;

  std::vector<AdamParameter> parameters_;
  std::vector<Tensor> m_, v_;
  AdamOptions options_;
  std::int64_t steps_ = 0;
};

/// Σ x² over all elements of all tensors, on one device: one f64 element there. A product that is
/// not multiplied stays so.
Tensor sum_of_squares(const std::vector<Tensor>& tensors);

}  // namespace duet
