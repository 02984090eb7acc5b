#include "kernels/binary/binary.h"

namespace duet {
namespace {

template <class T>
T evaluate(BinaryOp op, T a, T b) {
  switch (op) {
    case BinaryOp::add: return a + b;
    case BinaryOp::subtract: return a - b;
    case BinaryOp::multiply: return a * b;
    case BinaryOp::divide: return a / b;
  }
  return T(0);
}

}  // namespace

extern const BinaryRow binary_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const BinaryParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const BinaryParams& p, ConstView a, ConstView b, View y) {
      dispatch_floating(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        for (std::int64_t i = 0; i < p.shape.numel(); ++i) {
          std::int64_t rest = i, ia = 0, ib = 0;
          for (int d = p.shape.rank() - 1; d >= 0; --d) {
            ia += rest % p.shape[d] * p.a_strides[d];
            ib += rest % p.shape[d] * p.b_strides[d];
            rest /= p.shape[d];
          }
          y.as<T>()[i] = evaluate(p.op, a.as<T>()[ia], b.as<T>()[ib]);
        }
      });
    },
};

}  // namespace duet
