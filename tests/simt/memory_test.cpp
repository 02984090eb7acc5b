/// The emulated device's memory.
#include "kernels/simt/memory.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "tests/simt/device_array.h"
#include "tests/simt/faulty.h"
#include "tests/simt/flavour.h"

using namespace duet;
using namespace duet::test;

TEST_CASE("device memory knows its pointers") {
  auto* p = static_cast<char*>(simt::allocate(1000));
  const int host = 0;
  CHECK(reinterpret_cast<std::uintptr_t>(p) % 256 == 0);
  CHECK(simt::contains(p));
  CHECK(simt::contains(p + 999));
  CHECK(!simt::contains(p + 1001));
  CHECK(!simt::contains(&host));
  CHECK(!simt::contains(nullptr));
  simt::deallocate(p);
  CHECK(!simt::contains(p));
  CHECK(simt::classify(p) == simt::PointerKind::freed);
  CHECK(simt::classify(&host) == simt::PointerKind::host);

  // No address is used twice.
  void* q = simt::allocate(1000);
  CHECK(q != p);
  simt::deallocate(q);
}

TEST_CASE("device memory counts what is in use") {
  const simt::MemoryStatistics before = simt::memory_statistics();
  void* p = simt::allocate(5000);
  void* nothing = simt::allocate(0);
  simt::MemoryStatistics now = simt::memory_statistics();
  CHECK(now.bytes_in_use == before.bytes_in_use + 5000);
  CHECK(now.peak_bytes >= before.bytes_in_use + 5000);
  CHECK(now.allocations == before.allocations + 2);
  simt::deallocate(p);
  simt::deallocate(nothing);
  simt::deallocate(nullptr);
  now = simt::memory_statistics();
  CHECK(now.bytes_in_use == before.bytes_in_use);
}

TEST_CASE("copies stay inside their buffers") {
  const DeviceArray<int> a(std::vector<int>{1, 2, 3, 4}), b(4);
  simt::copy(b.get(), a.get(), 4 * sizeof(int));
  CHECK(b.host() == std::vector<int>{1, 2, 3, 4});
  simt::fill(b.get() + 1, 0, 2 * sizeof(int));
  CHECK(b.host() == std::vector<int>{1, 0, 0, 4});

  int host[8] = {};
  CHECK_THROWS_WITH_AS(simt::copy(b.get() + 1, host, 4 * sizeof(int)),
                       "[simt] copying to 16 bytes from byte 4 of a buffer of 16 bytes: 4 too many",
                       Error);
  CHECK_THROWS_AS(simt::copy(host, a.get(), 5 * sizeof(int)), Error);
  CHECK_THROWS_AS(simt::fill(a.get(), 0, 17), Error);
  void* freed = simt::allocate(16);
  simt::deallocate(freed);
  CHECK_THROWS_AS(simt::copy(freed, host, 16), Error);
  CHECK_THROWS_AS(simt::deallocate(freed), Error);
  CHECK_THROWS_AS(simt::deallocate(host), Error);
}

// AddressSanitizer and ThreadSanitizer look after the host's accesses in their own ways.
TEST_CASE("protected memory faults when the host reads it" * doctest::skip(sanitized)) {
  const DeviceArray<float> y(64);
  simt::set_protection(true);
  launch_faulty(simt_stream, "correct", y.get());
  CHECK(y.host()[0] == 1);
  const DeviceArray<float> more(std::vector<float>{2});
  CHECK(more.host()[0] == 2);
  {
    const simt::HostAccess access;
    CHECK(y.get()[63] == 1);
  }
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    const volatile float* p = y.get();
    (void)*p;
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  simt::set_protection(false);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSEGV);
}
