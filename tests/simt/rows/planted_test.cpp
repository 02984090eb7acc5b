/// The program that runs every op's kernels under ThreadSanitizer ends when one of them has a race:
/// shown with a kernel that has one.
#include <doctest/doctest.h>

#include "kernels/base/parallel.h"
#include "tests/simt/device_array.h"
#include "tests/simt/faulty.h"
#include "tests/simt/report.h"
#include "tests/simt/source_line.h"

using namespace duet;
using namespace duet::test;

namespace {

/// OpenMP's threads synchronise in ways that ThreadSanitizer does not see: without them.
const struct OneThread {
  OneThread() { set_thread_count(1); }
  SerialScope serial;
} one_thread;

void run_faulty(const char* name) {
  const DeviceArray<float> y(64);
  launch_faulty(simt_stream, name, y.get());
}

}  // namespace

TEST_CASE("planted: correct" * doctest::skip()) { run_faulty("correct"); }
TEST_CASE("planted: race_of_blocks" * doctest::skip()) { run_faulty("race_of_blocks"); }
TEST_CASE("planted: unsynchronised_warp" * doctest::skip()) { run_faulty("unsynchronised_warp"); }

TEST_CASE("a race in a kernel ends this program, a correct kernel does not") {
  CHECK(report_of("correct").status == 0);
  const std::string race = "ThreadSanitizer: data race";
  check_found("race_of_blocks", race, source_line("faulty.cu", "static_cast<float>(blockIdx.x)"));
  check_found("unsynchronised_warp", race, source_line("faulty.cu", "table[31 - threadIdx.x]"));
}
