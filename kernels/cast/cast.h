#pragma once
/// Elements of one floating type as another, among f32, f64 and bf16: rounded to nearest, ties to
/// even, where the new type is narrower. f64 becomes bf16 by way of f32.

#include "kernels/base/exec.h"
#include "kernels/base/host_device.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct CastParams {
  std::int64_t count;
  DType to = DType::f32;
};
std::string describe(const CastParams& p);

struct CastRow : RowInfo {
  using Params = CastParams;
  /// The dtype is x's.
  Support (*supports)(const Params&, DType);
  /// x → y, of the same count.
  void (*forward)(Exec&, const Params&, ConstView x, View y);
};

RowList<CastRow>& cast_rows();

/// For rows that cast between all three types.
Support any_cast(const CastParams& p, DType from);

/// One element.
template <class To, class From>
DUET_HOST_DEVICE To cast_to(From value) {
  return static_cast<To>(static_cast<Wide<To>>(widen(value)));
}

/// Calls `f` with a value of either view's element type.
template <class F>
void dispatch_cast(DType from, DType to, F&& f) {
  dispatch_real(from, [&](auto a) { dispatch_real(to, [&](auto b) { f(a, b); }); });
}

}  // namespace duet
