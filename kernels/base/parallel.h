#pragma once
/// Loops over the CPU's cores. Work is cut into chunks whose borders depend on the sizes alone,
/// never on the number of threads: a reduction that adds its chunks in order gives the same bits on
/// one core and on many.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <vector>

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

/// Which thread of the parallel loop at hand is running, from 0 on.
inline int loop_thread() {
#if defined(_OPENMP)
  return omp_get_thread_num();
#else
  return 0;
#endif
}

/// Chunks that threads take one by one. Every thread begins with a run of neighbours of its own,
/// for what comes next in memory comes from there faster, and then helps the others with theirs.
class ChunkQueue {
 public:
  ChunkQueue(std::int64_t chunks, int threads)
      : chunks_(chunks), threads_(threads), runs_(static_cast<std::size_t>(threads)) {
    for (int t = 0; t < threads; ++t) runs_[t].next = begin_of(t);
  }

  class Worker {
   public:
    Worker(ChunkQueue& queue, int thread) : queue_(queue), thread_(thread) {}
    /// A chunk that no other thread has; −1 when there are none.
    std::int64_t next() {
      for (; runs_done_ < queue_.threads_; ++runs_done_) {
        const int run = (thread_ + runs_done_) % queue_.threads_;
        const std::int64_t chunk = queue_.runs_[run].next.fetch_add(1, std::memory_order_relaxed);
        if (chunk < queue_.begin_of(run + 1)) return chunk;
      }
      return -1;
    }

   private:
    ChunkQueue& queue_;
    int thread_, runs_done_ = 0;
  };

 private:
  struct alignas(64) Run {
    std::atomic<std::int64_t> next;
  };

  std::int64_t begin_of(int run) const { return chunks_ * run / threads_; }

  std::int64_t chunks_;
  int threads_;
  std::vector<Run> runs_;
};

/// Calls `f(chunk)` for every chunk in 0 … chunks-1, each on one thread. The first exception is
/// rethrown here.
template <class F>
void parallel_chunks(std::int64_t chunks, F&& f) {
  const int threads = static_cast<int>(std::min<std::int64_t>(thread_count(), chunks));
  if (threads < 1) return;
  std::exception_ptr error;
  std::atomic<bool> failed{false};
  ChunkQueue queue(chunks, threads);
  // One thread goes through the same compiled loop as many: a second copy of `f` may fuse other
  // multiplications with additions, and then the bits differ.
#if defined(_OPENMP)
#pragma omp parallel num_threads(threads) if (threads > 1)
#endif
  {
    ChunkQueue::Worker worker(queue, loop_thread());
    for (std::int64_t chunk; (chunk = worker.next()) >= 0;) {
      try {
        f(chunk);
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
      }
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
