#include "tests/simt/report.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "kernels/base/error.h"

/// ThreadSanitizer would wait a second for other threads at the end of each program, and take two
/// races at one address for the same, where the shared memory of two kernels often lies.
extern "C" const char* __tsan_default_options() {
  return "atexit_sleep_ms=0:suppress_equal_addresses=0";
}

namespace duet::test {

Report report_of(const std::string& fault) {
  std::array<char, 4096> path{};
  REQUIRE(readlink("/proc/self/exe", path.data(), path.size() - 1) > 0);
  const std::string options = fmt::format("halt_on_error=1:exitcode={}", found_status);
  const std::string command = fmt::format(
      "ASAN_OPTIONS={0}:detect_leaks=0 UBSAN_OPTIONS={0}:print_stacktrace=1 TSAN_OPTIONS={0} '{1}' "
      "--no-skip --test-case='planted: {2}' 2>&1",
      options, path.data(), fault);
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Report report;
  for (int c; (c = std::fgetc(pipe)) != EOF;) report.text += static_cast<char>(c);
  const int status = pclose(pipe);
  report.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return report;
}

void check_found(const std::string& fault, const std::string& kind, const std::string& line) {
  const Report report = report_of(fault);
  INFO(fault << " exited with " << report.status << ":\n" << report.text);
  CHECK(report.status == found_status);
  CHECK(report.text.find(kind) != std::string::npos);
  CHECK(report.text.find(line) != std::string::npos);
}

}  // namespace duet::test
