#include "kernels/base/parallel.h"
#include "kernels/maxpool2d/maxpool2d.h"

namespace duet {
namespace {

template <class T>
bool wins(T value, T maximum) {
  return value > maximum || (value != value && maximum == maximum);
}

template <class T>
void forward(const MaxPool2dParams& p, const T* x, T* y, std::uint8_t* tap) {
  const std::int64_t channels = p.channels, out_w = p.out_w();
  parallel_chunks(p.n * p.out_h(), [&](std::int64_t row) {
    const std::int64_t n = row / p.out_h(), i = row % p.out_h();
    for (std::int64_t j = 0; j < out_w; ++j) {
      const T* top = x + ((n * p.h + 2 * i) * p.w + 2 * j) * channels;
      const T* bottom = top + p.w * channels;
      T* out = y + (row * out_w + j) * channels;
      std::uint8_t* where = tap + (row * out_w + j) * channels;
      for (std::int64_t c = 0; c < channels; ++c) {
        T best = top[c];
        std::uint8_t index = 0;
        const T candidates[3] = {top[channels + c], bottom[c], bottom[channels + c]};
        for (std::uint8_t t = 0; t < 3; ++t) {
          const bool better = wins(candidates[t], best);
          best = better ? candidates[t] : best;
          index = better ? static_cast<std::uint8_t>(t + 1) : index;
        }
        out[c] = best;
        where[c] = index;
      }
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
