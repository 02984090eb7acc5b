#pragma once
/// Scratch memory inside parallel loops.

#include <atomic>
#include <memory>

#include "kernels/base/exec.h"
#include "kernels/base/parallel.h"

namespace duet {

/// As many blocks of scratch memory as there can be chunks of a parallel loop under way, taken from
/// the workspace before the loop (a workspace serves one thread). A chunk takes a block for as long
/// as it runs; what it finds there is whatever the chunk before it left. A thread gets the same
/// block again where it can: what another core has written is slow to overwrite.
template <class T>
class ChunkScratch {
 public:
  ChunkScratch(Workspace& workspace, std::int64_t elements, std::int64_t chunks)
      : blocks_(static_cast<int>(std::min<std::int64_t>(thread_count(), chunks))),
        pitch_((elements + 63) / 64 * 64),
        data_(workspace.allocate_array<T>(pitch_ * blocks_)),
        busy_(std::make_unique<std::atomic<bool>[]>(static_cast<std::size_t>(blocks_))) {}

  class Lease {
   public:
    Lease(T* data, std::atomic<bool>& busy) : data_(data), busy_(busy) {}
    ~Lease() { busy_.store(false, std::memory_order_release); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    T* get() const { return data_; }

   private:
    T* data_;
    std::atomic<bool>& busy_;
  };

  Lease take() {
    for (;;)
      for (int i = 0; i < blocks_; ++i) {
        const int block = (loop_thread() + i) % blocks_;
        if (!busy_[block].exchange(true, std::memory_order_acquire))
          return Lease(data_ + block * pitch_, busy_[block]);
      }
  }

 private:
  int blocks_;
  std::int64_t pitch_;
  T* data_;
  std::unique_ptr<std::atomic<bool>[]> busy_;
};

}  // namespace duet
