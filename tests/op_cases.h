#pragma once
/// One case, three uses: every op's calls, from which the tests hold each row against the reference
/// and against central differences. A new row of an op is tested with no further edit.

#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "kernels/base/rows.h"

namespace duet::test {

struct OpCase {
  /// The op whose rows are tried.
  std::string op;
  std::string name;
  /// Shapes of the differentiable inputs.
  std::vector<Shape> inputs;
  std::function<Tensor(const std::vector<Tensor>&)> run;
  /// The longest sum behind one element of a result or gradient: what rounding errors grow with.
  std::int64_t reduction_length;
  /// Inputs are drawn from N(0, 1), or uniformly from [0.5, 2] where a function needs positive
  /// ones.
  bool positive = false;
  /// How many of the last inputs are a channel's parameters: f32 where the others are bf16.
  std::size_t parameters = 0;
  /// Inputs and cotangent are numbers that this type holds too.
  DType exact = DType::f32;
  /// The call permits TF32. Its inputs and the cotangent are exact in bf16, and so in TF32, so that
  /// the rows that use it are held to the same tolerance as the others.
  bool tf32 = false;
};

std::vector<OpCase> op_cases();

/// The case's inputs, the same numbers for every dtype that holds them and every device.
std::vector<Tensor> draw_inputs(const OpCase& c, DType dtype, Device device = {});

/// The number that a case uses for a drawn `value`: the nearest that its `exact` type holds.
double exact_in(const OpCase& c, double value);

struct OpResult {
  Tensor y;
  std::vector<Tensor> grads;
};
/// Runs a case on a device forward and backward from Σ y · cotangent, the cotangent drawn from
/// N(0, 1); the results are on the CPU.
OpResult run_case(const OpCase& c, DType dtype, Device device = {});

}  // namespace duet::test
