/// What each CUDA kernel asks of memory, counted by the emulator (kernels/simt/traffic.h):
///
///   kernel_traffic [--precision tf32|bf16|all] [--preset small] [--batch 2]
///                  [--filter 'conv2d.*block1'] [--kernels] [--places]
///   kernel_traffic --check bench/kernel_traffic.txt
///
/// A line for each call of each row, at a network's shapes, and with --kernels one for each kernel
/// that it launches: how many megabytes of device memory move, beside each operand counted once;
/// how many of the sectors that requests touch would have done; into how many turns conflicts
/// stretch one of shared memory. With --places, also the lines of source that fall short.
///
/// --check, in all precisions, fails where a kernel falls short that is not in the file, with a
/// reason, and where one that is does so no more.

#include <dlfcn.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <regex>

#include "apps/cli/config.h"
#include "apps/cli/program.h"
#include "apps/model/description.h"
#include "bench/calls.h"
#include "kernels/simt/kernel_name.h"
#include "kernels/simt/traffic.h"

using namespace duet;
using namespace duet::bench;

namespace {

struct Options {
  std::string precision = "f32", preset = "small", filter, check;
  std::int64_t batch = 2;
  bool kernels = false, places = false;
};

/// What a kernel may fall short of: of the sectors that its requests touch, so many would do, and
/// conflicts make its requests to shared memory so many times as long.
constexpr double least_share = 0.75, most_times = 1.25;

struct Units {
  std::uint64_t counted = 0, least = 0;

  void add(const simt::AccessPlace& place) {
    counted += place.units;
    least += place.least_units;
  }
  /// Of what was counted, what was needed.
  double share() const { return counted == 0 ? 1 : double(least) / double(counted); }
  std::string percent() const { return counted == 0 ? "" : fmt::format("{:.0f}", 100 * share()); }
  std::string times() const { return counted == 0 ? "" : fmt::format("{:.2f}", 1 / share()); }
};

struct Sums {
  Units device, shared;
  std::uint64_t requests = 0, bytes = 0;  // of device memory, by lanes
  std::uint64_t loaded = 0, stored = 0;

  bool falls_short() const {
    return device.share() < least_share || 1 / shared.share() > most_times;
  }
  void add(const simt::KernelTraffic& kernel) {
    loaded += kernel.loaded;
    stored += kernel.stored;
    for (const simt::AccessPlace& place : kernel.places) {
      (place.space == simt::Space::device ? device : shared).add(place);
      if (place.space == simt::Space::shared) continue;
      requests += place.requests;
      bytes += place.lanes * place.bytes;
    }
  }
};

/// Where the code is in the source, the functions that were inlined there first: "a.h:3 < b.cu:7".
class SourceLines {
 public:
  /// Asks addr2line for all of them at once, which reads the program's debug information.
  explicit SourceLines(const std::vector<simt::KernelTraffic>& kernels) {
    std::string command;
    std::vector<const void*> codes;
    for (const simt::KernelTraffic& kernel : kernels)
      for (const simt::AccessPlace& place : kernel.places) {
        Dl_info info{};
        if (!dladdr(place.code, &info)) continue;
        codes.push_back(place.code);
        // A call's address lies before the one that it returns to.
        command += fmt::format(" {:#x}", static_cast<const char*>(place.code) -
                                             static_cast<const char*>(info.dli_fbase) - 1);
      }
    if (codes.empty()) return;
    command = "addr2line --exe=/proc/" + std::to_string(getpid()) + "/exe --addresses --inlines" +
              command;
    const std::unique_ptr<FILE, int (*)(FILE*)> lines(popen(command.c_str(), "r"), pclose);
    char line[4096];
    std::size_t next = 0;
    while (lines && std::fgets(line, sizeof line, lines.get())) {
      std::string_view text(line);
      text = text.substr(0, text.find_first_of(" \n"));
      if (text.starts_with("0x")) {
        ++next;
        continue;
      }
      if (next == 0 || next > codes.size()) continue;
      std::string& known = lines_[codes[next - 1]];
      text.remove_prefix(text.rfind('/') + 1);
      if (!known.empty()) known += " < ";
      known += text;
    }
  }

  std::string at(const void* code) const {
    const auto it = lines_.find(code);
    return it == lines_.end() ? "?" : it->second;
  }

 private:
  std::map<const void*, std::string> lines_;
};

constexpr const char* access_names[] = {"load", "store", "atomic"};

void print_places(const simt::KernelTraffic& kernel, const SourceLines& lines) {
  for (const simt::AccessPlace& place : kernel.places) {
    if (place.units == place.least_units) continue;
    std::cout << fmt::format(
        "      {} {} of {} bytes: {} requests by {:.1f} lanes, {} {}, {} would do; {}\n",
        place.space == simt::Space::device ? "device" : "shared",
        access_names[static_cast<int>(place.access)], place.bytes, place.requests,
        double(place.lanes) / double(place.requests), place.units,
        place.space == simt::Space::device ? "sectors" : "turns", place.least_units,
        lines.at(place.code));
  }
}

void print(const std::string& name, double operands, const Sums& sums) {
  const double moved = double(sums.loaded + sums.stored);
  std::cout << fmt::format("{:>8.2f} {:>8} {:>6} {:>7} {:>9} {:>7}  {}\n", moved * 1e-6,
                           operands > 0 ? fmt::format("{:.2f}", operands * 1e-6) : "",
                           operands > 0 ? fmt::format("{:.2f}", moved / operands) : "",
                           sums.requests
                               ? fmt::format("{:.0f}", double(sums.bytes) / double(sums.requests))
                               : "",
                           sums.device.percent(), sums.shared.times(), name)
            << std::flush;
}

/// The kernels that may fall short: lines of a regular expression that is looked for in the call
/// and the kernel's name, a colon and the reason.
class Exceptions {
 public:
  explicit Exceptions(const std::string& file) {
    std::ifstream in(file);
    require(in.is_open(), "{} cannot be read", file);
    for (std::string line; std::getline(in, line);) {
      if (line.empty() || line.front() == '#') continue;
      const std::size_t colon = line.find(" : ");
      require(colon != std::string::npos, "{}: no reason in '{}'", file, line);
      lines_.push_back({line.substr(0, colon), std::regex(line.substr(0, colon)), false});
    }
  }
  bool have(const std::string& text) {
    bool found = false;
    for (Line& line : lines_)
      if (std::regex_search(text, line.pattern)) found = line.needed = true;
    return found;
  }
  std::vector<std::string> not_needed() const {
    std::vector<std::string> result;
    for (const Line& line : lines_)
      if (!line.needed) result.push_back(line.text);
    return result;
  }

 private:
  struct Line {
    std::string text;
    std::regex pattern;
    bool needed;
  };
  std::vector<Line> lines_;
};

class Report {
 public:
  explicit Report(const Options& options)
      : kernels_(options.kernels || options.places), places_(options.places) {
    if (!options.check.empty()) exceptions_.emplace(options.check);
    std::cout << fmt::format("{:>8} {:>8} {:>6} {:>7} {:>9} {:>7}  {}\n", "MB", "operands", "ratio",
                             "B/req", "sectors %", "turns", "call");
  }

  void add(const Call& call, const std::vector<simt::KernelTraffic>& kernels) {
    Sums all;
    for (const simt::KernelTraffic& kernel : kernels) all.add(kernel);
    print(call.text(), call.bytes, all);
    const SourceLines lines(places_ ? kernels : std::vector<simt::KernelTraffic>());
    for (const simt::KernelTraffic& kernel : kernels) {
      Sums sums;
      sums.add(kernel);
      const std::string name = simt::kernel_name(kernel.kernel);
      const std::string times = kernel.launches > 1 ? fmt::format("{} x ", kernel.launches) : "";
      if (kernels_) print("  " + times + name, 0, sums);
      if (places_) print_places(kernel, lines);
      if (!exceptions_ || !sums.falls_short()) continue;
      const std::string text = call.text() + " " + name;
      if (!exceptions_->have(text)) short_.push_back(text);
    }
  }

  /// Says what --check found; whether that is nothing.
  bool passes() const {
    if (!exceptions_) return true;
    for (const std::string& text : short_)
      std::cerr << fmt::format(
          "{}: less than {:.0f} % of its sectors would do, or conflicts make its "
          "turns {} times as many\n",
          text, 100 * least_share, most_times);
    const std::vector<std::string> not_needed = exceptions_->not_needed();
    for (const std::string& text : not_needed)
      std::cerr << fmt::format("{}: falls short no more, remove the line\n", text);
    return short_.empty() && not_needed.empty();
  }

 private:
  bool kernels_, places_;
  std::optional<Exceptions> exceptions_;
  std::vector<std::string> short_;
};

int run(const Options& options) {
  const Device device{DeviceType::simt};
  const std::regex filter(options.filter);
  Report report(options);
  const bool all = options.precision == "all" || !options.check.empty();
  bool failed = false;
  for (const std::string precision : {"f32", "tf32", "bf16"}) {
    if (!all && options.precision != precision) continue;
    Config config = resolve({}, {{"preset", options.preset}, {"precision", precision}});
    config.batch_size = options.batch;
    // The naive rows are there to be read.
    const CallOptions calls{device, precision_of(config, device), [&](const std::string& text) {
                              return std::regex_search(text, filter) && !text.ends_with("naive");
                            }};
    for (const Case& c : cases(config, calls.precision))
      failed |= !for_each_call(c, calls, [&](const Call& call, const auto& call_again) {
                   simt::take_traffic();
                   call_again(0);
                   report.add(call, simt::take_traffic());
                 }).empty();
  }
  return failed || !report.passes() ? exit_failure : 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("kernel_traffic", [&] {
    Options options;
    CLI::App app("Counts what each CUDA kernel asks of memory");
    app.add_option("--precision", options.precision, "f32, tf32, bf16 or all")
        ->check(CLI::IsMember({"f32", "tf32", "bf16", "all"}));
    app.add_option("--preset", options.preset, "the network whose shapes are taken");
    app.add_option("--batch", options.batch, "pairs in a batch");
    CLI::Option* filter = app.add_option("--filter", options.filter,
                                         "of 'op call direction row', a regular expression");
    app.add_option("--check", options.check, "a file of the kernels that may fall short")
        ->excludes(filter);
    app.add_flag("--kernels", options.kernels, "also print a line for each kernel");
    app.add_flag("--places", options.places, "and the lines of source that fall short");
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : exit_usage;
    }
    return run(options);
  });
}
