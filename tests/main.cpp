/// The main program of the tests: doctest's, and an exit status that tells a skipped test from a
/// passed one, and a name that is no test's from both.

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <iostream>
#include <map>

#include "tests/skip.h"

namespace {

/// Reasons by test.
std::map<std::string, std::string> skipped;
unsigned run = 0;

struct Count : doctest::IReporter {
  explicit Count(const doctest::ContextOptions&) {}
  void test_case_start(const doctest::TestCaseData&) override { ++run; }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("count", 1, Count);

}  // namespace

void duet::test::skip(const std::string& reason) {
  skipped[doctest::getContextOptions()->currentTest->m_name] = reason;
}

/// An allocation too large for any machine fails under AddressSanitizer as it does without it.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int result = context.run();
  if (context.shouldExit() || result != 0) return result;
  for (const auto& [name, reason] : skipped)
    std::cout << "SKIPPED: " << name << ": " << reason << std::endl;
  if (run == 0) {
    // CMake takes a name with a semicolon for two, neither of which is any test's.
    std::cerr << "no test has this name" << std::endl;
    return 1;
  }
  return skipped.size() == run ? duet::test::skip_status : 0;
}
