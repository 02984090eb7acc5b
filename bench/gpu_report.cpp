/// Makes the report of scripts/gpu-check.sh from what its parts left behind:
///
///   gpu_report RESULTS OUT
///
/// RESULTS holds machine.txt (name=value), parts.tsv (part, passed|failed|timeout|skipped, seconds,
/// remark), compared.tsv (device, op, row, element type, passed|failed; tests/rows_under_test.h),
/// rows-*.json (bench_rows), a log for each part, and train-cpu, train-cuda and train-graph, runs
/// of train_mm, the last with --cuda-graph. What is missing was not run. OUT gets <device>.json and
/// <device>.md; a summary goes to standard output. Exit status 1 when anything failed, ran out of
/// time or had none left, when no row of the GPU was held against its reference, and when the
/// graph's losses are not train-cuda's to the bit.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "apps/cli/program.h"
#include "engine/atomic_file.h"
#include "kernels/base/error.h"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t most_summary_lines = 60;

std::string read(const fs::path& path) {
  return fs::exists(path) ? duet::read_file(path) : std::string();
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::map<std::string, std::string> read_machine(const fs::path& results) {
  std::map<std::string, std::string> machine;
  for (const std::string& line : split(read(results / "machine.txt"), '\n'))
    if (const std::size_t equals = line.find('='); equals != std::string::npos)
      machine[line.substr(0, equals)] = line.substr(equals + 1);
  for (const char* needed : {"device", "date", "commit"})
    duet::require(machine.contains(needed), "{}: no {}", (results / "machine.txt").string(),
                  needed);
  return machine;
}

bool is_bad(const json& part) {
  return part.at("outcome") == "failed" || part.at("outcome") == "timeout" ||
         part.at("remark") == "no time left";
}

json read_parts(const fs::path& results) {
  json parts = json::array();
  for (const std::string& line : split(read(results / "parts.tsv"), '\n')) {
    const std::vector<std::string> fields = split(line, '\t');
    duet::require(fields.size() >= 3, "parts.tsv: '{}' has fewer than three fields", line);
    json part = {{"part", fields[0]},
                 {"outcome", fields[1]},
                 {"seconds", std::stoi(fields[2])},
                 {"remark", fields.size() > 3 ? fields[3] : ""}};
    // What doctest and compute-sanitizer count, the tests in which a check failed, the last words.
    std::string test;
    std::vector<std::string> words;
    for (const std::string& text : split(read(results / (fields[0] + ".log")), '\n')) {
      if (!text.empty()) words.push_back(text.substr(0, 160));
      for (const char* count : {"[doctest] test cases:", "ERROR SUMMARY:", "RACECHECK SUMMARY:"})
        if (const std::size_t at = text.find(count); at != std::string::npos)
          part["counted"].push_back(text.substr(at));
      if (text.starts_with("TEST CASE:")) test = text.substr(text.find_first_not_of(' ', 10));
      if (text.find("ERROR: ") != std::string::npos && !test.empty())
        part["failing"].push_back(std::exchange(test, ""));
      if (text.starts_with("SKIPPED: ")) part["not_run"].push_back(text.substr(9));
    }
    if (is_bad(part) && !part.contains("failing"))
      part["last_words"] =
          std::vector(words.end() - std::min<std::ptrdiff_t>(3, std::ssize(words)), words.end());
    parts.push_back(part);
  }
  return parts;
}

/// The GPU's rows: those that passed every comparison, in whatever program, and those that did not.
void read_comparisons(const fs::path& results, json& report) {
  std::map<std::vector<std::string>, bool> rows;
  for (const std::string& line : split(read(results / "compared.tsv"), '\n')) {
    const std::vector<std::string> fields = split(line, '\t');
    // A program that was cut off may have left half a line.
    if (fields.size() != 5 || fields[0] != "cuda") continue;
    bool& passed = rows.emplace(std::vector{fields[1], fields[2], fields[3]}, true).first->second;
    passed = passed && fields[4] == "passed";
  }
  report["verified"] = report["refuted"] = json::array();
  for (const auto& [row, passed] : rows)
    report[passed ? "verified" : "refuted"].push_back(
        {{"op", row[0]}, {"row", row[1]}, {"dtype", row[2]}});
}

/// The losses of the runs, epoch by epoch. How far those of the CPU and the GPU part is told and
/// not judged: in f32 a rounding may move a maximum. (A test holds them in f64.)
json compare_trainings(const fs::path& results) {
  const auto losses = [&](const char* run) {
    std::vector<double> all;
    for (const std::string& line : split(read(results / run / "metrics.jsonl"), '\n'))
      all.push_back(json::parse(line).at("loss"));
    return all;
  };
  const std::vector<double> cpu = losses("train-cpu"), cuda = losses("train-cuda"),
                            graph = losses("train-graph");
  if (cpu.empty() && cuda.empty() && graph.empty()) return nullptr;
  // Of the epochs that both have: a run may have been cut off.
  double largest = 0;
  for (std::size_t i = 0; i < std::min(cpu.size(), cuda.size()); ++i)
    largest = std::max(largest, std::abs(cpu[i] - cuda[i]) / std::abs(cpu[i]));
  return {{"cpu", cpu},
          {"cuda", cuda},
          {"largest_relative_difference", largest},
          {"whole", !cpu.empty() && cpu.size() == cuda.size()},
          {"graph_gives_the_same_bits", graph == cuda}};
}

std::string file_name(const std::string& device) {
  std::string name;
  for (const char c : device)
    if (std::isalnum(static_cast<unsigned char>(c)))
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!name.empty() && name.back() != '-')
      name += '-';
  return name;
}

std::string list_rows(const json& rows) {
  std::string text;
  for (const json& row : rows)
    text += fmt::format("{}{} {} {}", text.empty() ? "" : ", ", row.at("op").get<std::string>(),
                        row.at("row").get<std::string>(), row.at("dtype").get<std::string>());
  return text.empty() ? "none" : text;
}

/// What bench_rows measured.
std::string table(const json& bench) {
  const json& ceiling = bench.at("ceiling");
  std::string text = fmt::format(
      "\n## Rows, {}\n\nPreset {}, batch {}. Ceiling: {:.1f} TFLOP/s, {:.0f} GB/s ({}). The ratio "
      "is the library row's time over this row's.\n\n"
      "| op | call | direction | row | ms | GFLOP/s | GB/s | % of ceiling | ratio |\n"
      "|---|---|---|---|---|---|---|---|---|\n",
      bench.at("precision").get<std::string>(), bench.at("preset").get<std::string>(),
      bench.at("batch").get<int>(), ceiling.at("flops").get<double>() * 1e-12,
      ceiling.at("bytes_per_s").get<double>() * 1e-9, ceiling.at("how").get<std::string>());
  for (const json& row : bench.at("rows")) {
    const double seconds = row.at("median_s"), flops = row.at("flops");
    const double ratio = row.at("of_library");
    text += fmt::format(
        "| {} | {} | {} | `{}` | {:.4f} | {} | {:.1f} | {:.0f} | {} |\n",
        row.at("op").get<std::string>(), row.at("call").get<std::string>(),
        row.at("direction").get<std::string>(), row.at("row").get<std::string>(), seconds * 1e3,
        flops > 0 ? fmt::format("{:.1f}", flops / seconds * 1e-9) : "",
        row.at("bytes").get<double>() / seconds * 1e-9, 100 * row.at("share").get<double>(),
        ratio > 0 ? fmt::format("{:.2f} of {}", ratio, row.at("library").get<std::string>()) : "");
  }
  return text;
}

std::string markdown(const json& report) {
  std::string text =
      fmt::format("# {}\n\nMade by `scripts/gpu-check.sh`, {}, commit {}.\n\n",
                  report.at("device").get<std::string>(), report.at("date").get<std::string>(),
                  report.at("commit").get<std::string>());
  text += "| part | outcome | s | |\n|---|---|---|---|\n";
  for (const json& part : report.at("parts")) {
    std::string remark = part.at("remark");
    for (const json& count : part.value("counted", json::array()))
      remark += fmt::format("{}{}", remark.empty() ? "" : "; ", count.get<std::string>());
    std::replace(remark.begin(), remark.end(), '|', ',');
    text +=
        fmt::format("| {} | {} | {} | {} |\n", part.at("part").get<std::string>(),
                    part.at("outcome").get<std::string>(), part.at("seconds").get<int>(), remark);
  }
  text += fmt::format("\nRows that equalled their references: {}.\n\nRows that did not: {}.\n",
                      list_rows(report.at("verified")), list_rows(report.at("refuted")));
  if (const json& training = report.at("training"); !training.is_null())
    text += fmt::format(
        "\n50 steps of the demo{}: losses differ from the CPU's by at most {:.2e}, relatively; "
        "with --cuda-graph they are {}.\n",
        training.at("whole").get<bool>() ? "" : ", not all of them by both",
        training.at("largest_relative_difference").get<double>(),
        training.at("graph_gives_the_same_bits").get<bool>() ? "the same bits" : "others");
  for (const json& bench : report.at("bench")) text += table(bench);
  return text;
}

/// The handwritten rows furthest behind their library twins.
void add_slowest(const json& bench, std::vector<std::string>& lines) {
  std::vector<std::pair<double, std::string>> behind;
  for (const json& row : bench.at("rows"))
    if (const double ratio = row.at("of_library"); ratio > 0)
      behind.emplace_back(
          ratio,
          fmt::format("  {:.2f} of {}: {} {}, {} ({:.4f} ms, {:.0f} % of the ceiling)", ratio,
                      row.at("library").get<std::string>(), row.at("row").get<std::string>(),
                      row.at("call").get<std::string>(), row.at("direction").get<std::string>(),
                      row.at("median_s").get<double>() * 1e3, 100 * row.at("share").get<double>()));
  std::sort(behind.begin(), behind.end());
  lines.push_back(
      fmt::format("{}: {} calls timed, {} beside a library's, {} left out for time, {} failed; "
                  "furthest behind:",
                  bench.at("precision").get<std::string>(), bench.at("rows").size(), behind.size(),
                  bench.value("left_out", 0), bench.value("failed", json::array()).size()));
  for (std::size_t i = 0; i < std::min<std::size_t>(8, behind.size()); ++i)
    lines.push_back(behind[i].second);
}

std::vector<std::string> summary(const json& report) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("{}, {}, commit {}", report.at("device").get<std::string>(),
                              report.at("date").get<std::string>(),
                              report.at("commit").get<std::string>()));
  for (const json& part : report.at("parts")) {
    std::string line =
        fmt::format("{:<14} {:<8} {:>4} s  {}", part.at("part").get<std::string>(),
                    part.at("outcome").get<std::string>(), part.at("seconds").get<int>(),
                    part.at("remark").get<std::string>());
    if (part.contains("counted"))
      line += fmt::format("  {}", part.at("counted").back().get<std::string>());
    lines.push_back(line);
    const json failing = part.value("failing", json::array());
    for (std::size_t i = 0; i < std::min<std::size_t>(6, failing.size()); ++i)
      lines.push_back(fmt::format("    FAILED: {}", failing[i].get<std::string>()));
    for (const json& words : part.value("last_words", json::array()))
      lines.push_back(fmt::format("    {}", words.get<std::string>()));
    if (failing.size() > 6) lines.push_back(fmt::format("    and {} more", failing.size() - 6));
  }
  lines.push_back(
      fmt::format("rows that equalled their references: {}", report.at("verified").size()));
  if (!report.at("refuted").empty())
    lines.push_back(fmt::format("rows that did not: {}", list_rows(report.at("refuted"))));
  if (const json& training = report.at("training"); !training.is_null())
    lines.push_back(fmt::format(
        "training{}: losses differ from the CPU's by at most {:.2e}; with --cuda-graph {}",
        training.at("whole").get<bool>() ? "" : " (CUT OFF)",
        training.at("largest_relative_difference").get<double>(),
        training.at("graph_gives_the_same_bits").get<bool>() ? "the same bits" : "OTHERS"));
  for (const json& bench : report.at("bench")) add_slowest(bench, lines);
  return lines;
}

int run(const fs::path& results, const fs::path& out) {
  json report;
  for (const auto& [name, value] : read_machine(results)) report[name] = value;
  report["parts"] = read_parts(results);
  read_comparisons(results, report);
  report["training"] = compare_trainings(results);
  report["bench"] = json::array();
  for (const char* precision : {"f32", "tf32", "bf16"})
    if (const std::string rows = read(results / fmt::format("rows-{}.json", precision));
        !rows.empty())
      report["bench"].push_back(json::parse(rows));
  const json& parts = report["parts"];
  const json& training = report["training"];
  const bool passed = !parts.empty() && std::none_of(parts.begin(), parts.end(), is_bad) &&
                      report["refuted"].empty() && !report["verified"].empty() &&
                      (training.is_null() || (training.at("whole") == true &&
                                              training.at("graph_gives_the_same_bits") == true));
  report["passed"] = passed;

  fs::create_directories(out);
  const fs::path file = out / file_name(report.at("device"));
  // Words of a log may be cut within a character.
  const std::string text = report.dump(1, ' ', false, json::error_handler_t::replace);
  duet::write_file_atomically(file.string() + ".json", text + "\n");
  duet::write_file_atomically(file.string() + ".md", markdown(report));

  std::vector<std::string> lines = summary(report);
  constexpr std::size_t behind = 2;
  if (lines.size() > most_summary_lines - behind) {
    lines.resize(most_summary_lines - behind - 1);
    lines.push_back("  …");
  }
  lines.push_back(fmt::format("report: {0}.json and {0}.md", file.string()));
  lines.push_back(passed ? "PASSED" : "FAILED");
  for (const std::string& line : lines) std::cout << line << '\n';
  return passed ? 0 : duet::exit_failure;
}

}  // namespace

int main(int argc, char** argv) {
  return duet::run_program("gpu_report", [&] {
    if (argc != 3) {
      std::cerr << "usage: gpu_report RESULTS OUT\n";
      return duet::exit_usage;
    }
    return run(argv[1], argv[2]);
  });
}
