#pragma once
/// Work of a device that is noted once and then done again and again by one call, where else each
/// kernel is launched by the host.

#include <functional>

#include "engine/device.h"
#include "engine/memory.h"

namespace duet {

class Graph {
 public:
  /// Calls `work` once; what it queues on the device is noted and not done. It must not copy to or
  /// from the host nor wait, on pain of an Error. The memory that it takes stays the graph's. Not
  /// for the CPU.
  Graph(Device device, const std::function<void()>& work);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// Does it, with the same arguments at the same addresses.
  void launch();

 private:
  Device device_;
  const DeviceApi& api_;
  ReservedBlocks memory_;
  void* handle_ = nullptr;
};

}  // namespace duet
