#pragma once
/// The environment variables that Duet reads, all of them (listed for users in
/// docs/environment.md).

#include <optional>
#include <string>

namespace duet::environment {

/// DUET_VERBOSE: 1 prints, once for each distinct call, which row ran and why the rows before it
/// did not; 2 prints every call. 0 when unset.
int verbose();

/// DUET_CUDA_PLUGIN: the path of libduet_cuda.so, where it lies elsewhere than beside the program.
std::optional<std::string> cuda_plugin();

}  // namespace duet::environment
