#include "kernels/base/parallel.h"

#include <thread>

namespace duet {
namespace {

int configured_threads = 0;
thread_local bool serial = false;

}  // namespace

SerialScope::SerialScope() : outer_(serial) { serial = true; }
SerialScope::~SerialScope() { serial = outer_; }

int thread_count() {
  if (serial) return 1;
  if (configured_threads > 0) return configured_threads;
#if defined(_OPENMP)
  return omp_get_max_threads();
#else
  return 1;
#endif
}

void set_thread_count(int threads) {
  configured_threads =
      threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
#if defined(_OPENMP)
  omp_set_num_threads(configured_threads);
#else
  configured_threads = 1;
#endif
}

}  // namespace duet
