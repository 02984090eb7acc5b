/// What the sanitized flavours find in a kernel.
#include <doctest/doctest.h>

#include <string>

#include "kernels/simt/emulator.h"
#include "tests/simt/device_array.h"
#include "tests/simt/faulty.h"
#include "tests/simt/flavour.h"
#include "tests/simt/kernels.h"
#include "tests/simt/report.h"
#include "tests/simt/source_line.h"

using namespace duet;
using namespace duet::test;

namespace {

void run_faulty(const char* name) {
  const DeviceArray<float> y(64);
  launch_faulty(simt_stream, name, y.get());
}

template <Fault fault>
void run_sum() {
  const DeviceArray<float> x(256), sums(2), residues(2);
  simt::fill(x.get(), 0, 256 * sizeof(float));
  sum_rows<fault>(simt_stream, x.get(), sums.get(), residues.get(), 2, 128);
}

void run_gemm(void (*gemm)(const Stream&, const float*, const float*, float*, int, int, int)) {
  const DeviceArray<float> a(32 * 48), b(48 * 32), c(32 * 32);
  simt::fill(a.get(), 0, 32 * 48 * sizeof(float));
  simt::fill(b.get(), 0, 32 * 48 * sizeof(float));
  gemm(simt_stream, a.get(), b.get(), c.get(), 32, 32, 48);
}

/// The weakest order of all, which keeps warps in step: what is found does not rest on luck.
struct InStep {
  InStep() { simt::set_schedule(simt::Schedule::uniform); }
  ~InStep() { simt::set_schedule(simt::Schedule::mixed); }
};

}  // namespace

#define PLANTED(name, ...)                       \
  TEST_CASE("planted: " name* doctest::skip()) { \
    const InStep in_step;                        \
    __VA_ARGS__;                                 \
  }
PLANTED("correct", run_faulty("correct"))
PLANTED("shared_overrun", run_faulty("shared_overrun"))
PLANTED("dynamic_overrun", run_faulty("dynamic_overrun"))
PLANTED("global_overrun", run_faulty("global_overrun"))
PLANTED("global_overread", run_faulty("global_overread"))
PLANTED("misaligned", run_faulty("misaligned"))
PLANTED("freed", {
  float* y = static_cast<float*>(simt::allocate(64 * sizeof(float)));
  simt::deallocate(y);
  launch_faulty(simt_stream, "through_a_struct", y);
})
PLANTED("warp_exchange", run_faulty("warp_exchange"))
PLANTED("unsynchronised_warp", run_faulty("unsynchronised_warp"))
PLANTED("race_of_blocks", run_faulty("race_of_blocks"))
PLANTED("sum", run_sum<Fault::none>())
PLANTED("sum without barrier", run_sum<Fault::no_barrier>())
PLANTED("sum without trailing barrier", run_sum<Fault::no_trailing_barrier>())
PLANTED("sgemm", run_gemm(sgemm<Fault::none>))
PLANTED("sgemm without barrier", run_gemm(sgemm<Fault::no_barrier>))
PLANTED("sgemm without trailing barrier", run_gemm(sgemm<Fault::no_trailing_barrier>))
PLANTED("tf32", run_gemm(gemm_tf32<Fault::none>))
PLANTED("tf32 without barrier", run_gemm(gemm_tf32<Fault::no_barrier>))
PLANTED("tf32 without trailing barrier", run_gemm(gemm_tf32<Fault::no_trailing_barrier>))

TEST_CASE("a sanitizer has nothing to say of correct kernels" * doctest::skip(!sanitized)) {
  for (const char* name : {"correct", "warp_exchange", "sum", "sgemm", "tf32"}) {
    const Report report = report_of(name);
    INFO(name << ":\n" << report.text);
    CHECK(report.status == 0);
  }
}

TEST_CASE("AddressSanitizer stops overruns at their line" * doctest::skip(!address_sanitizer)) {
  const std::string heap = "AddressSanitizer: heap-buffer-overflow";
  const std::string gap = "AddressSanitizer: use-after-poison";
  check_found("shared_overrun", heap, source_line("faulty.cu", "first[threadIdx.x + 1] = 1"));
  check_found("dynamic_overrun", heap, source_line("faulty.cu", "table[threadIdx.x + 1] = 1"));
  check_found("global_overrun", gap, source_line("faulty.cu", "y[threadIdx.x + 1] = 1"));
  check_found("global_overread", gap, source_line("faulty.cu", "= y[threadIdx.x + 1]"));
  check_found("freed", gap, source_line("faulty.cu", "holder.pointer[threadIdx.x] = 1"));
}

TEST_CASE("UndefinedBehaviorSanitizer stops misaligned vector accesses" *
          doctest::skip(!address_sanitizer)) {
  check_found("misaligned", "misaligned address",
              source_line("faulty.cu", "make_float4(1, 2, 3, 4)"));
}

TEST_CASE("ThreadSanitizer finds missing barriers by what is accessed" *
          doctest::skip(!thread_sanitizer)) {
  const std::string race = "ThreadSanitizer: data race";
  const std::string part = source_line("sum_rows.cu", "parts[threadIdx.x / 32] = value");
  check_found("sum without barrier", race, part);
  check_found("sum without trailing barrier", race, part);
  const std::string stage = source_line("sgemm.cu", "const float4 va = *reinterpret_cast");
  check_found("sgemm without barrier", race, stage);
  check_found("sgemm without trailing barrier", race, stage);
  const std::string a_tile = source_line("gemm_tf32.cu", "a_tile[stage][row + r][l + s]");
  check_found("tf32 without barrier", race, a_tile);
  check_found("tf32 without trailing barrier", race, a_tile);
}

TEST_CASE("ThreadSanitizer finds races of lanes and of blocks" * doctest::skip(!thread_sanitizer)) {
  const std::string race = "ThreadSanitizer: data race";
  check_found("unsynchronised_warp", race, source_line("faulty.cu", "table[31 - threadIdx.x]"));
  check_found("race_of_blocks", race, source_line("faulty.cu", "static_cast<float>(blockIdx.x)"));
}
