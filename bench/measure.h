#pragma once
/// How long a call takes on a device, and what the device can do at most.

#include <functional>
#include <string>

#include "kernels/base/device.h"
#include "kernels/base/precision.h"

namespace duet::bench {

struct Timing {
  double median_s = 0, least_s = 0;
  /// Batches that were timed, and calls in each.
  int batches = 0;
  std::int64_t calls = 0;
};

/// `call(i)` is call i. After calls that warm up, ten batches of calls are timed, which take about
/// `seconds` in all; three, where calls are too long for that. On a device the host waits before
/// and after each batch. Google Benchmark does it; where that is not installed, a loop of our own.
Timing measure(Device device, double seconds, const std::function<void(std::int64_t i)>& call);

struct Ceiling {
  double flops = 0, bytes_per_s = 0;  ///< 0: not known
  std::string how;
};
/// On the CPU by an FMA loop in f32, and by the fastest of loops that read, update and copy memory;
/// on CUDA by a copy and by a large product of the linear op's first row, in that precision; the
/// emulator has none.
Ceiling measure_ceiling(Device device, Precision precision);

/// Seconds in which a cache line goes from one of the CPU's cores to another and back: a virtual
/// machine's cores may share a cache at one moment and none at the next. 0 where the process has
/// one core.
double measure_round_trip();

}  // namespace duet::bench
