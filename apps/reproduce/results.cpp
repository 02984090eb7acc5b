#include "apps/reproduce/results.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "apps/report/evaluation.h"
#include "apps/report/predictions.h"
#include "apps/report/resampling.h"
#include "apps/reproduce/paper.h"
#include "apps/train/run_folder.h"
#include "engine/atomic_file.h"

namespace duet {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

/// What a seed's runs, one or one for each fold, answered together.
struct SeedRuns {
  std::int64_t seed;
  std::vector<ordered_json> evaluations;
  Answers answers;

  std::vector<std::string> fingerprints() const {
    std::vector<std::string> all;
    for (const ordered_json& evaluation : evaluations) all.push_back(evaluation.at("fingerprint"));
    return all;
  }
};

struct Finished {
  const Experiment* experiment;
  std::vector<SeedRuns> seeds;

  std::string stream() const { return seeds.front().evaluations.front().at("stream"); }
  std::vector<People> people() const { return people_in(seeds.front().answers); }
};

struct Spread {
  double mean = 0;
  ordered_json deviation;  ///< of the sample; null for a single value, which says nothing of it
};

Spread spread_of(const std::vector<double>& values) {
  Spread spread;
  const auto n = static_cast<double>(values.size());
  for (const double value : values) spread.mean += value / n;
  double squares = 0;
  for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
  if (values.size() > 1) spread.deviation = std::sqrt(squares / (n - 1));
  return spread;
}

Finished read(const Plan& plan, const Experiment& experiment, const fs::path& study) {
  Finished finished{&experiment, {}};
  for (const std::int64_t seed : plan.seeds) {
    SeedRuns& runs = finished.seeds.emplace_back(SeedRuns{seed, {}, {}});
    for (std::int64_t fold = 0; fold < experiment.runs_of_seed(); ++fold) {
      const RunFolder folder{run_path(study, experiment, seed, fold)};
      if (!exists(folder.evaluation()))
        fail<DataError>("{}: not there yet; the same command goes on",
                        folder.evaluation().string());
      runs.evaluations.push_back(ordered_json::parse(read_file(folder.evaluation())));
      for (Answer& answer : read_predictions(folder.predictions()))
        runs.answers.push_back(std::move(answer));
    }
  }
  return finished;
}

/// The answers of each seed, by speaker or by person.
std::vector<Groups> groups_of_seeds(const Finished& e, const People& people) {
  std::vector<Groups> seeds;
  for (const SeedRuns& runs : e.seeds) seeds.push_back(groups_of(runs.answers, people));
  return seeds;
}

/// How many there are over all seeds: {"speakers": 20, "persons": 427}.
ordered_json people_json(const Finished& e) {
  ordered_json counts = ordered_json::object();
  for (const People& people : e.people()) {
    std::set<std::string> names;
    for (const Groups& seed : groups_of_seeds(e, people))
      for (const auto& [name, metrics] : seed) names.insert(name);
    counts[people.name] = names.size();
  }
  return counts;
}

/// The wider of a figure's intervals over speakers and over persons, and over whom it is; null
/// where there is a single one of either.
ordered_json interval_json(const Finished& e, Figure figure) {
  ordered_json json = {{"interval", nullptr}, {"over", nullptr}};
  double widest = -1;
  for (const People& people : e.people()) {
    const auto found = bootstrap_interval(groups_of_seeds(e, people), figure);
    if (!found) return {{"interval", nullptr}, {"over", people.name}};
    if (found->high - found->low <= widest) continue;
    widest = found->high - found->low;
    json = {{"interval", {found->low, found->high}}, {"over", people.name}};
  }
  return json;
}

ordered_json spread_json(const Finished& e, Figure figure) {
  std::vector<double> values;
  for (const SeedRuns& runs : e.seeds) values.push_back((metrics_of(runs.answers).*figure)());
  const Spread spread = spread_of(values);
  ordered_json json = {{"seeds", values}, {"mean", spread.mean}, {"sd", spread.deviation}};
  json.update(interval_json(e, figure));
  return json;
}

/// The mean over all runs of a figure that each evaluation has, or null.
ordered_json mean_of(const Finished& e, const nlohmann::json::json_pointer& where) {
  std::vector<double> values;
  for (const SeedRuns& runs : e.seeds)
    for (const ordered_json& evaluation : runs.evaluations) {
      if (!evaluation.contains(where)) return nullptr;
      values.push_back(evaluation.at(where));
    }
  return spread_of(values).mean;
}

ordered_json experiment_json(const Finished& e) {
  ordered_json json;
  json["name"] = e.experiment->name;
  json["title"] = e.experiment->title;
  for (const auto& [key, value] : e.experiment->settings)
    if (key != "faces" && key != "voices") json["settings"][key] = value;
  json["stream"] = e.stream();
  if (e.experiment->folds > 0) json["folds"] = e.experiment->folds;
  json["people"] = people_json(e);
  json["accuracy"] = spread_json(e, &Metrics::accuracy);
  json["uar"] = spread_json(e, &Metrics::uar);
  json["macro_f1"] = spread_json(e, &Metrics::macro_f1);
  using Pointer = nlohmann::json::json_pointer;
  json["face_shuffled"] = mean_of(e, Pointer("/controls/face_shuffled/uar"));
  json["voice_shuffled"] = mean_of(e, Pointer("/controls/voice_shuffled/uar"));
  json["face_missing"] = mean_of(e, Pointer("/missing/face/uar"));
  json["voice_missing"] = mean_of(e, Pointer("/missing/voice/uar"));
  json["ece"] = mean_of(e, Pointer("/calibration/ece"));
  json["runs"] = ordered_json::array();
  for (const SeedRuns& runs : e.seeds) {
    ordered_json r;
    r["seed"] = runs.seed;
    r.update(figures_json(metrics_of(runs.answers)));
    r.update(unique_json(runs.answers));
    r["fingerprints"] = runs.fingerprints();
    json["runs"].push_back(std::move(r));
  }
  return json;
}

Figure figure_of(const std::string& name) {
  if (name == "accuracy") return &Metrics::accuracy;
  if (name == "negative") return &Metrics::recall_of<negative>;
  if (name == "neutral") return &Metrics::recall_of<neutral>;
  return &Metrics::recall_of<positive>;
}

/// What sets ours apart from the paper's beside the people: nothing where it was run as there.
std::vector<std::string> differences(const Plan& plan, const PaperCell& cell,
                                     const Finished& ours) {
  std::vector<std::string> found;
  const auto faces = unique_json(ours.seeds.front().answers).at("unique_faces").get<std::int64_t>();
  if (ours.stream() != "voice" && faces != paper_test)
    found.push_back(
        fmt::format("{} other test faces in the place of the paper's {}", faces, paper_test));
  if (cell.voices == "CREMA-D" && plan.many_name != cell.voices)
    found.push_back(fmt::format("{} in the place of CREMA-D", plan.many_name));
  if (!plan.as_in_paper) found.emplace_back("another size of the network, or fewer epochs");
  return found;
}

ordered_json cell_json(const Plan& plan, const PaperCell& cell, const Finished* ours) {
  ordered_json json;
  json["table"] = cell.table;
  json["what"] = cell.what;
  json["paper"] = fmt::format("{:.{}f} %", cell.printed.percent, cell.printed.decimals);
  const auto judge = [&](const char* verdict, const std::string& reason) {
    json["verdict"] = verdict;
    json["reason"] = reason;
  };
  ordered_json spread, interval;
  if (ours) {
    spread = spread_json(*ours, figure_of(cell.figure));
    interval = spread.at("interval");
    json["experiment"] = cell.experiment;
    json["ours"] = spread.at("mean");
    json["sd"] = spread.at("sd");
    json["interval"] = interval;
    json["n"] = ours->seeds.front().answers.size();
  }
  if (cell.n > 0 && !is_share_of(cell.printed, cell.n)) {
    judge("cannot be", fmt::format("no count of {} test faces gives {}", cell.n,
                                   json["paper"].get<std::string>()));
  } else if (!cell.incomparable.empty()) {
    judge("not comparable", cell.incomparable);
  } else if (!ours) {
    judge("not comparable", "this study has no such corpus, or was asked for other experiments");
  } else if (interval.is_null()) {
    judge("not comparable", "too few people for an interval of ours");
  } else {
    const double paper = cell.printed.percent / 100;
    const bool within = interval[0] <= paper && paper <= interval[1];
    const std::string over = spread.at("over");
    const std::string where =
        fmt::format("the paper's figure lies {} our 95 % interval over {} {}",
                    within ? "inside" : "outside", people_json(*ours).at(over).dump(), over);
    const std::vector<std::string> apart = differences(plan, cell, *ours);
    if (apart.empty())
      judge(within ? "within" : "differs", where);
    else
      judge("not comparable", fmt::format("{}; {}", fmt::join(apart, "; "), where));
  }
  return json;
}

/// A question that two experiments answer.
struct Comparison {
  const char *question, *first, *second;
  /// Whether both were asked the same pairs.
  bool paired = true;
};

constexpr Comparison comparisons[] = {
    {"what the face adds to the voice", "own", "own-voice"},
    {"what the voice adds to the face", "own", "own-face"},
    {"what the face adds to the voice, trained first", "own-pretrained", "own-voice"},
    {"what the voice adds to the face, trained first", "own-pretrained", "own-face-long"},
    {"what training the face first brings", "own-pretrained", "own"},
    {"what training the face first brings, against as long with both", "own-pretrained",
     "own-long"},
    {"what the face adds to TESS (words unheard)", "tess", "tess-voice"},
    {"what the face adds to TESS (actress unheard)", "tess-cross", "tess-cross-voice"},
    {"what our training adds to the paper's", "own", "paper-both"},
    {"what masks in spectrograms bring", "own", "own-no-masks"},
    {"what modality dropout brings", "own", "own-no-absence"},
    {"what pairing anew in each epoch brings", "own", "own-fixed"},
    {"what faster and slower voices bring", "own-speed", "own"},
    {"what holding back the stream ahead brings", "own-balance", "own"},
    {"what a falling learning rate brings", "own", "own-constant"},
    {"what class weights bring", "own", "own-unweighted"},
    {"what batch normalisation brings", "own", "own-no-bn"},
    {"what L2 brings", "paper-l2", "paper-none"},
    {"what dropout brings", "paper-dropout", "paper-none"},
    {"what L2 and dropout bring", "paper-both", "paper-none"},
    {"what known speakers are worth, fused", "leaky", "own", false},
    {"what known speakers are worth, voices alone", "leaky-voice", "own-voice", false},
    {"what known actresses are worth (TESS, fused)", "tess", "tess-cross", false},
    {"what known actresses are worth (TESS alone)", "tess-voice", "tess-cross-voice", false},
};

bool same_pairs(const SeedRuns& a, const SeedRuns& b) {
  // A file that only one of the two looked at has no counterpart.
  const auto alike = [](const fs::path& one, const fs::path& other) {
    return one.empty() || other.empty() || one == other;
  };
  return a.fingerprints() == b.fingerprints() &&
         std::equal(a.answers.begin(), a.answers.end(), b.answers.begin(), b.answers.end(),
                    [&](const Answer& x, const Answer& y) {
                      return x.pair.label == y.pair.label && alike(x.pair.face, y.pair.face) &&
                             alike(x.pair.voice, y.pair.voice);
                    });
}

PairedTest test_over(const People& people, const Finished& first, const Finished& second) {
  std::vector<PairedGroups> runs;
  for (std::size_t r = 0; r < first.seeds.size(); ++r) {
    PairedGroups& groups = runs.emplace_back();
    const Answers &a = first.seeds[r].answers, &b = second.seeds[r].answers;
    for (std::size_t i = 0; i < a.size(); ++i) {
      auto& [ours, theirs] = groups[a[i].pair.*people.who];
      ours.add(a[i].pair.label, a[i].label());
      theirs.add(b[i].pair.label, b[i].label());
    }
  }
  return paired_test(runs, &Metrics::uar);
}

/// Of the tests over speakers and over persons the one that says less.
ordered_json test_json(const Finished& first, const Finished& second) {
  for (std::size_t r = 0; r < first.seeds.size(); ++r)
    if (!same_pairs(first.seeds[r], second.seeds[r]))
      fail<DataError>("{} and {}, seed {}: were asked different pairs", first.experiment->name,
                      second.experiment->name, first.seeds[r].seed);
  ordered_json json;
  for (const People& people : first.people()) {
    const PairedTest test = test_over(people, first, second);
    if (json.is_null() || test.p > json.at("p").get<double>())
      json = {
          {"p", test.p}, {"least_p", test.least_p}, {"groups", test.groups}, {"over", people.name}};
  }
  return json;
}

ordered_json comparison_json(const Comparison& c, const Finished& first, const Finished& second) {
  std::vector<double> differences;
  for (std::size_t r = 0; r < first.seeds.size(); ++r)
    differences.push_back(metrics_of(first.seeds[r].answers).uar() -
                          metrics_of(second.seeds[r].answers).uar());
  const Spread spread = spread_of(differences);
  ordered_json json = {{"question", c.question},    {"first", c.first},
                       {"second", c.second},        {"seeds", differences},
                       {"difference", spread.mean}, {"sd", spread.deviation},
                       {"paired", c.paired}};
  if (c.paired)
    if (const ordered_json test = test_json(first, second); !test.is_null()) json.update(test);
  return json;
}

}  // namespace

ordered_json study_results(const Plan& plan, const fs::path& study) {
  std::map<std::string, Finished> finished;
  ordered_json json;
  json["plan"] = plan.name;
  json["summary"] = plan.summary;
  json["version"] = DUET_VERSION;
  json["experiments"] = ordered_json::array();
  for (const Experiment& experiment : plan.experiments) {
    const Finished& one =
        finished.emplace(experiment.name, read(plan, experiment, study)).first->second;
    json["experiments"].push_back(experiment_json(one));
  }
  const auto find = [&](const std::string& name) {
    const auto found = finished.find(name);
    return found == finished.end() ? nullptr : &found->second;
  };
  json["comparisons"] = ordered_json::array();
  for (const Comparison& c : comparisons) {
    const Finished *first = find(c.first), *second = find(c.second);
    if (first && second) json["comparisons"].push_back(comparison_json(c, *first, *second));
  }
  // Many questions are asked at once.
  std::vector<double> p;
  for (const ordered_json& c : json["comparisons"])
    if (c.contains("p")) p.push_back(c.at("p"));
  const std::vector<double> adjusted = holm_adjusted(p);
  std::size_t next = 0;
  for (ordered_json& c : json["comparisons"])
    if (c.contains("p")) c["p_holm"] = adjusted[next++];
  json["cells"] = ordered_json::array();
  for (const PaperCell& cell : paper_cells())
    json["cells"].push_back(cell_json(plan, cell, find(cell.experiment)));
  return json;
}

}  // namespace duet
