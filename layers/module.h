#pragma once
/// Parts of a network: parameters, buffers and parts of their own, under the names that the model
/// file shows.

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "engine/autograd.h"
#include "engine/random.h"
#include "engine/tensor.h"
#include "kernels/base/precision.h"

namespace duet {

/// What layers are made with.
struct Build {
  DType dtype = DType::f32;
  Device device;
  /// Seeds the weights; dropout masks come from `random`, which must outlive the network.
  RandomState& random;
  Precision precision = Precision::f32;
  /// Off where a state is loaded before anything else: weights are then left as memory happens to
  /// be.
  bool draw_weights = true;
  /// How many weight tensors have been drawn so far.
  std::uint64_t weights_drawn = 0;

  /// What streams and head keep between their layers. (Parameters are of `dtype`.)
  DType activation_dtype() const { return precision == Precision::bf16 ? DType::bf16 : dtype; }

  /// He-normal weights (He et al. 2015): mean 0, variance 2 / fan_in.
  Tensor he_normal(const Shape& shape, std::int64_t fan_in);
};

enum class Mode : std::uint8_t {
  training,    ///< dropout on, batch norm by the batch's statistics, which the running ones follow
  evaluation,  ///< dropout off, batch norm by the running statistics
  estimation,  ///< dropout off, batch norm by the batch's statistics, which are collected to
               ///< replace the running ones
};

struct Parameter {
  std::string name;
  Tensor tensor;
  /// A convolution's weights: (O, kH, kW, I) here and (O, I, kH, kW) in files, and what the paper's
  /// L2 term is about.
  bool conv_kernel = false;
  /// What a network in bf16 computes with: the tensor rounded, which the gradient is of and which
  /// the optimiser writes along. Undefined where the network computes with the tensor itself.
  Tensor rounded;

  Tensor grad() const { return (rounded ? rounded : tensor).grad(); }
};

class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Trainable tensors of this part and the parts within, with dotted names, in the order they were
  /// added.
  std::vector<Parameter> parameters() const;
  /// Tensors that are no parameters but belong to the trained state: batch norm's running
  /// statistics.
  std::vector<Parameter> buffers() const;

  /// Parameters and buffers as a model file holds them: on the CPU, in PyTorch's layouts.
  std::map<std::string, Tensor> state() const;
  /// Takes over such a state. DataError when a tensor is missing or has another shape; `source`
  /// names the file.
  void load_state(const std::map<std::string, Tensor>& state, const std::string& source) const {
    take_state(state, source, false);
  }
  /// The same for a network whose parameters nobody writes to: those that the state holds in the
  /// right place and layout are not copied but shared.
  void share_state(const std::map<std::string, Tensor>& state, const std::string& source) const {
    take_state(state, source, true);
  }

  void set_mode(Mode mode);
  Mode mode() const { return mode_; }
  /// Makes this part and those within ones that only answer, with less work: evaluation for good,
  /// and batch norm becomes a part of the convolution before it. They cannot be trained any more,
  /// their state is another network's, and they take none.
  void freeze();
  bool frozen() const { return frozen_; }
  /// The name under which the part above knows this one.
  const std::string& name() const { return name_; }

 protected:
  Tensor add_parameter(std::string name, Tensor tensor, bool conv_kernel = false);
  /// The same for what products are made with: returns the tensor or, in bf16, what it is rounded
  /// to.
  Tensor add_weight(const Build& build, std::string name, Tensor tensor, bool conv_kernel = false);
  Tensor add_buffer(std::string name, Tensor tensor);
  /// `part` is a member of this object.
  void add_part(std::string name, Module& part);
  void remove_part(Module& part);
  /// Called by freeze() before the parts' own.
  virtual void on_freeze() {}
  /// Called when the mode changes, with mode() still the old one.
  virtual void on_mode(Mode) {}

 private:
  template <class F>
  void visit(const std::string& prefix, F&& f) const;
  void take_state(const std::map<std::string, Tensor>& state, const std::string& source,
                  bool share) const;

  std::string name_;
  Mode mode_ = Mode::training;
  bool frozen_ = false;
  std::vector<Parameter> parameters_, buffers_;
  std::vector<Module*> parts_;
};

}  // namespace duet
