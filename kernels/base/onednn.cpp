#include "kernels/base/onednn.h"

#if DUET_HAVE_ONEDNN

#include "kernels/base/error.h"
#include "kernels/base/parallel.h"

namespace duet::onednn {
namespace {

/// Work on the CPU is done when a primitive returns, but a stream must not be shared by threads.
dnnl::stream& this_threads_stream() {
  thread_local dnnl::stream stream(cpu_engine());
  return stream;
}

dnnl::memory at(const Desc& desc, const void* data) {
  return {desc, cpu_engine(), const_cast<void*>(data)};
}

dnnl::memory allocate(Workspace& workspace, const Desc& desc) {
  const std::size_t bytes = desc.get_size();
  return at(desc, bytes ? workspace.allocate(bytes) : nullptr);
}

}  // namespace

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

const dnnl::primitive_attr& attributes() {
  static const dnnl::primitive_attr attributes = [] {
    dnnl::primitive_attr attr;
    attr.set_fpmath_mode(dnnl::fpmath_mode::strict);
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR > 3 || (DNNL_VERSION_MAJOR == 3 && DNNL_VERSION_MINOR >= 5)
    attr.set_deterministic(true);
#endif
    return attr;
  }();
  return attributes;
}

int match_thread_count() {
  const int threads = thread_count();
#if defined(_OPENMP)
  if (omp_get_max_threads() != threads) omp_set_num_threads(threads);
#endif
  return threads;
}

Plan::Plan(dnnl::primitive primitive, const Desc& scratchpad, std::vector<Operand> operands)
    : primitive_(std::move(primitive)), scratchpad_(scratchpad) {
  for (std::size_t i = 0; i < operands.size(); ++i) {
    Step step{std::move(operands[i]), {}, {}};
    if (step.operand.outside != step.operand.inside) {
      const bool result = i + 1 == operands.size();
      const Desc& from = result ? step.operand.inside : step.operand.outside;
      const Desc& to = result ? step.operand.outside : step.operand.inside;
      const dnnl::reorder::primitive_desc reorder(cpu_engine(), from, cpu_engine(), to,
                                                  attributes());
      step.reorder = dnnl::reorder(reorder);
      step.reorder_scratchpad = reorder.scratchpad_desc();
    }
    steps_.push_back(std::move(step));
  }
}

void Plan::run(Workspace& workspace, std::initializer_list<const void*> data) const {
  require(data.size() == steps_.size(), "[onednn] {} operands given, {} planned", data.size(),
          steps_.size());
  dnnl::stream& stream = this_threads_stream();
  const auto reorder = [&](const Step& step, dnnl::memory& from, dnnl::memory& to) {
    step.reorder.execute(stream,
                         {{DNNL_ARG_FROM, from},
                          {DNNL_ARG_TO, to},
                          {DNNL_ARG_SCRATCHPAD, allocate(workspace, step.reorder_scratchpad)}});
  };

  std::unordered_map<int, dnnl::memory> args{
      {DNNL_ARG_SCRATCHPAD, allocate(workspace, scratchpad_)}};
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    dnnl::memory outside = at(step.operand.outside, data.begin()[i]);
    dnnl::memory inside = step.reorder ? allocate(workspace, step.operand.inside) : outside;
    if (step.reorder && i + 1 < steps_.size()) reorder(step, outside, inside);
    args.emplace(step.operand.arg, inside);
  }
  primitive_.execute(stream, args);
  if (const Step& last = steps_.back(); last.reorder) {
    dnnl::memory outside = at(last.operand.outside, data.end()[-1]);
    reorder(last, args.at(last.operand.arg), outside);
  }
  stream.wait();
}

}  // namespace duet::onednn

#endif
