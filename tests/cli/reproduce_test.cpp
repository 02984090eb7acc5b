/// A whole study, interrupted and gone on with.

#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/cli/browser.h"

using namespace duet;
using namespace duet::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

Words study_of(const fs::path& out, const Words& more = {}) {
  return Words{"reproduce",
               "--faces",
               tiny_corpus().faces.string(),
               "--voices",
               tiny_corpus().voices.string(),
               "--out",
               out.string(),
               "--seeds",
               "1",
               "--epochs",
               "1",
               "--jobs",
               "2",
               "--threads",
               "1"} +
         more;
}

/// What a plan asks of one seed, where there is no TESS.
constexpr std::size_t all_runs = 22;

std::size_t finished_runs(const fs::path& study) {
  std::size_t count = 0;
  if (!fs::exists(study / "runs")) return 0;
  for (const auto& run : fs::directory_iterator(study / "runs"))
    count += fs::exists(run.path() / "evaluation.json");
  return count;
}

/// The study's page has the figures of results.json, in a browser too where there is one.
void check_report(const fs::path& study, const json& results) {
  std::map<std::string, double> expected;
  for (const json& e : results.at("experiments"))
    for (const char* figure : {"accuracy", "uar", "macro_f1"})
      expected[fmt::format("{}.{}", e.at("name").get<std::string>(), figure)] =
          e.at(figure).at("mean");
  for (const json& c : results.at("comparisons"))
    expected[fmt::format("{}-{}", c.at("first").get<std::string>(),
                         c.at("second").get<std::string>())] = c.at("difference");
  const fs::path page = study / "report.html";
  CHECK(tagged(read_text(page)) == expected);
  if (chromium().empty()) return;
  const std::string shown = document_of(page);
  CHECK(tagged(shown) == expected);
  // There is no TESS here, so one of the three charts has nothing to show.
  std::size_t with_marks = 0;
  for (const std::string& figure : charts(shown)) with_marks += count(figure, "class=\"mark") > 0;
  CHECK(with_marks == 2);
}

}  // namespace

TEST_CASE("reproduce: a study is interrupted, goes on, and sets the paper's cells beside ours") {
  const TemporaryFolder folder;
  const fs::path study = folder / "study";
  Process process(DUET_TRAIN_MM, study_of(study));
  while (process.running() && finished_runs(study) < 2)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  process.signal(SIGINT);
  const Ended interrupted = process.wait();
  CHECK_MESSAGE(interrupted.status == 130, to_string(interrupted));
  CHECK(holds(interrupted.err, {"the same command goes on"}));
  CHECK(!fs::exists(study / "results.json"));
  const std::size_t before = finished_runs(study);

  const Ended ended = train_mm(study_of(study));
  REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
  CHECK(
      holds(ended.out, {fmt::format("{} done before", before), fmt::format("{0}/{0}", all_runs)}));
  const json results = json::parse(read_text(study / "results.json"));
  CHECK(results.at("experiments").size() == all_runs);
  for (const json& cell : results.at("cells")) CHECK(cell.at("verdict").is_string());
  const std::string page = read_text(study / "results.md");
  CHECK(holds(page, {"what the face adds to the voice", "75.67 %", "cannot be"}));
  check_report(study, results);
  CHECK(finished_runs(study) == all_runs);

  // Asked something else, it is another study.
  const Ended other = train_mm(study_of(study, {"--plan", "full"}));
  CHECK_MESSAGE(other.status == 2, to_string(other));
  CHECK(holds(other.err, {"holds a study", "study.json"}));
}

TEST_CASE("reproduce: a run that fails is named, with its reason") {
  const TemporaryFolder folder;
  const fs::path study = folder / "study";
  // A run's place is taken by a file.
  fs::create_directories(study / "runs");
  write_text(study / "runs" / "own-1", "");
  const Ended ended = train_mm(study_of(study));
  CHECK_MESSAGE(ended.status == 1, to_string(ended));
  CHECK(holds(ended.err, {fmt::format("1 of {} runs failed", all_runs), "own-1: "}));
  CHECK(finished_runs(study) == all_runs - 1);
  CHECK(!fs::exists(study / "results.json"));
  fs::remove(study / "runs" / "own-1");
  CHECK(train_mm(study_of(study)).status == 0);
}

TEST_CASE("reproduce: folds of the experiments that were named") {
  const TemporaryFolder folder;
  const fs::path study = folder / "study";
  const Ended ended = train_mm(study_of(study, {"--folds", "2", "--only", "own", "own-voice"}));
  REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
  CHECK(holds(ended.out, {"4/4", "each with 2 folds over the speakers"}));
  const json results = json::parse(read_text(study / "results.json"));
  CHECK(results.at("experiments").size() == 2);
  CHECK(results.at("comparisons").size() == 1);
  // Every speaker was asked once.
  for (const char* fold : {"own-1-fold0", "own-1-fold1"}) {
    const json own = json::parse(read_text(study / "runs" / fold / "evaluation.json"));
    CHECK(own.at("unique_speakers").get<int>() == 3);
  }
  CHECK(results.at("experiments").at(0).at("people").at("speakers") == 6);
}
