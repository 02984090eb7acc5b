#pragma once
/// What a sanitizer says of a fault that is planted. Each fault is run by a program of its own, the
/// running one again, which the sanitizer ends.

#include <string>

namespace duet::test {

/// The exit status of a program that a sanitizer has ended.
constexpr int found_status = 66;

struct Report {
  int status;
  std::string text;
};

/// Runs the test case "planted: `fault`", which is skipped otherwise, in another process.
Report report_of(const std::string& fault);

/// Checks that a report of this kind about this line ends the program.
void check_found(const std::string& fault, const std::string& kind, const std::string& line);

}  // namespace duet::test
