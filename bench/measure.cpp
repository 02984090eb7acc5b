#include "bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "engine/autograd.h"
#include "engine/device.h"
#include "engine/ops/linear.h"
#include "kernels/base/parallel.h"
#include "kernels/base/rows.h"

namespace duet::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Eight floats, in one register where there is AVX.
using Vector = float __attribute__((vector_size(32)));

/// FLOP/s of all cores: enough independent chains of multiply-adds to fill two pipelines of five
/// cycles.
double fma_ceiling(const std::function<Timing(const std::function<void(std::int64_t)>&)>& timed) {
  constexpr int chains = 12;
  constexpr std::int64_t steps = 1 << 16;
  const int threads = thread_count();
  std::vector<float> sink(threads);
  const Timing timing = timed([&](std::int64_t) {
    parallel_chunks(threads, [&](std::int64_t t) {
      Vector sums[chains] = {};
      Vector factor = Vector{} + 0.999f, term = Vector{} + 0.001f;
      asm volatile("" : "+m"(factor), "+m"(term));
      const Vector f = factor, a = term;
      for (std::int64_t i = 0; i < steps; ++i)
#pragma GCC unroll 12
        for (int c = 0; c < chains; ++c) sums[c] = sums[c] * f + a;
      for (const Vector& v : sums) sink[t] += v[0];
    });
  });
  asm volatile("" : : "m"(*sink.data()) : "memory");
  return 2.0 * 8 * chains * steps * threads / timing.least_s;
}

}  // namespace

Timing measure(Device device, double seconds, const std::function<void(std::int64_t i)>& call) {
  const DeviceApi& api = device_api(device.type);
  const Stream stream = device_stream(device);
  std::int64_t next = 0;
  const auto batch = [&](std::int64_t calls) {
    check_device_call("waiting", device, api.synchronize(stream));
    const Clock::time_point start = Clock::now();
    for (std::int64_t i = 0; i < calls; ++i) call(next++);
    check_device_call("waiting", device, api.synchronize(stream));
    return seconds_since(start);
  };
  const double first = batch(1);
  // A call that is itself as long as all we have is not made again to warm up.
  double each = first;
  for (int i = 0; i < 3 && first < seconds; ++i) each = std::min(each, batch(1));
  Timing timing;
  timing.calls = std::clamp<std::int64_t>(static_cast<std::int64_t>(seconds / 10 / each), 1, 1000);
  std::vector<double> times;
  for (const Clock::time_point start = Clock::now();
       times.size() < 3 || (seconds_since(start) < seconds && times.size() < 1000);)
    times.push_back(batch(timing.calls) / static_cast<double>(timing.calls));
  std::sort(times.begin(), times.end());
  timing.median_s = times[times.size() / 2];
  timing.least_s = times.front();
  timing.batches = static_cast<int>(times.size());
  return timing;
}

Ceiling measure_ceiling(Device device) {
  if (device.type == DeviceType::simt) return {0, 0, "none: the emulator's time says nothing"};
  const auto timed = [&](const std::function<void(std::int64_t)>& call) {
    return measure(device, 0.3, call);
  };
  if (device.type == DeviceType::cpu) {
    constexpr std::int64_t bytes = std::int64_t{128} << 20, piece = 1 << 20;
    std::vector<char> from(bytes, 1), to(bytes, 2);
    const Timing copy = timed([&](std::int64_t) {
      parallel_for(bytes, piece, [&](std::int64_t begin, std::int64_t end) {
        std::memcpy(to.data() + begin, from.data() + begin, end - begin);
      });
    });
    return {fma_ceiling(timed), 2.0 * bytes / copy.least_s,
            fmt::format("an FMA loop and a copy of 128 MiB on {} threads", thread_count())};
  }
  const NoGradScope no_grad;
  const Tensor from = Tensor::zeros({std::int64_t{1} << 28}, DType::f32, device);
  const Tensor to = Tensor::zeros(from.shape(), DType::f32, device);
  const Timing copy = timed([&](std::int64_t) { to.copy_from(from); });
  constexpr std::int64_t side = 8192;
  const Tensor a = Tensor::full({side, side}, 0.5, DType::f32, device), b = a.clone();
  const Timing product = timed([&](std::int64_t) { linear(a, b, {}); });
  return {2.0 * side * side * side / product.least_s,
          2.0 * static_cast<double>(from.numel()) * sizeof(float) / copy.least_s,
          fmt::format("a copy of 1 GiB and a product of side {} in f32 by row {}", side,
                      fmt::join(RowTable::find("linear").used(), ", "))};
}

}  // namespace duet::bench
