#include "apps/report/evaluation.h"

#include <functional>
#include <set>

#include "apps/report/calibration.h"
#include "apps/report/resampling.h"

namespace duet {
namespace {

using nlohmann::ordered_json;

template <class Name>
std::size_t count_different(const Answers& answers, Name&& name) {
  std::set<std::string> names;
  for (const Answer& answer : answers)
    if (const auto& value = std::invoke(name, answer.pair); !value.empty()) names.insert(value);
  return names.size();
}

ordered_json intervals_over(const Answers& answers, const People& people) {
  const Groups groups = groups_of(answers, people);
  ordered_json json;
  json["groups"] = groups.size();
  const auto add = [&](const char* key, Figure figure) {
    const std::optional<Interval> interval = bootstrap_interval(groups, figure);
    json[key] = interval ? ordered_json{interval->low, interval->high} : ordered_json(nullptr);
  };
  add("accuracy", &Metrics::accuracy);
  add("uar", &Metrics::uar);
  add("macro_f1", &Metrics::macro_f1);
  return json;
}

ordered_json calibration_json(const Answers& answers) {
  const Calibration calibration = calibration_of(answers);
  ordered_json json;
  json["ece"] = calibration.ece;
  json["bins"] = ordered_json::array();
  for (const Calibration::Bin& bin : calibration.bins)
    json["bins"].push_back({{"from", bin.from},
                            {"to", bin.to},
                            {"n", bin.n},
                            {"confidence", bin.confidence},
                            {"accuracy", bin.accuracy}});
  return json;
}

}  // namespace

ordered_json figures_json(const Metrics& metrics) {
  ordered_json json;
  json["n"] = metrics.count();
  json["accuracy"] = metrics.accuracy();
  json["uar"] = metrics.uar();
  json["macro_f1"] = metrics.macro_f1();
  json["confusion"] = metrics.confusion();
  return json;
}

ordered_json intervals_json(const Answers& answers) {
  ordered_json json;
  json["level"] = interval_level;
  json["resamples"] = interval_resamples;
  for (const People& people : people_in(answers))
    json[people.name] = intervals_over(answers, people);
  return json;
}

std::optional<Interval> widest_interval(const ordered_json& figures, const char* name) {
  std::optional<Interval> widest;
  for (const People& people : all_people) {
    const ordered_json::json_pointer where(fmt::format("/intervals/{}/{}", people.name, name));
    if (!figures.contains(where)) continue;
    if (figures.at(where).is_null()) return std::nullopt;
    const Interval found{figures.at(where).at(0), figures.at(where).at(1)};
    if (!widest || found.high - found.low > widest->high - widest->low) widest = found;
  }
  return widest;
}

ordered_json unique_json(const Answers& answers) {
  return {{"unique_clips", count_different(answers, &Pair::voice)},
          {"unique_speakers", count_different(answers, &Pair::speaker)},
          {"unique_faces", count_different(answers, &Pair::face)},
          {"unique_persons", count_different(answers, &Pair::person)}};
}

ordered_json evaluation_json(const Answers& answers) {
  const Metrics metrics = metrics_of(answers);
  ordered_json json = figures_json(metrics);
  json["loss"] = cross_entropy(answers);
  for (int c = 0; c < class_count; ++c)
    json["per_class"][class_names[c]] = {{"n", metrics.count(c)},
                                         {"precision", metrics.precision(c)},
                                         {"recall", metrics.recall(c)},
                                         {"f1", metrics.f1(c)}};
  json["calibration"] = calibration_json(answers);
  json["intervals"] = intervals_json(answers);
  json.update(unique_json(answers));
  return json;
}

}  // namespace duet
