/// scripts/gpu-check.sh on a machine without a GPU, and its report, from what its parts leave
/// behind.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "engine/atomic_file.h"
#include "tests/cli/tiny_run.h"
#include "tests/skip.h"

using namespace duet;
using namespace duet::test;

namespace {

const char* const machine = "device=NVIDIA H100 80GB HBM3\ndate=2026-01-31\ncommit=1a2b3c4\n";

const char* const passing_log =
    "[doctest] test cases: 190 | 190 passed | 0 failed | 0 skipped\n[doctest] Status: SUCCESS!\n";

const char* const failing_log =
    "TEST CASE:  training: one that only tells\n  a.cpp:1: MESSAGE: 50 steps\n"
    "TEST CASE:  rows: every row equals the reference in float64\n"
    "rows_test.cpp:37: ERROR: CHECK( error <= tolerance ) is NOT correct!\n"
    "  relu 'any', row cuda.elementwise, f32: y differs by 1, largest element 2\n"
    "[doctest] test cases: 190 | 189 passed | 1 failed | 0 skipped\n[doctest] Status: FAILURE!\n";

/// A check in which everything went well.
void write_results(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "machine.txt", machine);
  write_file_atomically(folder / "parts.tsv",
                        "build\tpassed\t80\texit status 0\ntest_unit\tpassed\t12\texit status 0\n"
                        "racecheck\tskipped\t0\tcompute-sanitizer is not installed\n");
  write_file_atomically(folder / "test_unit.log", passing_log);
  write_file_atomically(folder / "compared.tsv",
                        "cpu\trelu\tcpu\tf32\tpassed\n"
                        "cuda\trelu\tcuda.elementwise\tf32\tpassed\n"
                        "cuda\tconv2d\tcudnn\tf32\tpassed\n"
                        "cuda\trelu\tcuda.elementwise\tf32\tpassed\n");
}

/// What bench_rows writes, of `count` calls.
void write_rows(const std::filesystem::path& folder, int count) {
  nlohmann::json rows = nlohmann::json::array();
  for (int i = 0; i < count; ++i)
    rows.push_back({{"op", "conv2d"},
                    {"call", fmt::format("call {}", i)},
                    {"direction", "forward"},
                    {"row", "cuda.winograd"},
                    {"median_s", 1e-3},
                    {"flops", 2e9},
                    {"bytes", 1e6},
                    {"share", 0.04},
                    {"library", "cudnn"},
                    {"of_library", 0.5 + i}});
  const nlohmann::json ceiling = {{"flops", 5e13}, {"bytes_per_s", 3e12}, {"how", "a copy"}};
  write_file_atomically(folder / "rows-f32.json", nlohmann::json{{"precision", "f32"},
                                                                 {"preset", "paper-64"},
                                                                 {"batch", 32},
                                                                 {"ceiling", ceiling},
                                                                 {"rows", rows}}
                                                      .dump());
}

struct Report {
  Ended ended;
  nlohmann::json json;
  std::string page;
};

Report report(const TemporaryFolder& folder) {
  Report made;
  made.ended =
      Process(DUET_GPU_REPORT, {(folder / "results").string(), (folder / "out").string()}).wait();
  const std::filesystem::path file = folder / "out" / "nvidia-h100-80gb-hbm3";
  if (std::filesystem::exists(file.string() + ".json"))
    made.json = nlohmann::json::parse(read_file(file.string() + ".json"));
  if (std::filesystem::exists(file.string() + ".md")) made.page = read_file(file.string() + ".md");
  return made;
}

bool can_run() {
  if (*DUET_GPU_REPORT) return true;
  skip("gpu_report is not built");
  return false;
}

}  // namespace

TEST_CASE("gpu report: what passed is said, with the rows that equalled their references") {
  if (!can_run()) return;
  const TemporaryFolder folder;
  write_results(folder / "results");
  write_rows(folder / "results", 3);
  for (const char* run : {"train-cpu", "train-cuda", "train-graph"}) {
    std::filesystem::create_directories(folder / "results" / run);
    write_file_atomically(folder / "results" / run / "metrics.jsonl",
                          run[6] == 'c' && run[7] == 'p' ? "{\"loss\":1.0}\n{\"loss\":0.5}\n"
                                                         : "{\"loss\":1.0}\n{\"loss\":0.501}\n");
  }
  const Report made = report(folder);
  CHECK_MESSAGE(made.ended.status == 0, to_string(made.ended));
  CHECK(lines_of(made.ended.out).back() == "PASSED");
  CHECK(made.json.at("passed") == true);
  CHECK(made.json.at("verified").size() == 2);
  CHECK(made.json.at("verified")[1] ==
        nlohmann::json{{"op", "relu"}, {"row", "cuda.elementwise"}, {"dtype", "f32"}});
  CHECK(made.json.at("training").at("largest_relative_difference").get<double>() ==
        doctest::Approx(0.002));
  CHECK_MESSAGE(holds(made.page, {"# NVIDIA H100 80GB HBM3", "1a2b3c4", "0.50 of cudnn",
                                  "compute-sanitizer is not installed"}),
                made.page);
}

TEST_CASE("gpu report: a failing test, a row that differs and a part out of time are failures") {
  if (!can_run()) return;
  const TemporaryFolder failing, differing, late, nothing;
  write_results(failing / "results");
  write_file_atomically(failing / "results" / "parts.tsv",
                        "build\tpassed\t80\texit status 0\ntest_unit\tfailed\t12\texit status 1\n");
  write_file_atomically(failing / "results" / "test_unit.log", failing_log);
  const Report planted = report(failing);
  CHECK(planted.ended.status == 1);
  CHECK(lines_of(planted.ended.out).back() == "FAILED");
  CHECK_MESSAGE(holds(planted.ended.out, {"FAILED: rows: every row equals the reference"}),
                planted.ended.out);
  CHECK(planted.json.at("passed") == false);
  CHECK(planted.json.at("parts")[1].at("failing").size() == 1);

  write_results(differing / "results");
  write_file_atomically(differing / "results" / "compared.tsv",
                        "cuda\trelu\tcuda.elementwise\tf32\tpassed\n"
                        "cuda\trelu\tcuda.elementwise\tf32\tfailed\n");
  const Report refuted = report(differing);
  CHECK(refuted.ended.status == 1);
  CHECK(refuted.json.at("verified").empty());
  CHECK(refuted.json.at("refuted").size() == 1);

  write_results(late / "results");
  write_file_atomically(late / "results" / "parts.tsv", "memcheck\ttimeout\t70\texit status 124\n");
  write_file_atomically(late / "results" / "memcheck.log", "========= Invalid write of size 4\n");
  const Report out_of_time = report(late);
  CHECK(out_of_time.ended.status == 1);
  CHECK(holds(out_of_time.ended.out, {"memcheck", "timeout", "Invalid write of size 4"}));

  std::filesystem::create_directories(nothing / "results");
  write_file_atomically(nothing / "results" / "machine.txt", machine);
  CHECK(report(nothing).ended.status == 1);
}

TEST_CASE("gpu report: what was not looked at has not passed") {
  if (!can_run()) return;
  const TemporaryFolder no_rows, no_time, other_bits, half;
  write_results(no_rows / "results");
  write_file_atomically(no_rows / "results" / "compared.tsv", "cpu\trelu\tcpu\tf32\tpassed\n");
  CHECK(report(no_rows).ended.status == 1);

  write_results(no_time / "results");
  write_file_atomically(no_time / "results" / "parts.tsv",
                        "build\tpassed\t400\texit status 0\nracecheck\tskipped\t0\tno time left\n");
  CHECK(report(no_time).ended.status == 1);

  const auto train = [](const TemporaryFolder& folder, const char* run, const char* losses) {
    std::filesystem::create_directories(folder / "results" / run);
    write_file_atomically(folder / "results" / run / "metrics.jsonl", losses);
  };
  write_results(other_bits / "results");
  train(other_bits, "train-cpu", "{\"loss\":1.0}\n");
  train(other_bits, "train-cuda", "{\"loss\":1.0}\n");
  train(other_bits, "train-graph", "{\"loss\":1.0000001}\n");
  const Report others = report(other_bits);
  CHECK(others.ended.status == 1);
  CHECK_MESSAGE(holds(others.ended.out, {"with --cuda-graph OTHERS"}), others.ended.out);

  write_results(half / "results");
  train(half, "train-cpu", "{\"loss\":1.0}\n");
  const Report cut_off = report(half);
  CHECK(cut_off.ended.status == 1);
  CHECK_MESSAGE(holds(cut_off.ended.out, {"training (CUT OFF)"}), cut_off.ended.out);
}

TEST_CASE("gpu report: what a program that was cut off left is told all the same") {
  if (!can_run()) return;
  const TemporaryFolder folder;
  write_results(folder / "results");
  write_file_atomically(folder / "results" / "parts.tsv",
                        "test_unit\ttimeout\t120\texit status 124\n");
  write_file_atomically(folder / "results" / "test_unit.log", std::string(159, 'a') + "×\n");
  write_file_atomically(folder / "results" / "compared.tsv",
                        "cuda\trelu\tcuda.elementwise\tf32\tpassed\ncuda\tconv2d\tcudnn\tf32");
  const Report made = report(folder);
  CHECK(made.ended.status == 1);
  CHECK(lines_of(made.ended.out).back() == "FAILED");
  CHECK(made.json.at("verified").size() == 1);
  CHECK(made.json.at("refuted").empty());
}

TEST_CASE("gpu report: the summary has at most 60 lines and ends with the verdict") {
  if (!can_run()) return;
  const TemporaryFolder folder;
  write_results(folder / "results");
  write_rows(folder / "results", 300);
  std::string parts;
  for (int i = 0; i < 80; ++i) parts += fmt::format("part{}\tpassed\t1\texit status 0\n", i);
  write_file_atomically(folder / "results" / "parts.tsv", parts);
  const Report made = report(folder);
  CHECK(made.ended.status == 0);
  CHECK(lines_of(made.ended.out).size() == 60);
  CHECK(lines_of(made.ended.out).back() == "PASSED");
  CHECK(made.json.at("bench")[0].at("rows").size() == 300);
}

TEST_CASE("gpu check: a machine without nvcc or a GPU gets one line and exit status 2") {
  const Ended ended = Process(DUET_GPU_CHECK, {"--dry-run"}).wait();
  if (ended.status == 0) return skip("this machine has both");
  CHECK(ended.status == 2);
  CHECK(ended.out.empty());
  CHECK(lines_of(ended.err).size() == 1);
  CHECK(holds(ended.err, {"gpu-check: no ", "on this machine"}));
}
