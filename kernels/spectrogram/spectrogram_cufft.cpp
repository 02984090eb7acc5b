#include <cufft.h>

#include <map>
#include <mutex>
#include <tuple>

#include "kernels/cuda/device.h"
#include "kernels/spectrogram/spectrogram_cuda.h"

namespace duet {
namespace {

/// Whose powers take 64 KB of shared memory in f64 on their way to the mel filters.
constexpr std::int64_t greatest_n_fft = 16384;

void check(cufftResult result, const char* what) {
  if (result != CUFFT_SUCCESS) fail("[cufft] {}: error {}", what, static_cast<int>(result));
}

/// Real transforms of `batch` frames, in memory that each call brings along.
class Transforms {
 public:
  Transforms(DType dtype, int n_fft, int batch) {
    check(cufftCreate(&plan_), "a plan");
    check(cufftSetAutoAllocation(plan_, 0), "a plan");
    check(cufftMakePlan1d(plan_, n_fft, dtype == DType::f64 ? CUFFT_D2Z : CUFFT_R2C, batch,
                          &workspace_bytes_),
          "a plan");
  }

  template <class T>
  void run(Exec& exec, T* windowed, spectrogram::Complex<T>* spectrum) const {
    check(cufftSetStream(plan_, cuda::stream_of(exec.stream)), "setting the stream");
    check(cufftSetWorkArea(plan_, exec.workspace.allocate(workspace_bytes_)), "workspace");
    if constexpr (std::is_same_v<T, double>)
      check(cufftExecD2Z(plan_, windowed, reinterpret_cast<cufftDoubleComplex*>(spectrum)),
            "transforming");
    else
      check(cufftExecR2C(plan_, windowed, reinterpret_cast<cufftComplex*>(spectrum)),
            "transforming");
  }

 private:
  // Never destroyed: at the end of a process CUDA may be gone before its users.
  cufftHandle plan_ = 0;
  std::size_t workspace_bytes_ = 0;
};

/// A plan knows one stream and one workspace at a time: calls on the host go one by one.
template <class T>
void transform(Exec& exec, const SpectrogramParams& p, T* windowed,
               spectrogram::Complex<T>* spectrum) {
  using Key = std::tuple<int, DType, std::int64_t, std::int64_t>;
  static std::mutex mutex;
  static auto& plans = *new std::map<Key, Transforms>;
  const std::scoped_lock lock(mutex);
  const std::int64_t batch = p.batch * p.frames();
  const Key key{exec.stream.device.index, dtype_of<T>, p.n_fft, batch};
  auto found = plans.find(key);
  if (found == plans.end())
    found = plans
                .emplace(key, Transforms(dtype_of<T>, static_cast<int>(p.n_fft),
                                         static_cast<int>(batch)))
                .first;
  found->second.run(exec, windowed, spectrum);
}

template <class T>
void forward(Exec& exec, const SpectrogramParams& p, const T* x, T* y) {
  if (p.batch == 0) return;
  const std::int64_t count = p.batch * p.frames();
  const spectrogram::Frames<T> frames = spectrogram::frames_of<T>(exec.stream, p);
  T* windowed = exec.workspace.allocate_array<T>(count * p.n_fft);
  auto* spectrum =
      exec.workspace.allocate_array<spectrogram::Complex<T>>(count * (p.n_fft / 2 + 1));
  T* loudest = exec.workspace.allocate_array<T>(p.batch * spectrogram::blocks_a_clip<T>(p));
  spectrogram::window(exec, p, frames, x, windowed);
  transform(exec, p, windowed, spectrum);
  spectrogram::mel_energies(exec, p, frames, spectrum, y, loudest);
  spectrogram::decibels(exec, p, loudest, y);
}

}  // namespace

extern const SpectrogramRow spectrogram_cufft = {
    {"cufft", RowKind::library, DeviceType::cuda},
    [](const SpectrogramParams& p, DType dtype) {
      if (p.n_fft < 2 || p.n_fft > greatest_n_fft || p.n_fft % 2 != 0)
        return Support::no(
            fmt::format("takes an even n_fft of 2 … {}, not {}", greatest_n_fft, p.n_fft));
      if (p.batch * p.frames() * std::max(p.n_fft, p.n_mels) >= std::int64_t{1} << 31)
        return Support::no("takes fewer than 2^31 samples of windowed frames");
      return any_floating(dtype);
    },
    [](Exec& exec, const SpectrogramParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(exec, p, x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
