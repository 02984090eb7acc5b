#include "kernels/simt/simt.h"
#include "kernels/softmax_cross_entropy/softmax_cross_entropy.h"

namespace duet {
namespace {

// One block does it all: a batch has few rows of few classes, and the time goes into the launch. A
// warp takes a row, its lanes the classes.
constexpr int block_threads = 256, warps = block_threads / 32;

/// Of class c: its weight, or one where there are none; NaN where there is no such class, which
/// makes NaN of the loss and all gradients.
template <class T>
__device__ double weight_of(const T* class_weights, std::int64_t classes, std::int64_t c) {
  if (c < 0 || c >= classes) return NAN;
  return class_weights ? static_cast<double>(class_weights[c]) : 1.0;
}

/// Σ_n w[t_n]
template <class T>
__device__ double total_weight(const SoftmaxCrossEntropyParams& p, const std::int32_t* labels,
                               const T* class_weights) {
  double total = 0;
  for (std::int64_t n = threadIdx.x; n < p.rows; n += block_threads)
    total += weight_of(class_weights, p.classes, labels[n]);
  return simt::block_sum(total);
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    forward(SoftmaxCrossEntropyParams p, const T* logits, const std::int32_t* labels,
            const Wide<T>* class_weights, Wide<T>* loss, Wide<T>* probabilities) {
  const double smoothing = p.label_smoothing / p.classes;
  const int lane = threadIdx.x % 32;
  double sum = 0;
  for (std::int64_t n = threadIdx.x / 32; n < p.rows; n += warps) {
    const T* x = logits + n * p.classes;
    double maximum = -INFINITY, exponentials = 0;
    for (std::int64_t c = lane; c < p.classes; c += 32)
      maximum = max(maximum, static_cast<double>(widen(x[c])));
    maximum = simt::warp_max(maximum);
    for (std::int64_t c = lane; c < p.classes; c += 32)
      exponentials += std::exp(widen(x[c]) - maximum);
    const double log_sum = maximum + std::log(simt::warp_sum(exponentials));
    for (std::int64_t c = lane; c < p.classes; c += 32) {
      const double log_p = widen(x[c]) - log_sum;
      probabilities[n * p.classes + c] = static_cast<Wide<T>>(std::exp(log_p));
      const double share = smoothing + (c == labels[n] ? 1 - p.label_smoothing : 0);
      sum -= share * weight_of(class_weights, p.classes, c) * log_p;
    }
  }
  sum = simt::block_sum(sum);
  const double total = total_weight(p, labels, class_weights);
  if (threadIdx.x == 0) *loss = static_cast<Wide<T>>(sum / total);
}

/// As in softmax_cross_entropy_ref.cpp: with a_c the coefficient of −log p_c in the loss,
/// ∂loss/∂x_c = p_c · Σ_k a_k − a_c.
template <class T>
__global__ void __launch_bounds__(block_threads)
    backward(SoftmaxCrossEntropyParams p, const Wide<T>* probabilities, const std::int32_t* labels,
             const Wide<T>* class_weights, const Wide<T>* grad_loss, T* grad_logits) {
  const double smoothing = p.label_smoothing / p.classes;
  const int lane = threadIdx.x % 32;
  double smoothed = 0;
  for (std::int64_t c = lane; c < p.classes; c += 32)
    smoothed += smoothing * weight_of(class_weights, p.classes, c);
  smoothed = simt::warp_sum(smoothed);
  const double scale = *grad_loss / total_weight(p, labels, class_weights);
  for (std::int64_t n = threadIdx.x / 32; n < p.rows; n += warps) {
    const double total =
        smoothed + (1 - p.label_smoothing) * weight_of(class_weights, p.classes, labels[n]);
    for (std::int64_t c = lane; c < p.classes; c += 32) {
      const double share = smoothing + (c == labels[n] ? 1 - p.label_smoothing : 0);
      const double a = share * weight_of(class_weights, p.classes, c);
      grad_logits[n * p.classes + c] = static_cast<T>(
          static_cast<Wide<T>>(scale * (probabilities[n * p.classes + c] * total - a)));
    }
  }
}

}  // namespace

extern const SoftmaxCrossEntropyRow softmax_cross_entropy_cuda = {
    {SIMT_ROW("one_block"), RowKind::handwritten, simt::device_type},
    [](const SoftmaxCrossEntropyParams&, DType dtype) { return any_real(dtype); },
    [](Exec& exec, const SoftmaxCrossEntropyParams& p, ConstView logits, ConstView labels,
       ConstView class_weights, View loss, View probabilities) {
      dispatch_real(logits.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch(exec.stream, forward<T>, 1, block_threads, 0, p, logits.as<T>(),
                     labels.as<std::int32_t>(), class_weights.as<Wide<T>>(), loss.as<Wide<T>>(),
                     probabilities.as<Wide<T>>());
      });
    },
    [](Exec& exec, const SoftmaxCrossEntropyParams& p, ConstView probabilities, ConstView labels,
       ConstView class_weights, ConstView grad_loss, View grad_logits) {
      dispatch_real(grad_logits.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch(exec.stream, backward<T>, 1, block_threads, 0, p, probabilities.as<Wide<T>>(),
                     labels.as<std::int32_t>(), class_weights.as<Wide<T>>(),
                     grad_loss.as<Wide<T>>(), grad_logits.as<T>());
      });
    },
};

}  // namespace duet
