#pragma once
/// A place in the source text.

#include <cstring>

namespace duet::simt {

struct Site {
  const char* file = "";
  int line = 0;

  /// As a default argument: the place of the call.
  static constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
  bool operator==(const Site& other) const {
    return line == other.line && (file == other.file || std::strcmp(file, other.file) == 0);
  }
};

}  // namespace duet::simt
