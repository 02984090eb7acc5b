#include "bench/calls.h"

#include <algorithm>
#include <iostream>

#include "engine/autograd.h"
#include "kernels/base/philox.h"

namespace duet::bench {
namespace {

using Operands = std::vector<Tensor>;
using Run = std::function<void(std::int64_t)>;
using Visit = std::function<void(const Call&, const Run&)>;

Tensor random_tensor(const Shape& shape, std::uint64_t stream, DType dtype, Device device) {
  const Tensor tensor = Tensor::empty(shape);
  const Philox numbers{1, stream};
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    tensor.data<float>()[i] = numbers.uniform(i) - 0.5f;
  return tensor.to(dtype).to(device);
}

double bytes_of(const Tensor& tensor) {
  return tensor ? static_cast<double>(tensor.numel()) * static_cast<double>(size_of(tensor.dtype()))
                : 0;
}

std::vector<Operands> operand_sets(const Case& c, const CallOptions& options) {
  const DType dtype = options.precision == Precision::bf16 ? DType::bf16 : DType::f32;
  Operands drawn;
  double bytes = 0;
  for (std::size_t k = 0; k < c.inputs.size(); ++k) {
    const bool parameter = k + c.parameters >= c.inputs.size();
    drawn.push_back(random_tensor(c.inputs[k], k, parameter ? DType::f32 : dtype, options.device));
    bytes += bytes_of(drawn.back());
  }
  const auto count = options.operand_bytes == 0
                         ? 1
                         : std::clamp<std::int64_t>(
                               static_cast<std::int64_t>(options.operand_bytes / bytes) + 1, 2, 16);
  std::vector<Operands> sets(count);
  for (Operands& set : sets)
    for (const Tensor& tensor : drawn) set.push_back(tensor.clone());
  return sets;
}

/// Runs the functions of a graph backward, and leaves the graph as it was.
void backward(const Tensor& y, const Tensor& grad_y) {
  autograd::Node& node = *y.impl()->grad_fn;
  const Gradients gradients = node.backward(node.context, grad_y);
  for (std::size_t i = 0; i < gradients.size(); ++i)
    if (gradients[i] && node.edges[i].maker) {
      Tensor::Impl maker;
      maker.grad_fn = node.edges[i].maker;
      backward(Tensor(std::make_shared<Tensor::Impl>(maker)), gradients[i]);
    }
}

/// A graph for each set of operands; its one node is run again and again.
void visit_derivative(const Case& c, const Derivative& d, const std::vector<Operands>& sets,
                      Call call, const Visit& visit) {
  std::vector<Tensor> results;
  for (const Operands& set : sets) {
    Operands inputs;
    for (const Tensor& tensor : set) inputs.push_back(tensor.detach());
    for (const std::size_t i : d.of) inputs[i].set_requires_grad();
    results.push_back(c.run(inputs));
  }
  const Tensor& y = results[0];
  const Tensor grad_y = random_tensor(y.shape(), 9, y.dtype(), y.device());
  call.bytes = bytes_of(y);
  for (const std::size_t i : d.of) call.bytes += bytes_of(sets[0][i]);
  for (const std::size_t i : d.reads) call.bytes += bytes_of(sets[0][i]);
  const NoGradScope no_grad;
  visit(call, [&](std::int64_t i) { backward(results[i % results.size()], grad_y); });
}

void visit_row(const Case& c, const CallOptions& options, const std::string& row, RowKind kind,
               const Visit& visit) {
  std::vector<Operands> sets;  // made when the first call is wanted
  const auto wanted = [&](const Call& call) {
    if (!options.wanted(call.text())) return false;
    if (sets.empty()) sets = operand_sets(c, options);
    return true;
  };
  Call call{c.op, c.name, "forward", row, kind, c.flops, c.forward_bytes};
  if (wanted(call)) {
    const NoGradScope no_grad;
    if (call.bytes == 0) {
      call.bytes = bytes_of(c.run(sets[0]));
      for (const Tensor& tensor : sets[0]) call.bytes += bytes_of(tensor);
    }
    visit(call, [&](std::int64_t i) { c.run(sets[i % sets.size()]); });
  }
  for (const Derivative& d : c.derivatives) {
    call.direction = d.name;
    if (wanted(call)) visit_derivative(c, d, sets, call, visit);
  }
}

}  // namespace

std::string Call::text() const { return fmt::format("{} {} {} {}", op, name, direction, row); }

std::vector<std::string> for_each_call(const Case& c, const CallOptions& options,
                                       const Visit& visit) {
  std::vector<std::string> failed;
  if (c.op.empty()) {
    visit_row(c, options, "composed", RowKind::handwritten, visit);
    return failed;
  }
  const RowTable& table = RowTable::find(c.op);
  for (std::size_t i = 0; i < table.size(); ++i) {
    const RowInfo& row = table.info(i);
    if (row.device != options.device.type) continue;
    // Only where nothing faster is there is the oracle the row that runs.
    if (row.kind == RowKind::ref && i > 0 && table.info(i - 1).device == row.device) continue;
    const ImplScope forced(fmt::format("{}={}", c.op, row.name));
    try {
      visit_row(c, options, row.name, row.kind, visit);
    } catch (const UsageError&) {
      continue;  // the row does not take the call
    } catch (const Error& error) {
      failed.push_back(fmt::format("{} {} {}", c.op, c.name, row.name));
      std::cerr << fmt::format("{} {}, row {}: {}\n", c.op, c.name, row.name, error.what());
    }
  }
  return failed;
}

}  // namespace duet::bench
