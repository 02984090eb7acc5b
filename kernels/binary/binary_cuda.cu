#include "kernels/binary/binary.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

struct Evaluate {
  BinaryOp op;

  template <class T>
  __device__ T operator()(T a, T b) const {
    switch (op) {
      case BinaryOp::add: return a + b;
      case BinaryOp::subtract: return a - b;
      case BinaryOp::multiply: return a * b;
      case BinaryOp::divide: return a / b;
    }
    return T(0);
  }
};

/// The dimensions of y, those of extent 1 left out, and neighbours that both operands walk through
/// as through one made one.
template <class Index>
struct Dimensions {
  int rank = 0;
  Index extents[Shape::max_rank], a_strides[Shape::max_rank], b_strides[Shape::max_rank];

  explicit Dimensions(const BinaryParams& p) {
    for (int d = 0; d < p.shape.rank(); ++d) {
      const auto extent = static_cast<Index>(p.shape[d]);
      const auto a = static_cast<Index>(p.a_strides[d]), b = static_cast<Index>(p.b_strides[d]);
      if (extent == 1) continue;
      const int last = rank - 1;
      if (rank > 0 && a_strides[last] == a * extent && b_strides[last] == b * extent) {
        extents[last] *= extent;
        a_strides[last] = a;
        b_strides[last] = b;
        continue;
      }
      extents[rank] = extent;
      a_strides[rank] = a;
      b_strides[rank] = b;
      ++rank;
    }
  }
};

constexpr int block_threads = 256;

template <class T, class Index>
__global__ void broadcast(Evaluate evaluate, Index count, Dimensions<Index> dimensions, const T* a,
                          const T* b, T* y) {
  const auto i = static_cast<Index>(blockIdx.x * std::int64_t{block_threads} + threadIdx.x);
  if (i >= count) return;
  Index rest = i, ia = 0, ib = 0;
#pragma unroll
  for (int d = Shape::max_rank - 1; d >= 0; --d) {
    if (d >= dimensions.rank) continue;
    const Index along = rest % dimensions.extents[d];
    rest /= dimensions.extents[d];
    ia += along * dimensions.a_strides[d];
    ib += along * dimensions.b_strides[d];
  }
  y[i] = static_cast<T>(evaluate(widen(a[ia]), widen(b[ib])));
}

template <class Index, class T>
void launch_broadcast(Exec& exec, const BinaryParams& p, const T* a, const T* b, T* y) {
  const std::int64_t count = p.shape.numel();
  simt::launch(exec.stream, broadcast<T, Index>, simt::blocks_for(count, block_threads),
               block_threads, 0, Evaluate{p.op}, static_cast<Index>(count), Dimensions<Index>(p), a,
               b, y);
}

}  // namespace

extern const BinaryRow binary_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    [](const BinaryParams&, DType dtype) { return any_real(dtype); },
    [](Exec& exec, const BinaryParams& p, ConstView a, ConstView b, View y) {
      const std::int64_t count = p.shape.numel();
      dispatch_real(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        if (p.same_shape())
          simt::map(exec.stream, count, Evaluate{p.op}, y.as<T>(), a.as<T>(), b.as<T>());
        // Indices of the last block's threads past the end must not overflow.
        else if (count <= 0x7fffffff - block_threads)
          launch_broadcast<int>(exec, p, a.as<T>(), b.as<T>(), y.as<T>());
        else
          launch_broadcast<std::int64_t>(exec, p, a.as<T>(), b.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
