#pragma once
/// The Python of the tests that hold Duet's files against other programs.

#include <string>
#include <vector>

namespace duet::test {

/// $DUET_PYTHON, else python3.
std::string python();

/// Why `python()` cannot be used for what needs these modules; "" when it can.
std::string python_lacks(const std::vector<std::string>& modules);

}  // namespace duet::test
