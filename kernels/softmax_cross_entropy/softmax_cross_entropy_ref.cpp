#include <cmath>

#include "kernels/softmax_cross_entropy/softmax_cross_entropy.h"

namespace duet {
namespace {

template <class T>
double weight_of(const T* class_weights, std::int64_t c) {
  return class_weights ? static_cast<double>(class_weights[c]) : 1.0;
}

template <class T>
double total_weight(const SoftmaxCrossEntropyParams& p, const std::int32_t* labels,
                    const T* class_weights) {
  double total = 0;
  for (std::int64_t n = 0; n < p.rows; ++n) total += weight_of(class_weights, labels[n]);
  return total;
}

template <class T>
void forward(const SoftmaxCrossEntropyParams& p, const T* logits, const std::int32_t* labels,
             const T* class_weights, T* loss, T* probabilities) {
  const double smoothing = p.label_smoothing / p.classes;
  double sum = 0;
  for (std::int64_t n = 0; n < p.rows; ++n) {
    require(labels[n] >= 0 && labels[n] < p.classes,
            "[softmax_cross_entropy] label {} of row {} is not in 0 … {}", labels[n], n,
            p.classes - 1);
    const T* x = logits + n * p.classes;
    const double maximum = *std::max_element(x, x + p.classes);
    double exponentials = 0;
    for (std::int64_t c = 0; c < p.classes; ++c) exponentials += std::exp(x[c] - maximum);
    const double log_sum = maximum + std::log(exponentials);
    for (std::int64_t c = 0; c < p.classes; ++c) {
      const double log_p = x[c] - log_sum;
      probabilities[n * p.classes + c] = static_cast<T>(std::exp(log_p));
      sum -= smoothing * weight_of(class_weights, c) * log_p;
      if (c == labels[n]) sum -= (1 - p.label_smoothing) * weight_of(class_weights, c) * log_p;
    }
  }
  *loss = static_cast<T>(sum / total_weight(p, labels, class_weights));
}

/// With a_c the coefficient of −log p_c in the loss, ∂loss/∂x_c = p_c · Σ_k a_k − a_c.
template <class T>
void backward(const SoftmaxCrossEntropyParams& p, const T* probabilities,
              const std::int32_t* labels, const T* class_weights, T grad_loss, T* grad_logits) {
  const double smoothing = p.label_smoothing / p.classes;
  const double scale = grad_loss / total_weight(p, labels, class_weights);
  for (std::int64_t n = 0; n < p.rows; ++n) {
    double total = (1 - p.label_smoothing) * weight_of(class_weights, labels[n]);
    for (std::int64_t c = 0; c < p.classes; ++c) total += smoothing * weight_of(class_weights, c);
    for (std::int64_t c = 0; c < p.classes; ++c) {
      double a = smoothing * weight_of(class_weights, c);
      if (c == labels[n]) a += (1 - p.label_smoothing) * weight_of(class_weights, c);
      grad_logits[n * p.classes + c] =
          static_cast<T>(scale * (probabilities[n * p.classes + c] * total - a));
    }
  }
}

}  // namespace

extern const SoftmaxCrossEntropyRow softmax_cross_entropy_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const SoftmaxCrossEntropyParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const SoftmaxCrossEntropyParams& p, ConstView logits, ConstView labels,
       ConstView class_weights, View loss, View probabilities) {
      dispatch_floating(logits.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(p, logits.as<T>(), labels.as<std::int32_t>(),
                   class_weights ? class_weights.as<T>() : nullptr, loss.as<T>(),
                   probabilities.as<T>());
      });
    },
    [](Exec&, const SoftmaxCrossEntropyParams& p, ConstView probabilities, ConstView labels,
       ConstView class_weights, ConstView grad_loss, View grad_logits) {
      dispatch_floating(probabilities.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward<T>(p, probabilities.as<T>(), labels.as<std::int32_t>(),
                    class_weights ? class_weights.as<T>() : nullptr, *grad_loss.as<T>(),
                    grad_logits.as<T>());
      });
    },
};

}  // namespace duet
