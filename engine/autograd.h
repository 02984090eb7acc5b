#pragma once
/// Reverse-mode differentiation. An op with a derivative is a Function, one struct:
///
///   struct Scale {
///     static constexpr const char* name = "scale";
///     static Tensor forward(Context& context, const Tensor& x, double factor);
///     static Gradients backward(Context& context, const Tensor& grad_y);   // one entry for each
///     Tensor argument
///   };
///   Tensor y = apply<Scale>(x, 2.0);
///
/// Calls are numbered as they are made; backward() takes the highest number that still has a
/// gradient waiting, which is an order in which every user of a tensor comes before its maker.

#include <any>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/repeat.h"

namespace duet {

/// What backward returns: a gradient for each Tensor argument of forward, in order (a vector of
/// tensors counts as its elements); an undefined one where none is needed.
using Gradients = std::vector<Tensor>;

/// What forward leaves for backward.
class Context {
 public:
  /// Keeps tensors, without their history, until backward has run.
  void save(std::initializer_list<Tensor> tensors) {
    for (const Tensor& t : tensors) saved_.push_back(t ? t.detach() : t);
  }
  const Tensor& saved(std::size_t i) const { return saved_.at(i); }

  /// Keeps one value of any type.
  template <class T>
  void store(T value) {
    stored_ = std::move(value);
  }
  template <class T>
  const T& stored() const {
    return std::any_cast<const T&>(stored_);
  }

  /// Whether the i-th tensor argument needs a gradient.
  bool needs_grad(std::size_t i) const { return needs_grad_.at(i); }

  std::vector<bool> needs_grad_;

 private:
  std::vector<Tensor> saved_;
  std::any stored_;
};

/// While it lives, this thread records no history: for inference.
class NoGradScope {
 public:
  NoGradScope();
  ~NoGradScope();
  NoGradScope(const NoGradScope&) = delete;
  NoGradScope& operator=(const NoGradScope&) = delete;

 private:
  bool outer_;
};

/// While it lives, backward() on this thread leaves the gradient of a linear layer's weights as a
/// product that is not multiplied (`Tensor::product_of`), for an optimiser that takes the factors:
/// in f32 and f64, where they have at most half as many elements, and no row was chosen for the
/// layer. Until the gradient is used, nobody may write to the layer's input.
class FactorsScope {
 public:
  FactorsScope();
  ~FactorsScope();
  FactorsScope(const FactorsScope&) = delete;
  FactorsScope& operator=(const FactorsScope&) = delete;

  /// Whether there is one.
  static bool open();

 private:
  bool outer_;
};

/// While it lives, every result of `apply` on this thread is searched for NaN and infinity, and the
/// first found is an Error that names the function and where in the network it ran.
class FiniteCheckScope {
 public:
  FiniteCheckScope();
  ~FiniteCheckScope();
  FiniteCheckScope(const FiniteCheckScope&) = delete;
  FiniteCheckScope& operator=(const FiniteCheckScope&) = delete;

 private:
  bool outer_;
};

/// Names the part of the network that runs on this thread while it lives: scopes are joined by
/// dots.
class NameScope {
 public:
  explicit NameScope(const std::string& name);
  ~NameScope();
  NameScope(const NameScope&) = delete;
  NameScope& operator=(const NameScope&) = delete;

 private:
  std::size_t outer_length_;
};

/// How many elements of a floating tensor are NaN or infinite.
std::int64_t count_nonfinite(const Tensor& tensor);

namespace autograd {

using BackwardFunction = Gradients (*)(Context&, const Tensor&);

/// Where the gradient of one tensor argument goes.
struct Edge {
  std::shared_ptr<Node> maker;         ///< of a computed tensor
  std::shared_ptr<Tensor::Impl> leaf;  ///< of a marked leaf
  Shape shape;
};

struct Node {
  const char* name;
  std::uint64_t sequence;
  BackwardFunction backward;
  Context context;
  std::vector<Edge> edges;
  /// The gradients that arrived so far, added up.
  Tensor grad;

  ~Node();
};

bool recording();
void check_finite(const char* name, const Tensor& result);
std::shared_ptr<Node> make_node(const char* name, BackwardFunction backward, Context context,
                                const std::vector<Tensor>& inputs);
void backward(const Tensor& loss);

inline void collect(std::vector<Tensor>& inputs, const Tensor& tensor) { inputs.push_back(tensor); }
inline void collect(std::vector<Tensor>& inputs, const std::vector<Tensor>& tensors) {
  inputs.insert(inputs.end(), tensors.begin(), tensors.end());
}
template <class T>
void collect(std::vector<Tensor>&, const T&) {}

}  // namespace autograd

/// Runs a Function's forward, and records its backward when an argument needs a gradient. Meanwhile
/// a RepeatScope runs both again, y standing in for its own gradient.
template <class F, class... Args>
Tensor apply(const Args&... args) {
  std::vector<Tensor> inputs;
  (autograd::collect(inputs, args), ...);
  Context context;
  bool any = false;
  for (const Tensor& input : inputs) {
    context.needs_grad_.push_back(autograd::recording() && input.requires_grad());
    any = any || context.needs_grad_.back();
  }
  Tensor result;
  {
    const NoGradScope inside;
    CopiedArguments<Args...> copies(args...);
    const auto again = [&] {
      Context scratch;
      scratch.needs_grad_ = context.needs_grad_;
      const Tensor y = std::apply(
          [&](const Args&... copied) { return F::forward(scratch, copied...); }, copies.get());
      if (any) F::backward(scratch, y);
    };
    const RepeatScope repeat(again);
    result = F::forward(context, args...);
  }
  autograd::check_finite(F::name, result);
  if (any)
    result.impl()->grad_fn = autograd::make_node(F::name, &F::backward, std::move(context), inputs);
  return result;
}

}  // namespace duet
