#include "apps/reproduce/reproduce.h"

#include "apps/data/corpus.h"
#include "apps/reproduce/results.h"
#include "apps/reproduce/study_report.h"
#include "engine/atomic_file.h"

namespace duet {
namespace {

using nlohmann::ordered_json;

/// What decides the results: how many cores they took does not.
ordered_json asked(const StudyOptions& options, const Plan& plan) {
  return {{"plan", options.plan}, {"faces", options.faces}, {"tess", options.tess},
          {"many", options.many}, {"seeds", plan.seeds},    {"epochs", plan.epochs}};
}

}  // namespace

StudyOutcome reproduce(const StudyOptions& options, const std::filesystem::path& study,
                       const std::function<bool()>& stop, Progress& progress) {
  const Plan plan = make_plan(options);
  std::error_code error;
  std::filesystem::create_directories(study, error);
  if (error) fail<DataError>("{}: cannot be made ({})", study.string(), error.message());
  const ordered_json question = asked(options, plan);
  const std::filesystem::path record = study / "study.json";
  if (exists(record)) {
    if (ordered_json::parse(read_file(record)) != question)
      fail<UsageError>("{}: holds a study that was asked {}; ask the same, or give another --out",
                       study.string(), ordered_json::parse(read_file(record)).dump());
  } else {
    write_file_atomically(record, question.dump(2) + "\n");
  }
  if (run_study(plan, study, stop, progress) == StudyOutcome::interrupted)
    return StudyOutcome::interrupted;
  const ordered_json results = study_results(plan, study);
  write_file_atomically(study / "results.json", results.dump(2) + "\n");
  write_file_atomically(study / "results.md", study_markdown(results));
  write_file_atomically(study / "report.html", study_html(results));
  progress.line(fmt::format("results: {}", (study / "results.md").string()));
  return StudyOutcome::finished;
}

}  // namespace duet
