#include "kernels/resize/triangle.h"
#include "kernels/resize_pictures/resize_pictures.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

constexpr int block_threads = 256;

/// One thread a pixel of y, `blocks` blocks a picture. The pixels that it is made of are few, and
/// their weights cost less to work out than to fetch.
template <class T>
__global__ void __launch_bounds__(block_threads)
    resize(ResizePicturesParams p, unsigned blocks, const std::uint8_t* slots,
           const SlotPicture* pictures, T* y) {
  const unsigned n = blockIdx.x / blocks;
  const int size = static_cast<int>(p.size);
  const int at = static_cast<int>(blockIdx.x % blocks * block_threads + threadIdx.x);
  if (at >= size * size) return;
  const std::uint8_t* const slot = slots + n * p.slot_bytes();
  T* const out = y + (std::int64_t{n} * size * size + at) * 3;
  const SlotPicture picture = pictures[n];
  if (picture.h == 0) {
    for (int c = 0; c < 3; ++c) out[c] = reinterpret_cast<const float*>(slot)[at * 3 + c];
    return;
  }
  const Triangle rows(picture.h, size, at / size), columns(picture.w, size, at % size);
  T sums[3] = {};
  for (auto r = rows.begin; r < rows.end; ++r) {
    const std::uint8_t* const x = slot + r * picture.w * 3;
    T line[3] = {};
    for (auto s = columns.begin; s < columns.end; ++s) {
      const T weight = static_cast<T>(columns.weight(s));
#pragma unroll
      for (int c = 0; c < 3; ++c) line[c] += weight * x[s * 3 + c];
    }
    const T weight = static_cast<T>(rows.weight(r));
#pragma unroll
    for (int c = 0; c < 3; ++c) sums[c] += weight * line[c];
  }
  const auto all = static_cast<T>(rows.sum() * columns.sum() * 255);
#pragma unroll
  for (int c = 0; c < 3; ++c) out[c] = sums[c] / all;
}

}  // namespace

extern const ResizePicturesRow resize_pictures_cuda = {
    {SIMT_ROW("direct"), RowKind::handwritten, simt::device_type},
    [](const ResizePicturesParams& p, DType dtype) {
      if (p.size > 1 << 14) return Support::no("makes pictures of at most 2^14 pixels a side");
      return any_floating(dtype);
    },
    [](Exec& exec, const ResizePicturesParams& p, ConstView slots,
       std::span<const SlotPicture> pictures, View y) {
      if (p.n == 0) return;
      const unsigned blocks = simt::blocks_for(p.size * p.size, block_threads);
      dispatch_floating(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch(exec.stream, resize<T>, static_cast<unsigned>(p.n) * blocks, block_threads, 0,
                     p, blocks, slots.as<std::uint8_t>(), pictures.data(), y.as<T>());
      });
    },
};

}  // namespace duet
