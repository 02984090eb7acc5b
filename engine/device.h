#pragma once
/// The devices of this machine. CUDA's come from a plugin, libduet_cuda.so, which is opened when a
/// CUDA device is first asked for, so that the same program runs where there is none.

#include <string>
#include <string_view>

#include "kernels/base/device_api.h"

namespace duet {

/// The functions of a device's kind. Error when the device is not there.
const DeviceApi& device_api(DeviceType type);

/// The stream in which the engine runs a device's kernels, or the one of the copies beside it.
Stream device_stream(Device device, StreamKind kind = StreamKind::compute);

/// Throws Error where a device's function said why it failed.
void check_device_call(const char* what, Device device, const char* why);

/// A place in the order of a device's stream. Not for the CPU.
class Event {
 public:
  explicit Event(Device device);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Sets it behind all that was queued so far.
  void record(StreamKind stream);
  /// What is queued in `stream` from now on waits for it.
  void hold_up(StreamKind stream);
  /// The host waits for it.
  void synchronize();
  /// Both must have been passed.
  double milliseconds_since(const Event& begin) const;

 private:
  Device device_;
  const DeviceApi& api_;
  void* handle_ = nullptr;
};

/// "cpu", "simt", "cuda" or "cuda:1". UsageError for anything else, and for a CUDA device that is
/// not there, with the reason.
Device parse_device(std::string_view text);

struct DeviceChoice {
  Device device;
  /// Why a CUDA device was not taken, where `auto` looked for one in vain.
  std::string note;
};
/// As parse_device, and "auto": the first CUDA device, else the CPU.
DeviceChoice choose_device(std::string_view text);

/// "cpu", "cuda:1 (NVIDIA H100 80GB HBM3)".
std::string describe(Device device);

}  // namespace duet
