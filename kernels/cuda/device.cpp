#include "kernels/cuda/device.h"

#include <nvtx3/nvToolsExt.h>

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

/// Two for each device, for as long as the process runs. Kernels are launched on the calling
/// thread's current device, which therefore becomes this one.
const char* stream(int index, StreamKind kind, Stream* result) {
  static std::mutex mutex;
  static auto& streams = *new std::map<std::pair<int, StreamKind>, cudaStream_t>;
  if (const char* why = reason(cudaSetDevice(index))) return why;
  const std::scoped_lock lock(mutex);
  cudaStream_t& handle = streams[{index, kind}];
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

const char* allocate_host(int index, std::size_t bytes, void** block) {
  if (const char* why = reason(cudaSetDevice(index))) return why;
  return reason(cudaHostAlloc(block, bytes, cudaHostAllocDefault));
}

const char* release_host(int, void* block) { return reason(cudaFreeHost(block)); }

const char* copy_later(const Stream& stream, void* to, const void* from, std::size_t bytes) {
  return reason(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, cuda::stream_of(stream)));
}

const char* create_event(int index, void** event) {
  if (const char* why = reason(cudaSetDevice(index))) return why;
  return reason(cudaEventCreate(reinterpret_cast<cudaEvent_t*>(event)));
}

const char* destroy_event(int, void* event) {
  return reason(cudaEventDestroy(static_cast<cudaEvent_t>(event)));
}

const char* record_event(const Stream& stream, void* event) {
  return reason(cudaEventRecord(static_cast<cudaEvent_t>(event), cuda::stream_of(stream)));
}

const char* wait_event(const Stream& stream, void* event) {
  return reason(cudaStreamWaitEvent(cuda::stream_of(stream), static_cast<cudaEvent_t>(event), 0));
}

const char* synchronize_event(int, void* event) {
  return reason(cudaEventSynchronize(static_cast<cudaEvent_t>(event)));
}

const char* elapsed(int, void* begin, void* end, float* milliseconds) {
  return reason(cudaEventElapsedTime(milliseconds, static_cast<cudaEvent_t>(begin),
                                     static_cast<cudaEvent_t>(end)));
}

/// Relaxed: the pool may ask for memory meanwhile, which the other modes refuse.
const char* begin_capture(const Stream& stream) {
  return reason(cudaStreamBeginCapture(cuda::stream_of(stream), cudaStreamCaptureModeRelaxed));
}

const char* end_capture(const Stream& stream, void** graph) {
  cudaGraph_t captured = nullptr;
  if (const char* why = reason(cudaStreamEndCapture(cuda::stream_of(stream), &captured)))
    return why;
  const char* why =
      reason(cudaGraphInstantiate(reinterpret_cast<cudaGraphExec_t*>(graph), captured, 0));
  cudaGraphDestroy(captured);
  return why;
}

const char* launch_graph(const Stream& stream, void* graph) {
  return reason(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), cuda::stream_of(stream)));
}

const char* destroy_graph(int, void* graph) {
  return reason(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)));
}

void rows(void* to, void (*add)(void* to, const char* op, const RowInfo* row)) {
  for (const RowTable* table : RowTable::all())
    for (std::size_t i = 0; i < table->size(); ++i)
      if (table->info(i).device == DeviceType::cuda) add(to, table->op().c_str(), &table->info(i));
}

}  // namespace

const DeviceApi cuda_device_api = {
    .version = DeviceApi::current_version,
    .type = DeviceType::cuda,
    .count = count,
    .name = name,
    .allocate = allocate,
    .release = release,
    .stream = stream,
    .copy = copy,
    .fill = fill,
    .synchronize = synchronize,
    .rows = rows,
    .allocate_host = allocate_host,
    .release_host = release_host,
    .copy_later = copy_later,
    .create_event = create_event,
    .destroy_event = destroy_event,
    .record_event = record_event,
    .wait_event = wait_event,
    .synchronize_event = synchronize_event,
    .elapsed = elapsed,
    .begin_capture = begin_capture,
    .end_capture = end_capture,
    .launch_graph = launch_graph,
    .destroy_graph = destroy_graph,
    .push_range = [](const char* name) { nvtxRangePushA(name); },
    .pop_range = [] { nvtxRangePop(); },
};

namespace cuda {

void check(cudaError_t status, const char* what) {
  if (const char* why = reason(status)) fail("[cuda] {}: {}", what, why);
}

}  // namespace cuda
}  // namespace duet
