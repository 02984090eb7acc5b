/// What the emulator refuses, and what it says.
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "kernels/simt/emulator.h"
#include "tests/simt/device_array.h"
#include "tests/simt/faulty.h"
#include "tests/simt/flavour.h"
#include "tests/simt/source_line.h"

using namespace duet;
using namespace duet::test;

namespace {

/// The error of a faulty kernel; empty if there is none.
std::string error_of(std::string_view name, float* y) {
  try {
    launch_faulty(simt_stream, name, y);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string error_of(std::string_view name) {
  const DeviceArray<float> y(64);
  return error_of(name, y.get());
}

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("an error names kernel, launch, seed and block") {
  simt::set_seed(17);
  const std::string error = error_of("divergent_barrier");
  has(error, "[simt] divergent_barrier, launched at faulty.cu:");
  has(error, "seed 17 (launch 1), block (0, 0, 0)");
  has(error, "barrier divergence");
  has(error, source_line("faulty.cu", "one barrier …"));
  has(error, source_line("faulty.cu", "is not the other"));
}

TEST_CASE("a barrier that a thread never reaches") {
  const std::string error = error_of("early_return");
  has(error, "returned");
  has(error, "(5, 0, 0)");
}

TEST_CASE("a barrier that a thread never reaches, seen by whoever comes second" *
          doctest::skip(sanitized)) {
  // Whether the thread returns before any other arrives is up to the seed; both are told.
  bool before = false, after = false;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    simt::set_seed(seed);
    const std::string error = error_of("early_return");
    before =
        before || error.find("after 1 of the block's 64 threads returned") != std::string::npos;
    after = after || error.find("has returned while") != std::string::npos;
  }
  CHECK(before);
  CHECK(after);
}

TEST_CASE("warp operations whose lanes never come") {
  std::string error = error_of("half_a_shuffle");
  has(error, "deadlock");
  has(error, "16 threads from (0, 0, 0) on wait in a shuffle at " +
                 source_line("faulty.cu", "value = __shfl_xor_sync"));
  has(error, "0xffffffff");
  has(error, "wait in __syncthreads at " + source_line("faulty.cu", "__syncthreads();", 4));

  has(error_of("outside_its_mask"), "not in its mask 0x0000ffff");
  has(error_of("half_a_matrix_product"), "needs all 32 lanes");
}

TEST_CASE("more than an H100 has") {
  const std::string error = error_of("large_static");
  has(error, "large (45060 bytes, at " + source_line("faulty.cu", "SIMT_SHARED(large") + ")");
  has(error, "49156 bytes of SIMT_SHARED memory; 49152 are possible");
  has(error_of("large_dynamic"), "232449 bytes of dynamic shared memory");
  has(error_of("large_block"), "a block of (1025, 1, 1) threads");
  has(error_of("large_grid"), "a grid of (1, 65536, 1) blocks");
}

TEST_CASE("an empty grid is nothing to do") {
  const DeviceArray<float> y(64);
  CHECK(error_of("empty_grid", y.get()) == "");
  CHECK(std::isnan(y.host()[0]));
}

TEST_CASE("pointers that are not the device's") {
  float host[64];
  has(error_of("correct", host), "correct, launched at faulty.cu");
  has(error_of("correct", host), "argument 1");
  has(error_of("correct", host), "is a host pointer");
  auto* y = static_cast<float*>(simt::allocate(64 * sizeof(float)));
  CHECK(error_of("correct", y) == "");
  simt::deallocate(y);
  has(error_of("correct", y), "has been freed");
}

TEST_CASE("rows of ldmatrix that the hardware cannot read") {
  has(error_of("misaligned_row"), "must start at a multiple of 16");
  has(error_of("misaligned_row"), source_line("faulty.cu", "ldmatrix_x4(r, &tile"));
  has(error_of("row_in_global"), "is not in the block's shared memory");
}

TEST_CASE("copies by cp.async that the hardware cannot do") {
  has(error_of("misaligned_copy"), "both must be multiples of 16");
  has(error_of("misaligned_copy"), source_line("faulty.cu", "cp_async16(tile + 1"));
  has(error_of("copy_to_global"), "is not in the block's shared memory");
}

TEST_CASE("writes behind the end are told when the block or the kernel ends" *
          doctest::skip(address_sanitizer)) {
  has(error_of("shared_overrun"),
      "behind the end of table (128 bytes of shared memory, declared at " +
          source_line("faulty.cu", "SIMT_SHARED(table, float[32])"));
  has(error_of("dynamic_overrun"), "behind the end of dynamic shared memory (128 bytes");
  has(error_of("global_overrun"), "behind the end of the buffer of argument 1");
}

TEST_CASE("what nobody wrote is NaN") {
  const DeviceArray<float> y(64);
  REQUIRE(error_of("unwritten", y.get()) == "");
  const auto values = y.host();
  CHECK(values[7] == 1);
  CHECK(std::isnan(values[8]));
  const DeviceArray<float> fresh(3);
  for (const float value : fresh.host()) CHECK(std::isnan(value));
}

TEST_CASE("after an error the next launch is as good as any") {
  for (int i = 0; i < 3; ++i) {
    CHECK(error_of("half_a_shuffle") != "");
    CHECK(error_of("divergent_barrier") != "");
    const DeviceArray<float> y(64);
    CHECK(error_of("correct", y.get()) == "");
    CHECK(y.host() == std::vector<float>(64, 1.0f));
  }
}

TEST_CASE("the last block adds up what the others left") {
  const DeviceArray<float> y(64);
  simt::fill(y.get() + 63, 0, sizeof(float));  // the counter
  REQUIRE(error_of("last_block", y.get()) == "");
  CHECK(y.host()[0] == 5);
}
