#include <tuple>

#include "kernels/simt/simt.h"
#include "kernels/spectrogram/mel.h"
#include "kernels/spectrogram/spectrogram.h"

namespace duet {
namespace {

/// Enough for a pass of radix 4 over half of a frame of 1024 samples.
constexpr int frame_threads = 128;
constexpr int decibel_threads = 256;
/// Whose two buffers take 32 KB of shared memory in f64.
constexpr std::int64_t greatest_n_fft = 2048;

template <class T>
struct alignas(2 * sizeof(T)) Complex {
  T re, im;
};
template <class T>
__device__ __forceinline__ Complex<T> operator+(Complex<T> a, Complex<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
__device__ __forceinline__ Complex<T> operator-(Complex<T> a, Complex<T> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T>
__device__ __forceinline__ Complex<T> operator*(Complex<T> a, Complex<T> b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/// window[i] = sin²(π i / n), roots[i] = exp(−2πi / n · i), i < n; rounded from double.
template <class T>
__global__ void __launch_bounds__(frame_threads) tables(int n, T* window, Complex<T>* roots) {
  const int i = static_cast<int>(blockIdx.x) * frame_threads + static_cast<int>(threadIdx.x);
  if (i >= n) return;
  double sine = 0, cosine = 0;
  sincospi(static_cast<double>(i) / n, &sine, &cosine);
  window[i] = static_cast<T>(sine * sine);
  sincospi(2.0 * i / n, &sine, &cosine);
  roots[i] = {static_cast<T>(cosine), static_cast<T>(-sine)};
}

/// One mel filter: bins first … first + count - 1, with weights from `offset` on.
struct Filter {
  int first, count, offset;
};

/// What the frames of a call have in common, all in device memory.
template <class T>
struct Plan {
  std::int64_t samples, hop_length;
  int n_fft, n_mels, frames;
  T power;
  const T* window;
  const Complex<T>* roots;
  const Filter* filters;
  const T* weights;
};

/// The Fourier transform of the n points `from`, n a power of two, by the whole block; `roots` are
/// those of 2n. Stockham's order: every pass takes its inputs n / radix apart and leaves transforms
/// of radix times the length in a row, from one buffer to the other, so that no final sorting is
/// needed. Returns the buffer that holds the result.
template <class T>
__device__ Complex<T>* fourier(Complex<T>* from, Complex<T>* to, int n, const Complex<T>* roots) {
  int done = 1;  // length of the transforms so far
  const auto next_pass = [&](int radix) {
    __syncthreads();
    Complex<T>* const other = from;
    from = to;
    to = other;
    done *= radix;
  };
  if (__ffs(n) % 2 == 0) {  // an odd power of two
    for (int j = static_cast<int>(threadIdx.x); j < n / 2; j += frame_threads) {
      const Complex<T> a = from[j], b = from[j + n / 2];
      to[2 * j] = a + b;
      to[2 * j + 1] = a - b;
    }
    next_pass(2);
  }
  while (done < n) {
    const int quarter = n / 4, step = n / (2 * done);  // the angle of roots[step] is 2π / (4 done)
    for (int j = static_cast<int>(threadIdx.x); j < quarter; j += frame_threads) {
      const int k = j & (done - 1);
      const Complex<T> a = from[j], b = from[j + quarter] * roots[k * step],
                       c = from[j + 2 * quarter] * roots[2 * k * step],
                       d = from[j + 3 * quarter] * roots[3 * k * step];
      const Complex<T> sum = a + c, difference = a - c, odd_sum = b + d, odd = b - d;
      Complex<T>* const out = to + 4 * (j - k) + k;
      out[0] = sum + odd_sum;
      out[done] = {difference.re + odd.im, difference.im - odd.re};
      out[2 * done] = sum - odd_sum;
      out[3 * done] = {difference.re - odd.im, difference.im + odd.re};
    }
    next_pass(4);
  }
  return from;
}

/// One block a frame: window, transform, power, mel filters. y gets the mel energies,
/// loudest[frame] the greatest of them.
template <class T>
__global__ void __launch_bounds__(frame_threads)
    mel_energies(Plan<T> plan, const T* x, T* y, T* loudest) {
  SIMT_DYNAMIC_SHARED(Complex<T>, buffers);
  const int half = plan.n_fft / 2, thread = static_cast<int>(threadIdx.x);
  const int frame = static_cast<int>(blockIdx.x % plan.frames);
  const std::int64_t clip = blockIdx.x / plan.frames;

  // A real frame is transformed as half as many complex numbers: even samples and odd ones.
  Complex<T>* const packed = buffers;
  T* const windowed = reinterpret_cast<T*>(packed);
  const T* const wave = x + clip * plan.samples;
  const std::int64_t start = frame * plan.hop_length - half;
  for (int i = thread; i < plan.n_fft; i += frame_threads) {
    const std::int64_t at = start + i;
    windowed[i] = at >= 0 && at < plan.samples ? wave[at] * plan.window[i] : T(0);
  }
  __syncthreads();
  const Complex<T>* const z = fourier(packed, packed + half, half, plan.roots);

  // X[k] = E[k] + exp(−2πi k / n) O[k], E and O the transforms of the even and of the odd samples:
  // 2 E[k] = Z[k] + conj Z[−k], 2i O[k] = Z[k] − conj Z[−k].
  T* const powers = reinterpret_cast<T*>(z == packed ? packed + half : packed);
  for (int k = thread; k <= half; k += frame_threads) {
    const Complex<T> a = z[k & (half - 1)], b = z[(half - k) & (half - 1)];
    const Complex<T> even = {(a.re + b.re) / 2, (a.im - b.im) / 2},
                     odd = {(a.im + b.im) / 2, (b.re - a.re) / 2};
    const Complex<T> bin = even + plan.roots[k] * odd;
    const T energy = bin.re * bin.re + bin.im * bin.im;
    powers[k] = plan.power == 2   ? energy
                : plan.power == 1 ? std::sqrt(energy)
                                  : std::pow(energy, plan.power / 2);
  }
  __syncthreads();

  T top = 0;
  for (int m = thread; m < plan.n_mels; m += frame_threads) {
    const Filter filter = plan.filters[m];
    T sum = 0;
    for (int i = 0; i < filter.count; ++i)
      sum += plan.weights[filter.offset + i] * powers[filter.first + i];
    y[(clip * plan.n_mels + m) * plan.frames + frame] = sum;
    top = sum > top ? sum : top;
  }
  top = simt::block_max(top);
  if (thread == 0) loudest[blockIdx.x] = top;
}

/// Energies to dB below the clip's greatest, in place; `blocks` blocks a clip of `size` elements.
template <class T>
__global__ void __launch_bounds__(decibel_threads)
    decibels(int frames, std::int64_t size, unsigned blocks, T amin, T floor, const T* loudest,
             T* y) {
  const std::int64_t clip = blockIdx.x / blocks;
  T top = amin;
  for (int i = static_cast<int>(threadIdx.x); i < frames; i += decibel_threads) {
    const T energy = loudest[clip * frames + i];
    top = energy > top ? energy : top;
  }
  top = std::log10(simt::block_max(top));
  const std::int64_t i = blockIdx.x % blocks * std::int64_t{decibel_threads} + threadIdx.x;
  if (i >= size) return;
  T& value = y[clip * size + i];
  const T level = 10 * (std::log10(value > amin ? value : amin) - top);
  value = level > floor ? level : floor;
}

/// The mel filters in the host's memory.
template <class T>
struct FilterBank {
  std::vector<Filter> filters;
  std::vector<T> weights;

  /// The calling thread's; made again only when the parameters differ from the last call's.
  static const FilterBank& of(const SpectrogramParams& p) {
    using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t, double, double>;
    thread_local Key latest_key{};
    thread_local FilterBank latest;
    const Key key{p.sample_rate, p.n_fft, p.n_mels, p.fmin, p.fmax};
    if (latest_key != key) {
      FilterBank bank;
      for (const MelFilter& f : mel_filters(p.sample_rate, p.n_fft, p.n_mels, p.fmin, p.fmax)) {
        bank.filters.push_back({static_cast<int>(f.first), static_cast<int>(f.weights.size()),
                                static_cast<int>(bank.weights.size())});
        for (const double w : f.weights) bank.weights.push_back(static_cast<T>(w));
      }
      latest = std::move(bank);
      latest_key = key;
    }
    return latest;
  }
};

template <class T>
void forward(Exec& exec, const SpectrogramParams& p, const T* x, T* y) {
  if (p.batch == 0) return;
  const int n_fft = static_cast<int>(p.n_fft), frames = static_cast<int>(p.frames());
  T* window = exec.workspace.allocate_array<T>(n_fft);
  Complex<T>* roots = exec.workspace.allocate_array<Complex<T>>(n_fft);
  simt::launch(exec.stream, tables<T>, (n_fft + frame_threads - 1) / frame_threads, frame_threads,
               0, n_fft, window, roots);

  const FilterBank<T>& bank = FilterBank<T>::of(p);
  const Plan<T> plan{p.samples,
                     p.hop_length,
                     n_fft,
                     static_cast<int>(p.n_mels),
                     frames,
                     static_cast<T>(p.power),
                     window,
                     roots,
                     simt::upload(exec, bank.filters),
                     simt::upload(exec, bank.weights)};
  T* loudest = exec.workspace.allocate_array<T>(p.batch * frames);
  simt::launch(exec.stream, mel_energies<T>, static_cast<unsigned>(p.batch * frames), frame_threads,
               n_fft * sizeof(Complex<T>), plan, x, y, loudest);

  const std::int64_t size = p.n_mels * frames;
  const auto blocks = static_cast<unsigned>((size + decibel_threads - 1) / decibel_threads);
  simt::launch(exec.stream, decibels<T>, static_cast<unsigned>(p.batch) * blocks, decibel_threads,
               0, frames, size, blocks, static_cast<T>(p.amin), static_cast<T>(-p.top_db), loudest,
               y);
}

}  // namespace

extern const SpectrogramRow spectrogram_cuda = {
    {SIMT_ROW("fft"), RowKind::handwritten, simt::device_type},
    [](const SpectrogramParams& p, DType dtype) {
      if (p.n_fft < 2 || p.n_fft > greatest_n_fft || (p.n_fft & (p.n_fft - 1)) != 0)
        return Support::no(
            fmt::format("takes an n_fft of 2, 4, 8 … {}, not {}", greatest_n_fft, p.n_fft));
      if (p.batch * p.n_mels * p.frames() >= std::int64_t{1} << 31)
        return Support::no("takes results of fewer than 2^31 elements");
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
