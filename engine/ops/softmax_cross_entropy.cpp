#include "engine/ops/softmax_cross_entropy.h"

#include "engine/ops/run.h"
#include "kernels/softmax_cross_entropy/softmax_cross_entropy.h"

namespace duet {
namespace {

struct SoftmaxCrossEntropyCall {
  SoftmaxCrossEntropyParams params;
  const SoftmaxCrossEntropyRow* row;
  DType dtype;  ///< of the logits
};

struct SoftmaxCrossEntropyFunction {
  static constexpr const char* name = "softmax_cross_entropy";

  static Tensor forward(Context& context, const Tensor& logits, const Tensor& labels,
                        const Tensor& class_weights, const SoftmaxCrossEntropyParams& params) {
    const SoftmaxCrossEntropyRow& row = select_row(softmax_cross_entropy_rows(), params, logits);
    const DType kept = wide(logits.dtype());
    Tensor loss = Tensor::empty({}, kept, logits.device());
    const Tensor probabilities = Tensor::empty(logits.shape(), kept, logits.device());
    OpExec exec(row, logits.device());
    row.forward(exec, params, logits, labels, class_weights.view(), loss, probabilities);
    context.save({probabilities, labels, class_weights});
    context.store(SoftmaxCrossEntropyCall{params, &row, logits.dtype()});
    return loss;
  }

  static Gradients backward(Context& context, const Tensor& grad_loss) {
    const auto& [params, row, dtype] = context.stored<SoftmaxCrossEntropyCall>();
    const Tensor& probabilities = context.saved(0);
    const Tensor grad = Tensor::empty(probabilities.shape(), dtype, probabilities.device());
    OpExec exec(*row, grad.device());
    row->backward(exec, params, probabilities, context.saved(1), context.saved(2).view(), grad_loss,
                  grad);
    return {grad, {}, {}};
  }
};

}  // namespace

Tensor softmax_cross_entropy(const Tensor& logits, const Tensor& labels,
                             const Tensor& class_weights, double label_smoothing) {
  require(logits.shape().rank() == 2,
          "[softmax_cross_entropy] logits are (N, C), these have shape {}",
          to_string(logits.shape()));
  require(labels.dtype() == DType::i32 && labels.shape() == Shape{logits.dim(0)},
          "[softmax_cross_entropy] labels are i32 ({}), these are {} {}", logits.dim(0),
          to_string(labels.dtype()), to_string(labels.shape()));
  require(!class_weights || class_weights.shape() == Shape{logits.dim(1)},
          "[softmax_cross_entropy] there are {} classes and class weights of shape {}",
          logits.dim(1), to_string(class_weights ? class_weights.shape() : Shape{}));
  require(label_smoothing >= 0 && label_smoothing < 1,
          "[softmax_cross_entropy] label smoothing is in [0, 1), not {}", label_smoothing);
  return apply<SoftmaxCrossEntropyFunction>(
      logits, labels, class_weights,
      SoftmaxCrossEntropyParams{logits.dim(0), logits.dim(1), label_smoothing});
}

}  // namespace duet
