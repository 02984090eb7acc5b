#pragma once
/// oneDNN behind one door: the only place that knows that its 2.x describes an operation with an
/// operation descriptor and its 3.x without. Every primitive is created for plain float32
/// arithmetic, whatever ONEDNN_DEFAULT_FPMATH_MODE says, and takes its scratch from the caller's
/// workspace.

#if DUET_HAVE_ONEDNN

#include <array>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

#include "kernels/base/exec.h"

namespace duet::onednn {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;

const dnnl::engine& cpu_engine();
/// Float32 arithmetic, scratch from the caller and, where oneDNN offers it (3.5), deterministic.
const dnnl::primitive_attr& attributes();

/// A float32 operand.
inline Desc describe(const dnnl::memory::dims& dims, Tag tag) {
  return {dims, dnnl::memory::data_type::f32, tag};
}

/// The implementation of an operation, where `args` are the operation's own: propagation kind,
/// algorithm, operands, strides and so on.
template <class Primitive, class... Args>
auto implementation(const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(cpu_engine(), args..., attributes());
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(args...), attributes(),
                                            cpu_engine());
#endif
}

/// The same for a backward direction, which wants the forward implementation as a hint.
template <class Primitive, class Hint, class... Args>
auto backward_implementation(const Hint& hint, const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(cpu_engine(), args..., hint, attributes());
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(args...), attributes(),
                                            cpu_engine(), hint);
#endif
}

/// A primitive that is ready to run, with the reorders between the caller's layouts and those the
/// primitive prefers. Immutable: many threads may run one.
class Plan {
 public:
  /// `arg` is a DNNL_ARG_…; `outside` the caller's layout, `inside` the primitive's.
  struct Operand {
    int arg;
    Desc outside, inside;
  };

  /// The last operand is the result.
  Plan(dnnl::primitive primitive, const Desc& scratchpad, std::vector<Operand> operands);

  /// Runs on the addresses of the operands, in the constructor's order, in the caller's layouts.
  void run(Workspace& workspace, std::initializer_list<const void*> data) const;

 private:
  struct Step {
    Operand operand;
    dnnl::primitive reorder;  // empty when both layouts are the same
    Desc reorder_scratchpad;
  };
  dnnl::primitive primitive_;
  Desc scratchpad_;
  std::vector<Step> steps_;
};

/// Lets oneDNN use as many threads as our own loops do on the calling thread; returns how many.
int match_thread_count();

/// Plans by what they were made for. A plan is made for a number of threads, so that is part of its
/// key.
template <std::size_t N>
class PlanCache {
 public:
  using Key = std::array<std::int64_t, N>;

  template <class Make>
  std::shared_ptr<const Plan> get(const Key& key, Make&& make) {
    const int threads = match_thread_count();
    const std::scoped_lock lock(mutex_);
    std::shared_ptr<const Plan>& plan = plans_[{threads, key}];
    if (!plan) plan = std::make_shared<const Plan>(make());
    return plan;
  }

 private:
  std::mutex mutex_;
  std::map<std::pair<int, Key>, std::shared_ptr<const Plan>> plans_;
};

}  // namespace duet::onednn

#endif
