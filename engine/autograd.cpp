#include "engine/autograd.h"

#include <atomic>
#include <map>
#include <mutex>
#include <queue>
#include <tuple>

#include "engine/ops/binary.h"
#include "kernels/nonfinite/nonfinite.h"

namespace duet {
namespace {

thread_local bool grad_enabled = true;
thread_local bool finite_checked = false;
thread_local bool factors_wanted = false;
thread_local std::string scope_name;

std::atomic<std::uint64_t> next_sequence{0};

/// The number 1, brought to a device once: where a graph is captured, nothing comes from the host.
const Tensor& one(DType dtype, Device device) {
  static std::mutex mutex;
  // Never destroyed, as the pool is not.
  static auto& ones = *new std::map<std::tuple<DType, DeviceType, int>, Tensor>;
  const std::scoped_lock lock(mutex);
  Tensor& kept = ones[{dtype, device.type, device.index}];
  if (!kept) kept = Tensor::full({}, 1, dtype, device);
  return kept;
}

void accumulate(Tensor& sum, const Tensor& grad) { sum = sum ? add(sum, grad) : grad; }

}  // namespace

NoGradScope::NoGradScope() : outer_(grad_enabled) { grad_enabled = false; }
NoGradScope::~NoGradScope() { grad_enabled = outer_; }

FactorsScope::FactorsScope() : outer_(factors_wanted) { factors_wanted = true; }
FactorsScope::~FactorsScope() { factors_wanted = outer_; }
bool FactorsScope::open() { return factors_wanted; }

FiniteCheckScope::FiniteCheckScope() : outer_(finite_checked) { finite_checked = true; }
FiniteCheckScope::~FiniteCheckScope() { finite_checked = outer_; }

NameScope::NameScope(const std::string& name) : outer_length_(scope_name.size()) {
  if (!scope_name.empty()) scope_name += '.';
  scope_name += name;
}
NameScope::~NameScope() { scope_name.resize(outer_length_); }

std::int64_t count_nonfinite(const Tensor& tensor) {
  const NonfiniteParams params{tensor.numel()};
  const Tensor found = Tensor::empty({}, DType::i32, tensor.device());
  const NonfiniteRow& row = nonfinite_rows().select(params, tensor.dtype(), tensor.device().type);
  OpExec exec(row, tensor.device());
  row.forward(exec, params, tensor, found);
  return static_cast<std::int64_t>(found.item());
}

namespace autograd {

/// Chains of nodes are taken apart by a loop: a graph as deep as it likes does not exhaust the
/// stack.
Node::~Node() {
  std::vector<std::shared_ptr<Node>> doomed;
  const auto take = [&doomed](std::vector<Edge>& list) {
    for (Edge& edge : list)
      if (edge.maker) doomed.push_back(std::move(edge.maker));
  };
  take(edges);
  while (!doomed.empty()) {
    const std::shared_ptr<Node> node = std::move(doomed.back());
    doomed.pop_back();
    if (node.use_count() == 1) take(node->edges);
  }
}

bool recording() { return grad_enabled; }

void check_finite(const char* name, const Tensor& result) {
  if (!finite_checked || !is_real(result.dtype())) return;
  if (const std::int64_t found = count_nonfinite(result); found > 0)
    fail("the output of {}{}{} has {} NaN or infinite elements of {}", name,
         scope_name.empty() ? "" : " in ", scope_name, found, result.numel());
}

std::shared_ptr<Node> make_node(const char* name, BackwardFunction backward, Context context,
                                const std::vector<Tensor>& inputs) {
  auto node = std::make_shared<Node>();
  node->name = name;
  node->sequence = next_sequence++;
  node->backward = backward;
  node->context = std::move(context);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Edge edge;
    if (node->context.needs_grad(i)) {
      edge.maker = inputs[i].impl()->grad_fn;
      if (!edge.maker) edge.leaf = inputs[i].impl();
      edge.shape = inputs[i].shape();
    }
    node->edges.push_back(std::move(edge));
  }
  return node;
}

void backward(const Tensor& loss) {
  require(loss && loss.numel() == 1,
          "[autograd] backward() starts at one element, this has shape {}",
          loss ? to_string(loss.shape()) : "none");
  require(
      loss.impl()->grad_fn != nullptr,
      "[autograd] nothing to differentiate: no input of this tensor requires a gradient, or its "
      "graph was consumed by an earlier backward()");
  const NoGradScope no_grad;
  const auto earlier = [](const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) {
    return a->sequence < b->sequence;
  };
  std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, decltype(earlier)>
      ready(earlier);
  loss.impl()->grad_fn->grad = one(loss.dtype(), loss.device()).clone().alias(loss.shape());
  ready.push(std::move(loss.impl()->grad_fn));
  while (!ready.empty()) {
    const std::shared_ptr<Node> node = ready.top();
    ready.pop();
    require(node->backward != nullptr,
            "[autograd] the graph below {} was consumed by an earlier backward()", node->name);
    const Tensor grad_y = std::move(node->grad);
    node->grad = {};
    const Gradients gradients = node->backward(node->context, grad_y);
    node->context = {};
    node->backward = nullptr;
    require(gradients.size() == node->edges.size(),
            "[autograd] {} returned {} gradients for {} tensor arguments", node->name,
            gradients.size(), node->edges.size());
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      Edge& edge = node->edges[i];
      if (!gradients[i] || (!edge.maker && !edge.leaf)) continue;
      require(gradients[i].shape() == edge.shape,
              "[autograd] {} gave a gradient of shape {} for argument {} of shape {}", node->name,
              to_string(gradients[i].shape()), i, to_string(edge.shape));
      if (edge.maker) {
        const bool first = !edge.maker->grad;
        accumulate(edge.maker->grad, gradients[i]);
        if (first) ready.push(edge.maker);
      } else {
        Tensor sum(edge.leaf->grad);
        accumulate(sum, gradients[i]);
        edge.leaf->grad = sum.impl();
      }
    }
    node->edges.clear();
  }
}

}  // namespace autograd
}  // namespace duet
