#include "kernels/resize/resize.h"
#include "kernels/resize/triangle.h"
#include "kernels/simt/simt.h"

/// One axis after the other: rows into lines as wide as the input, then the columns of the lines.

namespace duet {
namespace {

constexpr int block_threads = 256;

/// Where the taps of an output position begin, among the inputs and among the weights.
struct Span {
  int first, count, offset;
};

/// The taps along one axis, in device memory.
template <class T>
struct Axis {
  const Span* spans;
  const T* weights;

  Axis(Exec& exec, std::int64_t in, std::int64_t out) {
    std::vector<Span> all_spans;
    std::vector<T> all_weights;
    for (const Taps<T>& taps : triangle_taps<T>(in, out)) {
      all_spans.push_back({static_cast<int>(taps.first), static_cast<int>(taps.weights.size()),
                           static_cast<int>(all_weights.size())});
      all_weights.insert(all_weights.end(), taps.weights.begin(), taps.weights.end());
    }
    spans = simt::upload(exec, all_spans);
    weights = simt::upload(exec, all_weights);
  }
};

/// x (outer, in, inner) → y (outer, out, inner), one thread an element of y:
/// y[n, i, e] = Σ_r a_i[r] x[n, first_i + r, e]
template <class T>
__global__ void __launch_bounds__(block_threads)
    combine(Axis<T> axis, unsigned count, unsigned in, unsigned out, unsigned inner, const T* x,
            T* y) {
  const unsigned at = blockIdx.x * block_threads + threadIdx.x;
  if (at >= count) return;
  const unsigned e = at % inner, i = at / inner % out, n = at / inner / out;
  const Span span = axis.spans[i];
  const T* from = x + (n * in + span.first) * inner + e;
  const T* weights = axis.weights + span.offset;
  T sum = 0;
  for (int r = 0; r < span.count; ++r) sum += weights[r] * from[r * inner];
  y[at] = sum;
}

template <class T>
void combine_all(Exec& exec, std::int64_t outer, std::int64_t in, std::int64_t out,
                 std::int64_t inner, const T* x, T* y) {
  const auto count = static_cast<unsigned>(outer * out * inner);
  simt::launch(exec.stream, combine<T>, (count + block_threads - 1) / block_threads, block_threads,
               0, Axis<T>(exec, in, out), count, static_cast<unsigned>(in),
               static_cast<unsigned>(out), static_cast<unsigned>(inner), x, y);
}

}  // namespace

extern const ResizeRow resize_cuda = {
    {SIMT_ROW("separable"), RowKind::handwritten, simt::device_type},
    [](const ResizeParams& p, DType dtype) {
      constexpr std::int64_t most = std::int64_t{1} << 31;
      if (p.n * p.h * p.w * p.channels >= most || p.n * p.out_h * p.w * p.channels >= most ||
          p.n * p.out_h * p.out_w * p.channels >= most)
        return Support::no("takes batches of fewer than 2^31 elements");
      return any_floating(dtype);
    },
    [](Exec& exec, const ResizeParams& p, ConstView x, View y) {
      if (p.n == 0) return;
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        T* const lines = exec.workspace.allocate_array<T>(p.n * p.out_h * p.w * p.channels);
        combine_all<T>(exec, p.n, p.h, p.out_h, p.w * p.channels, x.as<T>(), lines);
        combine_all<T>(exec, p.n * p.out_h, p.w, p.out_w, p.channels, lines, y.as<T>());
      });
    },
};

}  // namespace duet
