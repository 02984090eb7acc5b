#include "tests/cli/python.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>

#include "tests/cli/process.h"

namespace duet::test {

std::string python() {
  const char* chosen = std::getenv("DUET_PYTHON");
  return chosen && *chosen ? chosen : "python3";
}

std::string python_lacks(const std::vector<std::string>& modules) {
  const std::string script =
      "from importlib.util import find_spec\n"
      "import sys\n"
      "print(*[m for m in sys.argv[1:] if not find_spec(m)])";
  std::vector<std::string> arguments = {"-c", script};
  arguments.insert(arguments.end(), modules.begin(), modules.end());
  const Ended ended = Process(python(), arguments).wait();
  if (ended.status == 0 && ended.out == "\n") return "";
  return fmt::format(
      "{} {}; DUET_PYTHON may name another", python(),
      ended.status == 0 ? "lacks " + ended.out.substr(0, ended.out.size() - 1) : "cannot be run");
}

}  // namespace duet::test
