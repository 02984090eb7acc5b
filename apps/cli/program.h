#pragma once
/// What both programs' mains share: how a program ends.

#include <functional>
#include <string>

namespace duet {

inline constexpr int exit_failure = 1, exit_usage = 2, exit_data = 3, exit_interrupted = 130;

/// Runs `body` and turns what it throws into one line on stderr and the exit status that fits.
int run_program(const char* name, const std::function<int()>& body);

}  // namespace duet
