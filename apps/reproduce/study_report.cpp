#include "apps/reproduce/study_report.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "apps/report/chart.h"
#include "apps/report/html.h"
#include "apps/report/page.h"

namespace duet {
namespace {

using nlohmann::ordered_json;

std::string text_of(const ordered_json& object, const char* key) {
  return object.at(key).get<std::string>();
}

std::string percent(const ordered_json& value) {
  return fmt::format("{:.1f}", 100 * value.get<double>());
}

/// Without a deviation where there was a single seed.
std::string plus_minus(const ordered_json& mean, const ordered_json& deviation) {
  return deviation.is_null() ? percent(mean)
                             : fmt::format("{} ± {}", percent(mean), percent(deviation));
}

/// Of a figure that has an "interval".
std::string range(const ordered_json& figure) {
  const ordered_json& interval = figure.at("interval");
  if (interval.is_null()) return "–";
  return fmt::format("{} to {}", percent(interval[0]), percent(interval[1]));
}

/// "1 speaker", "427 persons"
std::string counted(const ordered_json& count, std::string people) {
  if (count == 1) people.pop_back();
  return fmt::format("{} {}", count.dump(), people);
}

/// "20 speakers, 427 persons"
std::string people_text(const ordered_json& people) {
  std::vector<std::string> counts;
  for (const auto& [name, count] : people.items()) counts.push_back(counted(count, name));
  return fmt::format("{}", fmt::join(counts, ", "));
}

/// A cell's text, and the figure in it, if it has a name.
struct Cell {
  std::string text, metric = {};
  double value = 0;
};

/// A figure of an experiment over its seeds.
Cell spread_cell(const ordered_json& experiment, const char* figure) {
  const ordered_json& spread = experiment.at(figure);
  return {plus_minus(spread.at("mean"), spread.at("sd")),
          fmt::format("{}.{}", text_of(experiment, "name"), figure), spread.at("mean")};
}

/// A table before it is Markdown or HTML.
struct Table {
  std::string title, note;
  std::vector<std::string> header;
  std::vector<std::vector<Cell>> rows;
};

/// What a count is over the runs: one number where all have the same.
std::string over_runs(const ordered_json& runs, const char* key) {
  std::vector<std::int64_t> values;
  for (const ordered_json& run : runs) values.push_back(run.at(key));
  const bool same = std::all_of(values.begin(), values.end(),
                                [&](std::int64_t value) { return value == values.front(); });
  return same ? std::to_string(values.front()) : fmt::format("{}", fmt::join(values, ", "));
}

Table questions(const ordered_json& results) {
  Table table{"Questions",
              "Differences of UAR in points: their mean and deviation over the seeds. p: a "
              "permutation test on the same pairs, which exchanges the two systems' answers to "
              "whole people, to speakers or to the persons seen: the larger of both p, and whose "
              "it is; in brackets the least that it could be with so few, and after Holm's "
              "adjustment for all questions at once. It is about the networks that were trained "
              "and says what other people might change, not what another training would.",
              {"question", "experiments", "points", "people", "p (least)", "p, Holm"},
              {}};
  for (const ordered_json& c : results.at("comparisons")) {
    const bool tested = c.contains("p");
    table.rows.push_back(
        {{text_of(c, "question")},
         {fmt::format("{} − {}", text_of(c, "first"), text_of(c, "second"))},
         {fmt::format("{}{}", c.at("difference").get<double>() < 0 ? "" : "+",
                      plus_minus(c.at("difference"), c.at("sd"))),
          fmt::format("{}-{}", text_of(c, "first"), text_of(c, "second")), c.at("difference")},
         {tested ? counted(c.at("groups"), text_of(c, "over")) : ""},
         {tested           ? fmt::format("{:.3f} ({:.3f})", c.at("p").get<double>(),
                                         c.at("least_p").get<double>())
          : c.at("paired") ? "people unknown"
                           : "other pairs"},
         {tested ? fmt::format("{:.3f}", c.at("p_holm").get<double>()) : ""}});
  }
  return table;
}

Table experiments(const ordered_json& results) {
  Table table{
      "Experiments",
      "Each figure is the mean over the seeds, with their deviation. People: those who were seen "
      "and heard, over all seeds.",
      {"experiment", "what it is", "N", "people", "accuracy", "UAR", "interval of UAR", "macro F1"},
      {}};
  for (const ordered_json& e : results.at("experiments"))
    table.rows.push_back({{text_of(e, "name")},
                          {text_of(e, "title")},
                          {over_runs(e.at("runs"), "n")},
                          {people_text(e.at("people"))},
                          spread_cell(e, "accuracy"),
                          spread_cell(e, "uar"),
                          {range(e.at("uar"))},
                          spread_cell(e, "macro_f1")});
  return table;
}

Table streams(const ordered_json& results) {
  Table table{"What each stream brings",
              "UAR of fused networks as they are, with the faces shuffled across all pairs, with "
              "the voices shuffled, and without a stream where the network was trained for that "
              "(modality dropout); and the expected calibration error.",
              {"experiment", "UAR", "face shuffled", "voice shuffled", "face missing",
               "voice missing", "calibration error"},
              {}};
  const auto cell = [](const ordered_json& value) {
    return Cell{value.is_null() ? "–" : percent(value)};
  };
  for (const ordered_json& e : results.at("experiments"))
    if (e.at("stream") == "both")
      table.rows.push_back({{text_of(e, "name")},
                            cell(e.at("uar").at("mean")),
                            cell(e.at("face_shuffled")),
                            cell(e.at("voice_shuffled")),
                            cell(e.at("face_missing")),
                            cell(e.at("voice_missing")),
                            cell(e.at("ece"))});
  return table;
}

Table cells(const ordered_json& results) {
  Table table{"The paper's cells",
              "within or differs: whether the paper's figure lies in our 95 % interval; not "
              "comparable: other corpora or networks, or another question; cannot be: no count of "
              "the paper's test faces gives it.",
              {"where", "what", "paper", "ours", "interval", "N", "verdict", "reason"},
              {}};
  for (const ordered_json& c : results.at("cells")) {
    const bool ours = c.contains("ours");
    table.rows.push_back({{text_of(c, "table")},
                          {text_of(c, "what")},
                          {text_of(c, "paper")},
                          {ours ? plus_minus(c.at("ours"), c.at("sd")) : ""},
                          {ours ? range(c) : ""},
                          {ours ? c.at("n").dump() : ""},
                          {text_of(c, "verdict")},
                          {text_of(c, "reason")}});
  }
  return table;
}

std::string lead(const ordered_json& results) {
  const ordered_json& asked = results.at("asked");
  std::string corpora = asked.at("faces").get<std::string>();
  for (const char* voices : {"many", "tess"})
    if (const std::string name = asked.at(voices); !name.empty()) corpora += ", " + name;
  return fmt::format(
      "Plan {}: {}, on {}. Duet {}, {}. Figures are percentages. ± is the deviation over the "
      "seeds: each splits the speakers anew, while a corpus with a test set of its own keeps it. "
      "An interval holds 95 % of 2000 resamplings of whole people, who stay together over the "
      "seeds: of speakers or of the persons seen, whichever is wider; with fewer than six or so it "
      "is a hint, no more. "
      "UAR is the mean over the classes of the share of right answers: 33.3 by chance.",
      text_of(results, "plan"), text_of(results, "summary"), corpora, text_of(results, "version"),
      text_of(results, "machine"));
}

std::string markdown(const Table& table) {
  std::string text = fmt::format("\n## {}\n\n{}\n\n| {} |\n|", table.title, table.note,
                                 fmt::join(table.header, " | "));
  for (std::size_t i = 0; i < table.header.size(); ++i) text += "---|";
  for (const std::vector<Cell>& row : table.rows) {
    text += "\n|";
    for (const Cell& cell : row) text += fmt::format(" {} |", cell.text);
  }
  return text + "\n";
}

std::string html(const Table& table) {
  std::vector<std::vector<std::string>> rows;
  for (const std::vector<Cell>& row : table.rows) {
    rows.emplace_back();
    for (const Cell& cell : row)
      rows.back().push_back(cell.metric.empty() ? escaped(cell.text)
                                                : html_value(cell.metric, cell.value, cell.text));
  }
  return fmt::format("<p>{}</p>\n", escaped(table.note)) +
         html_table(table.title, table.header, rows);
}

/// UAR of the experiments with these names, as far as the study has them; nothing where it has
/// none.
std::string bars(const ordered_json& results, const char* title, const char* caption,
                 const std::vector<std::string>& names) {
  BarChart chart{title, caption, {}, {{"UAR", {}, {}}}};
  for (const std::string& name : names)
    for (const ordered_json& e : results.at("experiments"))
      if (e.at("name") == name) {
        chart.categories.push_back(name);
        const ordered_json& ends = e.at("uar").at("interval");
        chart.series[0].values.push_back(e.at("uar").at("mean"));
        std::optional<Interval>& interval = chart.series[0].intervals.emplace_back();
        if (!ends.is_null()) interval = {ends[0].get<double>(), ends[1].get<double>()};
      }
  return chart.categories.empty() ? "" : bar_chart(chart);
}

}  // namespace

std::string study_markdown(const ordered_json& results) {
  std::string text = lead(results) + "\n";
  for (const Table& table :
       {questions(results), experiments(results), streams(results), cells(results)})
    text += markdown(table);
  return text;
}

std::string study_html(const ordered_json& results) {
  Page page{
      "The paper's experiments, run again", fmt::format("<p>{}</p>\n", escaped(lead(results))), {}};
  page.sections.push_back(
      {"questions", "Questions",
       html(questions(results)) +
           bars(results, "What fusion adds, and what leakage is worth",
                "Mean UAR over the seeds, with 95 % intervals.",
                {"own", "own-pretrained", "own-voice", "own-face", "own-face-long", "leaky",
                 "leaky-voice"}) +
           bars(results, "TESS: words unheard, and an actress unheard",
                "Two women: a split by word has both in training.",
                {"tess", "tess-voice", "tess-cross", "tess-cross-voice"}) +
           bars(results, "L2 and dropout", "The paper's training with and without them.",
                {"paper-none", "paper-l2", "paper-dropout", "paper-both"})});
  page.sections.push_back({"experiments", "Experiments", html(experiments(results))});
  page.sections.push_back({"streams", "What each stream brings", html(streams(results))});
  page.sections.push_back({"cells", "The paper's cells", html(cells(results))});
  return to_html(page);
}

}  // namespace duet
