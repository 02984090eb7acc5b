#include "tests/rows_under_test.h"

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>

#include "engine/device.h"

#if !defined(DUET_TEST_CPU_ROWS)
#define DUET_TEST_CPU_ROWS 0
#endif

namespace duet::test {
namespace {

std::mutex mutex;
/// Whether every check of the running test case passed, for each "device op row type".
std::map<std::string, bool> verdicts;
bool* latest = nullptr;
bool cuda_device = false;

struct RowsUnderTest : doctest::IReporter {
  explicit RowsUnderTest(const doctest::ContextOptions&) {}

  void test_run_start() override {
    // Without the driver's library there is no device, and each test's process is spared opening
    // the plugin with the libraries that it needs.
    cuda_device =
        dlopen("libcuda.so.1", RTLD_LAZY) && choose_device("auto").device.type == DeviceType::cuda;
  }
  void test_case_start(const doctest::TestCaseData&) override { set_latest(nullptr); }
  void log_assert(const doctest::AssertData& check) override {
    if (check.m_failed) speak_against_latest();
  }
  void test_case_exception(const doctest::TestCaseException&) override { speak_against_latest(); }
  // Written at once: a later case may end the program.
  void test_case_end(const doctest::CurrentTestCaseStats&) override {
    const std::scoped_lock lock(mutex);
    if (const char* path = std::getenv("DUET_COMPARED_ROWS")) {
      std::ofstream file(path, std::ios::app);
      for (const auto& [row, passed] : verdicts)
        file << row << '\t' << (passed ? "passed" : "failed") << '\n';
    }
    latest = nullptr;
    verdicts.clear();
  }

  void report_query(const doctest::QueryData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

  static void set_latest(bool* verdict) {
    const std::scoped_lock lock(mutex);
    latest = verdict;
  }
  static void speak_against_latest() {
    const std::scoped_lock lock(mutex);
    if (latest) *latest = false;
  }
};
REGISTER_LISTENER("rows under test", 1, RowsUnderTest);

}  // namespace

bool takes_part(const RowInfo& row) { return row.device == DeviceType::cpu || !DUET_TEST_CPU_ROWS; }

bool has_cuda_device() { return cuda_device; }

std::vector<Device> accelerators() {
  std::vector<Device> all{{DeviceType::simt, 0}};
  if (cuda_device) all.push_back({DeviceType::cuda, 0});
  return all;
}

std::vector<Device> devices() {
  std::vector<Device> all = accelerators();
  all.insert(all.begin(), Device{});
  return all;
}

void compared(const std::string& op, const RowInfo& row, DType dtype) {
  const std::scoped_lock lock(mutex);
  latest = &verdicts
                .emplace(fmt::format("{}\t{}\t{}\t{}", to_string(row.device), op, row.name,
                                     to_string(dtype)),
                         true)
                .first->second;
}

void speak_against(const std::string& op, const RowInfo& row, DType dtype,
                   const std::exception& error) {
  compared(op, row, dtype);
  FAIL_CHECK(fmt::format("{}, row {}, {}: {}", op, row.name, to_string(dtype), error.what()));
}

}  // namespace duet::test
