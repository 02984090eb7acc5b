#include "engine/ops/reduce.h"

#include "engine/ops/reshape.h"
#include "engine/ops/run.h"
#include "kernels/reduce/reduce.h"

namespace duet {
namespace {

struct ReduceCall {
  ReduceParams params;
  const ReduceRow* row;
};

struct ReduceFunction {
  static constexpr const char* name = "reduce";

  static Tensor forward(Context& context, const Tensor& x, const ReduceParams& params,
                        const Shape& y_shape) {
    const ReduceRow& row = select_row(reduce_rows(), params, x);
    Tensor y = Tensor::empty(y_shape, x.dtype(), x.device());
    OpExec exec(row, x.device());
    row.forward(exec, params, x, y);
    context.save({x});
    context.store(ReduceCall{params, &row});
    return y;
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    const auto& [params, row] = context.stored<ReduceCall>();
    const Tensor& x = context.saved(0);
    const Tensor grad_x = Tensor::empty(x.shape(), x.dtype(), x.device());
    OpExec exec(*row, x.device());
    row->backward(exec, params, x, grad_y, grad_x);
    return {grad_x};
  }
};

Tensor reduce(ReduceOp op, const Tensor& x, int dimension) {
  const int rank = x.shape().rank(), d = dimension < 0 ? dimension + rank : dimension;
  require(d >= 0 && d < rank, "[{}] dimension {} of shape {}", to_string(op), dimension,
          to_string(x.shape()));
  require(op == ReduceOp::sum || x.dim(d) > 0, "[{}] no elements along dimension {} of shape {}",
          to_string(op), d, to_string(x.shape()));
  ReduceParams params{op, 1, x.dim(d), 1};
  std::vector<std::int64_t> kept;
  for (int i = 0; i < rank; ++i) {
    if (i < d) params.outer *= x.dim(i);
    if (i > d) params.inner *= x.dim(i);
    if (i != d) kept.push_back(x.dim(i));
  }
  return apply<ReduceFunction>(x, params, Shape(kept));
}

}  // namespace

Tensor sum(const Tensor& x, int dimension) { return reduce(ReduceOp::sum, x, dimension); }
Tensor mean(const Tensor& x, int dimension) { return reduce(ReduceOp::mean, x, dimension); }
Tensor max(const Tensor& x, int dimension) { return reduce(ReduceOp::max, x, dimension); }

Tensor sum(const Tensor& x) { return sum(reshape(x, {x.numel()}), 0); }
Tensor mean(const Tensor& x) { return mean(reshape(x, {x.numel()}), 0); }

Tensor sum_leading(const Tensor& x, int kept) {
  const Shape shape(std::span(x.shape().end() - kept, x.shape().end()));
  const Tensor total = sum(reshape(x, {x.numel() / shape.numel(), shape.numel()}), 0);
  return reshape(total, shape);
}

Tensor sum_to(const Tensor& x, const Shape& target) {
  if (x.shape() == target) return x;
  Tensor result = x.shape().rank() > target.rank() ? sum_leading(x, target.rank()) : x;
  for (int d = 0; d < target.rank(); ++d)
    if (target[d] == 1 && result.dim(d) != 1)
      result = reshape(sum(result, d), result.shape().with(d, 1));
  return result;
}

}  // namespace duet
