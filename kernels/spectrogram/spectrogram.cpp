#include "kernels/spectrogram/spectrogram.h"

namespace duet {

extern const SpectrogramRow spectrogram_cuda;
#if DUET_HAVE_CUFFT
extern const SpectrogramRow spectrogram_cufft;
#endif
#if !DUET_CUDA_PLUGIN
extern const SpectrogramRow spectrogram_cpu;
#if DUET_HAVE_KISSFFT
extern const SpectrogramRow spectrogram_kissfft;
#endif
extern const SpectrogramRow spectrogram_ref;
#endif

RowList<SpectrogramRow>& spectrogram_rows() {
  static RowList<SpectrogramRow> rows("spectrogram", {
    spectrogram_cuda,
#if DUET_HAVE_CUFFT
        spectrogram_cufft,
#endif
#if !DUET_CUDA_PLUGIN
        spectrogram_cpu,
#if DUET_HAVE_KISSFFT
        spectrogram_kissfft,
#endif
        spectrogram_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = spectrogram_rows();

std::string describe(const SpectrogramParams& p) {
  return fmt::format("({},{}) {} Hz n_fft {} hop {} mels {} {}-{} Hz power {}", p.batch, p.samples,
                     p.sample_rate, p.n_fft, p.hop_length, p.n_mels, p.fmin, p.fmax, p.power);
}

void check(const SpectrogramParams& p) {
  const auto demand = [](bool holds, const char* name, auto value, const char* rule) {
    if (!holds) fail<UsageError>("[spectrogram] {} is {}, it must be {}", name, value, rule);
  };
  demand(p.batch >= 0, "batch", p.batch, "at least 0");
  demand(p.samples >= 1, "samples", p.samples, "at least 1");
  demand(p.sample_rate >= 1, "sample_rate", p.sample_rate, "at least 1 Hz");
  demand(p.n_fft >= 2 && p.n_fft % 2 == 0, "n_fft", p.n_fft, "even and at least 2");
  demand(p.hop_length >= 1, "hop_length", p.hop_length, "at least 1");
  demand(p.n_mels >= 1, "n_mels", p.n_mels, "at least 1");
  demand(p.fmin >= 0 && p.fmin < p.fmax, "fmin", p.fmin, "at least 0 and below fmax");
  demand(p.fmax <= p.sample_rate / 2.0, "fmax", p.fmax, "at most half the sample rate");
  demand(p.power > 0, "power", p.power, "positive");
  demand(p.top_db > 0, "top_db", p.top_db, "positive");
  demand(p.amin > 0, "amin", p.amin, "positive");
}

}  // namespace duet
