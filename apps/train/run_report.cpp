#include "apps/train/run_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "apps/cli/config.h"
#include "apps/data/label.h"
#include "apps/report/chart.h"
#include "apps/report/evaluation.h"
#include "apps/report/html.h"
#include "apps/report/page.h"
#include "apps/report/resampling.h"
#include "apps/train/dev_score.h"
#include "apps/train/report_pairs.h"
#include "engine/atomic_file.h"
#include "kernels/base/error.h"

namespace duet {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::string absent(const std::string& why) {
  return fmt::format("<p class=\"absent\">{}</p>\n", escaped(why));
}

std::string paragraph(const std::string& text) { return "<p>" + escaped(text) + "</p>\n"; }

/// NaN where it is not there, or null, which is how JSON has NaN.
double number(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : nan;
}

/// The part of an object; an empty object where it is not there.
const json& part(const json& object, const char* key) {
  static const json none = json::object();
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}

/// A figure of evaluation.json.
std::string tagged(const std::string& name, double value) {
  return std::isnan(value) ? percent_text(value) : html_value(name, value, percent_text(value));
}

std::optional<Interval> interval(const json& group, const char* metric) {
  const json& found = part(group, metric);
  if (!found.is_array() || found.size() != 2 || !found[0].is_number() || !found[1].is_number())
    return std::nullopt;
  return Interval{found[0], found[1]};
}

std::string interval_lines(const json& measured, const char* metric) {
  std::string lines;
  for (const People& people : all_people) {
    const json& group = part(part(measured, "intervals"), people.name);
    if (const auto i = interval(group, metric))
      lines +=
          fmt::format("<span class=\"quiet\">{} to {} over {} {}</span>", percent_text(i->low),
                      percent_text(i->high), number_text(number(group, "groups")), people.name);
  }
  return lines.empty() ? "<span class=\"quiet\">no interval was computed</span>" : lines;
}

struct Measure {
  const char* key;
  const char* name;
  const char* meaning;
};
constexpr Measure measures[] = {
    {"accuracy", "Accuracy", "share of right answers"},
    {"uar", "UAR", "mean over the classes of the share recognised; guessing gives a third"},
    {"macro_f1", "Macro F1", "mean over the classes of F1"}};

std::string headline(const json& evaluation) {
  if (evaluation.empty()) return "";
  std::string items;
  for (const Measure& measure : measures)
    items += fmt::format(
        "<li><h3>{}</h3><span class=\"value\">{}</span><span class=\"quiet\">{}</span>{}</li>\n",
        measure.name, tagged(measure.key, number(evaluation, measure.key)), measure.meaning,
        interval_lines(evaluation, measure.key));
  const double n = number(evaluation, "n");
  items += fmt::format("<li><h3>Test pairs</h3><span class=\"value\">{}</span>",
                       html_value("n", n, number_text(n)));
  const auto unique = [&](const char* key, const char* name) {
    if (evaluation.contains(key) && number(evaluation, key) > 0)
      items += fmt::format("<span class=\"quiet\">{} different {}</span>",
                           number_text(number(evaluation, key)), name);
  };
  unique("unique_faces", "pictures");
  unique("unique_persons", "persons");
  unique("unique_clips", "sounds");
  unique("unique_speakers", "speakers");
  const double level = number(part(evaluation, "intervals"), "level");
  return "<ul class=\"headline\">\n" + items + "</li>\n</ul>\n" +
         (std::isnan(level)
              ? ""
              : paragraph(fmt::format(
                    "Pictures and sounds of few people make many pairs, so pairs are not "
                    "independent. The {:.4g} % intervals (bootstrap) draw whole speakers, or whole "
                    "persons, again and again; where they are few, the interval itself is "
                    "uncertain.",
                    100 * level)));
}

/// What a control was asked, and what it shows.
struct Control {
  const char* key;
  const char* name;
  const char* meaning;
};
constexpr Control controls[] = {
    {"majority", "majority",
     "Always the most frequent class: what is right without looking or listening."},
    {"face_only", "face only",
     "A network trained on the same faces without voices: what the faces alone tell."},
    {"voice_only", "voice only",
     "A network trained on the same voices without faces: what the voices alone tell."},
    {"face_shuffled", "face shuffled",
     "The fused network with the faces exchanged among the pairs: as low as guessing means that it "
     "goes by the face; as high as before means that it does not look at it."},
    {"voice_shuffled", "voice shuffled",
     "The fused network with the voices exchanged among the pairs: as low as guessing means that "
     "it goes by the voice; as high as before means that it does not listen."}};

std::string controls_section(const json& evaluation) {
  if (evaluation.empty()) return absent("There is no evaluation.json: the run is not finished.");
  const json& made = part(evaluation, "controls");
  const std::string stream = evaluation.value("stream", "both");
  BarChart chart;
  chart.title = "The network beside its controls";
  chart.caption =
      "Share of right answers and UAR of the network beside what it must beat. Whiskers: the wider "
      "of the intervals over speakers and persons.";
  chart.series = {{"accuracy", {}, {}}, {"UAR", {}, {}}};
  std::vector<std::vector<std::string>> rows;
  std::string not_made, meanings;
  const auto add = [&](const std::string& key, const char* name, const json& measured,
                       const std::string& meaning) {
    chart.categories.emplace_back(name);
    std::vector<std::string> row = {escaped(name)};
    meanings += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(meaning));
    for (std::size_t s = 0; s < 2; ++s) {
      const Measure& measure = measures[s];
      const double value = number(measured, measure.key);
      const auto i = widest_interval(measured, measure.key);
      chart.series[s].values.push_back(value);
      chart.series[s].intervals.push_back(i);
      row.push_back(tagged(key.empty() ? measure.key : key + "." + measure.key, value));
      if (i)
        row.back() += fmt::format("<span class=\"sub\">{} to {}</span>", percent_text(i->low),
                                  percent_text(i->high));
    }
    row.push_back(number_text(number(measured, "n")));
    rows.push_back(row);
  };
  add("", stream == "both" ? "fused" : "this network", evaluation,
      stream == "both" ? "The network of this run, with face and voice."
                       : fmt::format("The network of this run, which has the {} alone.", stream));
  for (const Control& control : controls) {
    if (made.contains(control.key))
      add(fmt::format("controls.{}", control.key), control.name, made[control.key],
          control.meaning);
    else
      not_made += fmt::format("{}{}", not_made.empty() ? "" : ", ", control.name);
  }
  std::string out = "<div class=\"split\">\n" + bar_chart(chart) + "<div>" +
                    html_table("Controls", {"", "accuracy", "UAR", "pairs"}, rows) + "<dl>" +
                    meanings + "</dl></div></div>\n";
  if (!not_made.empty())
    out += absent(fmt::format(
        "Not made for this run: {}.{}", not_made,
        stream == "both" ? " train_mm evaluate RUN --controls all adds them."
                         : " A network of one stream has nothing to compare its stream with."));
  const json& missing = part(evaluation, "missing");
  if (!missing.empty()) {
    std::vector<std::vector<std::string>> lacking;
    for (const char* key : {"face", "voice"})
      if (missing.contains(key))
        lacking.push_back(
            {fmt::format("no {}", key),
             tagged(fmt::format("missing.{}.accuracy", key), number(missing[key], "accuracy")),
             tagged(fmt::format("missing.{}.uar", key), number(missing[key], "uar"))});
    out +=
        "<h3>One of the two is missing</h3>" +
        paragraph("The same network, asked without one of its inputs, which it was trained for.") +
        html_table("One of the two is missing", {"", "accuracy", "UAR"}, lacking);
  }
  return out;
}

/// An epoch's figures by name, over all epochs.
struct Epochs {
  std::vector<json> lines;

  bool has(const char* key) const {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const json& line) { return !std::isnan(number(line, key)); });
  }
  std::vector<double> column(const char* key) const {
    std::vector<double> values;
    for (const json& line : lines) values.push_back(number(line, key));
    return values;
  }
  /// Whose model was kept.
  std::optional<double> best() const {
    std::optional<double> epoch;
    DevScore best;
    for (const json& line : lines) {
      const DevScore score{number(line, "dev_uar"), number(line, "dev_loss")};
      if (!score.better_than(best)) continue;
      best = score;
      epoch = number(line, "epoch");
    }
    return epoch;
  }
};

LineChart over_epochs(const Epochs& epochs) {
  LineChart chart;
  chart.x_label = "epoch";
  chart.x = epochs.column("epoch");
  chart.marked_x = epochs.best();
  chart.marked_label = "kept";
  return chart;
}

std::string curves(const Epochs& epochs) {
  LineChart loss = over_epochs(epochs);
  loss.title = "Loss";
  loss.caption =
      "Mean cross-entropy; training without the L2 penalty. Training falls on while dev rises: the "
      "network learns the training pairs by heart.";
  loss.y_label = "loss";
  std::vector<double> training = epochs.column("loss");
  const std::vector<double> penalty = epochs.column("l2_penalty");
  for (std::size_t i = 0; i < training.size(); ++i)
    if (!std::isnan(penalty[i])) training[i] -= penalty[i];
  loss.series = {{"training", training}, {"dev", epochs.column("dev_loss")}};

  LineChart rates = over_epochs(epochs);
  rates.title = "Answers";
  rates.caption =
      "Share of right training answers, measured during the epoch with augmentation and dropout, "
      "and UAR on dev.";
  rates.y_label = "share";
  rates.scale = Scale::share;
  rates.series = {{"training accuracy", epochs.column("train_accuracy")},
                  {"dev UAR", epochs.column("dev_uar")}};
  return line_chart(loss) + line_chart(rates);
}

/// How many epochs a late mean is over: the last quarter, rounded up.
std::size_t late_epochs(const Epochs& epochs) { return (epochs.lines.size() + 3) / 4; }

/// The mean over the last quarter of the epochs; NaN when nothing is there.
double late_mean(const Epochs& epochs, const char* key) {
  const std::vector<double> values = epochs.column(key);
  double sum = 0;
  std::size_t n = 0;
  for (std::size_t i = values.size() - late_epochs(epochs); i < values.size(); ++i)
    if (!std::isnan(values[i])) sum += values[i], ++n;
  return n == 0 ? nan : sum / static_cast<double>(n);
}

/// What UAR loses when a stream is shuffled; "" without that control.
std::string shuffled_sentence(const json& evaluation, const char* stream) {
  const json& shuffled =
      part(part(evaluation, "controls"), fmt::format("{}_shuffled", stream).c_str());
  const double fall = number(evaluation, "uar") - number(shuffled, "uar");
  if (std::isnan(fall)) return "";
  return fmt::format(" With the {}s shuffled, UAR {} by {:.1f} points.", stream,
                     fall < 0 ? "rises" : "falls", 100 * std::abs(fall));
}

std::string learning_sentences(const Epochs& epochs, const json& evaluation) {
  const bool face = epochs.has("gradient_norm_face"), voice = epochs.has("gradient_norm_voice");
  if (!face && !voice) return "";
  if (face != voice)
    return fmt::format("The network has one stream, the {}.", face ? "face" : "voice");
  const std::size_t n = late_epochs(epochs);
  const std::string controls =
      shuffled_sentence(evaluation, "face") + shuffled_sentence(evaluation, "voice");
  return fmt::format(
             "Over the last {}, the gradient's norm is {} for the face and {} for the voice on "
             "average. That does not say which of them learns: Adam divides a gradient by its "
             "running size, so that its steps hardly depend on it.",
             n == 1 ? "epoch" : fmt::format("{} epochs", n),
             number_text(late_mean(epochs, "gradient_norm_face")),
             number_text(late_mean(epochs, "gradient_norm_voice"))) +
         (controls.empty() ? " The controls with faces and with voices shuffled, which this run "
                             "does not have, show which of them the answers rest on."
                           : controls);
}

std::string learning_section(const Epochs& epochs, const json& evaluation) {
  if (epochs.lines.empty()) return absent("There is no metrics.jsonl: no epoch was finished.");
  LineChart chart = over_epochs(epochs);
  chart.title = "Gradient norms";
  chart.caption =
      "Mean over an epoch's pairs of the norm of the loss's gradient by the weights of each part; "
      "joint: fusion and head. The scale is logarithmic.";
  chart.y_label = "norm";
  chart.scale = Scale::log;
  for (const auto& [key, name] : {std::pair{"gradient_norm_face", "face"},
                                  {"gradient_norm_voice", "voice"},
                                  {"gradient_norm_joint", "joint"}})
    if (epochs.has(key)) chart.series.push_back({name, epochs.column(key)});
  if (chart.series.empty())
    return "<div class=\"charts\">" + curves(epochs) + "</div>\n" +
           absent("metrics.jsonl has no gradient norms by stream for this run.");
  return "<div class=\"charts\">" + curves(epochs) + line_chart(chart) + "</div>\n" +
         "<h3>Which stream is learning?</h3>\n" + paragraph(learning_sentences(epochs, evaluation));
}

std::vector<std::string> classes_of(const json& evaluation) {
  return evaluation.contains("classes")
             ? evaluation["classes"].get<std::vector<std::string>>()
             : std::vector<std::string>(class_names.begin(), class_names.end());
}

std::string calibration(const json& evaluation) {
  const json& calibration = part(evaluation, "calibration");
  if (!calibration.contains("bins")) return absent("evaluation.json has no calibration.");
  ReliabilityDiagram diagram;
  diagram.title = "Reliability";
  diagram.caption =
      "Bars: share of right answers among those given with such a probability; dots: at their mean "
      "probability; numbers: how many. On the dashed line the network is as right as it is sure; "
      "below it, it is too sure. Few pairs make a bar uncertain.";
  for (const json& bin : calibration["bins"])
    diagram.bins.push_back({number(bin, "from"), number(bin, "to"), bin.value("n", std::int64_t{0}),
                            number(bin, "confidence"), number(bin, "accuracy")});
  return "<div>" + reliability_diagram(diagram) +
         fmt::format(
             "<p>Expected calibration error: <strong>{}</strong>, the mean distance of the dots "
             "from the dashed line, each weighted by its pairs.</p></div>\n",
             tagged("ece", number(calibration, "ece")));
}

std::string answers_section(const json& evaluation) {
  if (evaluation.empty()) return absent("There is no evaluation.json: the run is not finished.");
  std::string out = "<div class=\"charts\">";
  if (evaluation.contains("confusion")) {
    out += confusion_matrix(
        {"Confusion matrix",
         "Rows: what a pair shows; columns: what the network answered. Percentages are of the row; "
         "right answers lie on the outlined diagonal.",
         classes_of(evaluation),
         evaluation["confusion"].get<std::vector<std::vector<std::int64_t>>>()});
  } else {
    out += absent("evaluation.json has no confusion matrix.");
  }
  if (evaluation.contains("per_class")) {
    BarChart chart;
    chart.title = "Classes";
    chart.caption =
        "Precision: of the answers with this class, the share that is right. Recall: of the pairs "
        "of this class, the share that is recognised. F1: their harmonic mean.";
    chart.series = {{"precision", {}, {}}, {"recall", {}, {}}, {"F1", {}, {}}};
    for (const std::string& name : classes_of(evaluation)) {
      const json& values = part(evaluation["per_class"], name.c_str());
      const double n = number(values, "n");
      chart.categories.push_back(std::isnan(n) ? name : fmt::format("{} (n = {:.0f})", name, n));
      chart.series[0].values.push_back(number(values, "precision"));
      chart.series[1].values.push_back(number(values, "recall"));
      chart.series[2].values.push_back(number(values, "f1"));
    }
    out += bar_chart(chart);
  } else {
    out += absent("evaluation.json has no figures for each class.");
  }
  return out + calibration(evaluation) + "</div>\n";
}

std::string provenance(const json& evaluation, const std::string& config) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, name] : {std::pair{"split_fingerprint", "fingerprint of all pairs"},
                                  {"fingerprint", "fingerprint of the evaluated pairs"}})
    if (evaluation.contains(key))
      rows.push_back({name, "<code>" + escaped(evaluation[key].get<std::string>()) + "</code>"});
  std::string out =
      rows.empty() ? "" : html_table("Fingerprints", {"", "the same for the same pairs"}, rows);
  return out + html_details("config.toml: all options of this run",
                            "<pre tabindex=\"0\">" + escaped(config) + "</pre>\n");
}

json read_evaluation(const RunFolder& folder) {
  if (!exists(folder.evaluation())) return json::object();
  return json::parse(read_file(folder.evaluation()));
}

Epochs read_epochs(const RunFolder& folder) {
  Epochs epochs;
  if (!exists(folder.metrics())) return epochs;
  std::istringstream lines(read_file(folder.metrics()));
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) epochs.lines.push_back(json::parse(line));
  return epochs;
}

/// f's result; a DataError that names the file when its JSON is not what it should be.
template <class F>
auto of_file(const fs::path& path, F&& f) {
  try {
    return f();
  } catch (const json::exception& e) {
    fail<DataError>("{}: malformed ({})", path.string(), e.what());
  }
}

}  // namespace

void write_run_report(const RunFolder& folder) {
  const std::string toml = read_file(folder.config());
  const Config config = resolve(read_toml(toml, folder.config().string()), {});
  const Epochs epochs = of_file(folder.metrics(), [&] { return read_epochs(folder); });
  const json evaluation = of_file(folder.evaluation(), [&] { return read_evaluation(folder); });
  Page page;
  const fs::path name = fs::absolute(folder.path / "").lexically_normal().parent_path().filename();
  page.title = "Run " + name.string();
  const std::optional<double> best = epochs.best();
  page.lead = fmt::format("<p class=\"quiet\">{}, preset {}, {} × {}, {} epoch{}{}.</p>\n",
                          config.stream == "both"
                              ? "Face and voice, fusion " + escaped(config.fusion)
                              : (config.stream == "face" ? "Face alone" : "Voice alone"),
                          escaped(config.preset), config.size, config.size, epochs.lines.size(),
                          epochs.lines.size() == 1 ? "" : "s",
                          best ? fmt::format(", the model of epoch {:.0f} was kept", *best) : "");
  of_file(folder.evaluation(), [&] {
    page.sections.push_back({"result", "Result on the test pairs",
                             evaluation.empty()
                                 ? absent("There is no evaluation.json: the run is not finished.")
                                 : headline(evaluation)});
    page.sections.push_back({"controls", "Controls", controls_section(evaluation)});
    page.sections.push_back({"answers", "Answers", answers_section(evaluation)});
  });
  page.sections.push_back({"learning", "Learning", learning_section(epochs, evaluation)});
  page.sections.push_back({"pairs", "Pairs to look at", report_pairs(config, folder)});
  page.sections.push_back({"options", "Options", provenance(evaluation, toml)});
  write_file_atomically(folder.report(), to_html(page));
}

}  // namespace duet
