#include "kernels/maxpool2d/maxpool2d.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

// A block takes one row of y (forward) or of grad_x (backward); its threads lie along it.
constexpr int block_threads = 128;

/// Of one image, and small enough for 32 bits.
struct Extents {
  int h, w, channels, kernel, stride, out_h, out_w;
};

template <class T, int width>
__global__ void __launch_bounds__(block_threads)
    forward(Extents e, const T* x, T* y, std::uint8_t* tap) {
  const int n = blockIdx.x / e.out_h, i = blockIdx.x % e.out_h, packets = e.channels / width;
  const T* top = x + (std::int64_t{n} * e.h + i * e.stride) * e.w * e.channels;
  const std::int64_t out_row = std::int64_t{blockIdx.x} * e.out_w * e.channels;
  for (int t = threadIdx.x; t < e.out_w * packets; t += block_threads) {
    const T* window = top + std::int64_t{t / packets * e.stride} * e.channels + t % packets * width;
    auto best = simt::load<width>(window);
    simt::Packet<std::uint8_t, width> where{};
    for (int r = 0; r < e.kernel; ++r)
      for (int s = 0; s < e.kernel; ++s) {
        const auto value = simt::load<width>(window + (std::int64_t{r} * e.w + s) * e.channels);
#pragma unroll
        for (int v = 0; v < width; ++v)
          if (value.at[v] > best.at[v] ||
              (value.at[v] != value.at[v] && best.at[v] == best.at[v])) {
            best.at[v] = value.at[v];
            where.at[v] = static_cast<std::uint8_t>(r * e.kernel + s);
          }
      }
    simt::store<width>(y + out_row + t * width, best);
    simt::store<width>(tap + out_row + t * width, where);
  }
}

/// Each element of grad_x gathers from the windows that cover it, in their order.
template <class T, int width>
__global__ void __launch_bounds__(block_threads)
    backward(Extents e, const std::uint8_t* tap, const T* grad_y, T* grad_x) {
  const int n = blockIdx.x / e.h, row = blockIdx.x % e.h, packets = e.channels / width;
  const int first_i = row < e.kernel ? 0 : (row - e.kernel) / e.stride + 1;
  const int last_i = min(row / e.stride, e.out_h - 1);
  const std::int64_t in_row = std::int64_t{blockIdx.x} * e.w * e.channels;
  for (int t = threadIdx.x; t < e.w * packets; t += block_threads) {
    const int column = t / packets, channel = t % packets * width;
    const int first_j = column < e.kernel ? 0 : (column - e.kernel) / e.stride + 1;
    const int last_j = min(column / e.stride, e.out_w - 1);
    simt::Packet<Wide<T>, width> sum{};
    for (int i = first_i; i <= last_i; ++i)
      for (int j = first_j; j <= last_j; ++j) {
        const int own = (row - i * e.stride) * e.kernel + column - j * e.stride;
        const std::int64_t at =
            ((std::int64_t{n} * e.out_h + i) * e.out_w + j) * e.channels + channel;
        const auto where = simt::load<width>(tap + at);
        const auto g = simt::load<width>(grad_y + at);
#pragma unroll
        for (int v = 0; v < width; ++v)
          if (where.at[v] == own) sum.at[v] += g.at[v];
      }
    simt::store<width>(grad_x + in_row + t * width, sum);
  }
}

Extents extents(const MaxPool2dParams& p) {
  return {static_cast<int>(p.h),      static_cast<int>(p.w),      static_cast<int>(p.channels),
          static_cast<int>(p.kernel), static_cast<int>(p.stride), static_cast<int>(p.out_h()),
          static_cast<int>(p.out_w())};
}

}  // namespace

extern const MaxPool2dRow maxpool2d_cuda = {
    {SIMT_ROW("gather"), RowKind::handwritten, simt::device_type},
    [](const MaxPool2dParams& p, DType dtype) {
      if (p.kernel * p.kernel > 256) return Support::no("a tap index has 8 bits");
      if (p.h * p.w * p.channels > 0x7fffffff) return Support::no("an image has 2^31 elements");
      return any_real(dtype);
    },
    [](Exec& exec, const MaxPool2dParams& p, ConstView x, View y, View tap) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        const T* in = x.as<T>();
        T* out = y.as<T>();
        auto* where = tap.as<std::uint8_t>();
        simt::with_row_packets(
            p.channels,
            [&](auto packet_width) {
              simt::launch(exec.stream, forward<T, packet_width>,
                           simt::blocks_for(p.n * p.out_h(), 1), block_threads, 0, extents(p), in,
                           out, where);
            },
            in, out, where);
      });
    },
    [](Exec& exec, const MaxPool2dParams& p, ConstView tap, ConstView grad_y, View grad_x) {
      dispatch_real(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        const auto* where = tap.as<std::uint8_t>();
        const T* gy = grad_y.as<T>();
        T* gx = grad_x.as<T>();
        simt::with_row_packets(
            p.channels,
            [&](auto packet_width) {
              simt::launch(exec.stream, backward<T, packet_width>, simt::blocks_for(p.n * p.h, 1),
                           block_threads, 0, extents(p), where, gy, gx);
            },
            where, gy, gx);
      });
    },
};

}  // namespace duet
