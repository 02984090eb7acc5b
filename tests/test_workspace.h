#pragma once
/// Scratch memory for kernels under test: every allocation is its own block, kept until the end.

#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/base/exec.h"

namespace duet::test {

class TestWorkspace : public Workspace {
 public:
  void* allocate(std::size_t bytes) override {
    void* block = std::aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    blocks_.emplace_back(block);
    return block;
  }

 private:
  struct Free {
    void operator()(void* block) const { std::free(block); }
  };
  std::vector<std::unique_ptr<void, Free>> blocks_;
};

}  // namespace duet::test
