/// Training by the handwritten CUDA kernels, run by the emulator.

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/cli/tiny_run.h"

using namespace duet;
using namespace duet::test;

namespace {

std::vector<double> losses(const std::filesystem::path& run) {
  std::vector<double> all;
  for (const std::string& line : lines_of(read_text(run / "metrics.jsonl")))
    all.push_back(nlohmann::json::parse(line).at("loss"));
  return all;
}

}  // namespace

TEST_CASE("simt: five steps through the CUDA kernels follow the CPU's losses") {
  // One batch an epoch: five lines, a step each. In f64: without a warm-up, in f32 two correct
  // implementations part by up to 4e-3 of the loss in five steps (measured on the demo), since
  // Adam's first update, lr · g / (|g| + 1e-8), turns the rounding of a gradient near zero into a
  // step of a weight. That is 6e4 roundoffs of f32; as many of f64 are 7e-12, and 1e-9 leaves room
  // for a hundred times more.
  const Words options = {"--batch-size",    "24",  "--epochs",    "5",  "--dropout", "0.2",
                         "--block-dropout", "0.1", "--precision", "f64"};
  for (const char* fusion : {"concat", "cross_gated"}) {
    const TemporaryFolder folder;
    const Words chosen = options + Words{"--fusion", fusion};
    REQUIRE(train_mm(begin(folder / "cpu", chosen + Words{"--device", "cpu"})).status == 0);
    const Ended simt = train_mm(begin(folder / "simt", chosen + Words{"--device", "simt"}));
    REQUIRE_MESSAGE(simt.status == 0, to_string(simt));
    CHECK(holds(simt.out, {"device simt"}));
    const std::vector<double> expected = losses(folder / "cpu"), actual = losses(folder / "simt");
    REQUIRE(expected.size() == 5);
    REQUIRE(actual.size() == 5);
    CHECK(expected.front() != expected.back());
    CHECK(expected != actual);
    for (std::size_t i = 0; i < 5; ++i) {
      CAPTURE(i);
      CHECK(std::abs(actual[i] - expected[i]) <= 1e-9 * std::abs(expected[i]));
    }
  }
}

TEST_CASE("simt: in f32 the first step has the CPU's loss") {
  // The same weights on both: a loss is off by its own roundings, 2^-24 for each of the sums one
  // behind the other in 12 layers, of at most 2304 products.
  const Words options = {"--batch-size", "24", "--max-steps", "1"};
  const TemporaryFolder folder;
  std::vector<double> first;
  for (const char* device : {"cpu", "simt"}) {
    const Ended ended = train_mm(begin(folder / device, options + Words{"--device", device}));
    REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
    first.push_back(losses(folder / device).at(0));
  }
  CHECK(std::abs(first[1] - first[0]) <= 0x1p-24 * std::sqrt(12 * 2304.0) * first[0]);
}

TEST_CASE("simt: the mean of the demo's first five losses follows the CPU's to 1e-4") {
  const TemporaryFolder folder;
  std::vector<nlohmann::json> ends;
  for (const char* device : {"cpu", "simt"}) {
    const std::filesystem::path run = folder / device;
    const Ended ended = train_mm({"--demo", "--device", device, "--max-steps", "5", "--out",
                                  run.string(), "--controls", "none", "--no-bn-reestimate"});
    REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
    ends.push_back(nlohmann::json::parse(lines_of(read_text(run / "metrics.jsonl")).at(0)));
    CHECK(ends.back().at("steps") == 5);
  }
  for (const char* figure : {"loss", "dev_loss"}) {
    const double cpu = ends[0].at(figure), simt = ends[1].at(figure);
    CHECK(cpu != simt);
    CHECK(std::abs(simt - cpu) <= 1e-4 * cpu);
  }
}

TEST_CASE("--cuda-graph on the CPU is refused, with the reason") {
  const TemporaryFolder folder;
  const Ended ended = train_mm(begin(folder / "run", {"--device", "cpu", "--cuda-graph"}));
  CHECK(ended.status == 2);
  CHECK(holds(ended.err, {"--cuda-graph", "CPU", "--no-cuda-graph"}));
  CHECK(!std::filesystem::exists(folder / "run"));
}

TEST_CASE("--autotune on the emulator is refused, with the reason") {
  const TemporaryFolder folder;
  const Ended ended = train_mm(begin(folder / "run", {"--device", "simt", "--autotune"}));
  CHECK(ended.status == 2);
  CHECK(holds(ended.err, {"--autotune", "emulator", "--impl"}));
  CHECK(!std::filesystem::exists(folder / "run"));
}

TEST_CASE("simt: a NaN is told where it began, by a graph as without") {
  const TemporaryFolder folder;
  std::string told;
  for (const Words& how : {Words{}, Words{"--cuda-graph"}}) {
    // The learning rate sends the weights to infinity by the third step.
    const Ended ended =
        train_mm(begin(folder / fmt::format("run{}", how.size()),
                       how + Words{"--device", "simt", "--lr", "1e30", "--batch-size", "8"}));
    CHECK(ended.status == 1);
    const std::size_t at = ended.err.find("training stopped at epoch 1, step");
    REQUIRE_MESSAGE(at != std::string::npos, to_string(ended));
    if (told.empty()) told = ended.err.substr(at);
    CHECK(ended.err.substr(at) == told);
  }
}

TEST_CASE("simt: in TF32 and bf16 a training learns, repeats its bits, and is not f32's") {
  const Words options = {"--batch-size", "24", "--epochs", "3", "--device", "simt"};
  const TemporaryFolder folder;
  const auto train = [&](const char* name, const char* precision) {
    const auto run = folder / name;
    const Ended ended = train_mm(begin(run, options + Words{"--precision", precision}));
    REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
    return losses(run);
  };
  const std::vector<double> f32 = train("f32", "f32");
  for (const char* precision : {"tf32", "bf16"}) {
    CAPTURE(precision);
    const std::vector<double> once = train(precision, precision);
    REQUIRE(once.size() == 3);
    CHECK(once.back() < once.front());
    CHECK(once != f32);
    CHECK(once == train((std::string(precision) + " again").c_str(), precision));
    // The model file notes the precision; inference needs no device that has it.
    const auto model = (folder / precision / "model.safetensors").string();
    CHECK(holds(read_text(model), {precision}));
    const Ended answer = infer_mm(
        {model, "--device", "cpu", "--face", a_face().string(), "--voice", a_voice().string()});
    CHECK_MESSAGE(answer.status == 0, to_string(answer));
  }
}
