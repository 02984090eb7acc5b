#include "engine/device.h"

#include <dlfcn.h>
#include <sys/mman.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "kernels/base/environment.h"
#include "kernels/simt/device.h"

namespace duet {
namespace {

constexpr const char *plugin_name = "libduet_cuda.so", *driver_name = "libcuda.so.1";
constexpr std::size_t huge_page = std::size_t{2} << 20;

const DeviceApi cpu_api = {
    .version = DeviceApi::current_version,
    .type = DeviceType::cpu,
    .count = [](const char**) { return 1; },
    .name = [](int) { return "CPU"; },
    .allocate = [](int, std::size_t bytes, void** block) -> const char* {
      const std::size_t alignment = bytes >= huge_page ? huge_page : 64;
      const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
      *block = std::aligned_alloc(alignment, rounded);
      if (!*block) return "the system has no more memory";
#if defined(MADV_HUGEPAGE)
      if (bytes >= huge_page) madvise(*block, rounded, MADV_HUGEPAGE);
#endif
      return nullptr;
    },
    .release = [](int, void* block) -> const char* {
      std::free(block);
      return nullptr;
    },
    .stream = [](int, StreamKind, Stream* stream) -> const char* {
      *stream = {};
      return nullptr;
    },
    .copy = [](const Stream&, void* to, const void* from, std::size_t bytes) -> const char* {
      std::memcpy(to, from, bytes);
      return nullptr;
    },
    .fill = [](const Stream&, void* to, unsigned char value, std::size_t bytes) -> const char* {
      std::memset(to, value, bytes);
      return nullptr;
    },
    .synchronize = [](const Stream&) -> const char* { return nullptr; },
    .rows = [](void*, void (*)(void*, const char*, const RowInfo*)) {},
    .allocate_host = nullptr,
    .release_host = nullptr,
    .copy_later = nullptr,
    .create_event = nullptr,
    .destroy_event = nullptr,
    .record_event = nullptr,
    .wait_event = nullptr,
    .synchronize_event = nullptr,
    .elapsed = nullptr,
    .begin_capture = nullptr,
    .end_capture = nullptr,
    .launch_graph = nullptr,
    .destroy_graph = nullptr,
    .push_range = nullptr,
    .pop_range = nullptr,
};

/// What opening the plugin came to: a table with at least one device, or why not.
struct Plugin {
  const DeviceApi* api = nullptr;
  std::string why;
};

/// What DUET_CUDA_PLUGIN says, the file beside the program, or else wherever the system finds it.
std::string plugin_path() {
  if (const auto given = environment::cuda_plugin()) return *given;
  std::error_code error;
  const auto beside =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / plugin_name;
  return std::filesystem::exists(beside, error) ? beside.string() : plugin_name;
}

Plugin open_plugin() {
  const std::string path = plugin_path();
  // Its libraries take a tenth of a second to load, in vain where there is no driver. One that is
  // named is asked itself.
  if (!environment::cuda_plugin() && !dlopen(driver_name, RTLD_LAZY | RTLD_LOCAL))
    return {nullptr, fmt::format("no NVIDIA driver is installed: {}", dlerror())};
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return {nullptr, dlerror()};
  using Entry = const DeviceApi* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(library, "duet_cuda_device_api"));
  if (!entry) return {nullptr, fmt::format("{} is not a plugin of Duet", path)};
  const DeviceApi* api = entry();
  if (api->version != DeviceApi::current_version)
    return {nullptr, fmt::format("{} is of version {}, this program needs {}: build them together",
                                 path, api->version, DeviceApi::current_version)};
  const char* why = "no reason given";
  if (api->count(&why) < 1) return {nullptr, why};
  api->rows(nullptr, [](void*, const char* op, const RowInfo* row) {
    RowTable::find(op).append_copy(*row);
  });
  return {api, ""};
}

const Plugin& plugin() {
  static const Plugin opened = open_plugin();
  return opened;
}

}  // namespace

const DeviceApi& device_api(DeviceType type) {
  switch (type) {
    case DeviceType::cpu: return cpu_api;
    case DeviceType::simt: return simt_device_api;
    case DeviceType::cuda: break;
  }
  if (!plugin().api) fail("[device] no CUDA device: {}", plugin().why);
  return *plugin().api;
}

void check_device_call(const char* what, Device device, const char* why) {
  if (why) fail("[device] {} on {}: {}", what, describe(device), why);
}

Stream device_stream(Device device, StreamKind kind) {
  Stream stream;
  check_device_call("stream", device, device_api(device.type).stream(device.index, kind, &stream));
  return stream;
}

Event::Event(Device device) : device_(device), api_(device_api(device.type)) {
  check_device_call("an event", device_, api_.create_event(device_.index, &handle_));
}

Event::~Event() { api_.destroy_event(device_.index, handle_); }

void Event::record(StreamKind stream) {
  check_device_call("recording an event", device_,
                    api_.record_event(device_stream(device_, stream), handle_));
}

void Event::hold_up(StreamKind stream) {
  check_device_call("waiting for an event", device_,
                    api_.wait_event(device_stream(device_, stream), handle_));
}

void Event::synchronize() {
  check_device_call("waiting for an event", device_,
                    api_.synchronize_event(device_.index, handle_));
}

double Event::milliseconds_since(const Event& begin) const {
  float milliseconds = 0;
  check_device_call("the time between events", device_,
                    api_.elapsed(device_.index, begin.handle_, handle_, &milliseconds));
  return milliseconds;
}

Device parse_device(std::string_view text) {
  if (text == "cpu") return {};
  if (text == "simt") return {DeviceType::simt, 0};
  int index = 0;
  const std::string_view number = text.starts_with("cuda:") ? text.substr(5) : "0";
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
  const bool whole = error == std::errc() && end == number.data() + number.size() && index >= 0;
  if (!whole || (text != "cuda" && !text.starts_with("cuda:")))
    fail<UsageError>("--device: '{}' is not one of auto, cpu, simt, cuda, cuda:N", text);
  if (!plugin().api)
    fail<UsageError>("--device {}: no CUDA device: {}; --device cpu runs without", text,
                     plugin().why);
  const char* why = "";
  const int count = plugin().api->count(&why);
  if (index >= count)
    fail<UsageError>("--device {}: this machine has {} CUDA device{}", text, count,
                     count == 1 ? "" : "s");
  return {DeviceType::cuda, index};
}

DeviceChoice choose_device(std::string_view text) {
  if (text != "auto") return {parse_device(text), ""};
  if (plugin().api) return {{DeviceType::cuda, 0}, ""};
  return {{}, fmt::format("no CUDA device ({}), using the CPU", plugin().why)};
}

std::string describe(Device device) {
  if (device.type != DeviceType::cuda) return to_string(device.type);
  return fmt::format("cuda:{} ({})", device.index, plugin().api->name(device.index));
}

}  // namespace duet
