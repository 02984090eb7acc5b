#include "apps/cli/program.h"

#include <cstdio>
#include <new>

#include "kernels/base/error.h"

namespace duet {

int run_program(const char* name, const std::function<int()>& body) {
  const auto end = [name](const char* message, int status) {
    std::fflush(stdout);
    fmt::print(stderr, "{}: {}\n", name, message);
    return status;
  };
  try {
    return body();
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

void check_device(const std::string& device) {
  if (device == "auto" || device == "cpu") return;
  if (device == "cuda" || device.starts_with("cuda:"))
    fail<UsageError>("--device {}: this build has no CUDA rows; --device cpu runs everywhere",
                     device);
  fail<UsageError>("--device: '{}' is not one of auto, cpu, cuda, cuda:N", device);
}

}  // namespace duet
