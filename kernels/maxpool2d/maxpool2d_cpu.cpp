#include <type_traits>

#include "kernels/base/parallel.h"
#include "kernels/base/vec.h"
#include "kernels/maxpool2d/maxpool2d.h"

namespace duet {
namespace {

template <class T>
struct Taps {
  typedef std::uint8_t type __attribute__((vector_size(lanes<T>)));
};

/// The maximum of a window, and its tap, in channel c if V is a T, or from c on in as many as a Vec
/// has lanes. `pixels[t]` is the address of the window's pixel t.
template <class V, class T>
DUET_INLINE void pool(const T* const (&pixels)[4], std::int64_t c, T* y, std::uint8_t* tap) {
  V best{}, where{};
  DUET_UNROLL
  for (int t = 0; t < 4; ++t) {
    V value;
    std::memcpy(&value, pixels[t] + c, sizeof value);
    if (t == 0) best = value;
    // Is it greater, or the first NaN?
    const auto wins = (value > best) | ((value != value) & (best == best));
    best = wins ? value : best;
    where = wins ? V{} + static_cast<T>(t) : where;
  }
  std::memcpy(y + c, &best, sizeof best);
  if constexpr (std::is_same_v<V, T>) {
    tap[c] = static_cast<std::uint8_t>(where);
  } else {
    const auto taps = __builtin_convertvector(where, typename Taps<T>::type);
    std::memcpy(tap + c, &taps, sizeof taps);
  }
}

template <class T>
void forward(const MaxPool2dParams& p, const T* x, T* y, std::uint8_t* tap) {
  const std::int64_t channels = p.channels, out_w = p.out_w();
  parallel_chunks(p.n * p.out_h(), [&](std::int64_t row) {
    const std::int64_t n = row / p.out_h(), i = row % p.out_h();
    for (std::int64_t j = 0; j < out_w; ++j) {
      const T* top = x + ((n * p.h + 2 * i) * p.w + 2 * j) * channels;
      const T* bottom = top + p.w * channels;
      const T* const pixels[4] = {top, top + channels, bottom, bottom + channels};
      const std::int64_t to = (row * out_w + j) * channels;
      std::int64_t c = 0;
      for (; c + lanes<T> <= channels; c += lanes<T>) pool<Vec<T>>(pixels, c, y + to, tap + to);
      for (; c < channels; ++c) pool<T>(pixels, c, y + to, tap + to);
    }
  });
}

template <class T>
void backward(const MaxPool2dParams& p, const std::uint8_t* tap, const T* grad_y, T* grad_x) {
  const std::int64_t channels = p.channels, out_w = p.out_w();
  parallel_chunks(p.n * p.h, [&](std::int64_t row) {
    const std::int64_t n = row / p.h, y = row % p.h, i = y / 2;
    T* out = grad_x + row * p.w * channels;
    if (i >= p.out_h()) {
      std::fill(out, out + p.w * channels, T(0));
      return;
    }
    const std::int64_t pooled = (n * p.out_h() + i) * out_w * channels;
    for (std::int64_t j = 0; j < p.w; ++j, out += channels) {
      if (j / 2 >= out_w) {
        std::fill(out, out + channels, T(0));
        continue;
      }
      const auto own = static_cast<std::uint8_t>(y % 2 * 2 + j % 2);
      const std::uint8_t* where = tap + pooled + j / 2 * channels;
      const T* gy = grad_y + pooled + j / 2 * channels;
      for (std::int64_t c = 0; c < channels; ++c) out[c] = where[c] == own ? gy[c] : T(0);
    }
  });
}

}  // namespace

extern const MaxPool2dRow maxpool2d_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const MaxPool2dParams& p, DType dtype) {
      if (p.kernel != 2 || p.stride != 2) return Support::no("takes windows of 2 x 2, stride 2");
      return any_floating(dtype);
    },
    [](Exec&, const MaxPool2dParams& p, ConstView x, View y, View tap) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(p, x.as<T>(), y.as<T>(), tap.as<std::uint8_t>());
      });
    },
    [](Exec&, const MaxPool2dParams& p, ConstView tap, ConstView grad_y, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward<T>(p, tap.as<std::uint8_t>(), grad_y.as<T>(), grad_x.as<T>());
      });
    },
};

}  // namespace duet
