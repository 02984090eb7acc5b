#include "apps/reproduce/reproduce.h"

#include <fstream>
#include <thread>

#include "apps/data/corpus.h"
#include "apps/reproduce/results.h"
#include "apps/reproduce/study_report.h"
#include "apps/train/run_lock.h"
#include "engine/atomic_file.h"

namespace duet {
namespace {

using nlohmann::ordered_json;

/// What decides the results: how many cores they took does not.
ordered_json asked(const StudyOptions& options, const Plan& plan) {
  ordered_json json = {
      {"version", DUET_VERSION}, {"plan", options.plan},  {"faces", options.faces},
      {"many", options.many},    {"tess", options.tess},  {"many_name", options.many_name},
      {"seeds", plan.seeds},     {"epochs", plan.epochs}, {"device", options.device}};
  if (options.folds > 0) json["folds"] = options.folds;
  for (const Experiment& experiment : plan.experiments)
    json["experiments"][experiment.name] = experiment.settings;
  return json;
}

/// A folder's own name: whose disk it was on is nobody's business.
std::string name_of(const std::string& folder) {
  return std::filesystem::path(folder).filename().string();
}

/// "2 cores of an AMD EPYC"
std::string machine() {
  std::string name = "an unknown processor";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) {
      name = line.substr(std::min(line.size(), line.find(':') + 2));
      break;
    }
  return fmt::format("{} cores of {}", std::thread::hardware_concurrency(), name);
}

}  // namespace

StudyOutcome reproduce(const StudyOptions& options, const std::filesystem::path& study,
                       const std::function<bool()>& stop, Progress& progress) {
  const Plan plan = make_plan(options);
  std::error_code error;
  std::filesystem::create_directories(study, error);
  if (error) fail<DataError>("{}: cannot be made ({})", study.string(), error.message());
  const RunLock lock(study);
  const ordered_json question = asked(options, plan);
  const std::filesystem::path record = study / "study.json";
  if (exists(record)) {
    if (ordered_json::parse(read_file(record)) != question)
      fail<UsageError>(
          "{}: holds a study with another plan, other folders, seeds, folds, epochs or "
          "experiments, or of another version ({} says which); ask the same, or give another --out",
          study.string(), record.string());
  } else {
    write_file_atomically(record, question.dump(2) + "\n");
  }
  if (run_study(plan, study, stop, progress) == StudyOutcome::interrupted)
    return StudyOutcome::interrupted;
  ordered_json results = study_results(plan, study);
  results["machine"] = machine();
  results["asked"] = {{"faces", name_of(options.faces)},
                      {"many", name_of(options.many)},
                      {"tess", name_of(options.tess)}};
  write_file_atomically(study / "results.json", results.dump(2) + "\n");
  write_file_atomically(study / "results.md", study_markdown(results));
  write_file_atomically(study / "report.html", study_html(results));
  progress.line(fmt::format("results: {}", (study / "results.md").string()));
  return StudyOutcome::finished;
}

}  // namespace duet
