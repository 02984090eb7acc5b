#pragma once
/// The calls of a case: each of its directions, by each row that takes it.

#include <functional>
#include <string>
#include <vector>

#include "bench/cases.h"
#include "kernels/base/rows.h"

namespace duet::bench {

struct Call {
  std::string op, name, direction, row;
  RowKind kind;
  /// By the definition's count, and with each operand counted once.
  double flops, bytes;

  /// "conv2d block1.conv2 … backward data cpu.winograd"
  std::string text() const;
};

struct CallOptions {
  Device device;
  Precision precision = Precision::f32;
  /// Which calls, by their text.
  std::function<bool(const std::string&)> wanted;
  /// Of operands, each call with the next: as many as hold so many bytes, from 2 to 16, or one
  /// where this is 0.
  double operand_bytes = 0;
};

/// Calls `visit(call, run)` for each wanted one; `run(i)` makes it for the i-th time. Returns the
/// texts of those that failed, of which standard error has said why.
std::vector<std::string> for_each_call(
    const Case& c, const CallOptions& options,
    const std::function<void(const Call&, const std::function<void(std::int64_t)>&)>& visit);

}  // namespace duet::bench
