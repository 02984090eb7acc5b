#pragma once

#include <fstream>
#include <string>

#include "kernels/base/error.h"

namespace duet::test {

/// "file.cu:12", the line of a file of this folder where the text is found the n-th time.
inline std::string source_line(const std::string& file, const std::string& text, int nth = 1) {
  std::ifstream source(DUET_SIMT_TESTS "/" + file);
  std::string line;
  for (int number = 1; std::getline(source, line); ++number)
    if (line.find(text) != std::string::npos && --nth == 0)
      return fmt::format("{}:{}", file, number);
  fail("[test] {} has no line with {}", file, text);
}

}  // namespace duet::test
