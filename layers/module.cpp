#include "layers/module.h"

#include <cmath>

#include "engine/ops/cast.h"
#include "engine/ops/permute.h"
#include "kernels/base/parallel.h"

namespace duet {
namespace {

const std::vector<int> to_file_axes = {0, 3, 1, 2}, from_file_axes = {0, 2, 3, 1};

}  // namespace

Tensor Build::he_normal(const Shape& shape, std::int64_t fan_in) {
  if (!draw_weights) return Tensor::empty(shape, dtype, device);
  const Philox numbers = random_stream(random.seed, RandomDomain::weights, weights_drawn++);
  const double deviation = std::sqrt(2.0 / static_cast<double>(fan_in));
  const Tensor weights = Tensor::empty(shape, dtype);
  dispatch_floating(dtype, [&](auto zero) {
    using T = decltype(zero);
    parallel_for(weights.numel(), 1 << 14, [&, w = weights.data<T>()](auto begin, auto end) {
      for (std::int64_t i = begin; i < end; ++i)
        w[i] = static_cast<T>(deviation * numbers.normal(i));
    });
  });
  return weights.to(device);
}

template <class F>
void Module::visit(const std::string& prefix, F&& f) const {
  f(prefix, *this);
  for (const Module* part : parts_) part->visit(prefix + part->name_ + ".", f);
}

std::vector<Parameter> Module::parameters() const {
  std::vector<Parameter> all;
  visit("", [&all](const std::string& prefix, const Module& part) {
    for (const Parameter& p : part.parameters_)
      all.push_back({prefix + p.name, p.tensor, p.conv_kernel, p.rounded});
  });
  return all;
}

std::vector<Parameter> Module::buffers() const {
  std::vector<Parameter> all;
  visit("", [&all](const std::string& prefix, const Module& part) {
    for (const Parameter& p : part.buffers_)
      all.push_back({prefix + p.name, p.tensor, p.conv_kernel});
  });
  return all;
}

std::map<std::string, Tensor> Module::state() const {
  const NoGradScope no_grad;
  std::map<std::string, Tensor> state;
  for (const Parameter& p : parameters())
    state[p.name] = p.conv_kernel ? permute(p.tensor.to(Device{}), to_file_axes)
                                  : p.tensor.detach().to(Device{});
  for (const Parameter& p : buffers()) state[p.name] = p.tensor.to(Device{});
  return state;
}

void Module::take_state(const std::map<std::string, Tensor>& state, const std::string& source,
                        bool share) const {
  require(!frozen_, "{}: a frozen network takes no state", source);
  const NoGradScope no_grad;
  std::vector<Parameter> all = parameters();
  for (Parameter& p : buffers()) all.push_back(std::move(p));
  for (const Parameter& p : all) {
    const auto found = state.find(p.name);
    if (found == state.end())
      fail<DataError>("{}: has no tensor '{}', which this network needs", source, p.name);
    Tensor tensor = found->second;
    if (p.conv_kernel && tensor.shape().rank() == 4) tensor = permute(tensor, from_file_axes);
    if (tensor.shape() != p.tensor.shape())
      fail<DataError>("{}: tensor '{}' has shape {}, this network needs {}", source, p.name,
                      to_string(tensor.shape()), to_string(p.tensor.shape()));
    tensor = tensor.to(p.tensor.dtype());
    if (share && tensor.device() == p.tensor.device())
      p.tensor.share(tensor);
    else
      p.tensor.copy_from(tensor);
    if (p.rounded) p.rounded.copy_from(cast(p.tensor, p.rounded.dtype()));
  }
}

void Module::set_mode(Mode mode) {
  on_mode(mode);
  mode_ = mode;
  for (Module* part : parts_) part->set_mode(mode);
}

void Module::freeze() {
  set_mode(Mode::evaluation);
  frozen_ = true;
  on_freeze();
  for (Module* part : parts_) part->freeze();
}

Tensor Module::add_parameter(std::string name, Tensor tensor, bool conv_kernel) {
  tensor.set_requires_grad();
  parameters_.push_back({std::move(name), tensor, conv_kernel});
  return tensor;
}

Tensor Module::add_weight(const Build& build, std::string name, Tensor tensor, bool conv_kernel) {
  if (build.activation_dtype() == tensor.dtype())
    return add_parameter(std::move(name), std::move(tensor), conv_kernel);
  Tensor rounded = cast(tensor, build.activation_dtype());
  rounded.set_requires_grad();
  parameters_.push_back({std::move(name), std::move(tensor), conv_kernel, rounded});
  return rounded;
}

Tensor Module::add_buffer(std::string name, Tensor tensor) {
  buffers_.push_back({std::move(name), tensor, false});
  return tensor;
}

void Module::add_part(std::string name, Module& part) {
  part.name_ = std::move(name);
  parts_.push_back(&part);
}

void Module::remove_part(Module& part) { std::erase(parts_, &part); }

}  // namespace duet
