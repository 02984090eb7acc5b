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
#include "bench/cases.h"
#include "bench/measure.h"
#include "engine/atomic_file.h"
#include "engine/autograd.h"
#include "engine/device.h"
#include "kernels/base/parallel.h"
#include "kernels/base/philox.h"

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

struct Result {
  std::string op, name, direction, row;
  RowKind kind;
  Timing timing;
  double flops, bytes;
  /// Of the ceiling; 0 where that is not known.
  double share = 0;
  /// The library row of the same call, and its time over this row's.
  std::string library;
  double of_library = 0;
};

Tensor random_tensor(const Shape& shape, std::uint64_t stream, DType dtype, Device device) {
  const Tensor tensor = Tensor::empty(shape);
  const Philox numbers{1, stream};
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    tensor.data<float>()[i] = numbers.uniform(i) - 0.5f;
  return tensor.to(dtype).to(device);
}

double bytes_of(const Tensor& tensor) {
  return tensor ? static_cast<double>(tensor.numel()) * static_cast<double>(size_of(tensor.dtype()))
                : 0;
}

/// As many sets of a case's operands as a cache cannot hold, on a device whose cache is the
/// largest there is.
std::vector<std::vector<Tensor>> operand_sets(const Case& c, DType dtype, Device device) {
  constexpr double more_than_a_cache = 256e6;
  std::vector<Tensor> drawn;
  double bytes = 0;
  for (std::size_t k = 0; k < c.inputs.size(); ++k) {
    const bool parameter = k + c.parameters >= c.inputs.size();
    drawn.push_back(random_tensor(c.inputs[k], k, parameter ? DType::f32 : dtype, device));
    bytes += bytes_of(drawn.back());
  }
  const auto count = device.type == DeviceType::simt
                         ? 1
                         : std::clamp<std::int64_t>(
                               static_cast<std::int64_t>(more_than_a_cache / bytes) + 1, 2, 16);
  std::vector<std::vector<Tensor>> sets(count);
  for (auto& set : sets)
    for (const Tensor& tensor : drawn) set.push_back(tensor.clone());
  return sets;
}

class Bench {
 public:
  Bench(const Options& options, Device device, Precision precision)
      : options_(options),
        device_(device),
        precision_(precision),
        dtype_(precision == Precision::bf16 ? DType::bf16 : DType::f32),
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
    for (const Case& c : all) {
      const std::size_t before = results_.size();
      time_case(c);
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

  void time_case(const Case& c) {
    if (c.op.empty()) return time_row(c, "composed", RowKind::handwritten);
    const RowTable& table = RowTable::find(c.op);
    for (std::size_t i = 0; i < table.size(); ++i) {
      const RowInfo& row = table.info(i);
      if (row.device != device_.type) continue;
      // Only where nothing faster is there is the oracle the row that runs.
      if (row.kind == RowKind::ref && i > 0 && table.info(i - 1).device == device_.type) continue;
      const ImplScope forced(fmt::format("{}={}", c.op, row.name));
      try {
        time_row(c, row.name, row.kind);
      } catch (const UsageError&) {
        continue;  // the row does not take the call
      } catch (const Error& error) {
        std::cerr << fmt::format("{} {}, row {}: {}\n", c.op, c.name, row.name, error.what());
        failed_.push_back(fmt::format("{} {} {}", c.op, c.name, row.name));
      }
    }
  }

  bool wanted(const Case& c, const std::string& direction, const std::string& row) {
    const std::string whole = fmt::format("{} {} {} {}", c.op, c.name, direction, row);
    if (!std::regex_search(whole, filter_)) return false;
    if (out_of_time()) {
      ++left_out_;
      return false;
    }
    return true;
  }

  void time_row(const Case& c, const std::string& row, RowKind kind) {
    bool any = wanted(c, "forward", row);
    std::vector<bool> backward;
    for (const Derivative& d : c.derivatives) {
      backward.push_back(wanted(c, d.name, row));
      any = any || backward.back();
    }
    if (!any) return;
    const auto sets = operand_sets(c, dtype_, device_);
    double y_bytes = 0, input_bytes = 0;
    for (const Tensor& tensor : sets[0]) input_bytes += bytes_of(tensor);
    {
      const NoGradScope no_grad;
      y_bytes = bytes_of(c.run(sets[0]));
      if (wanted(c, "forward", row)) {
        const Timing timing = measure(device_, options_.seconds,
                                      [&](std::int64_t i) { c.run(sets[i % sets.size()]); });
        add({c.op, c.name, "forward", row, kind, timing, c.flops,
             c.forward_bytes > 0 ? c.forward_bytes : input_bytes + y_bytes});
      }
    }
    for (std::size_t k = 0; k < c.derivatives.size(); ++k)
      if (backward[k]) {
        const Derivative& d = c.derivatives[k];
        double bytes = y_bytes;
        for (const std::size_t i : d.of) bytes += bytes_of(sets[0][i]);
        for (const std::size_t i : d.reads) bytes += bytes_of(sets[0][i]);
        add({c.op, c.name, d.name, row, kind, time_derivative(c, d, sets), c.flops, bytes});
      }
  }

  /// A graph for each set of operands; its one node is run again and again.
  Timing time_derivative(const Case& c, const Derivative& d,
                         const std::vector<std::vector<Tensor>>& sets) {
    std::vector<Tensor> results;
    for (const std::vector<Tensor>& set : sets) {
      std::vector<Tensor> inputs;
      for (const Tensor& tensor : set) inputs.push_back(tensor.detach());
      for (const std::size_t i : d.of) inputs[i].set_requires_grad();
      results.push_back(c.run(inputs));
    }
    const Tensor grad_y = random_tensor(results[0].shape(), 9, results[0].dtype(), device_);
    const NoGradScope no_grad;
    return measure(device_, options_.seconds,
                   [&](std::int64_t i) { backward(results[i % results.size()], grad_y); });
  }

  /// Runs the functions of a graph backward, and leaves the graph as it was.
  static void backward(const Tensor& y, const Tensor& grad_y) {
    autograd::Node& node = *y.impl()->grad_fn;
    const Gradients gradients = node.backward(node.context, grad_y);
    for (std::size_t i = 0; i < gradients.size(); ++i)
      if (gradients[i] && node.edges[i].maker) {
        Tensor::Impl maker;
        maker.grad_fn = node.edges[i].maker;
        backward(Tensor(std::make_shared<Tensor::Impl>(maker)), gradients[i]);
      }
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
  DType dtype_;
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
