/// Event files: there when they are asked for, with every epoch once, and TensorBoard reads them.

#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/cli/python.h"
#include "tests/cli/tiny_run.h"
#include "tests/event_file.h"
#include "tests/skip.h"

using namespace duet;
using namespace duet::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::vector<fs::path> event_files(const fs::path& run) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(run))
    if (entry.path().filename().string().find("tfevents") != std::string::npos)
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

struct Place {
  std::int64_t step;
  float value;
  bool operator==(const Place&) const = default;
};
using Scalars = std::map<std::string, std::vector<Place>>;

/// What metrics.jsonl says should be under each tag.
Scalars expected_of_epochs(const fs::path& run) {
  const std::map<std::string, std::string> tags = {
      {"epoch", "train/epoch"},
      {"loss", "train/loss"},
      {"l2_penalty", "train/l2_penalty"},
      {"lr", "train/lr"},
      {"train_accuracy", "train/accuracy"},
      {"gradient_norm", "gradient_norm/all"},
      {"gradient_norm_face", "gradient_norm/face"},
      {"gradient_norm_voice", "gradient_norm/voice"},
      {"gradient_norm_joint", "gradient_norm/joint"},
      {"dev_loss", "dev/loss"},
      {"dev_accuracy", "dev/accuracy"},
      {"dev_uar", "dev/uar"},
      {"seconds", "time/seconds"},
      {"pairs_per_second", "time/pairs_per_second"},
      {"data_wait", "time/data_wait"},
      {"device_ms_per_step", "time/device_ms_per_step"}};
  Scalars scalars;
  for (const std::string& line : lines_of(read_text(run / "metrics.jsonl"))) {
    const json epoch = json::parse(line);
    for (const auto& [key, value] : epoch.items())
      if (key != "steps") scalars[tags.at(key)].push_back({epoch.at("steps"), value.get<float>()});
  }
  return scalars;
}

/// Which of the scalars are about the test, taken out.
Scalars take_test(Scalars& scalars) {
  Scalars test;
  for (auto it = scalars.lower_bound("test/");
       it != scalars.end() && it->first.starts_with("test/");)
    test.insert(scalars.extract(it++));
  return test;
}

/// By this test's own reader.
Scalars scalars_of(const fs::path& run) {
  Scalars scalars;
  for (const fs::path& file : event_files(run))
    for (const EventRead& event : parse_events(read_text(file)))
      if (event.scalar) scalars[event.tag].push_back({event.step, *event.scalar});
  return scalars;
}

/// So that the tags' steps can be held against each other where times differ.
void without_times(Scalars& scalars) {
  std::erase_if(scalars, [](const auto& tag) { return tag.first.starts_with("time/"); });
}

void check_scalars(const fs::path& run, Scalars found) {
  const json evaluation = json::parse(read_text(run / "evaluation.json"));
  const Scalars test = take_test(found);
  for (const char* key : {"accuracy", "uar", "macro_f1", "loss"}) {
    CAPTURE(key);
    CHECK(test.at(std::string("test/") + key).back().value == evaluation.at(key).get<float>());
  }
  CHECK(test.at("test/per_class/neutral/recall").back().value ==
        evaluation.at("per_class").at("neutral").at("recall").get<float>());
  const Scalars expected = expected_of_epochs(run);
  CHECK(found.size() == expected.size());
  for (const auto& [tag, places] : expected) CHECK_MESSAGE(found[tag] == places, tag);
}

}  // namespace

TEST_CASE("tensorboard: without the option there are no event files") {
  CHECK(event_files(tiny_run()).empty());
}

TEST_CASE("tensorboard: a run's numbers and pictures, with those of the run that goes on") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  // Begun without it: what there was before is written, too.
  REQUIRE(train_mm(begin(run, {"--epochs", "1"})).status == 0);
  CHECK(event_files(run).empty());
  const auto go_on = [&](const char* epochs) {
    const Ended ended = train_mm(resume(run, {"--epochs", epochs, "--tensorboard"}));
    REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
    return event_files(run);
  };
  go_on("2");
  const std::vector<fs::path> files = go_on("4");
  CHECK_MESSAGE(go_on("4") == files, "a run with nothing to add has added a file");
  const Scalars scalars = scalars_of(run);
  check_scalars(run, scalars);
  CHECK(scalars.at("train/loss").size() == 4);
  CHECK(scalars.at("test/uar").size() == 2);  // at the end of either

  int confusions = 0, clips = 0;
  for (const EventRead& event : parse_events(read_text(files.back()))) {
    if (event.picture.empty()) continue;
    CAPTURE(event.tag);
    confusions += event.tag == "test/confusion";
    clips += event.tag.starts_with("test_clips/");
    CHECK(event.step == 4 * tiny_steps);
    CHECK(event.picture.starts_with("\x89PNG"));
    if (event.tag.starts_with("test_clips/")) {
      CHECK(event.height == 16);  // bands
      CHECK(event.width == 8000 / 128 + 1);
    }
  }
  CHECK(confusions == 1);
  CHECK(clips == 3);  // of the one test speaker
}

TEST_CASE("tensorboard: a run that was killed has each step once") {
  const TemporaryFolder folder;
  const fs::path killed = folder / "killed", straight = folder / "straight";
  const Words endless = {"--epochs", "100000", "--tensorboard"};
  for (int i = 0; i < 4; ++i) {
    Process process(DUET_TRAIN_MM, i == 0 ? begin(killed, endless) : resume(killed));
    const auto size = [&] {
      std::uintmax_t all = 0;
      if (fs::exists(killed))
        for (const fs::path& file : event_files(killed)) all += fs::file_size(file);
      return all;
    };
    // In the middle of an epoch's events, or between them and the checkpoint, with some luck.
    for (const std::uintmax_t before = size(); size() < before + 1000;) {
      if (!process.running()) FAIL(to_string(process.wait()));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    process.signal(SIGKILL);
    REQUIRE(process.wait().status == -SIGKILL);
  }
  const std::size_t epochs = lines_of(read_text(killed / "metrics.jsonl")).size() + 1;
  CHECK(epochs > 2);
  const Words end = {"--epochs", std::to_string(epochs)};
  REQUIRE(train_mm(resume(killed, end)).status == 0);
  REQUIRE(train_mm(begin(straight, end + Words{"--tensorboard"})).status == 0);
  CHECK(event_files(killed).size() > 1);
  Scalars once = scalars_of(straight), often = scalars_of(killed);
  without_times(once);
  without_times(often);
  CHECK(once.size() == often.size());
  for (const auto& [tag, places] : once) CHECK_MESSAGE(often[tag] == places, tag);
}

TEST_CASE("tensorboard: TensorBoard itself reads the same") {
  if (const std::string why = python_lacks({"tensorboard"}); !why.empty()) return skip(why);
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  REQUIRE(train_mm(begin(run, {"--epochs", "2", "--tensorboard"})).status == 0);
  REQUIRE(train_mm(resume(run, {"--epochs", "3"})).status == 0);
  const Ended read = Process(python(), {"-c", R"(
import json, struct, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
events.Reload()
size = lambda png: list(struct.unpack(">II", png[16:24]))
print(json.dumps({
    "scalars": {tag: [[e.step, e.value] for e in events.Scalars(tag)]
                for tag in events.Tags()["scalars"]},
    "images": {tag: [[e.step, [e.width, e.height], size(e.encoded_image_string)]
                     for e in events.Images(tag)] for tag in events.Tags()["images"]}}))
)",
                                        run.string()})
                         .wait();
  REQUIRE_MESSAGE(read.status == 0, to_string(read));
  const json found = json::parse(read.out);
  Scalars scalars;
  for (const auto& [tag, places] : found.at("scalars").items())
    for (const json& place : places)
      scalars[tag].push_back({place.at(0), place.at(1).get<float>()});
  check_scalars(run, scalars);
  CHECK(scalars == scalars_of(run));
  const json& images = found.at("images");
  CHECK(images.size() == 4);
  for (const auto& [tag, places] : images.items()) {
    CAPTURE(tag);
    REQUIRE(places.size() == 2);
    for (int i : {0, 1}) {
      CHECK(places.at(i).at(0) == tiny_steps * (2 + i));
      CHECK(places.at(i).at(1) == places.at(i).at(2));
    }
  }
}
