/// A whole study, interrupted and gone on with.

#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/cli/tiny_run.h"

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

std::size_t finished_runs(const fs::path& study) {
  std::size_t count = 0;
  if (!fs::exists(study / "runs")) return 0;
  for (const auto& run : fs::directory_iterator(study / "runs"))
    count += fs::exists(run.path() / "evaluation.json");
  return count;
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
  CHECK(holds(ended.out, {fmt::format("{} done before", before), "17/17"}));
  const json results = json::parse(read_text(study / "results.json"));
  CHECK(results.at("experiments").size() == 17);
  for (const json& cell : results.at("cells")) CHECK(cell.at("verdict").is_string());
  const std::string page = read_text(study / "results.md");
  CHECK(holds(page, {"what the face adds to the voice", "75.67 %", "cannot be"}));
  CHECK(holds(read_text(study / "report.html"), {"<svg", "75.67 %", "cannot be"}));
  CHECK(finished_runs(study) == 17);

  // Asked something else, it is another study.
  const Ended other = train_mm(study_of(study, {"--plan", "full"}));
  CHECK_MESSAGE(other.status == 2, to_string(other));
  CHECK(holds(other.err, {"holds a study", "quick"}));
}

TEST_CASE("reproduce: a run that fails is named, with its reason") {
  const TemporaryFolder folder;
  const fs::path study = folder / "study";
  // A run's place is taken by a file.
  fs::create_directories(study / "runs");
  write_text(study / "runs" / "own-1", "");
  const Ended ended = train_mm(study_of(study));
  CHECK_MESSAGE(ended.status == 1, to_string(ended));
  CHECK(holds(ended.err, {"1 of 17 runs failed", "own-1: "}));
  CHECK(finished_runs(study) == 16);
  CHECK(!fs::exists(study / "results.json"));
  fs::remove(study / "runs" / "own-1");
  CHECK(train_mm(study_of(study)).status == 0);
}
