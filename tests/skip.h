#pragma once
/// A test that needs what is not there (a program, a device) is skipped, and counted as skipped:
///
///   if (!python) return skip("python3 with torch is not installed");

#include <string>

namespace duet::test {

/// With this exit status a test program says that all it was asked to run was skipped. A failed
/// check still fails.
constexpr int skip_status = 77;

/// Marks the running test. At the end the program prints "SKIPPED: name of the test: reason", a
/// line that scripts/test.sh collects.
void skip(const std::string& reason);

}  // namespace duet::test
