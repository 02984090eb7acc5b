#include "kernels/spectrogram/spectrogram_cpu.h"

#include <map>
#include <mutex>
#include <numbers>

#include "kernels/base/parallel.h"
#include "kernels/base/scratch.h"

// Each lane of a register is another frame, so that the transform is plain vector arithmetic with
// scalar roots. A real frame is transformed as half as many complex numbers: even samples and odd
// ones.

namespace duet {
namespace {

using namespace spectrogram_parts;

/// One complex number of each of the frames, in memory its real parts before its imaginary ones.
template <class T>
struct ComplexVec {
  Vec<T> re, im;
};
template <class T>
DUET_INLINE ComplexVec<T> operator+(ComplexVec<T> a, ComplexVec<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
DUET_INLINE ComplexVec<T> operator-(ComplexVec<T> a, ComplexVec<T> b) {
  return {a.re - b.re, a.im - b.im};
}
/// By one root, at root[0] + i root[1].
template <class T>
DUET_INLINE ComplexVec<T> operator*(ComplexVec<T> a, const T* root) {
  return {a.re * root[0] - a.im * root[1], a.im * root[0] + a.re * root[1]};
}
template <class T>
DUET_INLINE ComplexVec<T> over_i(ComplexVec<T> a) {
  return {a.im, -a.re};
}

/// Elements of T that a ComplexVec takes.
template <class T>
constexpr std::int64_t pitch = 2 * lanes<T>;

template <class T>
DUET_INLINE ComplexVec<T> load_complex(const T* z) {
  return {load(z), load(z + lanes<T>)};
}
template <class T>
DUET_INLINE void store_complex(T* z, ComplexVec<T> v) {
  store(z, v.re);
  store(z + lanes<T>, v.im);
}

/// The transform of four numbers.
template <class T>
DUET_INLINE void fourier4(ComplexVec<T> (&z)[4]) {
  const ComplexVec<T> sum = z[0] + z[2], difference = z[0] - z[2], odd_sum = z[1] + z[3],
                      odd = over_i(z[1] - z[3]);
  z[0] = sum + odd_sum;
  z[1] = difference + odd;
  z[2] = sum - odd_sum;
  z[3] = difference - odd;
}

template <class T>
DUET_INLINE void fourier8(T* z) {
  constexpr T half_root = std::numbers::sqrt2_v<T> / 2;
  const T roots[4][2] = {{1, 0}, {half_root, -half_root}, {0, -1}, {-half_root, -half_root}};
  ComplexVec<T> even[4], odd[4];
  DUET_UNROLL
  for (int j = 0; j < 4; ++j) {
    const ComplexVec<T> a = load_complex(z + j * pitch<T>),
                        b = load_complex(z + (j + 4) * pitch<T>);
    even[j] = a + b;
    odd[j] = j == 0 ? a - b : j == 2 ? over_i(a - b) : (a - b) * roots[j];
  }
  fourier4(even);
  fourier4(odd);
  DUET_UNROLL
  for (int j = 0; j < 4; ++j) {
    store_complex(z + 2 * j * pitch<T>, even[j]);
    store_complex(z + (2 * j + 1) * pitch<T>, odd[j]);
  }
}

/// What `fourier` multiplies by, n a power of two: for each of its passes, from the longest on,
/// exp(−2πi j r / n), r = 1, 2, 3, for each j < n / 4.
template <class T>
std::vector<T> pass_roots(std::int64_t n) {
  std::vector<T> roots;
  for (; n >= 16; n /= 4)
    for (std::int64_t j = 0; j < n / 4; ++j)
      for (int r = 1; r <= 3; ++r) {
        const double angle = -2 * std::numbers::pi * static_cast<double>(j * r) / n;
        roots.push_back(static_cast<T>(std::cos(angle)));
        roots.push_back(static_cast<T>(std::sin(angle)));
      }
  return roots;
}

/// The Fourier transform of the n numbers z, in place, n a power of two. Each pass makes four
/// transforms of a quarter of the length, whose results are each fourth number; they are left
/// where they are made, so that number k ends up at `position(k, n)`. Each quarter is finished
/// before the next is begun: soon they fit into the fastest cache.
template <class T>
void fourier(T* z, std::int64_t n, const T* roots) {
  if (n == 8) return fourier8(z);
  if (n == 2) {
    const ComplexVec<T> a = load_complex(z), b = load_complex(z + pitch<T>);
    store_complex(z, a + b);
    store_complex(z + pitch<T>, a - b);
  }
  if (n < 4) return;
  const std::int64_t quarter = n / 4 * pitch<T>;
  if (n == 4) {
    ComplexVec<T> v[4];
    DUET_UNROLL
    for (int r = 0; r < 4; ++r) v[r] = load_complex(z + r * quarter);
    fourier4(v);
    DUET_UNROLL
    for (int r = 0; r < 4; ++r) store_complex(z + r * quarter, v[r]);
    return;
  }
  for (T *at = z, *const end = z + quarter; at < end; at += pitch<T>, roots += 6) {
    ComplexVec<T> v[4];
    DUET_UNROLL
    for (int r = 0; r < 4; ++r) v[r] = load_complex(at + r * quarter);
    fourier4(v);
    store_complex(at, v[0]);
    DUET_UNROLL
    for (int r = 1; r < 4; ++r) store_complex(at + r * quarter, v[r] * (roots + 2 * (r - 1)));
  }
  for (int r = 0; r < 4; ++r) fourier(z + r * quarter, n / 4, roots);
}

std::int64_t position(std::int64_t k, std::int64_t n) {
  return n <= 8 ? k : k % 4 * (n / 4) + position(k / 4, n / 4);
}

template <class T>
struct Tables : FrameTables<T> {
  /// Bins k and n_fft / 2 − k of the real frame come from numbers k and −k of the complex one,
  /// which lie at `first` and `second`, and exp(−2πi k / n_fft).
  struct BinPair {
    std::int64_t first, second;
    T root[2];
  };
  std::vector<T> roots;
  std::vector<BinPair> pairs;  ///< (n_fft / 4 + 1)

  explicit Tables(const SpectrogramParams& p)
      : FrameTables<T>(p), roots(pass_roots<T>(p.n_fft / 2)) {
    const std::int64_t half = p.n_fft / 2;
    // A frame has as many samples as there are lanes, or more. The halves that the pairs ask for
    // are here.
    this->window.resize(std::max<std::int64_t>(p.n_fft, lanes<T>), T(0));
    for (T& w : this->window) w /= 2;
    for (std::int64_t k = 0; k <= half / 2; ++k) {
      const double angle = -std::numbers::pi * static_cast<double>(k) / half;
      pairs.push_back({position(k, half) * pitch<T>,
                       position((half - k) % half, half) * pitch<T>,
                       {static_cast<T>(std::cos(angle)), static_cast<T>(std::sin(angle))}});
    }
  }

  /// Made once for each kind of frame, and kept.
  static const Tables& of(const SpectrogramParams& p) {
    static std::mutex mutex;
    static std::map<FrameKind, Tables> cache;
    const std::scoped_lock lock(mutex);
    return cache.try_emplace(FrameKind(p), p).first->second;
  }
};

/// Mel energies of as many frames as there are lanes, `frame` the first: y[m · stride + lane], the
/// first `count` of them. Returns the greatest.
template <class T>
T mel_energies(const SpectrogramParams& p, const Tables<T>& tables, const T* clip,
               std::int64_t frame, T* scratch, T* y) {
  const std::int64_t size = std::ssize(tables.window), half = p.n_fft / 2;
  T *const z = scratch, *const powers = z + size * lanes<T>,
           *const padded = powers + (half + 1) * lanes<T>;

  // Where the clip ends within a frame, or before it, a copy takes its place.
  const T* frames[lanes<T>];
  for (int lane = 0; lane < lanes<T>; ++lane) {
    const std::int64_t start = first_sample(p, frame + lane);
    frames[lane] = clip + start;
    if (start >= 0 && start + size <= p.samples) continue;
    copy_frame(p, clip, frame + lane, size, padded + lane * size);
    frames[lane] = padded + lane * size;
  }
  for (std::int64_t i = 0; i < size; i += lanes<T>) {
    const Vec<T> window = load(tables.window.data() + i);
    Vec<T> samples[lanes<T>];
    DUET_UNROLL
    for (int lane = 0; lane < lanes<T>; ++lane) samples[lane] = load(frames[lane] + i) * window;
    transpose<T>(samples);
    DUET_UNROLL
    for (int k = 0; k < lanes<T>; ++k) store(z + (i + k) * lanes<T>, samples[k]);
  }
  fourier(z, half, tables.roots.data());

  // X[k] = E[k] + exp(−2πi k / n) O[k], E and O the transforms of the even and of the odd samples,
  // and X[n/2 − k] the conjugate of E[k] − exp(−2πi k / n) O[k]; 2 E[k] = Z[k] + conj Z[−k],
  // 2i O[k] = Z[k] − conj Z[−k].
  const auto energy = [](ComplexVec<T> v) { return v.re * v.re + v.im * v.im; };
  T *low = powers, *high = powers + half * lanes<T>;
  for (const auto& pair : tables.pairs) {
    const ComplexVec<T> a = load_complex(z + pair.first), b = load_complex(z + pair.second);
    const ComplexVec<T> even = {a.re + b.re, a.im - b.im},
                        odd = ComplexVec<T>{a.im + b.im, b.re - a.re} * pair.root;
    store(low, energy(even + odd));
    store(high, energy(even - odd));
    low += lanes<T>;
    high -= lanes<T>;
  }
  raise_energies(p, powers, (half + 1) * lanes<T>);

  const std::int64_t stride = p.frames(), count = std::min<std::int64_t>(lanes<T>, stride - frame);
  const T* weights = tables.mel.weights.data();
  Vec<T> top{};
  for (const MelSpan& filter : tables.mel.filters) {
    const T* power = powers + filter.first * std::int64_t{lanes<T>};
    Vec<T> sum{};
    for (int i = 0; i < filter.count; ++i, power += lanes<T>) sum += *weights++ * load(power);
    top = greater<T>(top, sum);
    store(y, sum, count);
    y += stride;
  }
  T greatest = 0;
  for (std::int64_t lane = 0; lane < count; ++lane) greatest = std::max(greatest, top[lane]);
  return greatest;
}

/// Frames that a thread takes at a time, whole groups: few of their results lie in the same line of
/// a cache as another thread's.
constexpr std::int64_t frame_grain = 32;
static_assert(frame_grain % lanes<float> == 0);
/// Energies that become dB at a time.
constexpr std::int64_t decibel_grain = 1 << 12;

template <class T>
void forward(Exec& exec, const SpectrogramParams& p, const T* x, T* y) {
  const Tables<T>& tables = Tables<T>::of(p);
  const std::int64_t frames = p.frames(), size = p.n_mels * frames;
  const std::int64_t spans = (frames + frame_grain - 1) / frame_grain;
  const std::int64_t pieces = (size + decibel_grain - 1) / decibel_grain;
  T* const greatest = exec.workspace.allocate_array<T>(p.batch * spans);
  ChunkScratch<T> scratch(exec.workspace,
                          (2 * std::ssize(tables.window) + p.n_fft / 2 + 1) * lanes<T>,
                          p.batch * spans);
  parallel_chunks(p.batch * spans, [&](std::int64_t chunk) {
    const std::int64_t n = chunk / spans, begin = chunk % spans * frame_grain;
    const auto lease = scratch.take();
    T top = 0;
    for (std::int64_t t = begin; t < std::min(begin + frame_grain, frames); t += lanes<T>)
      top = std::max(top,
                     mel_energies(p, tables, x + n * p.samples, t, lease.get(), y + n * size + t));
    greatest[chunk] = top;
  });
  parallel_chunks(p.batch * pieces, [&](std::int64_t chunk) {
    const std::int64_t n = chunk / pieces, begin = chunk % pieces * decibel_grain;
    const T* const of_clip = greatest + n * spans;
    decibels(p, *std::max_element(of_clip, of_clip + spans), y + n * size + begin,
             std::min(decibel_grain, size - begin));
  });
}

}  // namespace

extern const SpectrogramRow spectrogram_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const SpectrogramParams& p, DType dtype) {
      if (p.n_fft < 2 || (p.n_fft & (p.n_fft - 1)) != 0)
        return Support::no(fmt::format("takes an n_fft that is a power of two, not {}", p.n_fft));
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
