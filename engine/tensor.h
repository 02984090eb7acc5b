#pragma once
/// A dense, row-major array on a device: a cheap handle, copied by sharing. Images are (N, H, W,
/// C).

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/memory.h"
#include "kernels/base/view.h"

namespace duet {

namespace autograd {
struct Node;
}

class Tensor {
 public:
  /// No tensor: an absent optional argument.
  Tensor() = default;

  /// Uninitialised elements.
  static Tensor empty(const Shape& shape, DType dtype = DType::f32, Device device = {});
  static Tensor zeros(const Shape& shape, DType dtype = DType::f32, Device device = {});
  static Tensor full(const Shape& shape, double value, DType dtype = DType::f32,
                     Device device = {});
  /// The elements at the beginning of a storage.
  static Tensor over(std::shared_ptr<Storage> storage, const Shape& shape, DType dtype);
  /// A copy of `values`, as many as the shape has elements.
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape, Device device = {});
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape, Device device = {}) {
    return from(std::span<const T>(values), shape, device);
  }

  /// The product leftᵀ · right (O, I) of left (N, O) and right (N, I), which is multiplied when
  /// somebody first looks at its elements, by `multiply(result)`; one thread may do that at a time.
  static Tensor product_of(Tensor left, Tensor right, std::function<void(const Tensor&)> multiply);
  struct Factors;
  /// Of a product whose elements nobody has looked at; null for all other tensors.
  const Factors* factors() const { return impl_ ? impl_->factors.get() : nullptr; }

  bool defined() const { return impl_ != nullptr; }
  explicit operator bool() const { return defined(); }
  const Shape& shape() const { return impl_->shape; }
  std::int64_t dim(int i) const { return impl_->shape[i]; }
  std::int64_t numel() const { return impl_->shape.numel(); }
  DType dtype() const { return impl_->dtype; }
  Device device() const;

  /// What kernels see; a view without data for an undefined tensor.
  View view() const;
  operator View() const { return view(); }
  operator ConstView() const { return view(); }
  /// The elements of a tensor on the CPU as `T`, which must be its own type.
  template <class T>
  T* data() const {
    require_on_cpu();
    return view().as<T>();
  }
  template <class T>
  std::span<T> span() const {
    return {data<T>(), static_cast<std::size_t>(numel())};
  }
  /// The value of the only element.
  double item() const;

  /// The same elements under another shape, outside autograd (ops/reshape.h is the differentiable
  /// one).
  Tensor alias(const Shape& shape) const;
  Tensor clone() const;
  /// A copy with elements converted; itself when the dtype is the same.
  Tensor to(DType dtype) const;
  /// A copy on another device; itself when it is there.
  Tensor to(Device device) const;
  /// Overwrites the elements with those of a tensor of the same shape and dtype, on any device.
  void copy_from(const Tensor& source) const;
  /// The same without a copy: every handle of this tensor sees the elements of `source` from now
  /// on, which has its shape and dtype and is on its device.
  void share(const Tensor& source) const;
  void fill(double value) const;

  // Autograd.
  bool requires_grad() const { return impl_ && (impl_->requires_grad || impl_->grad_fn); }
  /// Marks a leaf: backward() accumulates into grad().
  Tensor& set_requires_grad(bool value = true);
  Tensor grad() const;
  void set_grad(const Tensor& grad) const;
  /// The same elements without history.
  Tensor detach() const { return alias(shape()); }
  /// Differentiates this one-element tensor by every leaf it was made from. The graph is consumed.
  void backward() const;

  struct Impl {
    std::shared_ptr<Storage> storage;  ///< null while there are factors
    std::shared_ptr<Factors> factors;
    Shape shape;
    DType dtype = DType::f32;
    bool requires_grad = false;
    std::shared_ptr<Impl> grad;
    std::shared_ptr<autograd::Node> grad_fn;
  };
  const std::shared_ptr<Impl>& impl() const { return impl_; }
  explicit Tensor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

 private:
  void require_on_cpu() const;
  const std::shared_ptr<Storage>& storage() const;

  std::shared_ptr<Impl> impl_;
};

struct Tensor::Factors {
  Tensor left, right;
  std::function<void(const Tensor&)> multiply;
};

template <class T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape, Device device) {
  require(static_cast<std::int64_t>(values.size()) == shape.numel(),
          "[tensor] {} values do not fill shape {}", values.size(), to_string(shape));
  const Tensor result = empty(shape, dtype_of<T>);
  std::copy(values.begin(), values.end(), result.data<T>());
  return result.to(device);
}

}  // namespace duet
