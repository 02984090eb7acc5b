#include "engine/tensor.h"

#include "engine/autograd.h"
#include "engine/device.h"

namespace duet {
namespace {

/// Calls `f` with a value of the element type of any dtype.
template <class F>
decltype(auto) dispatch_any(DType dtype, F&& f) {
  if (dtype == DType::i32) return f(std::int32_t{});
  if (dtype == DType::u8) return f(std::uint8_t{});
  if (dtype == DType::bf16) return f(bf16{});
  return dispatch_floating(dtype, f);
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  return over(Storage::allocate(shape.numel() * size_of(dtype), device), shape, dtype);
}

Tensor Tensor::over(std::shared_ptr<Storage> storage, const Shape& shape, DType dtype) {
  auto impl = std::make_shared<Impl>();
  impl->storage = std::move(storage);
  impl->shape = shape;
  impl->dtype = dtype;
  return Tensor(std::move(impl));
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor result = empty(shape, dtype, device);
  check_device_call(
      "fill", device,
      device_api(device.type)
          .fill(device_stream(device), result.view().data, 0, shape.numel() * size_of(dtype)));
  return result;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor result = empty(shape, dtype, device);
  result.fill(value);
  return result;
}

Tensor Tensor::product_of(Tensor left, Tensor right, std::function<void(const Tensor&)> multiply) {
  require(
      left.shape().rank() == 2 && right.shape().rank() == 2 && left.dim(0) == right.dim(0) &&
          left.dtype() == right.dtype() && left.device() == right.device(),
      "[tensor] leftᵀ · right of {} {} and {} {}, which must be matrices of as many rows, of one "
      "type and on one device",
      to_string(left.dtype()), to_string(left.shape()), to_string(right.dtype()),
      to_string(right.shape()));
  auto impl = std::make_shared<Impl>();
  impl->shape = {left.dim(1), right.dim(1)};
  impl->dtype = left.dtype();
  impl->factors =
      std::make_shared<Factors>(Factors{std::move(left), std::move(right), std::move(multiply)});
  return Tensor(std::move(impl));
}

const std::shared_ptr<Storage>& Tensor::storage() const {
  if (impl_->factors) {
    const Tensor product = empty(shape(), dtype(), device());
    impl_->factors->multiply(product);
    impl_->storage = product.impl_->storage;
    impl_->factors = nullptr;
  }
  return impl_->storage;
}

Device Tensor::device() const {
  return impl_->factors ? impl_->factors->left.device() : impl_->storage->device();
}

View Tensor::view() const {
  if (!impl_) return {};
  return {storage()->data(), shape(), dtype()};
}

double Tensor::item() const {
  require(defined() && numel() == 1, "[tensor] item() is for one element, this has {}",
          defined() ? numel() : 0);
  const Tensor host = to(Device{});
  return dispatch_any(
      dtype(), [&](auto zero) { return static_cast<double>(widen(*host.data<decltype(zero)>())); });
}

Tensor Tensor::alias(const Shape& shape) const {
  require(shape.numel() == numel(), "[tensor] shape {} cannot be seen as {}",
          to_string(this->shape()), to_string(shape));
  return over(storage(), shape, dtype());
}

Tensor Tensor::clone() const {
  Tensor result = empty(shape(), dtype(), device());
  result.copy_from(*this);
  return result;
}

Tensor Tensor::to(DType target) const {
  if (target == dtype()) return *this;
  if (device() != Device{}) return to(Device{}).to(target).to(device());
  Tensor result = empty(shape(), target, device());
  dispatch_any(dtype(), [&](auto from) {
    dispatch_any(target, [&](auto to) {
      const auto* source = data<decltype(from)>();
      auto* out = result.data<decltype(to)>();
      for (std::int64_t i = 0; i < numel(); ++i)
        out[i] = static_cast<decltype(to)>(static_cast<Wide<decltype(to)>>(widen(source[i])));
    });
  });
  return result;
}

void Tensor::copy_from(const Tensor& source) const {
  require(source.shape() == shape() && source.dtype() == dtype(),
          "[tensor] cannot copy {} {} into {} {}", to_string(source.dtype()),
          to_string(source.shape()), to_string(dtype()), to_string(shape()));
  // The device's own table copies between it and the CPU; two devices meet on the CPU.
  const Device here = device(), there = source.device();
  const bool from_cpu = there == Device{}, to_cpu = here == Device{};
  if (here != there && !from_cpu && !to_cpu) return copy_from(source.to(Device{}));
  const Device device = to_cpu ? there : here;
  check_device_call("copy", device,
                    device_api(device.type)
                        .copy(device_stream(device), view().data, source.view().data,
                              numel() * size_of(dtype())));
}

void Tensor::share(const Tensor& source) const {
  require(source.shape() == shape() && source.dtype() == dtype() && source.device() == device(),
          "[tensor] {} {} on {} cannot be shared as {} {} on {}", to_string(source.dtype()),
          to_string(source.shape()), to_string(source.device().type), to_string(dtype()),
          to_string(shape()), to_string(device().type));
  impl_->storage = source.storage();
  impl_->factors = nullptr;
}

Tensor Tensor::to(Device device) const {
  if (!defined() || device == this->device()) return *this;
  Tensor result = empty(shape(), dtype(), device);
  result.copy_from(*this);
  return result;
}

void Tensor::require_on_cpu() const {
  require(device() == Device{},
          "[tensor] the elements are on {}, the CPU reads its own; use to(Device{{}})",
          to_string(device().type));
}

void Tensor::fill(double value) const {
  if (device() != Device{}) return copy_from(full(shape(), value, dtype()));
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
