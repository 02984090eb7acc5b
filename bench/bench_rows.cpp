/// Every row of every op at this network's shapes, forward and backward:
///
///   bench_rows --device cpu|simt|cuda [--precision tf32|bf16] [--preset paper-64] [--batch 32]
///              [--filter 'conv2d.*block1']
///
/// GFLOP/s count the multiplications and additions of the definition, whatever an algorithm saves.
/// GB/s count each operand once. The ceiling is measured in the same run: a row reaches 100 % when
/// it does its arithmetic at the peak, or moves its operands at the speed of memory, whichever
/// takes longer. Operands rotate through more memory than a cache holds. A handwritten row stands
/// beside its library twin as a ratio: twice as fast is 2.00.

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "apps/cli/program.h"
#include "apps/model/description.h"
#include "bench/calls.h"
#include "bench/cases.h"
#include "bench/measure.h"
#include "engine/atomic_file.h"
#include "engine/device.h"
#include "kernels/base/parallel.h"

using namespace duet;
using namespace duet::bench;

namespace {

struct Options {
  std::string device = "cpu", precision = "f32", preset = "paper-64", filter, json;
  std::int64_t batch = 32;
  double seconds = 0.2, budget = 0;
  int threads = 0;
  bool list = false;
};

struct Result : Call {
  Timing timing;
  /// Of the ceiling; 0 where that is not known.
  double share = 0;
  /// The library row of the same call, and its time over this row's.
  std::string library;
  double of_library = 0;
};

class Bench {
 public:
  Bench(const Options& options, Device device, Precision precision)
      : options_(options),
        device_(device),
        precision_(precision),
        filter_(options.filter),
        start_(std::chrono::steady_clock::now()) {}

  void run(const std::vector<Case>& all) {
    ceiling_ = measure_ceiling(device_, precision_);
    std::cout << fmt::format("{}, {}, {}, batch {}; ceiling: {:.1f} GFLOP/s, {:.1f} GB/s ({})\n",
                             describe(device_), to_string(precision_), options_.preset,
                             options_.batch, ceiling_.flops * 1e-9, ceiling_.bytes_per_s * 1e-9,
                             ceiling_.how);
    std::cout << fmt::format("{:<20} {:>10} {:>9} {:>8} {:>5} {:>6}  {}\n", "row", "ms", "GFLOP/s",
                             "GB/s", "%", "ratio", "call")
              << std::flush;
    constexpr double more_than_a_cache = 256e6;
    const CallOptions calls{device_, precision_,
                            [this](const std::string& text) { return wanted(text); },
                            device_.type == DeviceType::simt ? 0 : more_than_a_cache};
    for (const Case& c : all) {
      const std::size_t before = results_.size();
      const auto failed = for_each_call(c, calls, [this](const Call& call, const auto& call_again) {
        add({call, measure(device_, options_.seconds, call_again)});
      });
      failed_.insert(failed_.end(), failed.begin(), failed.end());
      compare(before);
      for (std::size_t i = before; i < results_.size(); ++i) print(results_[i]);
    }
    if (left_out_ > 0)
      std::cout << fmt::format("{} calls left out: --budget {} s\n", left_out_, options_.budget);
  }

  nlohmann::json report() const {
    nlohmann::json rows = nlohmann::json::array();
    for (const Result& r : results_)
      rows.push_back({{"op", r.op},
                      {"call", r.name},
                      {"direction", r.direction},
                      {"row", r.row},
                      {"kind", to_string(r.kind)},
                      {"median_s", r.timing.median_s},
                      {"least_s", r.timing.least_s},
                      {"batches", r.timing.batches},
                      {"calls", r.timing.calls},
                      {"flops", r.flops},
                      {"bytes", r.bytes},
                      {"share", r.share},
                      {"library", r.library},
                      {"of_library", r.of_library}});
    return {
        {"device", describe(device_)},
        {"precision", to_string(precision_)},
        {"preset", options_.preset},
        {"batch", options_.batch},
        {"threads", thread_count()},
        {"ceiling",
         {{"flops", ceiling_.flops}, {"bytes_per_s", ceiling_.bytes_per_s}, {"how", ceiling_.how}}},
        {"left_out", left_out_},
        {"failed", failed_},
        {"rows", rows}};
  }

 private:
  bool out_of_time() const {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
    return options_.budget > 0 && passed.count() > options_.budget;
  }

  bool wanted(const std::string& call) {
    if (!std::regex_search(call, filter_)) return false;
    if (out_of_time()) {
      ++left_out_;
      return false;
    }
    return true;
  }

  void add(Result result) {
    double least = 0;  // in s
    if (ceiling_.flops > 0) least = result.flops / ceiling_.flops;
    if (ceiling_.bytes_per_s > 0) least = std::max(least, result.bytes / ceiling_.bytes_per_s);
    // How much a composition must move depends on how it is composed.
    if (!result.op.empty()) result.share = least / result.timing.median_s;
    results_.push_back(std::move(result));
  }

  /// Sets each handwritten row from `begin` on beside the library's.
  void compare(std::size_t begin) {
    for (std::size_t i = begin; i < results_.size(); ++i)
      for (std::size_t k = begin; k < results_.size(); ++k)
        if (results_[i].kind == RowKind::handwritten && results_[k].kind == RowKind::library &&
            results_[i].direction == results_[k].direction) {
          results_[i].library = results_[k].row;
          results_[i].of_library = results_[k].timing.median_s / results_[i].timing.median_s;
        }
  }

  static void print(const Result& r) {
    std::cout << fmt::format(
                     "{:<20} {:>10.4f} {:>9} {:>8.1f} {:>5} {:>6}  {} {} {}\n", r.row,
                     r.timing.median_s * 1e3,
                     r.flops > 0 ? fmt::format("{:.1f}", r.flops / r.timing.median_s * 1e-9) : "",
                     r.bytes / r.timing.median_s * 1e-9,
                     r.share > 0 ? fmt::format("{:.0f}", 100 * r.share) : "",
                     r.of_library > 0 ? fmt::format("{:.2f}", r.of_library) : "", r.op, r.name,
                     r.direction)
              << std::flush;
  }

  Options options_;
  Device device_;
  Precision precision_;
  std::regex filter_;
  std::chrono::steady_clock::time_point start_;
  Ceiling ceiling_;
  std::vector<Result> results_;
  int left_out_ = 0;
  std::vector<std::string> failed_;  // calls that threw
};

/// Prints the cases; 1 when an op has none.
int list(const std::vector<Case>& all) {
  std::set<std::string> ops;
  for (const Case& c : all) {
    ops.insert(c.op);
    std::cout << fmt::format("{} {}\n", c.op, c.name);
  }
  int status = 0;
  for (const RowTable* table : RowTable::all())
    if (!ops.contains(table->op())) {
      std::cerr << fmt::format("bench_rows: op {} has no case in bench/cases.cpp\n", table->op());
      status = exit_failure;
    }
  return status;
}

int run(const Options& options) {
  set_thread_count(options.threads);
  Config config = resolve({}, {{"preset", options.preset}, {"precision", options.precision}});
  config.batch_size = options.batch;
  if (options.list) return list(cases(config, Precision::f32));
  const Device device = parse_device(options.device);
  const Precision precision = precision_of(config, device);
  const std::vector<Case> all = cases(config, precision);
  Bench bench(options, device, precision);
  bench.run(all);
  const nlohmann::json report = bench.report();
  if (!options.json.empty()) write_file_atomically(options.json, report.dump(1) + "\n");
  return report.at("failed").empty() ? 0 : exit_failure;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("bench_rows", [&] {
    Options options;
    CLI::App app("Times every row of every op");
    app.add_option("--device", options.device, "cpu, simt, cuda or cuda:N");
    app.add_option("--precision", options.precision, "f32, tf32 or bf16");
    app.add_option("--preset", options.preset, "the network whose shapes are timed");
    app.add_option("--batch", options.batch, "pairs in a batch");
    app.add_option("--filter", options.filter, "of 'op call direction row', a regular expression");
    app.add_option("--seconds", options.seconds, "for each call of each row");
    app.add_option("--budget", options.budget, "seconds after which nothing more is begun");
    app.add_option("--threads", options.threads, "of the CPU, 0 for all");
    app.add_option("--json", options.json, "also write the results to this file");
    app.add_flag("--list", options.list, "print the calls; fails when an op has none");
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : exit_usage;
    }
    return run(options);
  });
}
