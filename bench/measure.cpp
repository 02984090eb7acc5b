#include "bench/measure.h"

#if DUET_HAVE_BENCHMARK
#include <benchmark/benchmark.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <thread>
#include <vector>

#include "engine/autograd.h"
#include "engine/device.h"
#include "engine/ops/linear.h"
#include "kernels/base/parallel.h"
#include "kernels/base/rows.h"
#include "kernels/base/vec.h"

namespace duet::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

using Timed = std::function<Timing(const std::function<void(std::int64_t)>&)>;

constexpr int most_batches = 10;

using Batch = std::function<void(std::int64_t calls)>;

Timing timing_of(std::vector<double> seconds_a_call, std::int64_t calls) {
  std::sort(seconds_a_call.begin(), seconds_a_call.end());
  return {seconds_a_call[seconds_a_call.size() / 2], seconds_a_call.front(),
          static_cast<int>(seconds_a_call.size()), calls};
}

#if DUET_HAVE_BENCHMARK

/// Takes the time of each repetition.
class Repetitions final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      calls_ = run.iterations;
      times_.push_back(run.real_accumulated_time / static_cast<double>(run.iterations));
    }
  }
  Timing timing() const { return timing_of(times_, calls_); }

 private:
  std::vector<double> times_;
  std::int64_t calls_ = 0;
};

/// `run` makes so many calls and ends when they are done; a batch has as many as take `seconds` or
/// more. `wait` ends when what came before is done.
Timing time_batches(int batches, double seconds, const std::function<void()>& wait,
                    const Batch& run) {
  std::exception_ptr error;
  benchmark::RegisterBenchmark("row",
                               [&](benchmark::State& state) {
                                 try {
                                   wait();
                                   while (state.KeepRunningBatch(state.max_iterations))
                                     run(state.max_iterations);
                                 } catch (...) {
                                   error = std::current_exception();
                                   state.SkipWithError("exception");
                                 }
                               })
      ->UseRealTime()
      ->MinTime(seconds)
      ->Repetitions(batches);
  Repetitions repetitions;
  benchmark::RunSpecifiedBenchmarks(&repetitions);
  benchmark::ClearRegisteredBenchmarks();
  if (error) std::rethrow_exception(error);
  return repetitions.timing();
}

#else

Timing time_batches(int batches, double seconds, const std::function<void()>& wait,
                    const Batch& run) {
  const auto time = [&](std::int64_t calls) {
    wait();
    const Clock::time_point start = Clock::now();
    run(calls);
    return seconds_since(start);
  };
  std::int64_t calls = 1;
  for (double passed; (passed = time(calls)) < seconds;)
    calls = std::max(2 * calls, static_cast<std::int64_t>(1.2 * seconds / passed * calls));
  std::vector<double> times;
  for (int i = 0; i < batches; ++i) times.push_back(time(calls) / static_cast<double>(calls));
  return timing_of(times, calls);
}

#endif

/// FLOP/s of all cores in the registers that kernels use: enough independent chains of
/// multiply-adds to fill two pipelines of five cycles.
double fma_ceiling(const Timed& timed) {
  constexpr int chains = 12;
  constexpr std::int64_t steps = 1 << 16;
  const int threads = thread_count();
  std::vector<float> sink(threads);
  const Timing timing = timed([&](std::int64_t) {
    parallel_chunks(threads, [&](std::int64_t t) {
      Vec<float> sums[chains] = {};
      Vec<float> factor = Vec<float>{} + 0.999f, term = Vec<float>{} + 0.001f;
      asm volatile("" : "+m"(factor), "+m"(term));
      const Vec<float> f = factor, a = term;
      for (std::int64_t i = 0; i < steps; ++i) DUET_UNROLL
      for (int c = 0; c < chains; ++c) sums[c] = sums[c] * f + a;
      for (const Vec<float>& v : sums) sink[t] += v[0];
    });
  });
  asm volatile("" : : "m"(*sink.data()) : "memory");
  return 2.0 * lanes<float> * chains * steps * threads / timing.least_s;
}

struct Bandwidth {
  double bytes_per_s = 0;
  std::string how;
};

/// The fastest of several ways through more memory than caches hold, each byte counted as often as
/// the program asks for it. Which one that is depends on the machine: stores alone may fetch what
/// they overwrite, and some machines reach more when a thread walks through several places at once.
/// The memory comes from the pool, as operands do, and so in large pages.
Bandwidth memory_ceiling(const Timed& timed) {
  constexpr std::int64_t count = std::int64_t{64} << 20, packets = 4, step = packets * lanes<float>;
  const Tensor from = Tensor::full({count}, 1, DType::f32),
               to = Tensor::full({count}, 2, DType::f32);
  float *const x = from.data<float>(), *const y = to.data<float>();
  const std::int64_t threads = thread_count();
  std::vector<float> sink(threads);
  Bandwidth best;
  const auto time = [&](const std::string& how, std::int64_t bytes,
                        const std::function<void(std::int64_t thread)>& pass) {
    const Timing timing = timed([&](std::int64_t) { parallel_chunks(threads, pass); });
    const double bytes_per_s = static_cast<double>(bytes) / timing.least_s;
    if (bytes_per_s > best.bytes_per_s) best = {bytes_per_s, how};
  };
  for (const std::int64_t places : {1, 4}) {
    const std::int64_t length = count / threads / places / step * step;
    const std::int64_t bytes = threads * places * length * std::int64_t{sizeof(float)};
    // Calls `f(p, k)` with the address p of each register, the kth of a packet, in one thread's
    // share.
    const auto walk = [&](std::int64_t thread, auto&& f) {
      float* const begin = x + thread * places * length;
      for (std::int64_t i = 0; i < length; i += step)
        for (std::int64_t place = 0; place < places; ++place) DUET_UNROLL
      for (int k = 0; k < packets; ++k) f(begin + place * length + i + k * lanes<float>, k);
    };
    const std::string where = fmt::format("at {} place{} a thread", places, places > 1 ? "s" : "");
    time("reads " + where, bytes, [&](std::int64_t thread) {
      Vec<float> sums[packets] = {};
      walk(thread, [&](const float* p, int k) { sums[k] += load(p); });
      for (const Vec<float>& v : sums) sink[thread] += v[0];
    });
    time("updates " + where, 2 * bytes, [&](std::int64_t thread) {
      walk(thread, [](float* p, int) { store<float>(p, load(p) * 0.999f); });
    });
  }
  asm volatile("" : : "m"(*sink.data()) : "memory");
  const std::int64_t share = count / threads;
  time("copies", 2 * threads * share * std::int64_t{sizeof(float)}, [&](std::int64_t thread) {
    std::memcpy(y + thread * share, x + thread * share, share * sizeof(float));
  });
  return best;
}

}  // namespace

Timing measure(Device device, double seconds, const std::function<void(std::int64_t i)>& call) {
  const DeviceApi& api = device_api(device.type);
  const Stream stream = device_stream(device);
  const auto wait = [&] { check_device_call("waiting", device, api.synchronize(stream)); };
  std::int64_t next = 0;
  const auto run = [&](std::int64_t calls) {
    for (std::int64_t i = 0; i < calls; ++i) call(next++);
    wait();
  };
  // A call that is itself as long as all we have is made three times more.
  wait();
  const Clock::time_point start = Clock::now();
  run(1);
  const auto batches =
      static_cast<int>(std::clamp(seconds / seconds_since(start), 3.0, double{most_batches}));
  return time_batches(batches, seconds / most_batches, wait, run);
}

Ceiling measure_ceiling(Device device, Precision precision) {
  if (device.type == DeviceType::simt) return {0, 0, "none: the emulator's time says nothing"};
  const auto timed = [&](const std::function<void(std::int64_t)>& call) {
    return measure(device, 0.3, call);
  };
  if (device.type == DeviceType::cpu) {
    const Bandwidth memory = memory_ceiling(timed);
    return {fma_ceiling(timed), memory.bytes_per_s,
            fmt::format("FMAs in registers of {} bytes; 256 MiB by {}; {} threads", vector_bytes,
                        memory.how, thread_count())};
  }
  const NoGradScope no_grad;
  const Tensor from = Tensor::zeros({std::int64_t{1} << 28}, DType::f32, device);
  const Tensor to = Tensor::zeros(from.shape(), DType::f32, device);
  const Timing copy = timed([&](std::int64_t) { to.copy_from(from); });
  constexpr std::int64_t side = 8192;
  const DType dtype = precision == Precision::bf16 ? DType::bf16 : DType::f32;
  const Tensor a = Tensor::full({side, side}, 0.5, DType::f32).to(dtype).to(device), b = a.clone();
  const bool tf32 = precision == Precision::tf32;
  const Timing product = timed([&](std::int64_t) { linear(a, b, {}, {false, tf32}); });
  return {2.0 * side * side * side / product.least_s,
          2.0 * static_cast<double>(from.numel()) * sizeof(float) / copy.least_s,
          fmt::format("a copy of 1 GiB and a product of side {} in {} by row {}", side,
                      to_string(precision), fmt::join(RowTable::find("linear").used(), ", "))};
}

double measure_round_trip() {
  if (std::thread::hardware_concurrency() < 2) return 0;
  constexpr int trips = 10'000, batches = 20;
  alignas(64) std::atomic<int> turn = 0;
  // Even numbers are for this thread, odd ones for the other. A core that is lost to a neighbour
  // must not hold up the one that waits for it.
  const auto await = [&](int value) {
    for (int spins = 0; turn.load(std::memory_order_acquire) != value; ++spins)
      if (spins > 10'000) std::this_thread::yield();
  };
  std::thread other([&] {
    for (int i = 0; i < batches * trips; ++i) {
      await(2 * i + 1);
      turn.store(2 * i + 2, std::memory_order_release);
    }
  });
  std::vector<double> seconds;
  for (int batch = 0; batch < batches; ++batch) {
    const Clock::time_point start = Clock::now();
    for (int i = batch * trips; i < (batch + 1) * trips; ++i) {
      turn.store(2 * i + 1, std::memory_order_release);
      await(2 * i + 2);
    }
    seconds.push_back(seconds_since(start) / trips);
  }
  other.join();
  return timing_of(seconds, trips).median_s;
}

}  // namespace duet::bench
