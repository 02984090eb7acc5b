#include "kernels/concat/concat.h"

namespace duet {
namespace {

/// Calls `f(part, element of the part, element of the whole)` for every element.
template <class F>
void for_each_element(const ConcatParams& p, F&& f) {
  std::int64_t whole = 0;
  for (std::int64_t o = 0; o < p.outer; ++o)
    for (std::size_t k = 0; k < p.widths.size(); ++k)
      for (std::int64_t i = 0; i < p.widths[k]; ++i, ++whole) f(k, o * p.widths[k] + i, whole);
}

}  // namespace

extern const ConcatRow concat_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const ConcatParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const ConcatParams& p, std::span<const ConstView> parts, View y) {
      dispatch_floating(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        for_each_element(p, [&](std::size_t k, std::int64_t i, std::int64_t whole) {
          y.as<T>()[whole] = parts[k].as<T>()[i];
        });
      });
    },
    [](Exec&, const ConcatParams& p, ConstView grad_y, std::span<const View> grad_parts) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        for_each_element(p, [&](std::size_t k, std::int64_t i, std::int64_t whole) {
          if (grad_parts[k]) grad_parts[k].as<T>()[i] = grad_y.as<T>()[whole];
        });
      });
    },
};

}  // namespace duet
