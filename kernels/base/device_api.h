#pragma once
/// What the engine asks of a kind of device beside its rows: memory, copies, an end to waiting. A
/// table of plain functions, because the one for CUDA comes from a library that is opened while the
/// program runs. Each function that can fail returns null, or why it did.

#include <cstddef>
#include <cstdint>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"

namespace duet {

struct DeviceApi {
  /// Of this table and of every row type: program and plugin come from one build or do not meet.
  static constexpr std::uint32_t current_version = 1;

  std::uint32_t version;
  DeviceType type;

  /// How many there are; where none, `*why` says why not.
  int (*count)(const char** why);
  /// "NVIDIA H100 80GB HBM3".
  const char* (*name)(int index);

  /// `*block` is aligned to 64 bytes at least.
  const char* (*allocate)(int index, std::size_t bytes, void** block);
  const char* (*release)(int index, void* block);
  /// The queue in which a device's kernels and copies run.
  const char* (*stream)(int index, Stream* stream);
  /// Either end may be the device's memory or the host's. In the stream's order; done on return
  /// where an end is the host's.
  const char* (*copy)(const Stream&, void* to, const void* from, std::size_t bytes);
  const char* (*fill)(const Stream&, void* to, unsigned char value, std::size_t bytes);
  /// Waits until all that was queued is done.
  const char* (*synchronize)(const Stream&);

  /// The device's rows beyond those that the program has: `add` is called for each.
  void (*rows)(void* to, void (*add)(void* to, const char* op, const RowInfo* row));
};

}  // namespace duet
