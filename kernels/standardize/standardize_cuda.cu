#include "kernels/simt/simt.h"
#include "kernels/standardize/standardize.h"

namespace duet {
namespace {

constexpr int block_threads = 256, packets_per_thread = 4;

template <class T>
constexpr int block_elements = block_threads* packets_per_thread* simt::packet_width<T>;

/// y = x · a + b of a channel.
template <class T>
struct Line {
  T a, b;
};

template <class T>
__global__ void __launch_bounds__(block_threads)
    standardize(std::int64_t count, unsigned channels, const Line<T>* lines, const T* x, T* y) {
  constexpr int width = simt::packet_width<T>;
  const std::int64_t begin = blockIdx.x * std::int64_t{block_elements<T>};
  const auto first_channel = static_cast<unsigned>(begin % channels);
#pragma unroll
  for (int k = 0; k < packets_per_thread; ++k) {
    const unsigned offset = (k * block_threads + threadIdx.x) * width;
    const std::int64_t i = begin + offset;
    unsigned channel = (first_channel + offset) % channels;
    const auto apply = [&](T value) {
      const Line<T> line = lines[channel];
      channel = channel + 1 == channels ? 0 : channel + 1;
      return value * line.a + line.b;
    };
    auto packet = simt::load<width>(x, i, count);
#pragma unroll
    for (int j = 0; j < width; ++j) packet.at[j] = apply(packet.at[j]);
    simt::store<width>(y, i, count, packet);
  }
}

}  // namespace

extern const StandardizeRow standardize_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    [](const StandardizeParams& p, DType dtype) {
      // First channel plus offset in a block, in 32 bits.
      if (p.channels > 1 << 30) return Support::no("takes at most 2^30 channels");
      return any_floating(dtype);
    },
    [](Exec& exec, const StandardizeParams& p, ConstView x, std::span<const double> mean,
       std::span<const double> std, View y) {
      const std::int64_t count = p.count * p.channels;
      if (count == 0) return;
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        std::vector<Line<T>> lines;
        for (std::size_t c = 0; c < mean.size(); ++c)
          lines.push_back(
              {static_cast<T>(p.scale / std[c]), static_cast<T>((p.offset - mean[c]) / std[c])});
        const Line<T>* on_device = simt::upload(exec, lines);
        simt::launch(exec.stream, standardize<T>, simt::blocks_for(count, block_elements<T>),
                     block_threads, 0, count, static_cast<unsigned>(p.channels), on_device,
                     x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
