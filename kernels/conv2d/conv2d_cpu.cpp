// Convolution as matrix products that gather their operands while they go (implicit GEMM).
//
// forward, backward_data: result rows are pixels, columns are output channels. A row of A is not
// stored anywhere: for each kernel tap it is the channels of one source pixel, found by its
// address. The weights are packed into panels once a call. backward_weights: result rows are output
// channels, columns are (tap, input channel), and the sum runs over the pixels, block by block,
// both operands packed.
//
// Chunks of work depend on the sizes alone: the result does not depend on the number of threads.

#include <vector>

#include "kernels/base/scratch.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/gemm/tile.h"
#include "kernels/relu/relu.h"

namespace duet {
namespace {

using gemm::divide_up;
using gemm::padded_bias;
using gemm::Place;
using gemm::round_up;
using gemm::Tile;
using gemm::tile_cols;
using gemm::tile_rows;

/// Pixels (n, a, b), a < rows, b < cols, and where each tap of each of them reads in an image of
/// height × width × channels: at (a·step_h + tap.y, b·step_w + tap.x), zero outside.
struct Window {
  struct Tap {
    std::int64_t y, x;
    std::int64_t index;  // of the kernel: r · kernel_w + s
  };
  std::int64_t n, rows, cols, step_h, step_w;
  std::int64_t height, width, channels;
  std::vector<Tap> taps;

  std::int64_t pixels() const { return n * rows * cols; }
  std::int64_t depth() const { return static_cast<std::int64_t>(taps.size()) * channels; }
};

Window output_window(const Conv2dParams& c) {
  Window w{c.n, c.out_h(), c.out_w(), c.stride_h, c.stride_w, c.h, c.w, c.in_channels, {}};
  for (std::int64_t r = 0; r < c.kernel_h; ++r)
    for (std::int64_t s = 0; s < c.kernel_w; ++s)
      w.taps.push_back({r - c.pad_h, s - c.pad_w, r * c.kernel_w + s});
  return w;
}

/// The input pixels (a·stride_h + y0, b·stride_w + x0): with a stride, each of these classes is
/// reached by taps of its own.
Window input_window(const Conv2dParams& c, std::int64_t y0, std::int64_t x0) {
  Window w{c.n,
           divide_up(c.h - y0, c.stride_h),
           divide_up(c.w - x0, c.stride_w),
           1,
           1,
           c.out_h(),
           c.out_w(),
           c.out_channels,
           {}};
  for (std::int64_t r = 0; r < c.kernel_h; ++r)
    for (std::int64_t s = 0; s < c.kernel_w; ++s) {
      const std::int64_t y = y0 + c.pad_h - r, x = x0 + c.pad_w - s;
      if (y % c.stride_h == 0 && x % c.stride_w == 0)
        w.taps.push_back({y / c.stride_h, x / c.stride_w, r * c.kernel_w + s});
    }
  return w;
}

/// Calls `f(i, n, a, b, length)` for each run of pixels in one row: pixels first + i … first + i +
/// length - 1 are (n, a, b), (n, a, b + 1) and so on, for i from 0 to count - 1.
template <class F>
void for_each_run(const Window& w, std::int64_t first, std::int64_t count, F&& f) {
  std::int64_t b = first % w.cols, a = first / w.cols % w.rows, n = first / (w.cols * w.rows);
  for (std::int64_t i = 0; i < count;) {
    const std::int64_t length = std::min(w.cols - b, count - i);
    f(i, n, a, b, length);
    i += length, b = 0;
    if (++a == w.rows) a = 0, ++n;
  }
}

/// addresses[t · count + i]: the channels that tap t of pixel first + i reads; `zeros` outside.
template <class T>
void find_sources(const Window& w, const T* image, std::int64_t first, std::int64_t count,
                  const T* zeros, const T** addresses) {
  for_each_run(w, first, count, [&](auto i, auto n, auto a, auto b, auto length) {
    const T** address = addresses + i;
    for (const Window::Tap& tap : w.taps) {
      const std::int64_t y = a * w.step_h + tap.y, x = b * w.step_w + tap.x;
      const T* row = image + (n * w.height + y) * w.width * w.channels;
      if (y < 0 || y >= w.height)
        std::fill_n(address, length, zeros);
      else
        for (std::int64_t j = 0; j < length; ++j) {
          const std::int64_t column = x + j * w.step_w;
          address[j] = column >= 0 && column < w.width ? row + column * w.channels : zeros;
        }
      address += count;
    }
  });
}

/// Lays the taps of each pixel side by side: to[i · depth + t · channels …] = the channels at
/// addresses[t · count + i].
template <class T>
void lay_out(const T* const* addresses, std::int64_t count, std::int64_t taps,
             std::int64_t channels, T* to) {
  const auto copy = [&](auto channels_known) {
    const std::int64_t n = channels_known;
    for (std::int64_t t = 0; t < taps; ++t)
      for (std::int64_t i = 0; i < count; ++i) {
        const T* from = addresses[t * count + i];
        T* row = to + (i * taps + t) * n;
        for (std::int64_t k = 0; k < n; ++k) row[k] = from[k];
      }
  };
  // Pictures have 1 or 3 channels.
  if (channels == 1)
    copy(std::integral_constant<std::int64_t, 1>{});
  else if (channels == 3)
    copy(std::integral_constant<std::int64_t, 3>{});
  else if (channels == 8)
    copy(std::integral_constant<std::int64_t, 8>{});
  else
    copy(channels);
}

/// A part of the sum over (tap, channel): channels first … first + length - 1 of one tap.
struct Segment {
  std::int64_t tap, first, length;
};

/// Cuts the sum into blocks whose panel of weights stays in the L1 cache.
std::vector<std::vector<Segment>> cut_sum(std::int64_t taps, std::int64_t channels) {
  constexpr std::int64_t block_length = 256;  // 16 KiB of weights in float
  const std::int64_t parts = divide_up(channels, block_length), part = divide_up(channels, parts);
  std::vector<std::vector<Segment>> blocks(1);
  std::int64_t length = 0;
  for (std::int64_t t = 0; t < taps; ++t)
    for (std::int64_t i = 0; i < channels; i += part) {
      const std::int64_t count = std::min(part, channels - i);
      if (length > 0 && length + count > block_length) blocks.emplace_back(), length = 0;
      blocks.back().push_back({t, i, count});
      length += count;
    }
  return blocks;
}

/// A as tile_rows addresses of rows that are contiguous in k.
template <class T>
struct RowPointers {
  const T* rows[tile_rows];
  DUET_INLINE T operator()(int row, std::int64_t k) const { return rows[row][k]; }
};

/// result(pixel, o) = bias[o] + Σ_{t, i} source(pixel, t)[i] · panels[o][t, i], rectified if
/// `relu`. `panels` holds tile_cols output channels each, `bias` is padded to whole panels, and
/// `address(n, a, b)` is where the pixel's output channels go.
template <class T, class Address>
void multiply_pixels(Exec& exec, const Window& w, const T* image, const T* panels, const T* bias,
                     bool relu, std::int64_t out_channels, Address&& address) {
  constexpr std::int64_t pixel_block = 16 * tile_rows;
  const auto taps = static_cast<std::int64_t>(w.taps.size());
  const std::int64_t depth = w.depth(), panel_count = divide_up(out_channels, tile_cols<T>);
  const std::int64_t pixel_chunks = divide_up(w.pixels(), pixel_block);
  // Few pixels: share out the output channels too.
  const std::int64_t column_chunks =
      std::clamp<std::int64_t>(16 / std::max<std::int64_t>(1, pixel_chunks), 1, panel_count);
  const std::int64_t chunk_panels = divide_up(panel_count, column_chunks);
  const std::int64_t chunks = pixel_chunks * column_chunks;
  // With few channels a tap is too short a sum: lay the taps of a pixel side by side first.
  const bool few_channels = w.channels < 16;
  const auto blocks = few_channels ? cut_sum(1, depth) : cut_sum(taps, w.channels);

  T* zeros = exec.workspace.allocate_array<T>(w.channels);
  std::fill_n(zeros, w.channels, T(0));
  ChunkScratch<const T*> sources(exec.workspace, pixel_block * std::max<std::int64_t>(taps, 1),
                                 chunks);
  ChunkScratch<T> laid_out(exec.workspace, few_channels ? pixel_block * depth : 1, chunks);

  parallel_chunks(chunks, [&](std::int64_t chunk) {
    const std::int64_t first = chunk / column_chunks * pixel_block;
    const std::int64_t count = std::min(pixel_block, w.pixels() - first);
    const std::int64_t first_panel = chunk % column_chunks * chunk_panels;
    const std::int64_t last_panel = std::min(panel_count, first_panel + chunk_panels);

    const auto source_lease = sources.take();
    const T** source = source_lease.get();
    find_sources(w, image, first, count, zeros, source);
    const auto laid_out_lease = laid_out.take();
    if (few_channels) {
      lay_out(source, count, taps, w.channels, laid_out_lease.get());
      for (std::int64_t i = 0; i < count; ++i) source[i] = laid_out_lease.get() + i * depth;
    }
    T* out[pixel_block];
    for_each_run(w, first, count, [&](auto i, auto n, auto a, auto b, auto length) {
      for (std::int64_t j = 0; j < length; ++j) out[i + j] = address(n, a, b + j);
    });

    std::int64_t k0 = 0;
    for (const std::vector<Segment>& block : blocks) {
      for (std::int64_t j = first_panel; j < last_panel; ++j) {
        const std::int64_t column = j * tile_cols<T>;
        const int cols =
            static_cast<int>(std::min<std::int64_t>(tile_cols<T>, out_channels - column));
        for (std::int64_t i = 0; i < count; i += tile_rows) {
          const int rows = static_cast<int>(std::min<std::int64_t>(tile_rows, count - i));
          T* rows_at[tile_rows];
          for (int r = 0; r < rows; ++r) rows_at[r] = out[i + r] + column;
          Place<T> place(rows_at, rows, cols);
          Tile<T> tile;
          if (k0 == 0)
            tile.fill(bias + column);
          else
            place.load_to(tile);
          const T* panel = panels + (j * depth + k0) * tile_cols<T>;
          for (const Segment& s : block) {
            RowPointers<T> a;
            for (int r = 0; r < tile_rows; ++r)
              a.rows[r] = source[s.tap * count + std::min(i + r, count - 1)] + s.first;
            tile.multiply_add(a, panel, s.length);
            panel += s.length * tile_cols<T>;
          }
          if (relu && &block == &blocks.back()) tile.apply(rectified<Vec<T>>);
          place.store_from(tile);
        }
      }
      for (const Segment& s : block) k0 += s.length;
    }
  });
}

template <class T>
void forward(Exec& exec, const Conv2dParams& c, const T* x, const T* weight, const T* bias, T* y) {
  const Window w = output_window(c);
  const std::int64_t depth = w.depth(), panel_count = divide_up(c.out_channels, tile_cols<T>);
  T* panels = exec.workspace.allocate_array<T>(panel_count * depth * tile_cols<T>);
  parallel_chunks(panel_count, [&](std::int64_t j) {
    gemm::pack_transposed(weight, depth, j * tile_cols<T>, c.out_channels, depth,
                          panels + j * depth * tile_cols<T>);
  });
  multiply_pixels(
      exec, w, x, panels, padded_bias(exec, bias, c.out_channels), c.relu, c.out_channels,
      [&](auto n, auto a, auto b) { return y + ((n * w.rows + a) * w.cols + b) * c.out_channels; });
}

template <class T>
void backward_data(Exec& exec, const Conv2dParams& c, const T* grad_y, const T* weight, T* grad_x) {
  const std::int64_t panel_count = divide_up(c.in_channels, tile_cols<T>);
  const std::int64_t weight_pitch = c.kernel_h * c.kernel_w * c.in_channels;
  T* panels = exec.workspace.allocate_array<T>(panel_count * tile_cols<T> * c.kernel_h *
                                               c.kernel_w * c.out_channels);
  const T* no_bias = padded_bias<T>(exec, nullptr, c.in_channels);
  for (std::int64_t y0 = 0; y0 < std::min(c.stride_h, c.h); ++y0)
    for (std::int64_t x0 = 0; x0 < std::min(c.stride_w, c.w); ++x0) {
      const Window w = input_window(c, y0, x0);
      parallel_chunks(panel_count, [&](std::int64_t j) {
        T* panel = panels + j * w.depth() * tile_cols<T>;
        for (const Window::Tap& tap : w.taps) {
          gemm::pack(weight + tap.index * c.in_channels, weight_pitch, j * tile_cols<T>,
                     c.in_channels, c.out_channels, panel);
          panel += c.out_channels * tile_cols<T>;
        }
      });
      multiply_pixels(exec, w, grad_y, panels, no_bias, false, c.in_channels,
                      [&](auto n, auto a, auto b) {
                        const std::int64_t y = a * c.stride_h + y0, x = b * c.stride_w + x0;
                        return grad_x + ((n * c.h + y) * c.w + x) * c.in_channels;
                      });
    }
}

/// panel[i][c] = what column `first` + c of (tap, channel) reads for pixel i; zero past the last.
template <class T>
void pack_sources(const T* const* source, std::int64_t count, std::int64_t channels,
                  std::int64_t depth, std::int64_t first, T* panel) {
  const std::int64_t last = first + tile_cols<T>;
  for (std::int64_t column = first; column < last;) {
    const std::int64_t tap = column / channels, channel = column % channels;
    const std::int64_t length =
        column < depth ? std::min(channels - channel, last - column) : last - column;
    T* to = panel + (column - first);
    if (column >= depth)
      for (std::int64_t i = 0; i < count; ++i) std::fill_n(to + i * tile_cols<T>, length, T(0));
    else if (length == tile_cols<T>)
      for (std::int64_t i = 0; i < count; ++i, to += tile_cols<T>) {
        const T* from = source[tap * count + i] + channel;
        store(to, load(from)), store(to + lanes<T>, load(from + lanes<T>));
      }
    else
      for (std::int64_t i = 0; i < count; ++i, to += tile_cols<T>) {
        const T* from = source[tap * count + i] + channel;
        for (std::int64_t k = 0; k < length; ++k) to[k] = from[k];
      }
    column += length;
  }
}

template <class T>
void backward_weights(Exec& exec, const Conv2dParams& c, const T* x, const T* grad_y,
                      T* grad_weight) {
  constexpr std::int64_t pixel_block = 128;
  const Window w = output_window(c);
  const std::int64_t depth = w.depth(), size = c.out_channels * depth;
  // Small results: the pixels are shared out, and each share adds up a result of its own. Large
  // ones: the output channels are.
  const std::int64_t share_limit = (std::int64_t{4} << 20) / (size * std::int64_t{sizeof(T)});
  const std::int64_t wanted_shares =
      std::clamp<std::int64_t>(std::min(share_limit, w.pixels() / (2 * pixel_block)), 1, 16);
  const std::int64_t share = round_up(divide_up(w.pixels(), wanted_shares), pixel_block);
  const std::int64_t shares = divide_up(w.pixels(), share);
  const std::int64_t row_parts =
      std::clamp<std::int64_t>(divide_up(16, shares), 1, divide_up(c.out_channels, 8 * tile_rows));
  const std::int64_t part_rows = round_up(divide_up(c.out_channels, row_parts), tile_rows);
  const std::int64_t chunks = shares * row_parts;

  T* zeros = exec.workspace.allocate_array<T>(w.channels);
  std::fill_n(zeros, w.channels, T(0));
  T* partial = shares > 1 ? exec.workspace.allocate_array<T>(shares * size) : grad_weight;
  ChunkScratch<const T*> sources(exec.workspace,
                                 pixel_block * static_cast<std::int64_t>(w.taps.size()), chunks);
  ChunkScratch<T> packed(exec.workspace, pixel_block * (part_rows + tile_cols<T>), chunks);

  parallel_chunks(chunks, [&](std::int64_t chunk) {
    T* result = partial + chunk / row_parts * size;
    const std::int64_t first_row = chunk % row_parts * part_rows;
    const std::int64_t last_row = std::min(c.out_channels, first_row + part_rows);
    const std::int64_t first_pixel = chunk / row_parts * share;
    const std::int64_t last_pixel = std::min(w.pixels(), first_pixel + share);
    const auto source_lease = sources.take();
    const auto packed_lease = packed.take();
    T *panel = packed_lease.get(), *rows = panel + pixel_block * tile_cols<T>;

    for (std::int64_t p = first_pixel; p < last_pixel; p += pixel_block) {
      const std::int64_t count = std::min(pixel_block, last_pixel - p);
      find_sources(w, x, p, count, zeros, source_lease.get());
      for (std::int64_t o = first_row; o < last_row; o += tile_rows)
        gemm::pack_rows(grad_y + p * c.out_channels, c.out_channels, o, c.out_channels, count,
                        rows + (o - first_row) * count);
      for (std::int64_t column = 0; column < depth; column += tile_cols<T>) {
        pack_sources(source_lease.get(), count, w.channels, depth, column, panel);
        for (std::int64_t o = first_row; o < last_row; o += tile_rows) {
          Place<T> place(result + o * depth + column, depth,
                         static_cast<int>(std::min<std::int64_t>(tile_rows, last_row - o)),
                         static_cast<int>(std::min<std::int64_t>(tile_cols<T>, depth - column)));
          // Each block's sum starts at zero and is added as a whole: less rounding error than one
          // long sum.
          Tile<T> tile, before;
          tile.clear();
          tile.multiply_add(gemm::PackedRows<T>{rows + (o - first_row) * count}, panel, count);
          if (p > first_pixel) {
            place.load_to(before);
            tile.add(before);
          }
          place.store_from(tile);
        }
      }
    }
  });
  if (shares == 1) return;
  parallel_for(size, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      T sum = partial[i];
      for (std::int64_t s = 1; s < shares; ++s) sum += partial[s * size + i];
      grad_weight[i] = sum;
    }
  });
}

}  // namespace

extern const Conv2dRow conv2d_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const Conv2dParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(exec, c, x.as<T>(), weight.as<T>(), bias ? bias.as<T>() : nullptr, y.as<T>());
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView grad_y, ConstView weight, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_data<T>(exec, c, grad_y.as<T>(), weight.as<T>(), grad_x.as<T>());
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView grad_y, View grad_weight) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_weights<T>(exec, c, x.as<T>(), grad_y.as<T>(), grad_weight.as<T>());
      });
    },
};

}  // namespace duet
