#pragma once
/// Two pieces of work at the same time.

#include <utility>

#include "engine/autograd.h"
#include "kernels/base/parallel.h"
#include "kernels/base/rows.h"

namespace duet {

/// Calls `f()` and `g()`, each on one core, without history and with the calling thread's choice of
/// rows. Their parallel loops run on that core alone.
template <class F, class G>
void side_by_side(F&& f, G&& g) {
  const Impl impl = current_impl();
  parallel_chunks(2, [&](std::int64_t i) {
    const SerialScope alone;
    const NoGradScope no_grad;
    const ImplScope rows(impl);
    i == 0 ? std::forward<F>(f)() : std::forward<G>(g)();
  });
}

}  // namespace duet
