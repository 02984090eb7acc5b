#pragma once
/// For tests that call a simt row by hand: operands and scratch in the emulated device's memory.

#include <vector>

#include "kernels/base/exec.h"
#include "kernels/base/view.h"
#include "kernels/simt/memory.h"

namespace test {

/// Keeps every buffer until it dies. Each is filled with NaN.
class SimtOperands final : public duet::Workspace {
 public:
  SimtOperands() = default;
  ~SimtOperands() override {
    for (void* buffer : buffers_) duet::simt::deallocate(buffer);
  }
  SimtOperands(const SimtOperands&) = delete;
  SimtOperands& operator=(const SimtOperands&) = delete;

  void* allocate(std::size_t bytes) override {
    buffers_.push_back(duet::simt::allocate(bytes));
    return buffers_.back();
  }
  /// A copy on the device.
  duet::ConstView put(duet::ConstView host) {
    const std::size_t bytes = size(host.shape, host.dtype);
    void* device = allocate(bytes);
    duet::simt::copy(device, host.data, bytes);
    return {device, host.shape, host.dtype};
  }
  /// Room for a result like `host`.
  duet::View make(duet::View host) {
    return {allocate(size(host.shape, host.dtype)), host.shape, host.dtype};
  }
  static void get(duet::View device, duet::View host) {
    duet::simt::copy(host.data, device.data, size(host.shape, host.dtype));
  }

 private:
  static std::size_t size(const duet::Shape& shape, duet::DType dtype) {
    return static_cast<std::size_t>(shape.numel()) * duet::size_of(dtype);
  }
  std::vector<void*> buffers_;
};

}  // namespace test
