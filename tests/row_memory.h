#pragma once
/// Memory of the device that a row runs on, for tests that call a row by hand.

#include <algorithm>
#include <vector>

#include "engine/device.h"
#include "kernels/base/view.h"

/// The row's operands and its scratch memory. All of it is filled with bytes that read as NaN, so
/// that a row which counts on zeroed memory, or leaves a result out, is found out.
class RowMemory final : public duet::Workspace {
 public:
  explicit RowMemory(const duet::RowInfo& row)
      : device_{row.device, 0},
        api_(duet::device_api(row.device)),
        stream_(duet::device_stream(device_)) {}
  ~RowMemory() override {
    for (void* block : blocks_) api_.release(device_.index, block);
  }

  duet::Exec exec() { return {stream_, *this}; }

  void* allocate(std::size_t bytes) override {
    void* block = nullptr;
    const std::size_t size = std::max<std::size_t>(bytes, 1);
    duet::check_device_call("allocating", device_, api_.allocate(device_.index, size, &block));
    blocks_.push_back(block);
    duet::check_device_call("filling", device_, api_.fill(stream_, block, 0xff, size));
    return block;
  }

  /// A copy on the device.
  template <class T>
  T* put(const std::vector<T>& values) {
    T* const to = allocate_array<T>(std::ssize(values));
    copy(to, values.data(), values.size() * sizeof(T));
    return to;
  }

  template <class T>
  std::vector<T> get(const T* from, std::int64_t count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    copy(values.data(), from, values.size() * sizeof(T));
    return values;
  }

  /// A copy on the device, room for a result like `host`, and the result's way back.
  duet::ConstView put(duet::ConstView host) {
    const duet::View to = make({const_cast<void*>(host.data), host.shape, host.dtype});
    copy(to.data, host.data, bytes_of(to));
    return to;
  }
  duet::View make(duet::View host) { return {allocate(bytes_of(host)), host.shape, host.dtype}; }
  void get(duet::View device, duet::View host) { copy(host.data, device.data, bytes_of(host)); }

  /// For operands that a test holds as bytes.
  void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) duet::check_device_call("copying", device_, api_.copy(stream_, to, from, bytes));
  }

 private:
  static std::size_t bytes_of(const duet::View& view) {
    return static_cast<std::size_t>(view.numel()) * duet::size_of(view.dtype);
  }

  duet::Device device_;
  const duet::DeviceApi& api_;
  duet::Stream stream_;
  std::vector<void*> blocks_;
};
