/// A whole training step, or a whole answer, of a network on data made up:
///
///   bench_step --mode train|infer [--preset paper-64] [--batch 32] [--steps 10] [--threads 2]
///              [--device cpu] [--precision f32] [--impl OP=ROW,…] [--rows] [--json]
///
/// A training step begins with decoded pictures and waveforms and ends with the update: what
/// `train_mm` does between two batches, by the same code. An answer begins there too and ends with
/// probabilities, of a network that is frozen as `infer_mm` freezes it. With --json the last line
/// of output is one JSON object: `median_s`, `min_s` and `max_s` of a step, `phases` (median
/// seconds of each), `losses`, and `peak_bytes`, the largest resident set of the process; with
/// --rows also `rows`, the mean seconds a step in each row.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/cli/program.h"
#include "apps/model/description.h"
#include "apps/train/train_step.h"
#include "engine/device.h"
#include "engine/memory.h"
#include "engine/row_times.h"
#include "kernels/base/parallel.h"
#include "kernels/base/philox.h"

using namespace duet;

namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

struct Options {
  std::string mode = "train", device = "cpu", precision = "f32", preset = "paper-64", impl;
  std::int64_t batch = 32, steps = 10, warmup = 2;
  int threads = 0;
  bool rows = false, json = false;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Times of the steps after those that warm up, whole and by phase.
class StepTimes {
 public:
  void begin() {
    begin_ = last_ = Clock::now();
    phases_.emplace_back();
  }
  /// The phase that ends now.
  void passed(const std::string& phase) {
    const Clock::time_point now = Clock::now();
    phases_.back()[phase] += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }
  void end() {
    passed("rest");
    whole_.push_back(std::chrono::duration<double>(last_ - begin_).count());
  }
  void forget() { whole_.clear(), phases_.clear(); }

  void put_into(ordered_json& json) const {
    json["median_s"] = median(whole_);
    json["min_s"] = *std::min_element(whole_.begin(), whole_.end());
    json["max_s"] = *std::max_element(whole_.begin(), whole_.end());
    for (const auto& [phase, first] : phases_.front()) {
      std::vector<double> all;
      for (const auto& step : phases_)
        if (step.contains(phase)) all.push_back(step.at(phase));
      json["phases"][phase] = median(all);
    }
  }

 private:
  Clock::time_point begin_, last_;
  std::vector<double> whole_;
  std::vector<std::map<std::string, double>> phases_;
};

Tensor uniform(const Shape& shape, double low, double high, std::uint64_t stream, DType dtype) {
  RandomSequence numbers(1, stream);
  const Tensor tensor = Tensor::empty(shape);
  for (float& x : tensor.span<float>()) x = static_cast<float>(numbers.uniform(low, high));
  return tensor.to(dtype);
}

RawInputs made_up(const Model& model, std::int64_t n, DType dtype) {
  const std::int64_t size = model.config().size;
  return {uniform({n, size, size, 3}, 0, 1, 0, dtype),
          uniform({n, model.front_end().clip_samples()}, -0.5, 0.5, 1, dtype)};
}

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options), device_(parse_device(options.device)) {
    Config config = resolve({}, {{"preset", options.preset}, {"precision", options.precision}});
    config.batch_size = options.batch;
    model_ = std::make_unique<Model>(config, device_, precision_of(config, device_));
  }

  ordered_json run() {
    if (options_.mode == "train")
      train();
    else
      infer();
    ordered_json json = {{"mode", options_.mode},           {"preset", options_.preset},
                         {"batch", options_.batch},         {"device", describe(device_)},
                         {"precision", options_.precision}, {"threads", thread_count()},
                         {"steps", options_.steps}};
    times_.put_into(json);
    if (!losses_.empty()) json["losses"] = losses_;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    json["peak_bytes"] = std::int64_t{1024} * usage.ru_maxrss;
    json["pool_peak_bytes"] = memory_statistics(device_).peak;
    json["faults"] = faults_;
    if (rows_)
      for (const auto& [row, entry] : rows_->entries())
        json["rows"][row] = entry.seconds / static_cast<double>(options_.steps);
    return json;
  }

 private:
  void train() {
    const auto adam = make_adam(*model_);
    TrainStep step(*model_, *adam, {});
    step.watch([&](const char* phase) { times_.passed(phase); });
    Batch batch;
    batch.raw = made_up(*model_, options_.batch, model_->dtype());
    std::vector<std::int32_t> labels;
    for (std::int64_t i = 0; i < options_.batch; ++i)
      labels.push_back(static_cast<std::int32_t>(i % 3));
    batch.labels = Tensor::from(labels, {options_.batch});
    repeat([&] {
      step.stage(batch);
      step.start();
      losses_.push_back(step.finish().loss);
    });
  }

  void infer() {
    model_->network().freeze();
    const RawInputs raw = made_up(*model_, options_.batch, model_->dtype());
    repeat([&] { model_->probabilities(raw); });
  }

  template <class Step>
  void repeat(Step&& step) {
    const auto one = [&] {
      times_.begin();
      step();
      times_.end();
    };
    for (std::int64_t i = 0; i < options_.warmup; ++i) one();
    times_.forget();
    if (options_.rows) rows_.emplace();
    const std::int64_t before = page_faults();
    for (std::int64_t i = 0; i < options_.steps; ++i) one();
    faults_ = (page_faults() - before) / options_.steps;
  }

  static std::int64_t page_faults() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  }

  Options options_;
  Device device_;
  std::unique_ptr<Model> model_;
  StepTimes times_;
  std::vector<double> losses_;
  std::optional<RowTimes> rows_;
  std::int64_t faults_ = 0;
};

void print(const ordered_json& json) {
  std::cout << fmt::format("{} {} batch {}: {:.2f} ms a step ({:.2f} to {:.2f}), peak {:.2f} GB\n",
                           json["preset"].get<std::string>(), json["mode"].get<std::string>(),
                           json["batch"].get<int>(), 1e3 * json["median_s"].get<double>(),
                           1e3 * json["min_s"].get<double>(), 1e3 * json["max_s"].get<double>(),
                           1e-9 * json["peak_bytes"].get<double>());
  for (const char* part : {"phases", "rows"})
    if (json.contains(part))
      for (const auto& [name, seconds] : json[part].items())
        std::cout << fmt::format("  {:<34} {:>9.3f} ms\n", name, 1e3 * seconds.get<double>());
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("bench_step", [&] {
    Options options;
    CLI::App app("Times a whole training step, or a whole answer, on data made up");
    app.add_option("--mode", options.mode, "train or infer")
        ->check(CLI::IsMember({"train", "infer"}));
    app.add_option("--preset", options.preset, "the network");
    app.add_option("--batch", options.batch, "pairs in a batch")->check(CLI::PositiveNumber);
    app.add_option("--steps", options.steps, "steps that are timed")->check(CLI::PositiveNumber);
    app.add_option("--warmup", options.warmup, "steps before them")->check(CLI::NonNegativeNumber);
    app.add_option("--threads", options.threads, "of the CPU, 0 for all");
    app.add_option("--device", options.device, "cpu, simt, cuda or cuda:N");
    app.add_option("--precision", options.precision, "f32, f64, tf32 or bf16");
    app.add_option("--impl", options.impl, "rows to run, as train_mm takes them");
    app.add_flag("--rows", options.rows, "also the time in each row");
    app.add_flag("--json", options.json, "one line of JSON");
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : exit_usage;
    }
    set_thread_count(options.threads);
    set_impl(Impl::parse(options.impl));
    const ordered_json json = Bench(options).run();
    if (options.json)
      std::cout << json.dump() << "\n";
    else
      print(json);
    return 0;
  });
}
