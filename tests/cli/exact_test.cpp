/// A training ends in the same bits however often it was interrupted, and wherever, and whether its
/// steps are launched as graphs or kernel by kernel.

#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/safetensors.h"
#include "kernels/base/rows.h"
#include "tests/cli/tiny_run.h"

using namespace duet;
using namespace duet::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

/// Everything random is on: both dropouts, absent streams, augmentation, pairs drawn again each
/// epoch.
const Words random_options = {"--block-dropout",    "0.1", "--pairing",        "per-epoch",
                              "--modality-dropout", "0.3", "--stream-balance", "1",
                              "--voice-speed",      "0.1"};
/// So many epochs that no test waits for their end.
const Words endless = {"--epochs", "100000"};

Words epochs(std::int64_t n) { return {"--epochs", std::to_string(n)}; }

/// The names of tensors that differ, or are in one of the files only.
Words differing(const fs::path& a, const fs::path& b) {
  const Safetensors left = read_safetensors(a), right = read_safetensors(b);
  REQUIRE(left.tensors.size() > 30);
  Words names;
  for (const auto& [name, tensor] : left.tensors) {
    const auto other = right.tensors.find(name);
    if (other == right.tensors.end() || other->second.shape() != tensor.shape() ||
        other->second.dtype() != tensor.dtype() ||
        std::memcmp(other->second.view().data, tensor.view().data,
                    tensor.numel() * size_of(tensor.dtype())) != 0)
      names.push_back(name);
  }
  for (const auto& [name, tensor] : right.tensors)
    if (!left.tensors.contains(name)) names.push_back(name);
  return names;
}

/// metrics.jsonl without what the clock wrote into it.
std::vector<json> timeless_metrics(const fs::path& run) {
  std::vector<json> epochs;
  for (const std::string& line : lines_of(read_text(run / "metrics.jsonl"))) {
    json epoch = json::parse(line);
    for (const char* key : {"seconds", "pairs_per_second", "data_wait", "device_ms_per_step"})
      epoch.erase(key);
    epochs.push_back(std::move(epoch));
  }
  return epochs;
}

void check_same(const fs::path& a, const fs::path& b) {
  for (const char* file : {"model.safetensors", "last.safetensors"}) {
    const Words names = differing(a / file, b / file);
    CHECK_MESSAGE(names.empty(), file << ": " << fmt::format("{}", fmt::join(names, " ")));
  }
  CHECK(timeless_metrics(a) == timeless_metrics(b));
  CHECK(read_text(a / "evaluation.json") == read_text(b / "evaluation.json"));
  CHECK(read_text(a / "pairs.csv") == read_text(b / "pairs.csv"));
}

void finish(const Words& arguments) {
  const Ended ended = train_mm(arguments);
  REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
}

struct Place {
  std::int64_t epoch = 1, step_in_epoch = 0, steps = 0;
};

/// Where the last checkpoint of a run is.
Place place_of(const fs::path& run) {
  if (!fs::exists(run / "last.safetensors")) return {};
  const Safetensors file = read_safetensors(run / "last.safetensors");
  const json j = json::parse(file.metadata.at("duet.training"));
  return {j.at("epoch"), j.at("step_in_epoch"), j.at("steps")};
}

/// Waits until the run has a checkpoint of more than `steps` steps.
void wait_for_step(Process& process, const fs::path& run, std::int64_t steps) {
  while (place_of(run).steps <= steps) {
    if (!process.running()) FAIL(to_string(process.wait()));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Words begin_or_resume(const fs::path& run, const Words& options, const Words& changeable) {
  return fs::exists(run / "config.toml") ? resume(run, changeable)
                                         : begin(run, options + changeable);
}

}  // namespace

TEST_CASE("resume: a run stopped by Ctrl-C in the middle of an epoch") {
  const TemporaryFolder folder;
  const fs::path stopped = folder / "stopped", straight = folder / "straight";
  // Where the signal falls is a matter of luck; until it is inside an epoch, the run goes on.
  Place place;
  do {
    Process process(DUET_TRAIN_MM, begin_or_resume(stopped, random_options,
                                                   endless + Words{"--checkpoint-every", "1"}));
    wait_for_step(process, stopped, place.steps);
    process.signal(SIGINT);
    const Ended ended = process.wait();
    REQUIRE_MESSAGE(ended.status == 130, to_string(ended));
    CHECK(holds(ended.err, {"stopped", "--resume " + stopped.string()}));
    CHECK(temporary_files(stopped).empty());
    CHECK(!fs::exists(stopped / "evaluation.json"));
    place = place_of(stopped);
  } while (place.step_in_epoch == 0 || place.step_in_epoch == tiny_steps);

  finish(resume(stopped, epochs(place.epoch + 1) + Words{"--checkpoint-every", "0"}));
  finish(begin(straight, random_options + epochs(place.epoch + 1)));
  check_same(stopped, straight);
}

TEST_CASE("resume: a run stopped by Ctrl-C while a stream is trained alone") {
  const TemporaryFolder folder;
  const fs::path stopped = folder / "stopped", straight = folder / "straight";
  const Words options =
      random_options + epochs(2) +
      Words{"--pretrain-face", "200", "--pretrain-voice", "2", "--checkpoint-every", "1"};
  Process process(DUET_TRAIN_MM, begin(stopped, options));
  wait_for_step(process, stopped / "pretrained" / "face", 3);
  process.signal(SIGINT);
  const Ended ended = process.wait();
  REQUIRE_MESSAGE(ended.status == 130, to_string(ended));
  CHECK(!fs::exists(stopped / "last.safetensors"));
  finish(resume(stopped));
  finish(begin(straight, options));
  check_same(stopped, straight);
  // A control has as many epochs as the run gave its stream.
  finish(resume(stopped, {"--controls", "all"}));
  const auto control_epochs = [&](const char* stream) {
    return lines_of(read_text(stopped / "controls" / stream / "metrics.jsonl")).size();
  };
  CHECK(control_epochs("face") == 202);
  CHECK(control_epochs("voice") == 4);
}

TEST_CASE("pretraining: a run begins with the weights of the stream's best model") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run", other = folder / "other";
  finish(begin(run, epochs(1) + Words{"--pretrain-face", "1"}));
  finish(begin(other, epochs(1) + Words{"--stream", "face", "--seed", "7"}));
  // The run begins again, from another model, and learns nothing.
  for (const char* file : {"last.safetensors", "model.safetensors", "evaluation.json"})
    fs::remove(run / file);
  fs::copy_file(other / "model.safetensors", run / "pretrained" / "face" / "model.safetensors",
                fs::copy_options::overwrite_existing);
  std::string config = read_text(run / "config.toml");
  const std::size_t lr = config.find("\nlr = ");
  REQUIRE(lr != std::string::npos);
  config.replace(lr, config.find('\n', lr + 1) - lr, "\nlr = 0.0");
  write_text(run / "config.toml", config);
  finish(resume(run));
  const auto from = read_safetensors(other / "model.safetensors").tensors;
  const auto to = read_safetensors(run / "model.safetensors").tensors;
  std::size_t compared = 0;
  for (const auto& [name, tensor] : from) {
    if (!name.starts_with("face.") || name.find("running") != std::string::npos) continue;
    ++compared;
    const Tensor& taken = to.at(name);
    REQUIRE(taken.shape() == tensor.shape());
    CHECK(std::equal(tensor.span<float>().begin(), tensor.span<float>().end(),
                     taken.span<float>().begin()));
  }
  CHECK(compared == 24);  // eight convolutions, their norms' weights and biases
}

TEST_CASE("resume: a run killed at several moments") {
  const TemporaryFolder folder;
  for (const Words& checkpoints : {Words{}, Words{"--checkpoint-every", "1"}}) {
    CAPTURE(checkpoints.size());
    const fs::path killed = folder / fmt::format("killed{}", checkpoints.size());
    const fs::path straight = folder / fmt::format("straight{}", checkpoints.size());
    const Words options = endless + checkpoints;
    for (int milliseconds = 2; milliseconds < 150; milliseconds += 2 + milliseconds / 3) {
      Process process(DUET_TRAIN_MM, begin_or_resume(killed, random_options, options));
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
      process.signal(SIGKILL);
      const Ended ended = process.wait();
      REQUIRE_MESSAGE(ended.status == -SIGKILL, to_string(ended));
    }
    // And certainly after a checkpoint, twice.
    for (int i = 0; i < 2; ++i) {
      Process process(DUET_TRAIN_MM, begin_or_resume(killed, random_options, options));
      wait_for_step(process, killed, place_of(killed).steps);
      process.signal(SIGKILL);
      CHECK(process.wait().status == -SIGKILL);
    }
    const Words end = epochs(place_of(killed).epoch + 1);
    finish(resume(killed, end));
    finish(begin(straight, random_options + end));
    check_same(killed, straight);
    CHECK(temporary_files(killed).empty());
  }
}

TEST_CASE("resume: a run killed before its first checkpoint, in the middle of a file") {
  const TemporaryFolder folder;
  const fs::path straight = folder / "straight";
  finish(begin(straight, epochs(2)));
  // What is there after config.toml was written, and after pairs.csv was; half-written files
  // beside.
  for (const Words& files : {Words{"config.toml"}, Words{"config.toml", "pairs.csv"}}) {
    const fs::path killed = folder / fmt::format("killed{}", files.size());
    fs::create_directories(killed);
    for (const std::string& file : files) fs::copy_file(straight / file, killed / file);
    for (const char* file : {"pairs.csv.tmp", "model.safetensors.tmp", "last.safetensors.tmp"})
      write_text(killed / file, "half a fi");
    finish(resume(killed));
    check_same(killed, straight);
    if (files.size() == 1) CHECK(temporary_files(killed).empty());
  }
}

TEST_CASE("resume: a finished run goes on with more epochs") {
  const TemporaryFolder folder;
  const fs::path longer = folder / "longer", straight = folder / "straight";
  finish(begin(longer, random_options + epochs(1)));
  finish(resume(longer, epochs(3)));
  finish(begin(straight, random_options + epochs(3)));
  check_same(longer, straight);
  // Without anything left to do it is only evaluated again.
  finish(resume(longer));
  check_same(longer, straight);
}

TEST_CASE("seed: the same gives the same bits, another does not") {
  const TemporaryFolder folder;
  const Words options = random_options + epochs(2);
  finish(begin(folder / "a", options));
  finish(begin(folder / "b", options + Words{"--workers", "1", "--cache-mb", "0"}));
  check_same(folder / "a", folder / "b");
  finish(begin(folder / "c", options + Words{"--seed", "2"}));
  // Each parameter but those that no gradient reached.
  CHECK(differing(folder / "a" / "model.safetensors", folder / "c" / "model.safetensors").size() >
        30);
  CHECK(timeless_metrics(folder / "a") != timeless_metrics(folder / "c"));
}

TEST_CASE("training: --max-steps ends within an epoch") {
  const TemporaryFolder folder;
  finish(begin(folder / "run", {"--epochs", "5", "--max-steps", "8"}));
  const std::vector<json> metrics = timeless_metrics(folder / "run");
  REQUIRE(metrics.size() == 2);
  CHECK(metrics[1].at("steps") == 8);
  CHECK(fs::exists(folder / "run" / "evaluation.json"));
}

TEST_CASE("training: --patience ends a run that learns nothing") {
  const TemporaryFolder folder;
  // Nothing changes from epoch to epoch, so the first stays the best.
  finish(begin(folder / "run",
               {"--lr", "0", "--no-augment-voices", "--epochs", "9", "--patience", "2"}));
  CHECK(timeless_metrics(folder / "run").size() == 3);
}

TEST_CASE("training: --keep leaves the models of the last epochs") {
  const TemporaryFolder folder;
  finish(begin(folder / "run", {"--epochs", "4", "--keep", "2"}));
  for (int epoch = 1; epoch <= 4; ++epoch)
    CHECK(fs::exists(folder / "run" / fmt::format("epoch-{:04}.safetensors", epoch)) ==
          (epoch > 2));
  // The last epoch's model is what the last checkpoint trains.
  const Safetensors kept = read_safetensors(folder / "run" / "epoch-0004.safetensors"),
                    last = read_safetensors(folder / "run" / "last.safetensors");
  const Tensor &a = kept.at("head.fc1.weight"), &b = last.at("head.fc1.weight");
  CHECK(std::memcmp(a.data<float>(), b.data<float>(), a.numel() * sizeof(float)) == 0);
}

TEST_CASE("graph: a training has the bits of one without, also when it is taken up again") {
  // Everything random is on, classes are weighed, spectrograms coloured, and an epoch's last batch
  // is smaller.
  const Words network = {"--fusion", "cross_gated", "--dropout", "0.2"};
  const Words data = {"--spectrogram-style", "rgb", "--class-weights", "balanced"};
  const Words options =
      random_options + network + data + Words{"--device", "simt", "--batch-size", "7"};
  const TemporaryFolder folder;
  const fs::path eager = folder / "eager", graph = folder / "graph", killed = folder / "killed";
  // Begun by a graph, killed inside the second epoch, continued by another graph.
  {
    Process process(
        DUET_TRAIN_MM,
        begin(killed, options + endless + Words{"--cuda-graph", "--checkpoint-every", "1"}));
    wait_for_step(process, killed, 5);
    process.signal(SIGKILL);
    CHECK(process.wait().status == -SIGKILL);
  }
  const Words end = epochs(place_of(killed).epoch);
  finish(resume(killed, end + Words{"--checkpoint-every", "0"}));
  finish(begin(eager, options + end));
  check_same(eager, killed);

  const Ended ended = train_mm(begin(graph, options + end + Words{"--cuda-graph"}));
  REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
  CHECK(holds(ended.out, {"device", "ms/step", "memory on simt"}));
  check_same(eager, graph);
}

TEST_CASE("autotune: a training that is taken up again keeps its rows, to the same bits") {
  // Sixteen channels, which more than one row takes in every build.
  const Words options =
      random_options + Words{"--autotune", "--widths", "16,16,16,16", "--device", "cpu"};
  const TemporaryFolder folder;
  const fs::path killed = folder / "killed", straight = folder / "straight";
  {
    Process process(DUET_TRAIN_MM,
                    begin(killed, options + endless + Words{"--checkpoint-every", "1"}));
    wait_for_step(process, killed, 3);
    process.signal(SIGKILL);
    CHECK(process.wait().status == -SIGKILL);
  }
  const std::string checkpoint =
      read_safetensors(killed / "last.safetensors").metadata.at("duet.autotune");
  const Words kept = lines_of(checkpoint);
  REQUIRE(!kept.empty());
  for (const std::string& line : kept) {
    const json j = json::parse(line);
    const RowTable& table = RowTable::find(j.at("op").get<std::string>());
    bool listed = false;
    for (std::size_t i = 0; i < table.size(); ++i)
      listed = listed || (table.info(i).name == j.at("row") && j.at("device") == "cpu" &&
                          table.info(i).device == DeviceType::cpu);
    CHECK_MESSAGE(listed, line);
  }
  CHECK(holds(read_text(killed / "autotune.jsonl"), kept));

  // The checkpoint has the choices, too, and is the stronger: here each has become another.
  std::string other;
  for (std::string line : kept) {
    json j = json::parse(line);
    j["row"] = "ref";
    other += j.dump() + "\n";
  }
  write_text(killed / "autotune.jsonl", other);
  const Words end = epochs(place_of(killed).epoch + 1);
  const Ended resumed = train_mm(resume(killed, end + Words{"--checkpoint-every", "0"}));
  REQUIRE_MESSAGE(resumed.status == 0, to_string(resumed));
  CHECK(holds(read_text(killed / "autotune.jsonl"), kept));

  // A run that begins with all of them measures nothing.
  fs::create_directories(straight);
  fs::copy_file(killed / "autotune.jsonl", straight / "autotune.jsonl");
  const Ended begun = train_mm(begin(straight, options + end));
  REQUIRE_MESSAGE(begun.status == 0, to_string(begun));
  CHECK(holds(begun.out, {"autotune: measured 0 calls"}));
  check_same(killed, straight);
  CHECK(read_text(killed / "autotune.jsonl") == read_text(straight / "autotune.jsonl"));
}

TEST_CASE("autotune: what is in the file is checked when it is asked for, and only then") {
  const TemporaryFolder folder;
  const Words options = {"--epochs", "1", "--device", "cpu"};
  const json choice = {
      {"op", "conv2d"}, {"params", "()"}, {"dtype", "f32"}, {"device", "cpu"}, {"row", "fastest"}};
  const std::string wrong = choice.dump() + "\n";
  for (const char* run : {"tuned", "untuned"}) write_text(folder / run / "autotune.jsonl", wrong);
  const Ended refused = train_mm(begin(folder / "tuned", options + Words{"--autotune"}));
  CHECK(refused.status == 3);
  CHECK(holds(refused.err, {(folder / "tuned" / "autotune.jsonl").string() + ", line 1: ",
                            "conv2d has no row 'fastest'"}));
  CHECK(!fs::exists(folder / "tuned" / "config.toml"));

  // Without --autotune a run neither reads nor writes one, and no rows are kept.
  finish(begin(folder / "untuned", options));
  CHECK(read_text(folder / "untuned" / "autotune.jsonl") == wrong);
  const fs::path plain = folder / "plain";
  finish(begin(plain, options));
  CHECK(!fs::exists(plain / "autotune.jsonl"));
  CHECK(!read_safetensors(plain / "last.safetensors").metadata.contains("duet.autotune"));
  check_same(folder / "untuned", plain);

  // A forced row is not measured, nor are rows that nobody could take instead.
  const Words forced = {"--autotune", "--impl", "ref"};
  finish(begin(folder / "ref", options + forced));
  finish(begin(folder / "order", options + Words{"--impl", "ref"}));
  CHECK(!fs::exists(folder / "ref" / "autotune.jsonl"));
  check_same(folder / "ref", folder / "order");
}
