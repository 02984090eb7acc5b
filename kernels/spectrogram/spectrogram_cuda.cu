#include "kernels/spectrogram/spectrogram_cuda.h"

#include <map>
#include <mutex>
#include <tuple>

#include "kernels/simt/simt.h"
#if defined(__CUDACC__)
#include "kernels/cuda/device.h"
#else
#include "kernels/simt/device.h"
#endif

namespace duet {
namespace spectrogram {
namespace {

/// Of a frame: enough for a pass of radix 4 over half of 1024 samples.
constexpr int frame_threads = 128;
constexpr int decibel_threads = 256;
/// Whose two buffers take 32 KB of shared memory in f64.
constexpr std::int64_t greatest_n_fft = 2048;

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

/// A frame that a thread works on: the block's `at_once` frames have frame_threads each.
template <class T, int at_once>
struct OwnFrame {
  std::int64_t clip;
  int first, frame, thread;  ///< the block's first frame, this one, this one's own thread

  __device__ explicit OwnFrame(const Frames<T>& frames) {
    const int blocks = (frames.count + at_once - 1) / at_once;
    clip = blockIdx.x / blocks;
    first = static_cast<int>(blockIdx.x % blocks) * at_once;
    frame = first + static_cast<int>(threadIdx.x) / frame_threads;
    thread = static_cast<int>(threadIdx.x) % frame_threads;
  }
  __device__ int in_block() const { return frame - first; }
};

/// Where element i of a transform lies in its buffer. Sixteen complex floats fill the banks once;
/// each sixteen change places so that what half a warp writes in a pass is in different banks,
/// where transforms have 2 · 4ⁿ points, as for a frame of 1024 samples; with 4ⁿ points the first
/// two passes take twice as long. Pairs stay together.
__device__ __forceinline__ int place(int i) { return i ^ (i >> 4 & 3) << 1 ^ (i >> 5 & 1) << 3; }

/// The Fourier transform of the n points `from`, n a power of two, by frame_threads threads, of
/// which this is number `thread`; the others of the block do the same with theirs. `roots` are
/// those of 2n. Stockham's order: every pass takes its inputs n / radix apart and leaves transforms
/// of radix times the length in a row, from one buffer to the other, so that no final sorting is
/// needed. Returns the buffer that holds the result.
template <class T>
__device__ Complex<T>* fourier(Complex<T>* from, Complex<T>* to, int n, const Complex<T>* roots,
                               int thread) {
  int done = 1;  // length of the transforms so far
  const auto next_pass = [&](int radix) {
    __syncthreads();
    Complex<T>* const other = from;
    from = to;
    to = other;
    done *= radix;
  };
  if (__ffs(n) % 2 == 0) {  // an odd power of two
    for (int j = thread; j < n / 2; j += frame_threads) {
      const Complex<T> a = from[place(j)], b = from[place(j + n / 2)], sum = a + b,
                       difference = a - b;
      const simt::Packet<T, 4> pair = {{sum.re, sum.im, difference.re, difference.im}};
      simt::store<4>(&to[place(2 * j)].re, pair);
    }
    next_pass(2);
  }
  while (done < n) {
    const int quarter = n / 4, step = n / (2 * done);  // the angle of roots[step] is 2π / (4 done)
    for (int j = thread; j < quarter; j += frame_threads) {
      const int k = j & (done - 1);
      const Complex<T> root = roots[k * step], square = root * root;
      const Complex<T> a = from[place(j)], b = from[place(j + quarter)] * root,
                       c = from[place(j + 2 * quarter)] * square,
                       d = from[place(j + 3 * quarter)] * (square * root);
      const Complex<T> sum = a + c, difference = a - c, odd_sum = b + d, odd = b - d,
                       turned = {odd.im, -odd.re};
      const int out = 4 * (j - k) + k;
      to[place(out)] = sum + odd_sum;
      to[place(out + done)] = difference + turned;
      to[place(out + 2 * done)] = sum - odd_sum;
      to[place(out + 3 * done)] = difference - turned;
    }
    next_pass(4);
  }
  return from;
}

/// A frame under the window: store(i, value) for i < n_fft; zeros past the clip's last frame.
template <class T, int at_once, class Store>
__device__ void window_frame(const Frames<T>& frames, const OwnFrame<T, at_once>& own, const T* x,
                             Store store) {
  const T* const wave = x + own.clip * frames.samples;
  const std::int64_t start = own.frame * frames.hop_length - frames.n_fft / 2;
  const bool exists = own.frame < frames.count;
  for (int i = own.thread; i < frames.n_fft; i += frame_threads) {
    const std::int64_t at = start + i;
    const bool inside = exists && at >= 0 && at < frames.samples;
    store(i, inside ? wave[at] * frames.window[i] : T(0));
  }
}

template <class T>
__device__ __forceinline__ T power_of(const Frames<T>& frames, Complex<T> bin) {
  const T energy = bin.re * bin.re + bin.im * bin.im;
  return frames.power == 2   ? energy
         : frames.power == 1 ? std::sqrt(energy)
                             : std::pow(energy, frames.power / 2);
}

/// The block's frames, whose powers lie `pitch` apart, through the mel filters, a filter of all of
/// them a thread: y gets the energies, `loudest` the greatest.
template <class T, int at_once>
__device__ void filter_frames(const Frames<T>& frames, const OwnFrame<T, at_once>& own,
                              const T* powers, int pitch, T* y, T* loudest) {
  T top = 0;
  for (int m = static_cast<int>(threadIdx.x); m < frames.n_mels; m += at_once * frame_threads) {
    const MelSpan filter = frames.filters[m];
    simt::Packet<T, at_once> sums = {};
    for (int i = 0; i < filter.count; ++i) {
      const T weight = frames.weights[i * frames.n_mels + m];
#pragma unroll
      for (int f = 0; f < at_once; ++f) sums.at[f] += weight * powers[f * pitch + filter.first + i];
    }
    simt::store<at_once>(y + (own.clip * frames.n_mels + m) * frames.count, own.first, frames.count,
                         sums);
#pragma unroll
    for (const T sum : sums.at) top = sum > top ? sum : top;
  }
  top = simt::block_max(top);
  if (threadIdx.x == 0) loudest[blockIdx.x] = top;
}

// In one kernel with our own transform, in two with another between them.

template <class T, int at_once>
__global__ void __launch_bounds__(at_once* frame_threads)
    transform_and_filter(Frames<T> frames, const T* x, T* y, T* loudest) {
  SIMT_DYNAMIC_SHARED(Complex<T>, buffers);
  const OwnFrame<T, at_once> own(frames);
  const int half = frames.n_fft / 2;
  // A real frame is transformed as half as many complex numbers: even samples and odd ones. All
  // frames' first buffers come first.
  Complex<T>* const from = buffers + own.in_block() * half;
  Complex<T>* const to = from + at_once * half;
  window_frame(frames, own, x, [&](int i, T value) {
    reinterpret_cast<T*>(from)[2 * place(i / 2) + i % 2] = value;
  });
  __syncthreads();
  const Complex<T>* const z = fourier(from, to, half, frames.roots, own.thread);

  // X[k] = E[k] + exp(−2πi k / n) O[k], E and O the transforms of the even and of the odd samples:
  // 2 E[k] = Z[k] + conj Z[−k], 2i O[k] = Z[k] − conj Z[−k].
  T* const all_powers = reinterpret_cast<T*>(z == from ? buffers + at_once * half : buffers);
  const int pitch = 2 * half;
  T* const powers = all_powers + own.in_block() * pitch;
  for (int k = own.thread; k <= half; k += frame_threads) {
    const Complex<T> a = z[place(k & (half - 1))], b = z[place((half - k) & (half - 1))];
    const Complex<T> even = {(a.re + b.re) / 2, (a.im - b.im) / 2},
                     odd = {(a.im + b.im) / 2, (b.re - a.re) / 2};
    powers[k] = power_of(frames, even + frames.roots[k] * odd);
  }
  __syncthreads();
  filter_frames(frames, own, all_powers, pitch, y, loudest);
}

template <class T>
__global__ void __launch_bounds__(frame_threads)
    window_kernel(Frames<T> frames, const T* x, T* windowed) {
  T* const to = windowed + blockIdx.x * std::int64_t{frames.n_fft};
  window_frame(frames, OwnFrame<T, 1>(frames), x, [to](int i, T value) { to[i] = value; });
}

template <class T, int at_once>
__global__ void __launch_bounds__(at_once* frame_threads)
    filter_kernel(Frames<T> frames, const Complex<T>* spectrum, T* y, T* loudest) {
  SIMT_DYNAMIC_SHARED(T, powers);
  const OwnFrame<T, at_once> own(frames);
  const int bins = frames.n_fft / 2 + 1;
  const Complex<T>* const own_spectrum =
      spectrum + (own.clip * frames.count + own.frame) * std::int64_t{bins};
  for (int k = own.thread; k < bins; k += frame_threads)
    powers[own.in_block() * bins + k] =
        own.frame < frames.count ? power_of(frames, own_spectrum[k]) : T(0);
  __syncthreads();
  filter_frames(frames, own, powers, bins, y, loudest);
}

/// Energies to dB below the clip's greatest, of `parts`, in place; `blocks` blocks a clip of `size`
/// elements.
template <class T>
__global__ void __launch_bounds__(decibel_threads)
    decibels_kernel(int parts, std::int64_t size, unsigned blocks, T amin, T floor,
                    const T* loudest, T* y) {
  const std::int64_t clip = blockIdx.x / blocks;
  T top = amin;
  for (int i = static_cast<int>(threadIdx.x); i < parts; i += decibel_threads) {
    const T energy = loudest[clip * parts + i];
    top = energy > top ? energy : top;
  }
  top = std::log10(simt::block_max(top));
  const std::int64_t i = blockIdx.x % blocks * std::int64_t{decibel_threads} + threadIdx.x;
  if (i >= size) return;
  T& value = y[clip * size + i];
  const T level = 10 * (std::log10(value > amin ? value : amin) - top);
  value = level > floor ? level : floor;
}

/// Device memory that is kept: the process ends with it.
void* keep(const Stream& stream, const void* from, std::size_t bytes) {
#if defined(__CUDACC__)
  const DeviceApi& api = cuda_device_api;
#else
  const DeviceApi& api = simt_device_api;
#endif
  void* to = nullptr;
  const auto check = [](const char* why) {
    if (why) fail("[spectrogram] tables: {}", why);
  };
  check(api.allocate(stream.device.index, std::max<std::size_t>(bytes, 1), &to));
  check(api.copy(stream, to, from, bytes));
  return to;
}

template <class T>
const T* keep(const Stream& stream, const std::vector<T>& values) {
  return static_cast<const T*>(keep(stream, values.data(), values.size() * sizeof(T)));
}

template <class T>
struct Tables {
  const T* window;
  const Complex<T>* roots;
  const MelSpan* filters;
  const T* weights;

  Tables(const Stream& stream, const SpectrogramParams& p) {
    const std::vector<double> hann = hann_window(p.n_fft);
    window = keep(stream, std::vector<T>(hann.begin(), hann.end()));
    std::vector<Complex<T>> circle;
    for (std::int64_t k = 0; k < p.n_fft; ++k) {
      const double angle = -2 * 3.14159265358979323846 * static_cast<double>(k) / p.n_fft;
      circle.push_back({static_cast<T>(std::cos(angle)), static_cast<T>(std::sin(angle))});
    }
    roots = keep(stream, circle);
    const MelBank<T> mel(mel_filters(p.sample_rate, p.n_fft, p.n_mels, p.fmin, p.fmax));
    filters = keep(stream, mel.filters);
    int longest = 0;
    for (const MelSpan& filter : mel.filters) longest = std::max(longest, filter.count);
    std::vector<T> side_by_side(mel.filters.size() * static_cast<std::size_t>(longest));
    for (std::size_t m = 0; m < mel.filters.size(); ++m)
      for (int i = 0; i < mel.filters[m].count; ++i)
        side_by_side[i * mel.filters.size() + m] = mel.weights[mel.filters[m].offset + i];
    weights = keep(stream, side_by_side);
  }
};

/// Calls `f` with frames_a_block as a type.
template <class T, class F>
void with_frames_a_block(const SpectrogramParams& p, F&& f) {
  if (frames_a_block<T>(p) == 4)
    f(std::integral_constant<int, 4>());
  else
    f(std::integral_constant<int, 1>());
}

template <class T>
unsigned blocks_of(const SpectrogramParams& p) {
  return static_cast<unsigned>(p.batch * blocks_a_clip<T>(p));
}

}  // namespace

template <class T>
Frames<T> frames_of(const Stream& stream, const SpectrogramParams& p) {
  using Key = std::tuple<int, std::int64_t, std::int64_t, std::int64_t, double, double>;
  static std::mutex mutex;
  static auto& cache = *new std::map<Key, Tables<T>>;
  const std::scoped_lock lock(mutex);
  const Key key{stream.device.index, p.sample_rate, p.n_fft, p.n_mels, p.fmin, p.fmax};
  auto found = cache.find(key);
  if (found == cache.end()) found = cache.emplace(key, Tables<T>(stream, p)).first;
  const Tables<T>& tables = found->second;
  return {p.samples,
          p.hop_length,
          static_cast<int>(p.n_fft),
          static_cast<int>(p.n_mels),
          static_cast<int>(p.frames()),
          static_cast<T>(p.power),
          tables.window,
          tables.roots,
          tables.filters,
          tables.weights};
}

template <class T>
void window(Exec& exec, const SpectrogramParams& p, const Frames<T>& frames, const T* x,
            T* windowed) {
  simt::launch(exec.stream, window_kernel<T>, static_cast<unsigned>(p.batch * p.frames()),
               frame_threads, 0, frames, x, windowed);
}

template <class T>
void mel_energies(Exec& exec, const SpectrogramParams& p, const Frames<T>& frames,
                  const Complex<T>* spectrum, T* y, T* loudest) {
  with_frames_a_block<T>(p, [&](auto at_once) {
    simt::launch(exec.stream, filter_kernel<T, at_once>, blocks_of<T>(p), at_once * frame_threads,
                 at_once * (p.n_fft / 2 + 1) * sizeof(T), frames, spectrum, y, loudest);
  });
}

template <class T>
void decibels(Exec& exec, const SpectrogramParams& p, const T* loudest, T* y) {
  const std::int64_t size = p.n_mels * p.frames();
  const auto blocks = static_cast<unsigned>((size + decibel_threads - 1) / decibel_threads);
  simt::launch(exec.stream, decibels_kernel<T>, static_cast<unsigned>(p.batch) * blocks,
               decibel_threads, 0, static_cast<int>(blocks_a_clip<T>(p)), size, blocks,
               static_cast<T>(p.amin), static_cast<T>(-p.top_db), loudest, y);
}

#define DUET_INSTANTIATE(T)                                                                        \
  template Frames<T> frames_of(const Stream&, const SpectrogramParams&);                           \
  template void window(Exec&, const SpectrogramParams&, const Frames<T>&, const T*, T*);           \
  template void mel_energies(Exec&, const SpectrogramParams&, const Frames<T>&, const Complex<T>*, \
                             T*, T*);                                                              \
  template void decibels(Exec&, const SpectrogramParams&, const T*, T*)
DUET_INSTANTIATE(float);
DUET_INSTANTIATE(double);
#undef DUET_INSTANTIATE

namespace {

template <class T>
void forward(Exec& exec, const SpectrogramParams& p, const T* x, T* y) {
  if (p.batch == 0) return;
  const Frames<T> frames = frames_of<T>(exec.stream, p);
  T* loudest = exec.workspace.allocate_array<T>(p.batch * blocks_a_clip<T>(p));
  with_frames_a_block<T>(p, [&](auto at_once) {
    simt::launch(exec.stream, transform_and_filter<T, at_once>, blocks_of<T>(p),
                 at_once * frame_threads, at_once * p.n_fft * sizeof(Complex<T>), frames, x, y,
                 loudest);
  });
  decibels(exec, p, loudest, y);
}

}  // namespace
}  // namespace spectrogram

extern const SpectrogramRow spectrogram_cuda = {
    {SIMT_ROW("fft"), RowKind::handwritten, simt::device_type},
    [](const SpectrogramParams& p, DType dtype) {
      if (p.n_fft < 2 || p.n_fft > spectrogram::greatest_n_fft || (p.n_fft & (p.n_fft - 1)) != 0)
        return Support::no(fmt::format("takes an n_fft of 2, 4, 8 … {}, not {}",
                                       spectrogram::greatest_n_fft, p.n_fft));
      if (p.batch * p.n_mels * p.frames() >= std::int64_t{1} << 31)
        return Support::no("takes results of fewer than 2^31 elements");
      return any_floating(dtype);
    },
    [](Exec& exec, const SpectrogramParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        spectrogram::forward<T>(exec, p, x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
