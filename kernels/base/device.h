#pragma once
/// Where memory lives and kernels run.

#include <string>
#include <string_view>

#include "kernels/base/error.h"

namespace duet {

enum class DeviceType : unsigned char { cpu, simt, cuda };

constexpr const char* to_string(DeviceType type) {
  switch (type) {
    case DeviceType::cpu: return "cpu";
    case DeviceType::simt: return "simt";
    case DeviceType::cuda: return "cuda";
  }
  return "?";
}

struct Device {
  DeviceType type = DeviceType::cpu;
  int index = 0;
  bool operator==(const Device&) const = default;
};

}  // namespace duet
