#pragma once
/// What every kernel is handed beside its operands: the stream it runs on and where it gets scratch
/// memory.

#include <cstddef>

#include "kernels/base/device.h"

namespace duet {

/// An ordered queue of work on a device. `handle` is the device's own (null on the CPU, where work
/// is done at once).
struct Stream {
  Device device;
  void* handle = nullptr;
};

/// Scratch memory for the length of one kernel call, uninitialised, aligned to 64 bytes, given back
/// together.
class Workspace {
 public:
  virtual ~Workspace() = default;
  virtual void* allocate(std::size_t bytes) = 0;
  template <class T>
  T* allocate_array(std::int64_t count) {
    return static_cast<T*>(allocate(static_cast<std::size_t>(count) * sizeof(T)));
  }
};

struct Exec {
  Stream stream;
  Workspace& workspace;
};

}  // namespace duet
