#pragma once
/// What a kernel sees of a tensor: an address, a shape, an element type. A view owns nothing, is
/// dense and row-major, and is passed by value. An absent optional argument is a view without data.

#include "kernels/base/dtype.h"
#include "kernels/base/shape.h"

namespace duet {

template <class Void>
struct BasicView {
  Void* data = nullptr;
  Shape shape;
  DType dtype = DType::f32;

  explicit operator bool() const { return data != nullptr; }
  std::int64_t numel() const { return shape.numel(); }

  /// The elements as `T`, which must be the view's own type; null for a view without data.
  template <class T>
  auto as() const {
    using Element = std::conditional_t<std::is_const_v<Void>, const T, T>;
    require(!data || dtype == dtype_of<T>, "[view] elements are {}, not {}", to_string(dtype),
            to_string(dtype_of<T>));
    return static_cast<Element*>(data);
  }
};

using View = BasicView<void>;
struct ConstView : BasicView<const void> {
  ConstView() = default;
  ConstView(const void* d, Shape s, DType t) : BasicView<const void>{d, s, t} {}
  ConstView(const View& v) : ConstView(v.data, v.shape, v.dtype) {}
};

}  // namespace duet
