/// Machines without a CUDA device, in each of the ways there are: `--device auto` says so in one
/// line and trains on the CPU, `--device cuda` refuses with the same reason.

#include "tests/cli/tiny_run.h"
#include "tests/skip.h"

using namespace duet;
using namespace duet::test;

namespace {

using Environment = std::map<std::string, std::string>;

void check_no_device(const Environment& environment, const Words& reason) {
  const TemporaryFolder folder;
  Process::Options options;
  options.environment = environment;

  const Ended any =
      train_mm(begin(folder / "auto", {"--device", "auto", "--max-steps", "1"}), options);
  REQUIRE_MESSAGE(any.status == 0, to_string(any));
  int notes = 0;
  for (const std::string& line : lines_of(any.out + any.err))
    if (holds(line, {"no CUDA device"})) {
      ++notes;
      CHECK_MESSAGE(holds(line, reason), line);
      CHECK_MESSAGE(holds(line, {"using the CPU"}), line);
    }
  CHECK_MESSAGE(notes == 1, to_string(any));
  CHECK(std::filesystem::exists(folder / "auto" / "model.safetensors"));

  const Ended cuda =
      train_mm(begin(folder / "cuda", {"--device", "cuda", "--max-steps", "1"}), options);
  CHECK_MESSAGE(cuda.status == 2, to_string(cuda));
  CHECK(lines_of(cuda.err).size() == 1);
  CHECK_MESSAGE(holds(cuda.err, reason), cuda.err);
  CHECK_MESSAGE(holds(cuda.err, {"no CUDA device", "--device cpu"}), cuda.err);
  CHECK(!std::filesystem::exists(folder / "cuda"));

  const std::string model = (folder / "auto" / "model.safetensors").string();
  const Ended infer = infer_mm({model, "--describe", "--device", "cuda"}, options);
  CHECK_MESSAGE(infer.status == 2, to_string(infer));
  CHECK_MESSAGE(holds(infer.err, reason), infer.err);
}

/// What libcudart answers on such a machine, to the plugin, which is named so that it is opened
/// where there is no driver too.
void check_machine(const char* answers, const Words& reason) {
  if (!*DUET_TEST_CUDART) return skip("the CUDA plugin is not built");
  check_no_device({{"LD_PRELOAD", DUET_TEST_CUDART},
                   {"DUET_TEST_CUDA", answers},
                   {"DUET_CUDA_PLUGIN", DUET_TEST_PLUGIN}},
                  reason);
}

}  // namespace

TEST_CASE("no CUDA device: no plugin") {
  const TemporaryFolder folder;
  const std::string path = (folder / "libduet_cuda.so").string();
  check_no_device({{"DUET_CUDA_PLUGIN", path}}, {path, "No such file"});
}

TEST_CASE("no CUDA device: a plugin of another version, and what is none") {
  check_no_device({{"DUET_CUDA_PLUGIN", DUET_TEST_OTHER_PLUGIN}},
                  {DUET_TEST_OTHER_PLUGIN, "version", "build them together"});
  check_no_device({{"DUET_CUDA_PLUGIN", "libm.so.6"}}, {"libm.so.6", "not a plugin of Duet"});
}

TEST_CASE("no CUDA device: no driver") { check_machine("35 0", {"no NVIDIA driver"}); }

TEST_CASE("no CUDA device: a driver that is too old") {
  check_machine("35 12080", {"driver knows CUDA 12.8", "is needed"});
}

TEST_CASE("no CUDA device: a driver without a device") {
  check_machine("100 13000", {"driver finds no device"});
}
