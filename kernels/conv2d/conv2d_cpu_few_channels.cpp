// Convolution of pictures, which have one to four channels, as matrix products whose operands lie
// in the picture itself: what a row of the kernel reads for a pixel, kernel_w · in_channels
// numbers, is contiguous there, and that for the next pixel begins in_channels numbers further on.
// So nothing is gathered but the picture's rows with their borders of zeros.
//
// Chunks of work depend on the sizes alone: the result does not depend on the number of threads.

#include <vector>

#include "kernels/base/scratch.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/gemm/tile.h"
#include "kernels/relu/relu.h"

namespace duet {

extern const Conv2dRow conv2d_cpu;

namespace {

using gemm::divide_up;
using gemm::round_up;
using gemm::Tile;
using gemm::tile_cols;
using gemm::tile_rows;

/// Rows of results whose sources stay in the L1 cache together.
constexpr std::int64_t band_rows = 16;

/// From what one result reads to what the next in its row does.
std::int64_t step_of(const Conv2dParams& c) { return c.stride_w * c.in_channels; }

/// Rows first … first + count - 1 of the results of one picture.
struct Band {
  std::int64_t n, first, count;
};
Band band_of(const Conv2dParams& c, std::int64_t i) {
  const std::int64_t bands = divide_up(c.out_h(), band_rows), first = i % bands * band_rows;
  return {i / bands, first, std::min(band_rows, c.out_h() - first)};
}
std::int64_t band_count(const Conv2dParams& c) { return c.n * divide_up(c.out_h(), band_rows); }

/// A band's rows of the picture, with zeros around it.
template <class T>
class PaddedRows {
 public:
  explicit PaddedRows(const Conv2dParams& c) : c_(c), pitch_((c.w + 2 * c.pad_w) * c.in_channels) {}

  /// Elements of the copy, with some more that a tile at the border may read.
  std::int64_t size() const {
    return ((band_rows - 1) * c_.stride_h + c_.kernel_h) * pitch_ + tile_rows * (step_of(c_) + 1) +
           c_.kernel_w * c_.in_channels;
  }
  void copy(const T* x, const Band& band, T* to) const {
    std::fill_n(to, size(), T(0));
    const std::int64_t row = c_.w * c_.in_channels, top = band.first * c_.stride_h - c_.pad_h;
    const std::int64_t rows = (band.count - 1) * c_.stride_h + c_.kernel_h;
    for (std::int64_t y = std::max<std::int64_t>(top, 0); y < std::min(top + rows, c_.h); ++y)
      std::copy_n(x + (band.n * c_.h + y) * row, row,
                  to + (y - top) * pitch_ + c_.pad_w * c_.in_channels);
  }

  /// What row r of the kernel reads for the first result of the band's row p.
  const T* at(const T* copy, std::int64_t p, std::int64_t r) const {
    return copy + (p * c_.stride_h + r) * pitch_;
  }

 private:
  Conv2dParams c_;
  std::int64_t pitch_;
};

/// The address itself, about which the compiler knows nothing any more: what a pixel reads its
/// neighbour has read, and all of that would be kept in registers that the sums need.
template <class T>
DUET_INLINE const T* unknown(const T* p) {
  asm("" : "+r"(p));
  return p;
}

/// A tile's operand in a picture: from row to row, and from one k to the next, it is so many
/// elements further on. Steps are numbers, or types that hold one.
template <class T, class RowStep, class KStep>
struct InPicture {
  const T* data;
  RowStep row_step;
  KStep k_step;
  const T* at = nullptr;
  DUET_INLINE T operator()(int row, std::int64_t k) {
    if (row == 0) at = unknown(data + k * k_step);
    return at[row * row_step];
  }
};
/// What a row of the kernel reads lies side by side.
using One = std::integral_constant<int, 1>;

/// Calls `f` with the step between pixels, as a type where pictures have the usual number of
/// channels.
template <class F>
void with_step(std::int64_t step, F&& f) {
  if (step == 1)
    f(One());
  else if (step == 3)
    f(std::integral_constant<int, 3>());
  else
    f(step);
}

template <class T, class Step>
void forward(Exec& exec, const Conv2dParams& c, Step step, const T* x, const T* weight,
             const T* bias, T* y) {
  const std::int64_t depth = c.kernel_h * c.kernel_w * c.in_channels;
  const std::int64_t length = c.kernel_w * c.in_channels, width = c.out_w();
  const std::int64_t panel_count = divide_up(c.out_channels, tile_cols<T>);
  T* panels = exec.workspace.allocate_array<T>(panel_count * depth * tile_cols<T>);
  for (std::int64_t j = 0; j < panel_count; ++j)
    gemm::pack_transposed(weight, depth, j * tile_cols<T>, c.out_channels, depth,
                          panels + j * depth * tile_cols<T>);
  const T* padded = gemm::padded_bias(exec, bias, c.out_channels);
  const PaddedRows<T> rows(c);
  const bool past_cache =
      goes_past_cache(y, c.n * c.out_h() * width * c.out_channels, c.out_channels);
  ChunkScratch<T> scratch(exec.workspace, rows.size(), band_count(c));
  parallel_chunks(band_count(c), [&](std::int64_t chunk) {
    const auto lease = scratch.take();
    const Band band = band_of(c, chunk);
    rows.copy(x, band, lease.get());
    for (std::int64_t p = 0; p < band.count; ++p) {
      T* to = y + ((band.n * c.out_h() + band.first + p) * width) * c.out_channels;
      for (std::int64_t j = 0; j < c.out_channels; j += tile_cols<T>)
        for (std::int64_t q = 0; q < width;)
          gemm::with_rows(width - q, [&](auto tile_height) {
            Tile<T, tile_height> tile;
            tile.fill(padded + j);
            for (std::int64_t r = 0; r < c.kernel_h; ++r)
              tile.multiply_add(
                  InPicture<T, Step, One>{rows.at(lease.get(), p, r) + q * step, step, {}},
                  panels + j * depth + r * length * tile_cols<T>, length);
            if (c.relu) tile.apply(rectified<Vec<T>>);
            const std::int64_t count = std::min<std::int64_t>(tile_height, width - q);
            const std::int64_t cols = std::min<std::int64_t>(tile_cols<T>, c.out_channels - j);
            T* first = to + q * c.out_channels + j;
            const auto at = [&](int row) { return first + row * c.out_channels; };
            if (count < tile_height || cols < tile_cols<T>) {
              T border[tile_height * tile_cols<T>];
              tile.store_to([&](int row) { return border + row * tile_cols<T>; });
              for (std::int64_t row = 0; row < count; ++row)
                std::copy_n(border + row * tile_cols<T>, cols, first + row * c.out_channels);
            } else if (past_cache) {
              tile.store_past_cache_to(at);
            } else {
              tile.store_to(at);
            }
            q += tile_height;
          });
    }
    if (past_cache) stores_are_done();
  });
}

template <class T, class Step>
void backward_weights(Exec& exec, const Conv2dParams& c, Step step, const T* x, const T* grad_y,
                      T* grad_weight) {
  const std::int64_t length = c.kernel_w * c.in_channels, depth = c.kernel_h * length;
  const std::int64_t width = c.out_w(), columns = round_up(c.out_channels, tile_cols<T>);
  const PaddedRows<T> rows(c);
  // The next row of the gradient is asked for in as many parts as this one is read.
  constexpr std::int64_t line = 64 / sizeof(T);
  const std::int64_t part =
      divide_up(width * c.out_channels, line * c.kernel_h * (columns / tile_cols<T>));
  // Each share of the bands adds up a result of its own, (depth, columns), a row of pixels at a
  // time.
  const std::int64_t bands = band_count(c), share = std::max<std::int64_t>(1, divide_up(bands, 32));
  const std::int64_t shares = divide_up(bands, share), size = depth * columns;
  T* partial = exec.workspace.allocate_array<T>(shares * size);
  // A row of the gradient whose channels do not fill the last tile's columns is copied to one where
  // they do.
  const std::int64_t copied = columns > c.out_channels ? width * columns : 0;
  ChunkScratch<T> scratch(exec.workspace, rows.size() + copied, shares);
  parallel_chunks(shares, [&](std::int64_t chunk) {
    const auto lease = scratch.take();
    T *copy = lease.get(), *filled = copy + rows.size(), *sums = partial + chunk * size;
    std::fill_n(sums, size, T(0));
    std::fill_n(filled, copied, T(0));
    for (std::int64_t i = chunk * share; i < std::min(bands, (chunk + 1) * share); ++i) {
      const Band band = band_of(c, i);
      rows.copy(x, band, copy);
      for (std::int64_t p = 0; p < band.count; ++p) {
        const T* grad = grad_y + ((band.n * c.out_h() + band.first + p) * width) * c.out_channels;
        const T* next = grad + width * c.out_channels;
        if (copied > 0) {
          for (std::int64_t q = 0; q < width; ++q)
            std::copy_n(grad + q * c.out_channels, c.out_channels, filled + q * columns);
          grad = filled;
        }
        for (std::int64_t j = 0; j < columns; j += tile_cols<T>)
          for (std::int64_t r = 0; r < c.kernel_h; ++r) {
            const T* ahead = next + (j / tile_cols<T> * c.kernel_h + r) * part * line;
            for (std::int64_t k = 0; k < length;)
              gemm::with_rows(length - k, [&](auto tile_height) {
                // What lies past the kernel's row is computed and not kept.
                Tile<T, tile_height> tile;
                tile.clear();
                tile.multiply_add(
                    InPicture<T, One, Step>{rows.at(copy, p, r) + k, {}, step}, grad + j, width,
                    [=](std::int64_t q) __attribute__((always_inline)) {
                      if (q < part) __builtin_prefetch(ahead + q * line, 0, 2);
                    },
                    columns);
                const std::int64_t count = std::min<std::int64_t>(tile_height, length - k);
                T found[tile_height * tile_cols<T>];
                tile.store_to([&](int row) { return found + row * tile_cols<T>; });
                for (std::int64_t row = 0; row < count; ++row) {
                  T* sum = sums + (r * length + k + row) * columns + j;
                  for (int o = 0; o < tile_cols<T>; ++o) sum[o] += found[row * tile_cols<T> + o];
                }
                k += tile_height;
              });
          }
      }
    }
  });
  for (std::int64_t o = 0; o < c.out_channels; ++o)
    for (std::int64_t k = 0; k < depth; ++k) {
      T sum = 0;
      for (std::int64_t s = 0; s < shares; ++s) sum += partial[s * size + k * columns + o];
      grad_weight[o * depth + k] = sum;
    }
}

}  // namespace

extern const Conv2dRow conv2d_cpu_few_channels = {
    {"cpu.few_channels", RowKind::handwritten, DeviceType::cpu},
    [](const Conv2dParams& c, DType dtype) {
      if (c.in_channels < 1 || c.in_channels > 4 || c.out_channels < 1)
        return Support::no("takes pictures of one to four channels, and makes one or more");
      return any_floating(dtype);
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        with_step(step_of(c), [&](auto step) {
          forward<T>(exec, c, step, x.as<T>(), weight.as<T>(), bias ? bias.as<T>() : nullptr,
                     y.as<T>());
        });
      });
    },
    // Hardly anybody asks for a picture's gradient.
    [](Exec& exec, const Conv2dParams& c, ConstView grad_y, ConstView weight, View grad_x) {
      conv2d_cpu.backward_data(exec, c, grad_y, weight, grad_x);
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView grad_y, View grad_weight) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        with_step(step_of(c), [&](auto step) {
          backward_weights<T>(exec, c, step, x.as<T>(), grad_y.as<T>(), grad_weight.as<T>());
        });
      });
    },
};

}  // namespace duet
