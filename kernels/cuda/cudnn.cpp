#include "kernels/cuda/cudnn.h"

#include <algorithm>

#include "kernels/cuda/device.h"

namespace duet::cudnn {
namespace {

constexpr std::size_t oldest_version = 90800;  // plans for absent devices
/// What kernels may count on: 16-byte loads. All memory from the pool has it.
constexpr std::int64_t alignment = 16;

/// The current AbsentDevice's properties.
thread_local const Descriptor* absent_device = nullptr;

/// A device in the keys of caches; -1 is the absent one.
int current_device() {
  if (absent_device) return -1;
  int index = 0;
  cuda::check(cudaGetDevice(&index), "current device");
  return index;
}

cudnnHandle_t handle_of(int index) {
  require(cudnnGetVersion() >= oldest_version, "[cudnn] version {} is at hand, {} is needed",
          cudnnGetVersion(), oldest_version);
  // Not destroyed: at the end of a process CUDA may be gone before its users.
  thread_local auto& handles = *new std::map<int, cudnnHandle_t>;
  cudnnHandle_t& handle = handles[index];
  if (!handle) check(cudnnCreate(&handle), "a handle");
  return handle;
}

/// The descriptors that an attribute holds.
std::vector<Descriptor> get_descriptors(const Descriptor& from, cudnnBackendAttributeName_t name,
                                        cudnnBackendDescriptorType_t type, std::int64_t most) {
  std::vector<Descriptor> found;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (std::int64_t i = 0; i < most; ++i) raw.push_back(found.emplace_back(type).get());
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(from.get(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, &count,
                                 raw.data()),
        "reading an attribute");
  found.erase(found.begin() + std::min(count, most), found.end());
  return found;
}

/// Why an engine's arithmetic is not ours; null where it is.
const char* objection(const Descriptor& configuration, bool tensor_cores) {
  const std::vector<Descriptor> engine = get_descriptors(configuration, CUDNN_ATTR_ENGINECFG_ENGINE,
                                                         CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  std::int64_t count = 0;
  check(
      cudnnBackendGetAttribute(engine.at(0).get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                               CUDNN_TYPE_NUMERICAL_NOTE, std::ssize(notes), &count, notes.data()),
      "an engine's numerical notes");
  for (std::int64_t i = 0; i < count; ++i) switch (notes[i]) {
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        if (!tensor_cores) return "computes in TF32";
        break;
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS: return "rounds its inputs";
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION: return "adds in less than float32";
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC: return "differs from run to run";
      case CUDNN_NUMERICAL_NOTE_FFT:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13: return "has the rounding of a transform";
      default: break;
    }
  return nullptr;
}

}  // namespace

void check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 512> message{};
  cudnnGetLastErrorString(message.data(), message.size());
  fail("[cudnn] {}: {} {}", what, cudnnGetErrorString(status), message.data());
}

cudnnHandle_t handle(const Stream& stream) {
  const cudnnHandle_t handle = handle_of(stream.device.index);
  check(cudnnSetStream(handle, cuda::stream_of(stream)), "setting the stream");
  return handle;
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t made = nullptr;
  check(cudnnBackendCreateDescriptor(type, &made), "a descriptor");
  descriptor_.reset(made);
}

void Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                     std::int64_t count, const void* values) {
  check(cudnnBackendSetAttribute(get(), name, type, count, values), "setting an attribute");
}
void Descriptor::set(cudnnBackendAttributeName_t name, std::int64_t value) {
  set(name, CUDNN_TYPE_INT64, 1, &value);
}
void Descriptor::set(cudnnBackendAttributeName_t name, std::initializer_list<std::int64_t> values) {
  set(name, CUDNN_TYPE_INT64, std::ssize(values), values.begin());
}
void Descriptor::set(cudnnBackendAttributeName_t name, const Descriptor& value) {
  const cudnnBackendDescriptor_t raw = value.get();
  set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
}
void Descriptor::set(cudnnBackendAttributeName_t name, cudnnDataType_t value) {
  set(name, CUDNN_TYPE_DATA_TYPE, 1, &value);
}
void Descriptor::finalize() { check(cudnnBackendFinalize(get()), "finalising a descriptor"); }

Descriptor describe(const Tensor& tensor) {
  const auto [n, c, h, w] = tensor.extents;
  Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, tensor.id);
  d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, tensor.type);
  d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, alignment);
  d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, {n, c, h, w});
  d.set(CUDNN_ATTR_TENSOR_STRIDES, {h * w * c, 1, w * c, c});
  d.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &tensor.is_virtual);
  d.finalize();
  return d;
}

ImageDescriptor::ImageDescriptor(DType dtype, const std::array<std::int64_t, 4>& extents) {
  cudnnTensorDescriptor_t made = nullptr;
  check(cudnnCreateTensorDescriptor(&made), "a tensor descriptor");
  descriptor_.reset(made);
  const auto [n, c, h, w] = extents;
  check(cudnnSetTensor4dDescriptor(
            made, CUDNN_TENSOR_NHWC, dtype == DType::f64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT,
            static_cast<int>(n), static_cast<int>(c), static_cast<int>(h), static_cast<int>(w)),
        "a tensor descriptor");
}

AbsentDevice::AbsentDevice(std::string_view json)
    : properties_(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR) {
  properties_.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, std::ssize(json),
                  json.data());
  properties_.finalize();
  absent_device = &properties_;
}
AbsentDevice::~AbsentDevice() { absent_device = nullptr; }

Plan::Plan(const std::vector<Descriptor>& operations, bool tensor_cores)
    : plan_(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
  const int device = current_device();
  const cudnnHandle_t handle = device < 0 ? nullptr : handle_of(device);

  std::vector<cudnnBackendDescriptor_t> raw;
  for (const Descriptor& operation : operations) raw.push_back(operation.get());
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::ssize(raw),
            raw.data());
  if (handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  graph.finalize();

  // The first engine that the heuristics name, that objects to nothing and that can be set up.
  std::string refusals;
  int tried = 0;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (!handle) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *absent_device);
    if (cudnnBackendFinalize(heuristics.get()) != CUDNN_STATUS_SUCCESS) continue;
    std::int64_t most = 0;
    check(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                   CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &most, nullptr),
          "counting engines");
    for (const Descriptor& configuration : get_descriptors(
             heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, most)) {
      ++tried;
      if (const char* why = objection(configuration, tensor_cores)) {
        if (refusals.find(why) == std::string::npos) refusals += fmt::format("; one {}", why);
        continue;
      }
      Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
      if (handle)
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
      else
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *absent_device);
      if (cudnnBackendFinalize(plan.get()) != CUDNN_STATUS_SUCCESS) continue;
      std::int64_t count = 0;
      check(cudnnBackendGetAttribute(plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                     CUDNN_TYPE_INT64, 1, &count, &workspace_bytes_),
            "a plan's workspace");
      plan_ = std::move(plan);
      return;
    }
  }
  fail("[cudnn] none of {} engines runs this{}", tried, refusals);
}

void Plan::run(Exec& exec, std::initializer_list<Operand> operands) const {
  std::vector<std::int64_t> ids;
  std::vector<const void*> addresses;
  for (const Operand& operand : operands) {
    require(reinterpret_cast<std::uintptr_t>(operand.data) % alignment == 0,
            "[cudnn] operand {} does not start at a multiple of {} bytes", operand.id, alignment);
    ids.push_back(operand.id);
    addresses.push_back(operand.data);
  }
  const void* workspace = workspace_bytes_ > 0
                              ? exec.workspace.allocate(static_cast<std::size_t>(workspace_bytes_))
                              : nullptr;
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, std::ssize(ids), ids.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, std::ssize(addresses),
           addresses.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  pack.finalize();
  check(cudnnBackendExecute(handle(exec.stream), plan_.get(), pack.get()), "running a plan");
}

std::shared_ptr<const Plan> PlanCache::get(const Key& key, const Make& make) {
  const std::scoped_lock lock(mutex_);
  Entry& entry = entries_[{current_device(), key}];
  if (!entry.plan && entry.why_not.empty()) try {
      entry.plan = std::make_shared<const Plan>(make());
    } catch (const Error& error) {
      entry.why_not = error.what();
    }
  if (!entry.plan) throw Error(entry.why_not);
  return entry.plan;
}

Support PlanCache::support(const std::function<void()>& plan_all) {
  try {
    plan_all();
    return Support::yes();
  } catch (const Error& error) {
    return Support::no(error.what());
  }
}

}  // namespace duet::cudnn

/// For tests on machines without a GPU, which look it up by name: this thread's plans are made for
/// the absent device that `json` describes (cudnn::AbsentDevice), until called with null. Returns
/// null, or why not.
extern "C" __attribute__((visibility("default"))) const char* duet_cudnn_absent_device(
    const char* json) {
  thread_local std::unique_ptr<duet::cudnn::AbsentDevice> device;
  thread_local std::string why;
  device.reset();
  try {
    if (json) device = std::make_unique<duet::cudnn::AbsentDevice>(json);
    return nullptr;
  } catch (const duet::Error& error) {
    why = error.what();
    return why.c_str();
  }
}
