#if DUET_HAVE_KISSFFT
#include <kiss_fftr.h>

#include "kernels/base/parallel.h"
#include "kernels/spectrogram/spectrogram_cpu.h"

namespace duet {
namespace {

using spectrogram_parts::FrameKind;
using spectrogram_parts::FrameTables;

/// What frames of one kind need. A Kiss FFT plan holds scratch memory, so each thread has its own.
class Plan {
 public:
  /// The calling thread's plan; made again only when the parameters differ from the last call's.
  static Plan& of(const SpectrogramParams& p) {
    thread_local std::unique_ptr<Plan> latest;
    if (!latest || latest->tables_.kind != FrameKind(p)) latest = std::make_unique<Plan>(p);
    return *latest;
  }

  explicit Plan(const SpectrogramParams& p)
      : tables_(p), frame_(p.n_fft), spectrum_(p.n_fft / 2 + 1), powers_(p.n_fft / 2 + 1) {
    std::size_t bytes = 0;
    kiss_fftr_alloc(static_cast<int>(p.n_fft), 0, nullptr, &bytes);
    memory_.resize(bytes / sizeof(std::max_align_t) + 1);
    fft_ = kiss_fftr_alloc(static_cast<int>(p.n_fft), 0, memory_.data(), &bytes);
    require(fft_ != nullptr, "[spectrogram] Kiss FFT makes no plan for n_fft {}", p.n_fft);
  }

  /// The mel energies of frame t: column[m · stride]. Returns the greatest.
  float frame(const SpectrogramParams& p, const float* clip, std::int64_t t, float* column,
              std::int64_t stride) {
    spectrogram_parts::copy_frame(p, clip, t, p.n_fft, frame_.data());
    for (std::int64_t i = 0; i < p.n_fft; ++i) frame_[i] *= tables_.window[i];
    kiss_fftr(fft_, frame_.data(), spectrum_.data());

    const std::int64_t bins = p.n_fft / 2 + 1;
    for (std::int64_t k = 0; k < bins; ++k)
      powers_[k] = spectrum_[k].r * spectrum_[k].r + spectrum_[k].i * spectrum_[k].i;
    spectrogram_parts::raise_energies(p, powers_.data(), bins);
    float top = 0;
    for (const MelSpan& filter : tables_.mel.filters) {
      const float *power = powers_.data() + filter.first,
                  *w = tables_.mel.weights.data() + filter.offset;
      float sum = 0;
      for (int i = 0; i < filter.count; ++i) sum += w[i] * power[i];
      *column = sum;
      column += stride;
      top = std::max(top, sum);
    }
    return top;
  }

 private:
  FrameTables<float> tables_;
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
    float *s = y + n * size, top = 0;
    for (std::int64_t t = 0; t < frames; ++t)
      top = std::max(top, plan.frame(p, x + n * p.samples, t, s + t, frames));
    spectrogram_parts::decibels(p, top, s, size);
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
