#pragma once
/// CUDA devices, through the runtime library.

#include <cuda_runtime.h>

#include "kernels/base/device_api.h"

namespace duet {

extern const DeviceApi cuda_device_api;

}  // namespace duet

namespace duet::cuda {

/// Throws Error with `what` and CUDA's reason unless `status` is success.
void check(cudaError_t status, const char* what);

inline cudaStream_t stream_of(const Stream& stream) {
  return static_cast<cudaStream_t>(stream.handle);
}

}  // namespace duet::cuda
