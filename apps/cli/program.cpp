#include "apps/cli/program.h"

#include <cstdio>
#include <new>

#include "kernels/base/error.h"

namespace duet {

int run_program(const char* name, const std::function<int()>& body) {
  const auto end = [name](const char* message, int status) {
    std::fflush(stdout);
    // Not fmt::print, which throws where stderr cannot be written (a log on the disk that is full).
    std::fputs(fmt::format("{}: {}\n", name, message).c_str(), stderr);
    return status;
  };
  try {
    const int status = body();
    if (std::fflush(stdout) != 0 || std::ferror(stdout))
      return end("not all of the output could be written to standard output", exit_failure);
    return status;
  } catch (const UsageError& e) {
    return end(e.what(), exit_usage);
  } catch (const DataError& e) {
    return end(e.what(), exit_data);
  } catch (const std::bad_alloc&) {
    return end("out of memory; a smaller batch size or input size needs less", exit_failure);
  } catch (const std::exception& e) {
    return end(e.what(), exit_failure);
  }
}

}  // namespace duet
