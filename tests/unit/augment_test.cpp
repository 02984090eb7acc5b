#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "kernels/augment_image/augment_image.h"
#include "kernels/augment_wave/augment_wave.h"
#include "tests/row_memory.h"
#include "tests/rows_under_test.h"

using namespace duet;

namespace {

template <class Row, class T, class Augmentation>
std::vector<T> run(const Row& row, const typename Row::Params& p, const std::vector<T>& x,
                   const std::vector<Augmentation>& how) {
  check(p, how);
  RowMemory memory(row);
  Exec exec = memory.exec();
  T* y = memory.allocate_array<T>(std::ssize(x));
  const std::span<const Augmentation> on_device(memory.put(how), how.size());
  row.forward(exec, p, {memory.put(x), p.shape(), dtype_of<T>}, on_device,
              {y, p.shape(), dtype_of<T>});
  return memory.get(y, std::ssize(x));
}

/// Calls `f(row)` for the rows that take the call, with the row's name in the failure's message.
template <class Row, class F>
void for_each_row(const RowList<Row>& rows, const typename Row::Params& p, DType dtype, F&& f) {
  for (const Row& row : rows.rows()) {
    if (!row.supports(p, dtype)) continue;
    CAPTURE(row.name);
    test::compared(rows.op(), row, dtype);
    f(row);
  }
}

template <class T>
std::vector<T> uniform(std::int64_t count, double low, double high) {
  const Philox philox{8, 0};
  std::vector<T> x(count);
  for (std::int64_t i = 0; i < count; ++i)
    x[i] = static_cast<T>(low + (high - low) * philox.uniform(i));
  return x;
}

double root_mean_square(const std::vector<float>& x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * v;
  return std::sqrt(sum / static_cast<double>(x.size()));
}

}  // namespace

TEST_CASE("augment_wave: white noise has the moments of a normal distribution, to known bits") {
  const Philox philox{5, 9};
  constexpr int n = 1 << 16;
  double mean = 0, square = 0, fourth = 0, neighbours = 0;
  for (int i = 0; i < n; ++i) {
    const double v = white_noise(philox, i);
    mean += v / n;
    square += v * v / n;
    fourth += v * v * v * v / n;
    neighbours += v * white_noise(philox, i + 1) / n;
  }
  // Four standard errors of each estimate; the fourth moment of a sum of four uniforms is 2.7.
  CHECK(std::abs(mean) < 4 / std::sqrt(n));
  CHECK(std::abs(square - 1) < 4 * std::sqrt(1.7 / n));
  CHECK(std::abs(fourth - 2.7) < 4 * std::sqrt(30.0 / n));
  CHECK(std::abs(neighbours) < 4 / std::sqrt(n));

  // By hand from Philox's published block for seed 0, stream 0, index 0 (philox_test.cpp).
  const Philox zero{0, 0};
  const int first = 0xe8d5 + 0x6627 + 0xc58d + 0xe169, second = 0xac4c + 0xbc57 + 0xdbd8 + 0x9b00;
  CHECK(white_noise(zero, 0) == static_cast<float>(first - 131070) * (1.0f / 37837.23f));
  CHECK(white_noise(zero, 1) == static_cast<float>(second - 131070) * (1.0f / 37837.23f));
}

TEST_CASE("augment_wave: shifts fill with zeros, gain scales") {
  const AugmentWaveParams p{4, 5};
  const std::vector<float> x = {1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5};
  const std::vector<WaveAugmentation> how = {
      {.shift = 2}, {.shift = -1, .gain = 2}, {}, {.shift = 7}};
  const std::vector<float> expected = {0, 0, 1, 2, 3, 4, 6, 8, 10, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0};
  for_each_row(augment_wave_rows(), p, DType::f32,
               [&](auto& row) { CHECK(run(row, p, x, how) == expected); });
}

TEST_CASE("augment_wave: a clip is faster or slower about its middle") {
  const AugmentWaveParams p{4, 5};
  const std::vector<float> x = {1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5};
  const std::vector<WaveAugmentation> how = {
      {.speed = 0.5}, {.speed = 2}, {.shift = 1, .gain = 2, .speed = 0.5}, {.speed = 1.25}};
  const std::vector<float> expected = {2, 2.5f, 3, 3.5f, 4, 0,    1,     3, 5,     0,
                                       3, 4,    5, 6,    7, 0.5f, 1.75f, 3, 4.25f, 2.5f};
  for_each_row(augment_wave_rows(), p, DType::f32,
               [&](auto& row) { CHECK(run(row, p, x, how) == expected); });
}

TEST_CASE("augment_wave: the noise has the asked level, and its stream alone decides its shape") {
  constexpr std::int64_t samples = 1 << 15;
  const AugmentWaveParams p{3, samples, 77};
  std::vector<float> x(3 * samples);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(0.3 * std::sin(2 * std::numbers::pi * (i % samples) / 64));
  const std::vector<WaveAugmentation> how = {{.snr_db = 20, .stream = 1},
                                             {.snr_db = 20, .stream = 2},
                                             {.gain = 0.5f, .snr_db = 30, .stream = 1}};
  for_each_row(augment_wave_rows(), p, DType::f32, [&](auto& row) {
    const std::vector<float> y = run(row, p, x, how);
    std::vector<float> noise[3];
    for (int n = 0; n < 3; ++n)
      for (std::int64_t i = 0; i < samples; ++i)
        noise[n].push_back(y[n * samples + i] / how[n].gain - x[n * samples + i]);
    const double rms = 0.3 / std::numbers::sqrt2;
    // The noise's own level is known to 1 / √(2 · 32768) = 0.4 per cent; four of these.
    for (int n = 0; n < 3; ++n)
      CHECK(root_mean_square(noise[n]) ==
            doctest::Approx(rms * std::pow(10, -how[n].snr_db / 20)).epsilon(0.016));
    CHECK(noise[0] != noise[1]);
    const double ratio = std::pow(10, -10.0 / 20);
    double worst = 0;
    for (std::int64_t i = 0; i < samples; ++i)
      worst = std::max(worst, std::abs(noise[0][i] * ratio - noise[2][i]));
    CHECK(worst < 4 * 0x1p-24);  // a few roundings of values below 1
  });
}

TEST_CASE_TEMPLATE("augment_wave: every row against the f64 reference", T, float, double) {
  const AugmentWaveParams cases[] = {{3, 1001, 5}, {3, 9000, 5}, {3, 1, 5}, {0, 10, 5}};
  const std::vector<WaveAugmentation> all = {
      {100, 1.7f, 20, 4}, {-333, 0.5f, 30, 5, 1.1}, {0, 1.7f, 25, ~0ull, 0.73}};
  for (const AugmentWaveParams& p : cases) {
    CAPTURE(describe(p));
    const std::vector<WaveAugmentation> how(all.begin(), all.begin() + p.batch);
    const auto x = uniform<float>(p.shape().numel(), -1, 1);
    const std::vector<double> wide(x.begin(), x.end());
    const std::vector<double> expected = run(test::reference(augment_wave_rows()), p, wide, how);
    for_each_row(augment_wave_rows(), p, dtype_of<T>, [&](auto& row) {
      const std::vector<T> y = run(row, p, std::vector<T>(x.begin(), x.end()), how);
      double worst = 0;
      for (std::size_t i = 0; i < y.size(); ++i)
        worst = std::max(worst, std::abs(y[i] - expected[i]));
      // Values up to 1.7 · 1.4 with one rounding each of the amplitude, the two products and the
      // sum; up to 1.7 times seven units of a value between two samples, which differ by up to 2;
      // two roundings in double of a place up to `samples`, times that slope; and an energy of
      // `samples` terms in double, half of whose relative error the noise, below 0.4, takes on.
      const double unit = sizeof(T) == 4 ? 0x1p-24 : 0x1p-53;
      CHECK(worst < (4 * 2.4 + 7 * 1.7) * unit + (0.4 / 2 + 1.7 * 2 * 2) * p.samples * 0x1p-53);
    });
  }
}

TEST_CASE("augment_wave: silence stays silent") {
  const AugmentWaveParams p{1, 100, 5};
  for_each_row(augment_wave_rows(), p, DType::f32, [&](auto& row) {
    const std::vector<WaveAugmentation> how = {{.snr_db = 20, .stream = 3}};
    CHECK(run(row, p, std::vector<float>(100, 0.0f), how) == std::vector<float>(100, 0.0f));
  });
}

TEST_CASE("augment_image: flip, shift with repeated edges, brightness") {
  const AugmentImageParams p{5, 2, 3, 1};
  std::vector<float> x;
  for (int n = 0; n < 5; ++n)
    for (const float v : {0.0f, 0.125f, 0.25f, 0.5f, 0.625f, 0.75f}) x.push_back(v);
  const std::vector<ImageAugmentation> how = {{},
                                              {.flip = true},
                                              {.dx = 1, .dy = -1},
                                              {.flip = true, .dx = 1, .dy = 9},
                                              {.factor = 2, .offset = -0.25f}};
  const std::vector<float> expected = {
      0,     0.125f, 0.25f,  0.5f,  0.625f, 0.75f,   // unchanged
      0.25f, 0.125f, 0,      0.75f, 0.625f, 0.5f,    // mirrored
      0.5f,  0.5f,   0.625f, 0.5f,  0.5f,   0.625f,  // right and up
      0.25f, 0.25f,  0.125f, 0.25f, 0.25f,  0.125f,  // mirrored, then right; far below the edge
      0,     0,      0.25f,  0.75f, 1,      1,       // clamped at both ends
  };
  for_each_row(augment_image_rows(), p, DType::f32,
               [&](auto& row) { CHECK(run(row, p, x, how) == expected); });
}

TEST_CASE_TEMPLATE("augment_image: every row against the f64 reference", T, float, double) {
  const AugmentImageParams cases[] = {{4, 13, 17, 3}, {4, 1, 1, 1}, {0, 3, 3, 3}};
  constexpr std::int32_t far = std::numeric_limits<std::int32_t>::min();
  const std::vector<ImageAugmentation> all = {{true, 3, -2, 1.1f, 0.05f},
                                              {false, -20, far, 0.9f, -0.05f},
                                              {true, 0, 13, 1.0f, 0.0f},
                                              {false, 1, 1, 0.5f, 0.5f}};
  for (const AugmentImageParams& p : cases) {
    CAPTURE(describe(p));
    const std::vector<ImageAugmentation> how(all.begin(), all.begin() + p.n);
    const auto x = uniform<float>(p.shape().numel(), 0, 1);
    const std::vector<double> wide(x.begin(), x.end());
    const std::vector<double> expected = run(test::reference(augment_image_rows()), p, wide, how);
    for_each_row(augment_image_rows(), p, dtype_of<T>, [&](auto& row) {
      const std::vector<T> y = run(row, p, std::vector<T>(x.begin(), x.end()), how);
      double worst = 0;
      for (std::size_t i = 0; i < y.size(); ++i)
        worst = std::max(worst, std::abs(y[i] - expected[i]));
      // A product and a sum, values below 1.2.
      CHECK(worst <= 2 * 1.2 * (sizeof(T) == 4 ? 0x1p-24 : 0x1p-53));
    });
  }
}

TEST_CASE("augment: a count of augmentations that does not fit is an error") {
  CHECK_THROWS_AS(check(AugmentWaveParams{3, 10}, std::vector<WaveAugmentation>(2)), Error);
  CHECK_THROWS_AS(check(AugmentImageParams{3, 4, 4, 1}, std::vector<ImageAugmentation>(4)), Error);
}
