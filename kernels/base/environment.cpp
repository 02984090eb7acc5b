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

std::optional<std::string> cuda_plugin() {
  const char* text = std::getenv("DUET_CUDA_PLUGIN");
  return text ? std::optional<std::string>(text) : std::nullopt;
}

}  // namespace duet::environment
