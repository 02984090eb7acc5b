#pragma once
/// What the engine asks of a kind of device beside its rows: memory, copies, order between streams,
/// graphs. A table of plain functions, because the one for CUDA comes from a library that is opened
/// while the program runs. Each function that can fail returns null, or why it did.

#include <cstddef>
#include <cstdint>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"

namespace duet {

enum class StreamKind : unsigned char {
  compute,  ///< all kernels
  copies,   ///< copies that go on meanwhile
};

struct DeviceApi {
  /// Of this table and of every row type: program and plugin come from one build or do not meet.
  static constexpr std::uint32_t current_version = 2;

  std::uint32_t version;
  DeviceType type;

  /// How many there are; where none, `*why` says why not.
  int (*count)(const char** why);
  /// "NVIDIA H100 80GB HBM3".
  const char* (*name)(int index);

  /// `*block` is aligned to 64 bytes at least.
  const char* (*allocate)(int index, std::size_t bytes, void** block);
  const char* (*release)(int index, void* block);
  /// One queue of each kind, always the same.
  const char* (*stream)(int index, StreamKind kind, Stream* stream);
  /// Either end may be the device's memory or the host's. In the stream's order; done on return
  /// where an end is the host's.
  const char* (*copy)(const Stream&, void* to, const void* from, std::size_t bytes);
  const char* (*fill)(const Stream&, void* to, unsigned char value, std::size_t bytes);
  /// Waits until all that was queued is done.
  const char* (*synchronize)(const Stream&);

  /// The device's rows beyond those that the program has: `add` is called for each.
  void (*rows)(void* to, void (*add)(void* to, const char* op, const RowInfo* row));

  // From here on null where a device does everything at once: the CPU.

  /// Memory of the host's that a device copies from by itself ("pinned").
  const char* (*allocate_host)(int index, std::size_t bytes, void** block);
  const char* (*release_host)(int index, void* block);
  /// A copy that is only queued: until the stream has come to it, memory from `allocate_host` is
  /// not to be changed, and what it writes not to be read.
  const char* (*copy_later)(const Stream&, void* to, const void* from, std::size_t bytes);

  /// An event is a place in a stream's order, and the time at which the stream came by.
  const char* (*create_event)(int index, void** event);
  const char* (*destroy_event)(int index, void* event);
  /// The place behind all that was queued so far.
  const char* (*record_event)(const Stream&, void* event);
  /// What is queued from now on waits until the event's stream has come to its place.
  const char* (*wait_event)(const Stream&, void* event);
  /// The host waits.
  const char* (*synchronize_event)(int index, void* event);
  /// Between two events that were passed.
  const char* (*elapsed)(int index, void* begin, void* end, float* milliseconds);

  /// Until `end_capture`, the calling thread's work for the stream is noted instead of being done.
  /// Copies to or from the host and waiting are refused.
  const char* (*begin_capture)(const Stream&);
  const char* (*end_capture)(const Stream&, void** graph);
  /// Does in the stream's order what was noted, with the same arguments at the same addresses.
  const char* (*launch_graph)(const Stream&, void* graph);
  const char* (*destroy_graph)(int index, void* graph);

  /// Names what the calling thread does from now on, for a profiler; names nest.
  void (*push_range)(const char* name);
  void (*pop_range)();
};

}  // namespace duet
