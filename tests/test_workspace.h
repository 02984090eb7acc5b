#pragma once
/// Scratch memory for tests that call a row by hand.

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "kernels/base/exec.h"

/// Keeps every block until it dies. Each block is filled with bytes that read as NaN, so that a row
/// which counts on zeroed scratch is found out.
class TestWorkspace final : public duet::Workspace {
 public:
  void* allocate(std::size_t bytes) override {
    const std::size_t rounded = std::max<std::size_t>(64, (bytes + 63) / 64 * 64);
    Block block(static_cast<std::byte*>(std::aligned_alloc(64, rounded)));
    if (!block) throw std::bad_alloc();
    std::fill_n(block.get(), rounded, std::byte{0xff});
    blocks_.push_back(std::move(block));
    return blocks_.back().get();
  }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  using Block = std::unique_ptr<std::byte, Free>;
  std::vector<Block> blocks_;
};
