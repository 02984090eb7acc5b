#pragma once
/// The calls of a training step, for the benchmarks: every op at this network's shapes. An op, a
/// row or a fusion is timed because it is in a list; a new op needs cases here.

#include <functional>
#include <string>
#include <vector>

#include "apps/cli/config.h"
#include "engine/tensor.h"

namespace duet::bench {

/// One derivative of a case.
struct Derivative {
  std::string name;
  /// The inputs that receive a gradient, and those that are read again for it.
  std::vector<std::size_t> of, reads;
};

struct Case {
  /// The op whose rows are timed; empty for a fusion that is composed of ops.
  std::string op, name;
  std::vector<Shape> inputs;
  std::function<Tensor(const std::vector<Tensor>&)> run;
  std::vector<Derivative> derivatives;
  /// Multiplications and additions of one direction, as the definition counts them; 0 where memory
  /// alone is the limit.
  double flops = 0;
  /// Bytes that must move in forward, where they are not those of the inputs and of the result.
  double forward_bytes = 0;
};

/// The cases of a network's training step with batches of `config.batch_size`, the dearest first.
std::vector<Case> cases(const Config& config);

}  // namespace duet::bench
