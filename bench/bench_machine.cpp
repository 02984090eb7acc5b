/// What the CPU can do at this moment, as one line of JSON, for what runs next to be held against:
///
///   bench_machine [--threads 2]
///
/// `flops` and `bytes_per_s` are the ceilings of bench_rows, `round_trip_s` is the time in which a
/// cache line goes from one core to another and back.

#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/cli/program.h"
#include "bench/measure.h"
#include "kernels/base/parallel.h"

using namespace duet;

int main(int argc, char** argv) {
  return run_program("bench_machine", [&] {
    int threads = 0;
    CLI::App app("Measures what the CPU can do at this moment");
    app.add_option("--threads", threads, "of the CPU, 0 for all");
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : exit_usage;
    }
    set_thread_count(threads);
    const bench::Ceiling ceiling = bench::measure_ceiling({}, Precision::f32);
    const nlohmann::ordered_json json = {{"flops", ceiling.flops},
                                         {"bytes_per_s", ceiling.bytes_per_s},
                                         {"round_trip_s", bench::measure_round_trip()}};
    std::cout << json.dump() << "\n";
    return 0;
  });
}
