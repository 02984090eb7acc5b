/// What each CUDA kernel asks of memory, counted by the emulator (kernels/simt/traffic.h):
///
///   kernel_traffic [--precision tf32|bf16] [--preset small] [--batch 2] [--filter
///   'conv2d.*block1']
///                  [--places]
///
/// A line for each call of each row, at a network's shapes, and one for each kernel it launches:
/// how many megabytes of device memory move, beside each operand counted once; how many of the
/// sectors that requests touch would have done; into how many turns conflicts stretch one of shared
/// memory. With --places, the lines of source that fall short.

#include <dlfcn.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
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
  std::string precision = "f32", preset = "small", filter;
  std::int64_t batch = 2;
  bool places = false;
};

struct Units {
  std::uint64_t counted = 0, least = 0;

  void add(const simt::AccessPlace& place) {
    counted += place.units;
    least += place.least_units;
  }
  /// Of what was counted, what was needed.
  std::string percent() const {
    return counted == 0 ? "" : fmt::format("{:.0f}", 100.0 * double(least) / double(counted));
  }
  std::string times() const {
    return counted == 0 ? "" : fmt::format("{:.2f}", double(counted) / double(least));
  }
};

struct Sums {
  Units device, shared;
  std::uint64_t requests = 0, bytes = 0;  // of device memory, by lanes
  std::uint64_t loaded = 0, stored = 0;

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

void report(const Call& call, const std::vector<simt::KernelTraffic>& kernels, bool places) {
  Sums all;
  for (const simt::KernelTraffic& kernel : kernels) all.add(kernel);
  print(call.text(), call.bytes, all);
  const SourceLines lines(places ? kernels : std::vector<simt::KernelTraffic>());
  for (const simt::KernelTraffic& kernel : kernels) {
    Sums sums;
    sums.add(kernel);
    const std::string times = kernel.launches > 1 ? fmt::format("{} x ", kernel.launches) : "";
    print("  " + times + simt::kernel_name(kernel.kernel), 0, sums);
    if (places) print_places(kernel, lines);
  }
}

int run(const Options& options) {
  Config config = resolve({}, {{"preset", options.preset}, {"precision", options.precision}});
  config.batch_size = options.batch;
  const Device device{DeviceType::simt};
  const std::regex filter(options.filter);
  const Precision precision = precision_of(config, device);
  const CallOptions calls{device, precision,
                          [&](const std::string& text) { return std::regex_search(text, filter); }};
  std::cout << fmt::format("{:>8} {:>8} {:>6} {:>7} {:>9} {:>7}  {}\n", "MB", "operands", "ratio",
                           "B/req", "sectors %", "turns", "call");
  bool failed = false;
  for (const Case& c : cases(config, precision))
    failed |= !for_each_call(c, calls, [&](const Call& call, const auto& call_again) {
                 simt::take_traffic();
                 call_again(0);
                 report(call, simt::take_traffic(), options.places);
               }).empty();
  return failed ? exit_failure : 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("kernel_traffic", [&] {
    Options options;
    CLI::App app("Counts what each CUDA kernel asks of memory");
    app.add_option("--precision", options.precision, "f32, tf32 or bf16");
    app.add_option("--preset", options.preset, "the network whose shapes are taken");
    app.add_option("--batch", options.batch, "pairs in a batch");
    app.add_option("--filter", options.filter, "of 'op call direction row', a regular expression");
    app.add_flag("--places", options.places, "also print the lines of source that fall short");
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : exit_usage;
    }
    return run(options);
  });
}
