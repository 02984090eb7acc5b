#include "engine/autotune.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "engine/atomic_file.h"
#include "engine/device.h"
#include "kernels/base/environment.h"

namespace duet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int least_runs = 3, most_runs = 50;
/// Short calls are repeated until so many seconds were measured.
constexpr double enough_seconds = 0.01;

std::atomic<Autotune*> living = nullptr;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// How long the device takes for what `work` queues.
double seconds_of(const RepeatScope& work, Device device) {
  if (device.type == DeviceType::cpu) {
    const Clock::time_point start = Clock::now();
    work.again();
    return seconds_since(start);
  }
  Event begin(device), end(device);
  begin.record(StreamKind::compute);
  work.again();
  end.record(StreamKind::compute);
  end.synchronize();
  return end.milliseconds_since(begin) / 1000;
}

/// Throws Error unless the choice names an op and a row of its device. What this process has no
/// rows for, as for CUDA without its plugin, is left alone: a run may go on without it.
void check(const KeptCall& call, const std::string& row) {
  const RowTable& table = RowTable::find(call.op);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < table.size(); ++i)
    if (to_string(table.info(i).device) == call.device) names.push_back(table.info(i).name);
  if (names.empty() && call.device == to_string(DeviceType::cuda)) return;
  if (std::find(names.begin(), names.end(), row) == names.end())
    fail("{} has no row '{}' on {}; its rows there are {}", call.op, row, call.device,
         fmt::join(names, ", "));
}

}  // namespace

std::size_t fastest(std::size_t count, const std::function<double(std::size_t)>& seconds) {
  std::size_t best = 0;
  std::optional<double> least;
  for (std::size_t i = 0; i < count; ++i) {
    seconds(i);
    double own = seconds(i), total = own;
    for (int run = 1; run < most_runs && (run < least_runs || total < enough_seconds); ++run) {
      if (least && own > 2 * *least) break;
      const double again = seconds(i);
      own = std::min(own, again);
      total += again;
    }
    if (!least || own < *least) {
      least = own;
      best = i;
    }
  }
  return best;
}

Autotune::Autotune(std::filesystem::path file) : file_(std::move(file)) {
  if (std::filesystem::exists(file_)) take(read_file(file_), file_.string());
  living = this;
}

Autotune::~Autotune() { living = nullptr; }

Autotune* Autotune::active() { return living; }

void Autotune::take(std::string_view text, const std::string& source) {
  std::istringstream in{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    try {
      const auto j = nlohmann::json::parse(line);
      const KeptCall call{j.at("op"), j.at("params"), j.at("dtype"), j.at("device")};
      const std::string row = j.at("row");
      check(call, row);
      kept_.keep(call, row);
    } catch (const std::exception& e) {
      fail<DataError>("{}, line {}: {}; without the line the call is measured anew", source, number,
                      e.what());
    }
  }
  write_file_atomically(file_, this->text());
}

std::string Autotune::text() const {
  std::string text;
  for (const auto& [call, row] : kept_.all()) {
    nlohmann::ordered_json j;
    j["op"] = call.op;
    j["params"] = call.params;
    j["dtype"] = call.dtype;
    j["device"] = call.device;
    j["row"] = row;
    text += j.dump() + "\n";
  }
  return text;
}

void Autotune::choose(const KeptCall& call, const std::vector<std::string>& rows, Device device,
                      const RepeatScope& again) {
  if (!kept_.row_of(call).empty()) return;
  const Clock::time_point start = Clock::now();
  std::vector<double> least(rows.size(), 1e300);
  const std::size_t best = fastest(rows.size(), [&](std::size_t i) {
    const TrialScope trial(call.op, rows[i]);
    const double seconds = seconds_of(again, device);
    least[i] = std::min(least[i], seconds);
    return seconds;
  });
  kept_.keep(call, rows[best]);
  write_file_atomically(file_, text());
  ++measured_;
  seconds_ += seconds_since(start);
  if (environment::verbose() == 0) return;
  std::string times;
  for (std::size_t i = 0; i < rows.size(); ++i)
    times += fmt::format("{} {} {:.3f} ms", i > 0 ? "," : "", rows[i], 1000 * least[i]);
  std::fprintf(stderr, "duet: measured %s:%s\n", to_string(call).c_str(), times.c_str());
}

}  // namespace duet
