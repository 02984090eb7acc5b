/// Stands for a plugin that was built with another version of the program.

#include "kernels/base/device_api.h"

extern "C" const duet::DeviceApi* duet_cuda_device_api() {
  static const duet::DeviceApi api = [] {
    duet::DeviceApi other{};
    other.version = duet::DeviceApi::current_version + 1;
    other.type = duet::DeviceType::cuda;
    return other;
  }();
  return &api;
}
