#pragma once
/// Kernels that do one thing wrong each.

#include <string_view>

#include "kernels/base/exec.h"

namespace duet::test {

/// Launches one by its name; y is its output, 64 floats long.
void launch_faulty(const Stream& stream, std::string_view name, float* y);

}  // namespace duet::test
