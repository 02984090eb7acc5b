#include "kernels/base/environment.h"

#include <cstdlib>

namespace duet::environment {

int verbose() {
  static const int level = [] {
    const char* text = std::getenv("DUET_VERBOSE");
    return text ? std::atoi(text) : 0;
  }();
  return level;
}

}  // namespace duet::environment
