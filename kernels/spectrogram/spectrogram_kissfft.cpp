#if DUET_HAVE_KISSFFT
#include <kiss_fftr.h>

#include <tuple>

#include "kernels/base/parallel.h"
#include "kernels/spectrogram/mel.h"
#include "kernels/spectrogram/spectrogram.h"

namespace duet {
namespace {

/// What frames of one kind need. A Kiss FFT plan holds scratch memory, so each thread has its own.
class Plan {
 public:
  /// The calling thread's plan; made again only when the parameters differ from the last call's.
  static Plan& of(const SpectrogramParams& p) {
    thread_local std::unique_ptr<Plan> latest;
    const Key key{p.sample_rate, p.n_fft, p.n_mels, p.fmin, p.fmax};
    if (!latest || latest->key_ != key) latest = std::make_unique<Plan>(key, p);
    return *latest;
  }

  using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t, double, double>;
  Plan(const Key& key, const SpectrogramParams& p)
      : key_(key), frame_(p.n_fft), spectrum_(p.n_fft / 2 + 1), powers_(p.n_fft / 2 + 1) {
    for (const double w : hann_window(p.n_fft)) window_.push_back(static_cast<float>(w));
    for (const MelFilter& f : mel_filters(p.sample_rate, p.n_fft, p.n_mels, p.fmin, p.fmax)) {
      filters_.push_back({f.first, std::ssize(f.weights), std::ssize(weights_)});
      for (const double w : f.weights) weights_.push_back(static_cast<float>(w));
    }
    std::size_t bytes = 0;
    kiss_fftr_alloc(static_cast<int>(p.n_fft), 0, nullptr, &bytes);
    memory_.resize(bytes / sizeof(std::max_align_t) + 1);
    fft_ = kiss_fftr_alloc(static_cast<int>(p.n_fft), 0, memory_.data(), &bytes);
    require(fft_ != nullptr, "[spectrogram] Kiss FFT makes no plan for n_fft {}", p.n_fft);
  }

  /// The mel energies of the frame around sample `centre`: column[m · stride].
  void frame(const SpectrogramParams& p, const float* clip, std::int64_t centre, float* column,
             std::int64_t stride) {
    const std::int64_t start = centre - p.n_fft / 2;
    const std::int64_t begin = std::clamp<std::int64_t>(-start, 0, p.n_fft),
                       end = std::clamp<std::int64_t>(p.samples - start, begin, p.n_fft);
    std::fill(frame_.begin(), frame_.begin() + begin, 0.0f);
    for (std::int64_t i = begin; i < end; ++i) frame_[i] = clip[start + i] * window_[i];
    std::fill(frame_.begin() + end, frame_.end(), 0.0f);
    kiss_fftr(fft_, frame_.data(), spectrum_.data());

    const std::int64_t bins = p.n_fft / 2 + 1;
    for (std::int64_t k = 0; k < bins; ++k)
      powers_[k] = spectrum_[k].r * spectrum_[k].r + spectrum_[k].i * spectrum_[k].i;
    if (p.power == 1) {
      for (float& v : powers_) v = std::sqrt(v);
    } else if (p.power != 2) {
      for (float& v : powers_) v = std::pow(v, static_cast<float>(p.power / 2));
    }
    for (const Filter& filter : filters_) {
      const float *power = powers_.data() + filter.first, *w = weights_.data() + filter.offset;
      float sum = 0;
      for (std::int64_t i = 0; i < filter.count; ++i) sum += w[i] * power[i];
      *column = sum;
      column += stride;
    }
  }

 private:
  /// Bins first … first + count - 1, with weights from `offset` on.
  struct Filter {
    std::int64_t first, count, offset;
  };

  Key key_;
  std::vector<float> window_, weights_;
  std::vector<Filter> filters_;
  std::vector<std::max_align_t> memory_;
  kiss_fftr_cfg fft_ = nullptr;
  std::vector<float> frame_;
  std::vector<kiss_fft_cpx> spectrum_;
  std::vector<float> powers_;
};

void forward(const SpectrogramParams& p, const float* x, float* y) {
  const std::int64_t frames = p.frames(), size = p.n_mels * frames;
  parallel_chunks(p.batch, [&](std::int64_t n) {
    Plan& plan = Plan::of(p);
    float* s = y + n * size;
    for (std::int64_t t = 0; t < frames; ++t)
      plan.frame(p, x + n * p.samples, t * p.hop_length, s + t, frames);
    const float amin = static_cast<float>(p.amin), floor = static_cast<float>(-p.top_db);
    const float top = std::log10(std::max(amin, *std::max_element(s, s + size)));
    for (std::int64_t i = 0; i < size; ++i)
      s[i] = std::max(10 * (std::log10(std::max(amin, s[i])) - top), floor);
  });
}

}  // namespace

extern const SpectrogramRow spectrogram_kissfft = {
    {"kissfft", RowKind::library, DeviceType::cpu},
    [](const SpectrogramParams& p, DType dtype) {
      if (p.n_fft % 2 != 0)
        return Support::no(fmt::format("takes an even n_fft only, not {}", p.n_fft));
      return only(DType::f32, dtype);
    },
    [](Exec&, const SpectrogramParams& p, ConstView x, View y) {
      forward(p, x.as<float>(), y.as<float>());
    },
};

}  // namespace duet
#endif
