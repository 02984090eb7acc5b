#pragma once
/// Loops over the CPU's cores. Work is cut into chunks whose borders depend on the sizes alone,
/// never on the number of threads: a reduction that adds its chunks in order gives the same bits on
/// one core and on many.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace duet {

/// How many threads a parallel loop of the calling thread may use.
int thread_count();
/// Sets it for the whole process; 0 means all cores.
void set_thread_count(int threads);

/// While it lives, parallel loops of this thread run on this thread alone: for worker threads that
/// decode ahead.
class SerialScope {
 public:
  SerialScope();
  ~SerialScope();
  SerialScope(const SerialScope&) = delete;
  SerialScope& operator=(const SerialScope&) = delete;

 private:
  bool outer_;
};

/// Calls `f(chunk)` for every chunk in 0 … chunks-1, each on one thread. The first exception is
/// rethrown here.
template <class F>
void parallel_chunks(std::int64_t chunks, F&& f) {
  const int threads = static_cast<int>(std::min<std::int64_t>(thread_count(), chunks));
  if (threads < 1) return;
  std::exception_ptr error;
  std::atomic<bool> failed{false};
  // One thread goes through the same compiled loop as many: a second copy of `f` may fuse other
  // multiplications with additions, and then the bits differ.
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
#endif
  for (std::int64_t i = 0; i < chunks; ++i) {
    try {
      f(i);
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

/// Calls `f(begin, end)` over 0 … n-1 in pieces of `grain` elements (the last may be shorter).
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
  const std::int64_t chunks = (n + grain - 1) / grain;
  parallel_chunks(chunks, [&](std::int64_t i) { f(i * grain, std::min(n, (i + 1) * grain)); });
}

}  // namespace duet
