/// Preloaded before libcudart: machines without a CUDA device. DUET_TEST_CUDA holds what
/// cudaGetDeviceCount returns and the version of CUDA that the driver knows, "35 0". As in CUDA's
/// own library, the number of devices is left alone.

#include <cstdio>
#include <cstdlib>

namespace {

struct Machine {
  int status = 0, driver = 0;
  Machine() {
    const char* text = std::getenv("DUET_TEST_CUDA");
    if (!text || std::sscanf(text, "%d %d", &status, &driver) != 2) std::abort();
  }
};

}  // namespace

extern "C" int cudaGetDeviceCount(int*) { return Machine().status; }
extern "C" int cudaDriverGetVersion(int* version) {
  *version = Machine().driver;
  return 0;
}
