#pragma once
/// cuDNN's graph interface: a graph of operations on described tensors is planned once for a device
/// (which engine runs it, with which tile sizes) and then run on addresses.
///
/// Engines whose results differ from run to run or that add in less than float32 are never taken,
/// and those that would multiply float32 in TF32 only where a plan permits tensor cores.

#include <cudnn.h>

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"

namespace duet::cudnn {

/// Throws Error with `what` and cuDNN's reason unless `status` is success.
void check(cudnnStatus_t status, const char* what);

/// The calling thread's handle for the stream's device, which runs in that stream.
cudnnHandle_t handle(const Stream& stream);

/// A node of cuDNN's description of a graph. Attributes are set, then it is finalised.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type);

  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
           const void* values);
  void set(cudnnBackendAttributeName_t name, std::int64_t value);
  void set(cudnnBackendAttributeName_t name, std::initializer_list<std::int64_t> values);
  void set(cudnnBackendAttributeName_t name, const Descriptor& value);
  void set(cudnnBackendAttributeName_t name, cudnnDataType_t value);
  void finalize();

  cudnnBackendDescriptor_t get() const { return descriptor_.get(); }

 private:
  struct Destroy {
    void operator()(cudnnBackendDescriptor_t d) const { cudnnBackendDestroyDescriptor(d); }
  };
  std::unique_ptr<std::remove_pointer_t<cudnnBackendDescriptor_t>, Destroy> descriptor_;
};

/// A tensor of a graph. `id` is what Plan::run knows it by.
struct Tensor {
  std::int64_t id;
  cudnnDataType_t type;
  /// In the order that cuDNN names dimensions in: (N, C, H, W), weights (O, I, kH, kW).
  std::array<std::int64_t, 4> extents;
  /// Exists between two operations only.
  bool is_virtual = false;
};
/// Its memory has the channels last: (N, H, W, C), weights (O, kH, kW, I).
Descriptor describe(const Tensor& tensor);

/// The extents that cuDNN's older functions count in.
constexpr std::int64_t most_extent = 0x7fffffff;

/// A tensor as cuDNN's older functions know it: extents (N, C, H, W), channels last in memory.
class ImageDescriptor {
 public:
  ImageDescriptor(DType dtype, const std::array<std::int64_t, 4>& extents);
  operator cudnnTensorDescriptor_t() const { return descriptor_.get(); }

 private:
  struct Destroy {
    void operator()(cudnnTensorDescriptor_t d) const { cudnnDestroyTensorDescriptor(d); }
  };
  std::unique_ptr<std::remove_pointer_t<cudnnTensorDescriptor_t>, Destroy> descriptor_;
};

/// A factor of cuDNN's older functions: a float, or with f64 tensors a double.
class Factor {
 public:
  Factor(DType dtype, double value)
      : f32_(static_cast<float>(value)), f64_(value), is_f64_(dtype == DType::f64) {}
  const void* address() const {
    return is_f64_ ? static_cast<const void*>(&f64_) : static_cast<const void*>(&f32_);
  }

 private:
  float f32_;
  double f64_;
  bool is_f64_;
};

/// Plans are made for a device that is not there while this lives, from what JSON says of it: the
/// form in which cuDNN writes down a device's properties. They cannot run.
class AbsentDevice {
 public:
  explicit AbsentDevice(std::string_view json);
  ~AbsentDevice();
  AbsentDevice(const AbsentDevice&) = delete;
  AbsentDevice& operator=(const AbsentDevice&) = delete;

 private:
  Descriptor properties_;
};

class Plan {
 public:
  /// For the calling thread's current CUDA device. Throws Error, with what was tried, where no
  /// engine runs these operations. Tensor cores round float32 operands to TF32; products of bf16
  /// they make exactly.
  explicit Plan(const std::vector<Descriptor>& operations, bool tensor_cores = false);

  struct Operand {
    std::int64_t id;
    const void* data;
  };
  void run(Exec& exec, std::initializer_list<Operand> operands) const;

  std::int64_t workspace_bytes() const { return workspace_bytes_; }

 private:
  Descriptor plan_;
  std::int64_t workspace_bytes_ = 0;
};

/// Plans by what they were made for, for each device.
class PlanCache {
 public:
  using Key = std::vector<std::int64_t>;
  using Make = std::function<Plan()>;

  /// Throws Error where no plan can be made; it is tried once.
  std::shared_ptr<const Plan> get(const Key& key, const Make& make);

  /// Whether all these calls can be planned.
  static Support support(const std::function<void()>& plan_all);

 private:
  struct Entry {
    std::shared_ptr<const Plan> plan;
    std::string why_not;
  };
  std::mutex mutex_;
  std::map<std::pair<int, Key>, Entry> entries_;
};

}  // namespace duet::cudnn
