#include "engine/tensor.h"

#include <cstring>

#include "engine/autograd.h"

namespace duet {
namespace {

/// Calls `f` with a value of the element type of any dtype.
template <class F>
decltype(auto) dispatch_any(DType dtype, F&& f) {
  if (dtype == DType::i32) return f(std::int32_t{});
  if (dtype == DType::u8) return f(std::uint8_t{});
  return dispatch_floating(dtype, f);
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  auto impl = std::make_shared<Impl>();
  impl->storage = Storage::allocate(shape.numel() * size_of(dtype), device);
  impl->shape = shape;
  impl->dtype = dtype;
  return Tensor(std::move(impl));
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor result = empty(shape, dtype, device);
  std::memset(result.view().data, 0, shape.numel() * size_of(dtype));
  return result;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor result = empty(shape, dtype, device);
  result.fill(value);
  return result;
}

View Tensor::view() const {
  if (!impl_) return {};
  return {impl_->storage->data(), impl_->shape, impl_->dtype};
}

double Tensor::item() const {
  require(defined() && numel() == 1, "[tensor] item() is for one element, this has {}",
          defined() ? numel() : 0);
  return dispatch_any(dtype(),
                      [&](auto zero) { return static_cast<double>(*data<decltype(zero)>()); });
}

Tensor Tensor::alias(const Shape& shape) const {
  require(shape.numel() == numel(), "[tensor] shape {} cannot be seen as {}",
          to_string(this->shape()), to_string(shape));
  auto impl = std::make_shared<Impl>();
  impl->storage = impl_->storage;
  impl->shape = shape;
  impl->dtype = impl_->dtype;
  return Tensor(std::move(impl));
}

Tensor Tensor::clone() const {
  Tensor result = empty(shape(), dtype(), device());
  result.copy_from(*this);
  return result;
}

Tensor Tensor::to(DType target) const {
  if (target == dtype()) return *this;
  Tensor result = empty(shape(), target, device());
  dispatch_any(dtype(), [&](auto from) {
    dispatch_any(target, [&](auto to) {
      const auto* source = data<decltype(from)>();
      auto* out = result.data<decltype(to)>();
      for (std::int64_t i = 0; i < numel(); ++i) out[i] = static_cast<decltype(to)>(source[i]);
    });
  });
  return result;
}

void Tensor::copy_from(const Tensor& source) const {
  require(source.shape() == shape() && source.dtype() == dtype(),
          "[tensor] cannot copy {} {} into {} {}", to_string(source.dtype()),
          to_string(source.shape()), to_string(dtype()), to_string(shape()));
  std::memcpy(view().data, source.view().data, numel() * size_of(dtype()));
}

void Tensor::fill(double value) const {
  dispatch_any(dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(data<T>(), numel(), static_cast<T>(value));
  });
}

Tensor& Tensor::set_requires_grad(bool value) {
  require(!impl_->grad_fn, "[tensor] only a leaf can be marked: this tensor was computed");
  impl_->requires_grad = value;
  return *this;
}

Tensor Tensor::grad() const { return Tensor(impl_->grad); }

void Tensor::set_grad(const Tensor& grad) const { impl_->grad = grad.impl(); }

void Tensor::backward() const { autograd::backward(*this); }

}  // namespace duet
