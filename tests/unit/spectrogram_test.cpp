#include "kernels/spectrogram/spectrogram.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>
#include <string>
#include <vector>

#include "engine/npy.h"
#include "kernels/base/parallel.h"
#include "kernels/base/philox.h"
#include "kernels/spectrogram/mel.h"
#include "kernels/spectrogram/spectrogram_cuda.h"
#include "tests/row_memory.h"
#include "tests/rows_under_test.h"
#include "tests/test_data.h"

using namespace duet;

namespace {

template <class T>
std::vector<T> run(const SpectrogramRow& row, const SpectrogramParams& p, const std::vector<T>& x) {
  test::compared("spectrogram", row, dtype_of<T>);
  RowMemory memory(row);
  Exec exec = memory.exec();
  T* y = memory.allocate_array<T>(p.y_shape().numel());
  row.forward(exec, p, {memory.put(x), p.x_shape(), dtype_of<T>}, {y, p.y_shape(), dtype_of<T>});
  return memory.get(y, p.y_shape().numel());
}

template <class T>
double greatest_difference(const std::vector<T>& y, const float* expected) {
  double worst = 0;
  for (std::size_t i = 0; i < y.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(y[i]) - expected[i]));
  return worst;
}

/// The clips of the fixture and, for one set of parameters, librosa's spectrograms of them.
struct Fixture {
  const char* name;
  SpectrogramParams params;
  NpyArray clips = read_npy(test::test_data("spectrogram_clips.npy"));
  NpyArray expected = read_npy(test::test_data(fmt::format("spectrogram_{}.npy", name)));

  Fixture(const char* n, SpectrogramParams p) : name(n), params(p) {
    params.batch = clips.shape[0];
    params.samples = clips.shape[1];
    check(params);
    REQUIRE(params.y_shape() == expected.shape);
  }
  template <class T>
  std::vector<T> x() const {
    return {clips.as<float>(), clips.as<float>() + clips.shape.numel()};
  }
};

std::vector<Fixture> fixtures() {
  SpectrogramParams other{};
  other.n_fft = 512;
  other.hop_length = 160;
  other.n_mels = 64;
  other.fmax = 6000;
  other.power = 1;
  other.top_db = 40;
  return {{"default", SpectrogramParams{}}, {"other", other}};
}

std::vector<float> noise(std::int64_t count) {
  const Philox philox{3, 0};
  std::vector<float> x(count);
  for (std::int64_t i = 0; i < count; ++i) x[i] = philox.uniform(i) - 0.5f;
  return x;
}

}  // namespace

// A float transform's error in one bin is about 2^-24 of the root mean square over the frame's
// bins, times √log2(n_fft). When all of a frame's energy is in one bin, that is 2^-24 √10 / √1024 =
// 6e-9 of its amplitude; the floor lies at 1e-4 of it, where 6e-9 is 5e-4 dB; four times as much is
// allowed for bins that add up badly. In f64 the fixture's own storage as float32 remains: 4e-6 dB.
// Users are promised 1e-2 and 1e-3 dB.
constexpr double f32_tolerance = 2e-3, f64_tolerance = 1e-5;

TEST_CASE("spectrogram: every row gives librosa's numbers") {
  for (const Fixture& fixture : fixtures())
    for (const SpectrogramRow& row : spectrogram_rows().rows()) {
      CAPTURE(row.name);
      CAPTURE(fixture.name);
      if (row.supports(fixture.params, DType::f32))
        CHECK(greatest_difference(run(row, fixture.params, fixture.x<float>()),
                                  fixture.expected.as<float>()) < f32_tolerance);
      if (row.supports(fixture.params, DType::f64))
        CHECK(greatest_difference(run(row, fixture.params, fixture.x<double>()),
                                  fixture.expected.as<float>()) < f64_tolerance);
    }
}

TEST_CASE("spectrogram: odd sizes, every row against the f64 reference") {
  std::vector<SpectrogramParams> cases(8);
  for (SpectrogramParams& p : cases) {
    p.batch = 2;
    p.samples = 3000;
  }
  cases[1].samples = 100;  // shorter than a window
  cases[2].samples = 1;
  cases[3].n_fft = 600;  // 8 · 3 · 5²
  cases[3].hop_length = 77;
  cases[3].fmin = 50;
  cases[4].sample_rate = 8000;
  cases[4].fmax = 4000;
  cases[4].n_mels = 40;
  cases[4].n_fft = 256;
  cases[4].hop_length = 300;  // gaps between windows
  cases[4].power = 1.5;
  cases[4].top_db = 50;
  cases[5].n_fft = 2;  // two bins, in no filter
  cases[5].hop_length = 500;
  cases[5].n_mels = 3;
  cases[6].n_fft = 4;
  cases[6].hop_length = 500;
  cases[6].n_mels = 2;
  cases[7].n_fft = 2048;
  cases[7].n_mels = 150;
  for (const SpectrogramParams& p : cases) {
    check(p);
    const std::vector<float> x = noise(p.x_shape().numel());
    const std::vector<double> expected =
        run(test::reference(spectrogram_rows()), p, std::vector<double>(x.begin(), x.end()));
    const std::vector<float> rounded(expected.begin(), expected.end());
    for (const SpectrogramRow& row : spectrogram_rows().rows()) {
      CAPTURE(row.name);
      CAPTURE(describe(p));
      if (row.supports(p, DType::f32))
        CHECK(greatest_difference(run(row, p, x), rounded.data()) < f32_tolerance);
      if (row.supports(p, DType::f64))
        CHECK(greatest_difference(run(row, p, std::vector<double>(x.begin(), x.end())),
                                  rounded.data()) < f64_tolerance);
    }
    // Each clip is measured against its own maximum and no value lies below the floor.
    for (std::int64_t n = 0; n < p.batch; ++n) {
      const auto begin = expected.begin() + n * p.n_mels * p.frames();
      CHECK(*std::max_element(begin, begin + p.n_mels * p.frames()) == 0);
      CHECK(*std::min_element(begin, begin + p.n_mels * p.frames()) >= -p.top_db);
    }
  }
}

TEST_CASE_TEMPLATE("spectrogram: the stages around another's transform, emulated", T, float,
                   double) {
  using spectrogram::Complex;
  SpectrogramParams p{2, 700};
  p.n_fft = 120;
  p.hop_length = 90;
  p.n_mels = 20;
  const std::vector<float> x = noise(p.x_shape().numel());
  RowMemory memory(RowInfo{"stages", RowKind::handwritten, DeviceType::simt});
  Exec exec = memory.exec();
  const std::int64_t frames = p.batch * p.frames(), bins = p.n_fft / 2 + 1,
                     size = p.y_shape().numel();
  const auto kind = spectrogram::frames_of<T>(exec.stream, p);
  T* const windowed = memory.allocate_array<T>(frames * p.n_fft);
  spectrogram::window(exec, p, kind, memory.put(std::vector<T>(x.begin(), x.end())), windowed);

  // The transform by its definition.
  const std::vector<T> waves = memory.get(windowed, frames * p.n_fft);
  std::vector<Complex<T>> spectrum;
  for (std::int64_t frame = 0; frame < frames; ++frame)
    for (std::int64_t k = 0; k < bins; ++k) {
      std::complex<double> sum = 0;
      for (std::int64_t i = 0; i < p.n_fft; ++i)
        sum += std::polar<double>(1, -2 * std::numbers::pi * (i * k % p.n_fft) / p.n_fft) *
               static_cast<double>(waves[frame * p.n_fft + i]);
      spectrum.push_back({static_cast<T>(sum.real()), static_cast<T>(sum.imag())});
    }

  T* const y = memory.allocate_array<T>(size);
  T* const loudest = memory.allocate_array<T>(frames);
  spectrogram::mel_energies(exec, p, kind, memory.put(spectrum), y, loudest);
  spectrogram::decibels(exec, p, loudest, y);
  const std::vector<double> expected =
      run(test::reference(spectrogram_rows()), p, std::vector<double>(x.begin(), x.end()));
  const std::vector<float> rounded(expected.begin(), expected.end());
  CHECK(greatest_difference(memory.get(y, size), rounded.data()) <
        (sizeof(T) == 4 ? f32_tolerance : f64_tolerance));
  // The tables stay where they are.
  CHECK(spectrogram::frames_of<T>(exec.stream, p).window == kind.window);
}

TEST_CASE("spectrogram: the same bits alone, in a batch and on several threads") {
  SpectrogramParams one{1, 5000}, many{6, 5000};
  const std::vector<float> x = noise(many.x_shape().numel());
  const int threads = thread_count();
  for (const SpectrogramRow& row : spectrogram_rows().rows()) {
    CAPTURE(row.name);
    set_thread_count(3);
    const std::vector<float> batch = run(row, many, x);
    set_thread_count(1);
    const std::int64_t size = one.y_shape().numel();
    for (std::int64_t n = 0; n < many.batch; ++n) {
      const std::vector<float> clip(x.begin() + n * 5000, x.begin() + (n + 1) * 5000);
      const std::vector<float> alone = run(row, one, clip);
      // cuFFT may take another kernel for another number of transforms.
      if (row.kind == RowKind::library && row.device == DeviceType::cuda)
        CHECK(greatest_difference(alone, batch.data() + n * size) < f32_tolerance);
      else
        CHECK(std::equal(alone.begin(), alone.end(), batch.begin() + n * size));
    }
  }
  set_thread_count(threads);
}

TEST_CASE("spectrogram: the cpu row takes every power of two, and says why nothing else") {
  const auto& rows = spectrogram_rows().rows();
  const SpectrogramRow& row = *std::find_if(rows.begin(), rows.end(), [](const auto& candidate) {
    return std::string(candidate.name) == "cpu";
  });
  SpectrogramParams p{1, 4000};
  p.n_mels = 20;
  for (p.n_fft = 2; p.n_fft <= 4096; p.n_fft *= 2) {
    CAPTURE(p.n_fft);
    p.hop_length = p.n_fft < 512 ? 97 : 256;
    const std::vector<float> noises = noise(p.x_shape().numel());
    const std::vector<double> x(noises.begin(), noises.end());
    const std::vector<double> expected = run(test::reference(spectrogram_rows()), p, x);
    const std::vector<float> rounded(expected.begin(), expected.end());
    CHECK(row.supports(p, DType::f32));
    CHECK(greatest_difference(run(row, p, noises), rounded.data()) < f32_tolerance);
    CHECK(greatest_difference(run(row, p, x), rounded.data()) < f64_tolerance);
  }
  p.n_fft = 1000;
  CHECK(row.supports(p, DType::f32).reason == "takes an n_fft that is a power of two, not 1000");
}

TEST_CASE("spectrogram: a clip of zeros is 0 dB everywhere, not NaN") {
  const SpectrogramParams p{1, 1000};
  for (const SpectrogramRow& row : spectrogram_rows().rows()) {
    CAPTURE(row.name);
    for (const float v : run(row, p, std::vector<float>(1000, 0.0f))) CHECK(v == 0.0f);
  }
}

TEST_CASE("spectrogram: mel filters") {
  CHECK(hz_to_mel(1000) == doctest::Approx(15));
  CHECK(hz_to_mel(6400) == doctest::Approx(42));
  for (const double hz : {0.0, 60.0, 999.0, 1001.0, 8000.0})
    CHECK(mel_to_hz(hz_to_mel(hz)) == doctest::Approx(hz));
  // Unit area: the sum over bins times a bin's width tends to 1 as bins become narrow. A triangle
  // sampled at steps of h is off by at most (h / half width)², here (16000 / 2^16 / 33)².
  for (const MelFilter& f : mel_filters(16000, 1 << 16, 40, 0, 8000)) {
    double area = 0;
    for (const double w : f.weights) area += w * 16000 / (1 << 16);
    CHECK(area == doctest::Approx(1).epsilon(1e-4));
  }
}

TEST_CASE("spectrogram: impossible parameters are usage errors that name the parameter") {
  const auto message = [](auto&& change) {
    SpectrogramParams p{1, 1000};
    change(p);
    try {
      check(p);
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message([](auto&) {}).empty());
  CHECK(message([](auto& p) { p.n_fft = 1023; }).find("n_fft is 1023") != std::string::npos);
  CHECK(message([](auto& p) { p.fmax = 9000; }).find("fmax is 9000") != std::string::npos);
  CHECK(message([](auto& p) { p.fmin = 8000; }).find("fmin is 8000") != std::string::npos);
  CHECK(message([](auto& p) { p.hop_length = 0; }).find("hop_length is 0") != std::string::npos);
  CHECK(message([](auto& p) { p.n_mels = 0; }).find("n_mels is 0") != std::string::npos);
}
