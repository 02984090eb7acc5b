#include <doctest/doctest.h>

#include <set>

#include "apps/report/evaluation.h"
#include "apps/report/predictions.h"
#include "apps/reproduce/paper.h"
#include "apps/reproduce/results.h"
#include "apps/reproduce/study_report.h"
#include "apps/train/run_folder.h"
#include "tests/temporary_folder.h"

using namespace duet;
using doctest::Approx;
using nlohmann::ordered_json;
namespace fs = std::filesystem;

namespace {

/// Three speakers, heard with each of four persons, a pair of each class; right for the first
/// `right` persons. So speakers are alike, and persons are not.
Answers answers_with(int right) {
  Answers answers;
  for (int speaker = 0; speaker < 3; ++speaker)
    for (int label = 0; label < class_count; ++label)
      for (int i = 0; i < 4; ++i) {
        Answer answer;
        answer.pair.face = fmt::format("/f/{}-{}-{}.png", speaker, label, i);
        answer.pair.voice = fmt::format("/v/{}-{}-{}.wav", speaker, label, i);
        answer.pair.label = label;
        answer.pair.split = "test";
        answer.pair.speaker = fmt::format("s{}", speaker);
        answer.pair.person = fmt::format("p{}", i);
        answer.probabilities.fill(0.125f);
        answer.probabilities[i < right ? label : (label + 1) % class_count] = 0.75f;
        answers.push_back(answer);
      }
  return answers;
}

void write_run(const fs::path& path, const Answers& answers, const char* fingerprint = "f") {
  const RunFolder folder{path};
  fs::create_directories(path);
  ordered_json json = evaluation_json(answers);
  json["stream"] = "both";
  json["fingerprint"] = fingerprint;
  write_text(folder.evaluation(), json.dump());
  write_predictions(folder.predictions(), answers);
}

/// A plan of three experiments over two seeds, with their runs.
struct Study {
  TemporaryFolder folder;
  Plan plan;

  Study() {
    plan.name = "quick", plan.summary = "small", plan.many_name = "RAVDESS", plan.seeds = {1, 2},
    plan.epochs = 1;
    for (const char* name : {"own", "own-voice", "paper-both"})
      plan.experiments.push_back({name, name, {}});
    write("own", 1, 4), write("own", 2, 3);
    write("own-voice", 1, 3), write("own-voice", 2, 2);
    write("paper-both", 1, 3), write("paper-both", 2, 3);
  }
  void write(const char* name, int seed, int right, const char* fingerprint = "f") const {
    write_run(run_path(folder.path(), {name, name, {}}, seed), answers_with(right), fingerprint);
  }
  ordered_json results() const { return study_results(plan, folder.path()); }
};

}  // namespace

TEST_CASE("paper: which percentages a count of test faces can give") {
  CHECK(is_share_of({75.67, 2}, 1155));   // 874
  CHECK(is_share_of({68.48, 2}, 1155));   // 791
  CHECK(!is_share_of({99.92, 2}, 1155));  // 1154 is 99.91
  CHECK(is_share_of({55.6, 1}, 1155));
  CHECK(is_share_of({100, 2}, 7));
  CHECK(is_share_of({0, 0}, 7));
  CHECK(!is_share_of({81.64, 2}, paper_test_positive));
  CHECK(!is_share_of({70.78, 2}, paper_test_neutral));
  CHECK(!is_share_of({63.79, 2}, paper_test_negative));
  // By trying every count.
  for (int hundredths = 0; hundredths <= 10000; hundredths += 7) {
    bool found = false;
    for (int k = 0; k <= 95; ++k) found |= std::lround(10000.0 * k / 95) == hundredths;
    CHECK(is_share_of({hundredths / 100.0, 2}, 95) == found);
  }
  CHECK(paper_test_negative + paper_test_neutral + paper_test_positive == paper_test);
}

TEST_CASE("plan: its experiments are settings that a run takes") {
  StudyOptions options;
  options.faces = "/f", options.tess = "/t", options.many = "/m";
  for (const std::string& name : plan_names()) {
    options.plan = name;
    const Plan plan = make_plan(options);
    std::set<std::string> names;
    for (const Experiment& experiment : plan.experiments) {
      CHECK(names.insert(experiment.name).second);
      CHECK_NOTHROW(resolve({}, experiment.settings));
    }
    // What the paper's cells ask for is there.
    for (const PaperCell& cell : paper_cells()) CHECK(names.contains(cell.experiment));
  }
  options.folds = 5;
  for (const Experiment& experiment : make_plan(options).experiments)
    CHECK(experiment.folds == (experiment.name.starts_with("tess-cross") ? 2 : 5));
  options.folds = 0;
  options.only = {"own-voice", "own"};
  CHECK(make_plan(options).experiments.size() == 2);
  CHECK(make_plan(options).experiments[0].name == "own");
  options.only = {};
  options.tess.clear();
  for (const Experiment& experiment : make_plan(options).experiments)
    CHECK(experiment.settings.at("voices") == "/m");
  const auto refused = [](StudyOptions o) { return message_of<UsageError>([&] { make_plan(o); }); };
  CHECK(refused({.plan = "slow", .faces = "/f", .many = "/m"}).find("quick, full") !=
        std::string::npos);
  CHECK(refused({.faces = "/f", .many = "/m", .folds = 1}).find("--folds") != std::string::npos);
  CHECK(refused({.faces = "/f", .many = "/m", .only = {"tess"}}).find("own-voice") !=
        std::string::npos);
  CHECK(refused({.many = "/m"}).find("--faces") != std::string::npos);
  CHECK(refused({.faces = "/f"}).find("--voices") != std::string::npos);
}

TEST_CASE("results: means, deviations and intervals over seeds") {
  const Study study;
  const ordered_json results = study.results();
  const ordered_json& own = results.at("experiments").at(0);
  CHECK(own.at("uar").at("mean").get<double>() == Approx(0.875));
  CHECK(own.at("uar").at("sd").get<double>() == Approx(0.25 / std::sqrt(2.0)));
  // The interval over speakers, who do not differ here, has no width; that over persons has.
  CHECK(own.at("uar").at("over") == "persons");
  CHECK(own.at("uar").at("interval")[0].get<double>() < 0.7);
  CHECK(own.at("uar").at("interval")[1].get<double>() == Approx(1));
  CHECK(own.at("people") == ordered_json{{"speakers", 3}, {"persons", 4}});
  CHECK(own.at("face_shuffled").is_null());
  CHECK(own.at("runs").size() == 2);
  CHECK(own.at("runs").at(1).at("n") == 36);
  ordered_json complete = results;
  complete["machine"] = "a machine";
  complete["asked"] = {{"faces", "f"}, {"many", "m"}, {"tess", ""}};
  const std::string page = study_markdown(complete);
  CHECK(page.find("| own | own | 36 | 3 speakers, 4 persons | 87.5 ± 17.7 | 87.5 ± 17.7 | ") !=
        std::string::npos);
}

TEST_CASE("results: comparisons are paired") {
  const Study study;
  const ordered_json c = study.results().at("comparisons").at(0);
  CHECK(c.at("first") == "own");
  CHECK(c.at("difference").get<double>() == Approx(0.25));
  CHECK(c.at("sd").get<double>() == Approx(0).epsilon(1e-9));
  // The same four persons in both runs, of whom two make the difference. By the three speakers it
  // would be 2/8.
  CHECK(c.at("groups") == 4);
  CHECK(c.at("over") == "persons");
  CHECK(c.at("p").get<double>() == Approx(8.0 / 16));
  CHECK(c.at("least_p").get<double>() == Approx(2.0 / 16));
  CHECK(c.at("p_holm").get<double>() == 1);
  study.write("own-voice", 2, 2, "others");
  CHECK(message_of<DataError>([&] {
          study.results();
        }).find("seed 2: were asked different pairs") != std::string::npos);
}

TEST_CASE("results: every cell of the paper has a verdict with its reason") {
  const Study study;
  std::map<std::string, ordered_json> cells;
  const ordered_json results = study.results();
  for (const ordered_json& cell : results.at("cells")) {
    CHECK(!cell.at("reason").get<std::string>().empty());
    cells[cell.at("table").get<std::string>() + " " + cell.at("what").get<std::string>()] = cell;
  }
  CHECK(cells.size() == paper_cells().size());
  CHECK(cells.at("Table 4 fused with TESS").at("verdict") == "cannot be");
  CHECK(cells.at("Table 3 voices alone, TESS").at("verdict") == "not comparable");
  CHECK(cells.at("Figure 6 L2").at("verdict") == "not comparable");  // no such runs here
  // Ours is 75.0 without any spread, on other faces, other voices and another network.
  const ordered_json& fused = cells.at("Table 4 fused with CREMA-D");
  CHECK(fused.at("verdict") == "not comparable");
  CHECK(fused.at("ours").get<double>() == Approx(0.75));
  for (const char* part :
       {"36 other test faces", "RAVDESS in the place of CREMA-D", "another size of the network",
        "inside our 95 % interval over 4 persons"})
    CHECK_MESSAGE(fused.at("reason").get<std::string>().find(part) != std::string::npos, part);
  CHECK(cells.at("Per class positive, fused").at("verdict") == "cannot be");
}

TEST_CASE("results: run as in the paper, a figure is within or differs") {
  Study study;
  study.plan.as_in_paper = true;
  study.plan.experiments = {{"paper-both", "paper-both", {}}};
  study.plan.many_name = "CREMA-D";
  const auto verdict = [&](const Answers& answers) {
    // As many test faces as the paper has.
    Answers all;
    for (std::int64_t i = 0; i < paper_test; ++i) {
      all.push_back(answers[i % answers.size()]);
      all.back().pair.face = fmt::format("/f/{}.png", i);
      all.back().pair.person = all.back().pair.speaker;
    }
    for (const int seed : {1, 2})
      write_run(run_path(study.folder.path(), study.plan.experiments[0], seed), all);
    const ordered_json results = study.results();
    for (const ordered_json& cell : results.at("cells"))
      if (cell.at("what") == "fused with CREMA-D") return cell.at("verdict").get<std::string>();
    return std::string();
  };
  CHECK(verdict(answers_with(3)) == "differs");  // all speakers alike: 75.0 and no spread
  // One speaker is right half of the time and the others always: the interval is wide.
  Answers mixed = answers_with(4);
  const Answers half = answers_with(2);
  std::copy(half.begin(), half.begin() + 12, mixed.begin());
  CHECK(verdict(mixed) == "within");
}

TEST_CASE("results: the folds of a seed are pooled") {
  Study study;
  const Experiment own{.name = "own", .title = "own", .settings = {}, .folds = 2},
      voice{.name = "own-voice", .title = "own-voice", .settings = {}, .folds = 2};
  study.plan.experiments = {own, voice};
  study.plan.seeds = {1};
  const auto write = [&](const Experiment& experiment, int fold, int right) {
    Answers answers = answers_with(right);
    for (Answer& answer : answers) {
      answer.pair.speaker += fmt::format("-{}", fold);
      answer.pair.person.clear();
    }
    write_run(run_path(study.folder.path(), experiment, 1, fold), answers,
              fold == 0 ? "first" : "second");
  };
  write(own, 0, 4), write(own, 1, 2), write(voice, 0, 3), write(voice, 1, 2);
  const ordered_json results = study.results();
  const ordered_json& pooled = results.at("experiments").at(0);
  CHECK(pooled.at("folds") == 2);
  CHECK(pooled.at("people") == ordered_json{{"speakers", 6}});
  CHECK(pooled.at("uar").at("mean").get<double>() == Approx(0.75));
  CHECK(pooled.at("uar").at("seeds").size() == 1);
  CHECK(pooled.at("uar").at("sd").is_null());
  CHECK(pooled.at("runs").at(0).at("n") == 72);
  CHECK(pooled.at("runs").at(0).at("unique_speakers") == 6);
  CHECK(pooled.at("runs").at(0).at("fingerprints") == ordered_json{"first", "second"});
  const ordered_json& c = results.at("comparisons").at(0);
  CHECK(c.at("difference").get<double>() == Approx(0.125));
  // Three of the six answered alike: what is exchanged among them changes nothing.
  CHECK(c.at("groups") == 6);
  CHECK(c.at("over") == "speakers");
  CHECK(c.at("p").get<double>() == Approx(2.0 / 8));
  fs::remove_all(run_path(study.folder.path(), voice, 1, 1));
  CHECK(message_of<DataError>([&] { study.results(); }).find("own-voice-1-fold1") !=
        std::string::npos);
}

TEST_CASE("results: a run that is missing is named") {
  const Study study;
  fs::remove_all(run_path(study.folder.path(), study.plan.experiments[1], 2));
  CHECK(message_of<DataError>([&] { study.results(); }).find("own-voice-2") != std::string::npos);
}

TEST_CASE("predictions: written and read") {
  const TemporaryFolder folder;
  const fs::path csv = folder / "predictions.csv";
  write_predictions(csv, answers_with(3));
  const Answers read = read_predictions(csv);
  REQUIRE(read.size() == 36);
  CHECK(metrics_of(read).confusion() == metrics_of(answers_with(3)).confusion());
  CHECK(read[0].probabilities[0] == 0.75f);
  CHECK(read[5].pair.speaker == "s0");
  write_text(csv, "voice,label,p_negative,p_neutral,p_positive\na.wav,neutral,0.5,half,0\n");
  CHECK(message_of<DataError>([&] { read_predictions(csv); }).find("p_neutral 'half'") !=
        std::string::npos);
  write_text(csv, "voice,label,p_negative,p_neutral\na.wav,neutral,0.5,0.5\n");
  CHECK(message_of<DataError>([&] { read_predictions(csv); }).find("no column p_positive") !=
        std::string::npos);
}
