#include "engine/ops/concat.h"

#include "engine/ops/run.h"
#include "kernels/concat/concat.h"

namespace duet {
namespace {

struct ConcatCall {
  ConcatParams params;
  const ConcatRow* row;
  std::vector<Shape> shapes;
};

struct ConcatFunction {
  static constexpr const char* name = "concat";

  static Tensor forward(Context& context, const std::vector<Tensor>& parts,
                        const ConcatParams& params, const Shape& shape) {
    const ConcatRow& row = select_row(concat_rows(), params, parts[0]);
    Tensor y = Tensor::empty(shape, parts[0].dtype(), parts[0].device());
    std::vector<ConstView> views;
    std::vector<Shape> shapes;
    for (const Tensor& part : parts) {
      views.push_back(part);
      shapes.push_back(part.shape());
    }
    OpExec exec(row, y.device());
    row.forward(exec, params, views, y);
    context.store(ConcatCall{params, &row, shapes});
    return y;
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    const auto& [params, row, shapes] = context.stored<ConcatCall>();
    Gradients gradients(shapes.size());
    std::vector<View> views(shapes.size());
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      if (!context.needs_grad(i)) continue;
      gradients[i] = Tensor::empty(shapes[i], grad_y.dtype(), grad_y.device());
      views[i] = gradients[i];
    }
    OpExec exec(*row, grad_y.device());
    row->backward(exec, params, grad_y, views);
    return gradients;
  }
};

}  // namespace

Tensor concat(const std::vector<Tensor>& parts, int dimension) {
  require(!parts.empty(), "[concat] no tensors");
  const Shape& first = parts[0].shape();
  const int d = dimension < 0 ? dimension + first.rank() : dimension;
  require(d >= 0 && d < first.rank(), "[concat] dimension {} of shape {}", dimension,
          to_string(first));
  ConcatParams params{1, {}};
  std::int64_t inner = 1, total = 0;
  for (int i = 0; i < d; ++i) params.outer *= first[i];
  for (int i = d + 1; i < first.rank(); ++i) inner *= first[i];
  for (const Tensor& part : parts) {
    require(part.shape().rank() == first.rank() && part.shape().with(d, first[d]) == first,
            "[concat] shapes {} and {} differ outside dimension {}", to_string(first),
            to_string(part.shape()), d);
    require_same_kind("concat", "a part", parts[0], part);
    params.widths.push_back(part.dim(d) * inner);
    total += part.dim(d);
  }
  return apply<ConcatFunction>(parts, params, first.with(d, total));
}

}  // namespace duet
