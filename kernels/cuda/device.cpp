#include "kernels/cuda/device.h"

#include <map>
#include <mutex>
#include <string>

namespace duet {
namespace {

/// The oldest devices that the kernels are compiled for: compute capability 8.0.
constexpr int oldest_major = 8;

/// Keeps a text until the thread's next failure.
const char* keep(std::string text) {
  thread_local std::string kept;
  kept = std::move(text);
  return kept.c_str();
}

/// Null, or CUDA's reason. Takes the error out of CUDA's own memory, so that no later call finds it
/// and blames itself; an error that broke the device stays all the same.
const char* reason(cudaError_t status) {
  if (status == cudaSuccess) return nullptr;
  cudaGetLastError();
  return keep(fmt::format("{} ({})", cudaGetErrorString(status), cudaGetErrorName(status)));
}

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

int count(const char** why) {
  // CUDA leaves the number alone where it fails.
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status == cudaErrorInsufficientDriver) {
    int driver = 0, runtime = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    *why = driver == 0 ? "no NVIDIA driver is installed"
                       : keep(fmt::format("the NVIDIA driver knows CUDA {}, CUDA {} is needed",
                                          version_text(driver), version_text(runtime)));
    return 0;
  }
  if (status == cudaErrorNoDevice || (status == cudaSuccess && devices == 0)) {
    *why = "the NVIDIA driver finds no device";
    return 0;
  }
  if (status != cudaSuccess) {
    *why = reason(status);
    return 0;
  }
  for (int index = 0; index < devices; ++index) {
    int major = 0, minor = 0;
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index);
    if (major >= oldest_major) continue;
    *why = keep(fmt::format("device {} has compute capability {}.{}, {}.0 is needed", index, major,
                            minor, oldest_major));
    return index;  // those before it
  }
  return devices;
}

const char* name(int index) {
  static std::mutex mutex;
  static auto& names = *new std::map<int, std::string>;
  const std::scoped_lock lock(mutex);
  std::string& text = names[index];
  if (cudaDeviceProp properties; text.empty())
    text = cudaGetDeviceProperties(&properties, index) == cudaSuccess ? properties.name
                                                                      : "unknown device";
  return text.c_str();
}

const char* allocate(int index, std::size_t bytes, void** block) {
  if (const char* why = reason(cudaSetDevice(index))) return why;
  return reason(cudaMalloc(block, bytes));
}

const char* release(int index, void* block) {
  if (const char* why = reason(cudaSetDevice(index))) return why;
  return reason(cudaFree(block));
}

/// One for each device, for as long as the process runs. Kernels are launched on the calling
/// thread's current device, which therefore becomes this one.
const char* stream(int index, Stream* result) {
  static std::mutex mutex;
  static auto& streams = *new std::map<int, cudaStream_t>;
  if (const char* why = reason(cudaSetDevice(index))) return why;
  const std::scoped_lock lock(mutex);
  cudaStream_t& handle = streams[index];
  if (!handle)
    if (const char* why = reason(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking)))
      return why;
  *result = {{DeviceType::cuda, index}, handle};
  return nullptr;
}

bool is_device_memory(const void* address) {
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, address) == cudaSuccess)
    return attributes.type == cudaMemoryTypeDevice;
  cudaGetLastError();
  return false;
}

const char* synchronize(const Stream& stream) {
  return reason(cudaStreamSynchronize(cuda::stream_of(stream)));
}

const char* copy(const Stream& stream, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return nullptr;
  if (const char* why =
          reason(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, cuda::stream_of(stream))))
    return why;
  return is_device_memory(to) && is_device_memory(from) ? nullptr : synchronize(stream);
}

const char* fill(const Stream& stream, void* to, unsigned char value, std::size_t bytes) {
  return reason(cudaMemsetAsync(to, value, bytes, cuda::stream_of(stream)));
}

void rows(void* to, void (*add)(void* to, const char* op, const RowInfo* row)) {
  for (const RowTable* table : RowTable::all())
    for (std::size_t i = 0; i < table->size(); ++i)
      if (table->info(i).device == DeviceType::cuda) add(to, table->op().c_str(), &table->info(i));
}

}  // namespace

const DeviceApi cuda_device_api = {
    DeviceApi::current_version,
    DeviceType::cuda,
    count,
    name,
    allocate,
    release,
    stream,
    copy,
    fill,
    synchronize,
    rows,
};

namespace cuda {

void check(cudaError_t status, const char* what) {
  if (const char* why = reason(status)) fail("[cuda] {}: {}", what, why);
}

}  // namespace cuda
}  // namespace duet
