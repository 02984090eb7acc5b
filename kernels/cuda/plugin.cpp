/// The one function that programs look up in the plugin.

#include "kernels/cuda/device.h"

extern "C" __attribute__((visibility("default"))) const duet::DeviceApi* duet_cuda_device_api() {
  return &duet::cuda_device_api;
}
