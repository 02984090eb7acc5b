#include "kernels/base/parallel.h"
#include "kernels/binary/binary.h"

namespace duet {
namespace {

/// Calls `f` with the function object of an operation, so that the loop inside is compiled for
/// each.
template <class T, class F>
void with_function(BinaryOp op, F&& f) {
  switch (op) {
    case BinaryOp::add: return f([](T a, T b) { return a + b; });
    case BinaryOp::subtract: return f([](T a, T b) { return a - b; });
    case BinaryOp::multiply: return f([](T a, T b) { return a * b; });
    case BinaryOp::divide: return f([](T a, T b) { return a / b; });
  }
}

}  // namespace

extern const BinaryRow binary_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const BinaryParams& p, DType dtype) {
      if (!p.same_shape()) return Support::no("takes operands of one shape");
      return any_floating(dtype);
    },
    [](Exec&, const BinaryParams& p, ConstView a, ConstView b, View y) {
      dispatch_floating(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        with_function<T>(p.op, [&, pa = a.as<T>(), pb = b.as<T>(), py = y.as<T>()](auto function) {
          parallel_for(p.shape.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) py[i] = function(pa[i], pb[i]);
          });
        });
      });
    },
};

}  // namespace duet
