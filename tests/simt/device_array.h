#pragma once
/// Arrays in the emulated device's memory, for the tests.

#include <cstring>
#include <vector>

#include "kernels/base/exec.h"
#include "kernels/base/philox.h"
#include "kernels/simt/memory.h"

namespace duet::test {

inline const Stream simt_stream{{DeviceType::simt, 0}, nullptr};

template <class T>
class DeviceArray {
 public:
  /// Filled with NaN.
  explicit DeviceArray(std::size_t count)
      : data_(static_cast<T*>(simt::allocate(count * sizeof(T)))), count_(count) {}
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    simt::copy(data_, values.data(), count_ * sizeof(T));
  }
  ~DeviceArray() { simt::deallocate(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* get() const { return data_; }
  std::vector<T> host() const {
    std::vector<T> values(count_);
    simt::copy(values.data(), data_, count_ * sizeof(T));
    return values;
  }

 private:
  T* data_;
  std::size_t count_;
};

/// Numbers in [-1, 1).
inline std::vector<float> random_floats(std::size_t count, std::uint64_t stream) {
  std::vector<float> values(count);
  const Philox philox{42, stream};
  for (std::size_t i = 0; i < count; ++i) values[i] = 2 * philox.uniform(i) - 1;
  return values;
}

}  // namespace duet::test
