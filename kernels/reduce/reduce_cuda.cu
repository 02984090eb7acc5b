#include <utility>

#include "kernels/reduce/reduce.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

// A line, (o, :, i) of x (outer, n, inner), is cut into chunks of fixed length, each reduced by one
// warp or thread; what they leave is reduced in the same way, until one value a line is left. So
// the order depends on the shape alone.

constexpr int block_threads = 256;

struct Total {
  double value;
};

/// Sums in double, whatever the element type; the last result is divided by `divisor`.
template <class T>
struct Sum {
  using State = Total;
  double divisor = 1;

  __device__ State empty() const { return {0}; }
  __device__ State load(const T* x, std::int64_t at, std::int64_t) const { return {widen(x[at])}; }
  __device__ State load(const State* x, std::int64_t at, std::int64_t) const { return x[at]; }
  __device__ State combine(State a, State b) const { return {a.value + b.value}; }
  __device__ State shuffle(State a, int step) const {
    return {__shfl_xor_sync(0xffffffffu, a.value, step)};
  }
  __device__ void store(T* y, std::int64_t at, State a) const {
    y[at] = static_cast<T>(static_cast<Wide<T>>(a.value / divisor));
  }
  __device__ void store(State* y, std::int64_t at, State a) const { y[at] = a; }
};

template <class T>
struct Largest {
  Wide<T> value;
  std::int64_t k;  ///< where in its line; −1 where there is none
};

/// The first of the largest; NaN is larger than every number.
template <class T>
struct Max {
  using State = Largest<T>;

  __device__ State empty() const { return {0, -1}; }
  __device__ State load(const T* x, std::int64_t at, std::int64_t k) const {
    return {widen(x[at]), k};
  }
  __device__ State load(const State* x, std::int64_t at, std::int64_t) const { return x[at]; }
  __device__ State combine(State a, State b) const {
    if (a.k < 0 || b.k < 0) return a.k < 0 ? b : a;
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    const bool equal = a_nan ? b_nan : a.value == b.value;
    if (equal) return a.k < b.k ? a : b;
    return a_nan || a.value > b.value ? a : b;
  }
  __device__ State shuffle(State a, int step) const {
    return {__shfl_xor_sync(0xffffffffu, a.value, step),
            __shfl_xor_sync(0xffffffffu, static_cast<long long>(a.k), step)};
  }
  __device__ void store(T* y, std::int64_t at, State a) const { y[at] = static_cast<T>(a.value); }
  __device__ void store(State* y, std::int64_t at, State a) const { y[at] = a; }
};

constexpr int chunk_of_warp = 1024, chunk_of_thread = 64;

/// x: lines (lines, n) → y (lines, chunks), a warp a chunk.
template <class Op, class In, class Out>
__global__ void __launch_bounds__(block_threads)
    reduce_rows(Op op, std::int64_t lines, std::int64_t n, std::int64_t chunks, const In* x,
                Out* y) {
  const std::int64_t out = blockIdx.x * std::int64_t{block_threads / 32} + threadIdx.x / 32;
  if (out >= lines * chunks) return;
  const std::int64_t line = out / chunks, begin = out % chunks * chunk_of_warp;
  const std::int64_t end = begin + chunk_of_warp < n ? begin + chunk_of_warp : n;
  auto state = op.empty();
  for (std::int64_t k = begin + threadIdx.x % 32; k < end; k += 32)
    state = op.combine(state, op.load(x, line * n + k, k));
#pragma unroll
  for (int step = 16; step > 0; step /= 2) state = op.combine(state, op.shuffle(state, step));
  if (threadIdx.x % 32 == 0) op.store(y, out, state);
}

/// x: (outer, n, inner) → y (outer, chunks, inner), a thread a chunk of a column.
template <class Op, class In, class Out>
__global__ void __launch_bounds__(block_threads)
    reduce_columns(Op op, std::int64_t outer, std::int64_t n, std::int64_t inner,
                   std::int64_t chunks, const In* x, Out* y) {
  const std::int64_t out = blockIdx.x * std::int64_t{block_threads} + threadIdx.x;
  if (out >= outer * chunks * inner) return;
  const std::int64_t i = out % inner, o = out / inner / chunks;
  const std::int64_t begin = out / inner % chunks * chunk_of_thread;
  const std::int64_t end = begin + chunk_of_thread < n ? begin + chunk_of_thread : n;
  auto state = op.empty();
#pragma unroll 4
  for (std::int64_t k = begin; k < end; ++k)
    state = op.combine(state, op.load(x, (o * n + k) * inner + i, k));
  op.store(y, out, state);
}

/// x (outer, n, inner) → y (outer, inner).
template <class Op, class In, class Out>
void reduce(Exec& exec, Op op, std::int64_t outer, std::int64_t n, std::int64_t inner, const In* x,
            Out* y) {
  const auto pass = [&](std::int64_t chunks, auto* to) {
    using To = std::remove_pointer_t<decltype(to)>;
    if (inner == 1)
      simt::launch(exec.stream, reduce_rows<Op, In, To>,
                   simt::blocks_for(outer * chunks, block_threads / 32), block_threads, 0, op,
                   outer, n, chunks, x, to);
    else
      simt::launch(exec.stream, reduce_columns<Op, In, To>,
                   simt::blocks_for(outer * chunks * inner, block_threads), block_threads, 0, op,
                   outer, n, inner, chunks, x, to);
  };
  const std::int64_t chunk = inner == 1 ? chunk_of_warp : chunk_of_thread;
  const std::int64_t chunks = (n + chunk - 1) / chunk;
  if (chunks <= 1) return pass(1, y);
  using State = typename Op::State;
  auto* partial = exec.workspace.allocate_array<State>(outer * chunks * inner);
  pass(chunks, partial);
  reduce<Op, State, Out>(exec, op, outer, chunks, inner, partial, y);
}

// ---- Backward

template <class T>
__global__ void spread(std::int64_t count, std::int64_t n, std::int64_t inner, Wide<T> scale,
                       const T* grad_y, T* grad_x) {
  const std::int64_t at = blockIdx.x * std::int64_t{block_threads} + threadIdx.x;
  if (at < count)
    grad_x[at] = static_cast<T>(widen(grad_y[at / inner / n * inner + at % inner]) * scale);
}

template <class T>
__global__ void give_to_largest(std::int64_t count, std::int64_t n, std::int64_t inner,
                                const Largest<T>* largest, const T* grad_y, T* grad_x) {
  const std::int64_t at = blockIdx.x * std::int64_t{block_threads} + threadIdx.x;
  if (at >= count) return;
  const std::int64_t out = at / inner / n * inner + at % inner;
  grad_x[at] = largest[out].k == at / inner % n ? grad_y[out] : T(0.0f);
}

}  // namespace

extern const ReduceRow reduce_cuda = {
    {SIMT_ROW("tree"), RowKind::handwritten, simt::device_type},
    [](const ReduceParams&, DType dtype) { return any_real(dtype); },
    [](Exec& exec, const ReduceParams& p, ConstView x, View y) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        const double n = static_cast<double>(p.n);
        if (p.op == ReduceOp::max)
          reduce(exec, Max<T>{}, p.outer, p.n, p.inner, x.as<T>(), y.as<T>());
        else
          reduce(exec, Sum<T>{p.op == ReduceOp::mean ? n : 1}, p.outer, p.n, p.inner, x.as<T>(),
                 y.as<T>());
      });
    },
    [](Exec& exec, const ReduceParams& p, ConstView x, ConstView grad_y, View grad_x) {
      const std::int64_t count = p.outer * p.n * p.inner;
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        const unsigned blocks = simt::blocks_for(count, block_threads);
        if (p.op == ReduceOp::max) {
          auto* largest = exec.workspace.allocate_array<Largest<T>>(p.outer * p.inner);
          reduce(exec, Max<T>{}, p.outer, p.n, p.inner, x.as<T>(), largest);
          simt::launch(exec.stream, give_to_largest<T>, blocks, block_threads, 0, count, p.n,
                       p.inner, largest, grad_y.as<T>(), grad_x.as<T>());
        } else {
          using W = Wide<T>;
          const W scale = p.op == ReduceOp::mean ? W(1) / static_cast<W>(p.n) : W(1);
          simt::launch(exec.stream, spread<T>, blocks, block_threads, 0, count, p.n, p.inner, scale,
                       grad_y.as<T>(), grad_x.as<T>());
        }
      });
    },
};

}  // namespace duet
