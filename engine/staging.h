#pragma once
/// Ways between the CPU and a device for many tensors at once.

#include <memory>
#include <vector>

#include "engine/device.h"
#include "engine/tensor.h"

namespace duet {

/// Brings tensors to a device while it computes. `put` packs them into pinned memory and queues one
/// copy, in the stream of copies, to where they land; `take` has the compute stream wait for it and
/// move them from there to where they stay, which frees the landing place for the next `put`.
///
/// On the CPU, `take` returns what was put.
class Staging {
 public:
  explicit Staging(Device device);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// Tensors on the CPU; some may be undefined.
  void put(std::vector<Tensor> tensors);
  /// The tensors on the device, in order. They are at the same addresses each time that the shapes
  /// and dtypes are the same, for a graph to find them, and hold until the next `take`.
  std::vector<Tensor> take();

 private:
  struct Lane;

  Device device_;
  std::vector<Tensor> put_;
  std::unique_ptr<Lane> lane_;  ///< none on the CPU
};

/// Brings tensors of a device back to the CPU by one copy. The constructor gathers them there, in
/// the compute stream, and may be part of a graph; `read` copies, waits, and may be called again
/// after each time that a graph gathered them anew.
class Readback {
 public:
  explicit Readback(std::vector<Tensor> tensors);
  /// On the CPU, in order.
  std::vector<Tensor> read() const;

 private:
  std::vector<Tensor> tensors_;
  Tensor block_;  ///< none on the CPU
};

}  // namespace duet
