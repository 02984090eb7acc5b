#include "kernels/base/parallel.h"

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "tests/skip.h"
#include "tests/test_rows.h"

using namespace duet;

TEST_CASE("parallel: every chunk is done once, on any number of threads") {
  for (const int threads : {1, 2, 3, 5})
    for (const std::int64_t chunks : {0, 1, 2, 3, 4, 7, 1000}) {
      CAPTURE(threads);
      CAPTURE(chunks);
      const test::Threads scope(threads);
      std::vector<std::atomic<int>> done(static_cast<std::size_t>(chunks));
      parallel_chunks(chunks, [&](std::int64_t chunk) { ++done[chunk]; });
      for (const std::atomic<int>& times : done) CHECK(times == 1);
      std::atomic<std::int64_t> covered{0};
      parallel_for(chunks, 3, [&](std::int64_t begin, std::int64_t end) {
        CHECK(begin % 3 == 0);
        CHECK(end == std::min(chunks, begin + 3));
        covered += end - begin;
      });
      CHECK(covered == chunks);
    }
}

TEST_CASE("parallel: a thread that is held up is helped") {
#if !defined(_OPENMP)
  return test::skip("built without OpenMP: everything runs on one thread");
#endif
  const test::Threads two(2);
  constexpr int chunks = 100;
  std::atomic<int> done{0};
  bool helped = false;
  parallel_chunks(chunks, [&](std::int64_t chunk) {
    if (chunk > 0) {
      ++done;
      return;
    }
    // The chunks that would be this thread's, too.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!helped && std::chrono::steady_clock::now() < end) {
      helped = done == chunks - 1;
      std::this_thread::yield();
    }
  });
  CHECK(helped);
}

TEST_CASE("parallel: the first exception arrives, and the other chunks are done") {
  for (const int threads : {1, 2}) {
    const test::Threads scope(threads);
    std::atomic<int> done{0};
    CHECK_THROWS_WITH_AS(parallel_chunks(20,
                                         [&](std::int64_t chunk) {
                                           if (chunk % 7 == 3) throw std::runtime_error("chunk");
                                           ++done;
                                         }),
                         "chunk", std::runtime_error);
    CHECK(done == 17);
  }
}
