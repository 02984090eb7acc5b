/// What a run's evaluation says, and what it refuses to say.

#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/data/pairs.h"
#include "engine/atomic_file.h"
#include "tests/cli/tiny_run.h"

using namespace duet;
using namespace duet::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

json evaluation_of(const fs::path& run) { return json::parse(read_text(run / "evaluation.json")); }

Ended evaluate(const fs::path& run, const Words& more = {}) {
  return train_mm(Words{"evaluate", run.string()} + more);
}

void check_refused(const Ended& ended, int status, const Words& parts) {
  CHECK_MESSAGE(ended.status == status, to_string(ended));
  CHECK_MESSAGE(holds(ended.err, parts), to_string(ended));
}

}  // namespace

TEST_CASE("evaluate: figures, intervals and shuffled controls by default") {
  const json e = evaluation_of(tiny_run());
  CHECK(e.at("stream") == "both");
  for (const char* groups : {"speakers", "persons"}) {
    // One speaker and one person are tested: they say nothing about others.
    CHECK(e.at("intervals").at(groups).at("groups") == 1);
    CHECK(e.at("intervals").at(groups).at("uar").is_null());
  }
  const json& controls = e.at("controls");
  CHECK(controls.at("majority").at("accuracy").get<double>() == doctest::Approx(1.0 / 3));
  for (const char* key : {"face_shuffled", "voice_shuffled"}) {
    CHECK(controls.at(key).at("n") == 6 * controls.at(key).at("rounds").get<int>());
    CHECK(controls.at(key).at("uar") <= 1);
  }
  CHECK(!controls.contains("face_only"));

  // predictions.csv says the same.
  const std::vector<Pair> rows = read_pairs(tiny_run() / "predictions.csv");
  REQUIRE(rows.size() == 6);
  std::array<std::array<int, 3>, 3> confusion{};
  for (const Pair& row : rows) {
    std::map<std::string, std::string> other(row.other.begin(), row.other.end());
    const int answer = label_of_word(other.at("answer"));
    ++confusion[row.label][answer];
    const double own = std::stod(other.at(fmt::format("p_{}", class_names[answer])));
    for (const char* name : class_names)
      CHECK(own >= std::stod(other.at(fmt::format("p_{}", name))));
  }
  CHECK(json(confusion) == e.at("confusion"));
  CHECK(e.at("fingerprint") == split_fingerprint(rows));
  CHECK(e.at("split_fingerprint") == split_fingerprint(read_pairs(tiny_run() / "pairs.csv")));
}

TEST_CASE("evaluate: again, the same, with all controls, each stream trained alone") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  fs::copy(tiny_run(), run, fs::copy_options::recursive);
  const std::string before = read_text(run / "evaluation.json");
  write_text(run / "predictions.csv", "");
  REQUIRE(evaluate(run).status == 0);
  CHECK(read_text(run / "predictions.csv") == read_text(tiny_run() / "predictions.csv"));
  CHECK(read_text(run / "evaluation.json") == before);

  const Ended all = evaluate(run, {"--controls", "all"});
  REQUIRE_MESSAGE(all.status == 0, to_string(all));
  CHECK(holds(all.out, {"fused", "majority", "face only", "voice only", "face shuffled"}));
  const json e = evaluation_of(run);
  for (const char* stream : {"face", "voice"}) {
    const json& only = e.at("controls").at(fmt::format("{}_only", stream));
    const json own = evaluation_of(run / "controls" / stream);
    CHECK(own.at("stream") == stream);
    CHECK(own.at("confusion") == only.at("confusion"));
    CHECK(own.at("split_fingerprint") == e.at("split_fingerprint"));
    CHECK(own.at("controls").size() == 1);
    CHECK(only.at("run") == fmt::format("controls/{}", stream));
  }
  CHECK(evaluation_of(run / "controls" / "voice").at("unique_faces") == 0);

  // What is there already is not trained again, and is not forgotten.
  const auto trained = fs::last_write_time(run / "controls" / "face" / "model.safetensors");
  REQUIRE(evaluate(run).status == 0);
  CHECK(fs::last_write_time(run / "controls" / "face" / "model.safetensors") == trained);
  CHECK(evaluation_of(run).at("controls").contains("face_only"));
  REQUIRE(evaluate(run, {"--controls", "none"}).status == 0);
  CHECK(!evaluation_of(run).contains("controls"));
}

TEST_CASE("evaluate: controls are trained as long as the run was, also when it goes on") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  REQUIRE(train_mm(begin(run, {"--epochs", "1", "--controls", "all"})).status == 0);
  const auto epochs = [&](const fs::path& of) {
    return lines_of(read_text(of / "metrics.jsonl")).size();
  };
  CHECK(epochs(run / "controls" / "face") == 1);
  REQUIRE(train_mm(resume(run, {"--epochs", "2", "--controls", "shuffled"})).status == 0);
  CHECK(holds(read_text(run / "config.toml"), {"epochs = 2"}));
  // Trained for one epoch, they are no match for two.
  CHECK(!evaluation_of(run).at("controls").contains("face_only"));
  REQUIRE(evaluate(run, {"--controls", "all"}).status == 0);
  CHECK(evaluation_of(run).at("controls").contains("face_only"));
  for (const char* stream : {"face", "voice"}) CHECK(epochs(run / "controls" / stream) == 2);
}

TEST_CASE("evaluate: what was said of a model does not outlast it") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  fs::copy(tiny_run(), run, fs::copy_options::recursive);
  CHECK(evaluation_of(run).at("finished") == true);
  // Stopped in the middle of more epochs.
  Process process(DUET_TRAIN_MM, resume(run, {"--epochs", "100000"}));
  while (process.running() && lines_of(read_text(run / "metrics.jsonl")).size() < 4)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  // Meanwhile nobody else works on it.
  check_refused(evaluate(run), 2, {run.string(), "another train_mm"});
  process.signal(SIGTERM);
  CHECK(process.wait().status == 130);
  CHECK(!fs::exists(run / "evaluation.json"));
  REQUIRE(evaluate(run).status == 0);
  CHECK(evaluation_of(run).at("finished") == false);
}

TEST_CASE("training: voices that are paired anew are checked for leaks, too") {
  const TemporaryFolder folder;
  // Another seed deals the speakers out otherwise than this table.
  const fs::path first = folder / "first", second = folder / "second";
  REQUIRE(train_mm(begin(first, {"--epochs", "1"})).status == 0);
  fs::create_directories(second);
  fs::copy_file(first / "pairs.csv", second / "pairs.csv");
  const Ended ended =
      train_mm(begin(second, {"--epochs", "1", "--pairing", "per-epoch", "--seed", "2"}));
  check_refused(ended, 3, {"[leaks]", "speaker", "(test, train)"});
}

TEST_CASE("evaluate: the demo's controls stay on its own faces and voices") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const Ended ended = train_mm(Words{"--demo", "--out", run.string(), "--epochs", "1",
                                     "--max-steps", "2", "--controls", "all"} +
                               tiny_options());
  REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
  CHECK(!fs::exists(run / "controls" / "face" / "demo"));
  CHECK(evaluation_of(run).at("controls").contains("voice_only"));
}

TEST_CASE("evaluate: what a missing stream costs, where the model may lack one") {
  CHECK(!evaluation_of(tiny_run()).contains("missing"));
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const Ended ended = train_mm(begin(run, {"--epochs", "2", "--modality-dropout", "0.5",
                                           "--voice-masks", "2", "--controls", "all"}));
  REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
  CHECK(holds(ended.out, {"face missing", "voice missing"}));
  const json e = evaluation_of(run);
  for (const char* stream : {"face", "voice"}) {
    CHECK(e.at("missing").at(stream).at("n") == 6);
    // A stream alone has none that could be absent.
    CHECK(!evaluation_of(run / "controls" / stream).contains("missing"));
  }
}

TEST_CASE("training: a pair without what the network is to see is refused before it begins") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  std::vector<Pair> pairs = read_pairs(tiny_run() / "pairs.csv");
  pairs.back().face.clear();
  fs::create_directory(run);
  write_pairs(run / "pairs.csv", pairs);
  check_refused(train_mm(begin(run, {"--epochs", "1"})), 3,
                {"pairs.csv", "--stream both", "the face of every pair"});
}

TEST_CASE("evaluate: refuses what would not be an honest figure") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  fs::copy(tiny_run(), run, fs::copy_options::recursive);
  const std::string pairs = read_text(run / "pairs.csv");
  SUBCASE("a test pair taken out") {
    write_text(run / "pairs.csv", pairs.substr(0, pairs.rfind('\n', pairs.size() - 2) + 1));
    check_refused(evaluate(run), 3, {"model.safetensors", "other pairs", "pairs.csv"});
  }
  SUBCASE("a speaker, a face and a clip planted in two splits") {
    std::vector<Pair> rows = read_pairs(run / "pairs.csv");
    const auto of = [&](const std::string& split) {
      return std::find_if(rows.begin(), rows.end(),
                          [&](const Pair& p) { return p.split == split; });
    };
    Pair leak = *of("train");
    leak.split = "test", leak.augment = 0;
    rows.push_back(leak);
    write_pairs(run / "pairs.csv", rows);
    check_refused(evaluate(run), 3,
                  {"[leaks]", "face " + leak.face.string(), leak.voice.string(),
                   "speaker " + leak.speaker, "person " + leak.person, "(test, train)"});
  }
  SUBCASE("a person under another name") {
    std::vector<Pair> rows = read_pairs(run / "pairs.csv");
    rows.front().person = "Somebody Else";
    write_pairs(run / "pairs.csv", rows);
    check_refused(evaluate(run), 3, {"pairs.csv", "Somebody Else", rows.front().face.string()});
  }
  SUBCASE("an option that belongs to the training") {
    check_refused(evaluate(run, {"--lr", "0.1"}), 2, {"evaluate", "lr", "controls"});
    check_refused(evaluate(run, {"--out", (folder / "other").string()}), 2, {"--out", "evaluate"});
  }
  SUBCASE("no model") {
    fs::remove(run / "model.safetensors");
    check_refused(evaluate(run), 3, {"model.safetensors", "--resume"});
  }
  SUBCASE("no run") { check_refused(evaluate(folder / "none"), 2, {"holds no run"}); }
}

TEST_CASE("training: a copied clip under another name is a leak with both names") {
  const TemporaryFolder folder;
  write_tiny_corpus(folder.path());
  // One clip is given to every other speaker: wherever the speakers go, two splits have it.
  const fs::path voices = folder / "voices";
  for (int speaker = 2; speaker <= 6; ++speaker)
    fs::copy_file(voices / "03-01-03-01-01-01-01.wav",
                  voices / fmt::format("03-01-03-01-01-01-{:02}.wav", speaker),
                  fs::copy_options::overwrite_existing);
  const fs::path run = folder / "run";
  const Ended ended = train_mm(begin_on({folder / "faces", voices}, run, {"--epochs", "1"}));
  check_refused(
      ended, 3,
      {"[leaks]", "identical files", "03-01-03-01-01-01-01.wav = ", "-06.wav", "--split leaky"});
  CHECK(!fs::exists(run / "model.safetensors"));
}

TEST_CASE("training: the learning rate rises over the first steps") {
  for (const bool cosine : {false, true}) {
    const TemporaryFolder folder;
    const fs::path run = folder / "run";
    REQUIRE(train_mm(begin(run, {"--epochs", "3", "--warmup-steps", "15", "--lr-schedule",
                                 cosine ? "cosine" : "constant"}))
                .status == 0);
    std::vector<double> rates;
    for (const std::string& line : lines_of(read_text(run / "metrics.jsonl")))
      rates.push_back(json::parse(line).at("lr").get<double>());
    // Of each epoch's last step, the 6th, 12th and 18th of 18.
    REQUIRE(rates.size() == 3);
    for (int epoch = 0; epoch < 3; ++epoch) {
      const int step = 6 * (epoch + 1);
      const double falling = cosine ? (1 + std::cos(3.14159265358979 * (step - 1) / 18)) / 2 : 1;
      CHECK(rates[epoch] == doctest::Approx(0.01 * std::min(step / 15.0, 1.0) * falling));
    }
  }
}

TEST_CASE("training: a cosine takes the learning rate to zero") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  REQUIRE(train_mm(begin(run, {"--epochs", "4", "--lr-schedule", "cosine"})).status == 0);
  std::vector<double> rates;
  for (const std::string& line : lines_of(read_text(run / "metrics.jsonl")))
    rates.push_back(json::parse(line).at("lr").get<double>());
  REQUIRE(rates.size() == 4);
  // Of each epoch's last step, the 6th, 12th, … of 24, by lr/2 (1 + cos πk/24), k updates before
  // it.
  for (int epoch = 0; epoch < 4; ++epoch)
    CHECK(rates[epoch] ==
          doctest::Approx(0.005 * (1 + std::cos(3.14159265358979 * (6 * epoch + 5) / 24))));
}
