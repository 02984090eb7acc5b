#pragma once
/// The emulated CUDA device as the engine sees it.

#include "kernels/base/device_api.h"

namespace duet {

extern const DeviceApi simt_device_api;

}  // namespace duet
