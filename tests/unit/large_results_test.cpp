#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/base/store_past_cache.h"
#include "kernels/block_tail/block_tail.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/linear/linear.h"
#include "tests/rows_under_test.h"
#include "tests/test_rows.h"

using namespace duet;

// Results that are large enough to go past the caches, against the same made of two calls whose
// results are not: to the bit, for these are the same sums.

namespace {

/// Elements at an address that rows may store whole vectors to.
template <class T>
struct Numbers {
  explicit Numbers(std::int64_t size) : data(workspace.allocate_array<T>(size)), size(size) {}
  /// Made of small whole numbers, with `seed`.
  Numbers(std::int64_t size, std::uint32_t seed) : Numbers(size) {
    for (std::int64_t i = 0; i < size; ++i) {
      seed = seed * 1664525u + 1013904223u;
      data[i] = static_cast<T>(static_cast<std::int32_t>(seed >> 24) - 128) / T(64);
    }
  }
  bool operator==(const Numbers& other) const {
    return std::equal(data, data + size, other.data, other.data + other.size);
  }

  TestWorkspace workspace;
  T* data;
  std::int64_t size;
};

/// Calls `f(row, zero)` for every handwritten row of the CPU, and each type.
template <class Row, class F>
void for_each_cpu_row(const RowList<Row>& list, F&& f) {
  for (const Row& row : list.rows()) {
    if (row.device != DeviceType::cpu || row.kind != RowKind::handwritten) continue;
    if (!test::takes_part(row)) continue;
    INFO(std::string(row.name));
    f(row, float(0));
    f(row, double(0));
  }
}

/// Whether a result of `size` elements is past the limit, and half of it is not.
template <class T>
bool straddles(std::int64_t size) {
  const std::int64_t bytes = size * static_cast<std::int64_t>(sizeof(T));
  return bytes >= past_cache_bytes && bytes / 2 < past_cache_bytes;
}

/// Two images whose block tail's gradient is past the limit, without the statistics' own.
template <class T>
struct Tail {
  Tail(std::int64_t pool, std::int64_t w)
      : p{.n = 2,
          .h = past_cache_bytes / sizeof(T) / (2 * 128 * 128),
          .w = w,
          .channels = 128,
          .pool = pool,
          .training = false},
        in(p.x_shape().numel()),
        out(p.y_shape().numel()),
        x(in, 1),
        grad_y(out, 2),
        weight(p.channels, 3),
        bias(p.channels, 4),
        mean(p.channels, 5),
        var(p.channels) {
    std::fill_n(var.data, p.channels, T(0.5));
  }
  View vector(const Numbers<T>& v) const { return {v.data, {p.channels}, dtype_of<T>}; }

  BlockTailParams p;
  std::int64_t in, out;  // elements of x and y
  Numbers<T> x, grad_y, weight, bias, mean, var;
};

/// y, or grad_x, of all images made by so many calls.
template <class T>
Numbers<T> convolved(const Conv2dRow& row, Conv2dParams c, bool forward, const Numbers<T>& operand,
                     const Numbers<T>& w, std::int64_t pieces) {
  constexpr DType dtype = dtype_of<T>;
  const ConstView weight{w.data, c.weight_shape(), dtype};
  Numbers<T> result(c.n * c.h * c.w * (forward ? c.out_channels : c.in_channels));
  const std::int64_t from = operand.size / pieces, to = result.size / pieces;
  c.n /= pieces;
  const Shape given = forward ? c.x_shape() : c.y_shape();
  const Shape made = forward ? c.y_shape() : c.x_shape();
  for (std::int64_t i = 0; i < pieces; ++i) {
    TestWorkspace workspace;
    Exec exec{{}, workspace};
    const ConstView x{operand.data + i * from, given, dtype};
    const View y{result.data + i * to, made, dtype};
    if (forward)
      row.forward(exec, c, x, weight, {}, y);
    else
      row.backward_data(exec, c, x, weight, y);
  }
  return result;
}

}  // namespace

TEST_CASE("large results of convolutions equal smaller ones") {
  for_each_cpu_row(conv2d_rows(), [](const Conv2dRow& row, auto zero) {
    using T = decltype(zero);
    const std::int64_t h = past_cache_bytes / sizeof(T) / (2 * 128 * 128);
    for (const auto& [in, out] : {std::pair{16, 128}, {128, 16}, {144, 128}, {3, 128}}) {
      const Conv2dParams c{2, h, 128, in, out, 3, 3, 1, 1, 1, 1};
      if (!row.supports(c, dtype_of<T>)) continue;
      const Numbers<T> x(2 * h * 128 * in, 1), grad_y(2 * h * 128 * out, 2), w(out * 9 * in, 3);
      for (const bool forward : {true, false}) {
        if ((forward ? out : in) < 128) continue;
        CAPTURE(in);
        CAPTURE(out);
        CAPTURE(forward);
        CHECK(straddles<T>(2 * h * 128 * 128));
        const Numbers<T>& operand = forward ? x : grad_y;
        CHECK((convolved(row, c, forward, operand, w, 1) ==
               convolved(row, c, forward, operand, w, 2)));
      }
    }
  });
}

// What many channels' images are transformed to, 36 products for every 16 pixels of up to 160
// channels, goes past the caches from 4 MiB on.
TEST_CASE("convolutions of large transformed images equal those of smaller ones") {
  for_each_cpu_row(conv2d_rows(), [](const Conv2dRow& row, auto zero) {
    using T = decltype(zero);
    constexpr DType dtype = dtype_of<T>;
    const std::int64_t h = 192 / sizeof(T), channels = 144, size = h * 48 * channels;
    const std::int64_t transformed = 36 * (size / 16) * sizeof(T);
    CHECK(transformed * 160 / 144 < 4 << 20);
    CHECK(2 * transformed >= 4 << 20);
    const Conv2dParams c{2, h, 48, channels, channels, 3, 3, 1, 1, 1, 1};
    if (!row.supports(c, dtype)) return;
    const Numbers<T> x(2 * size, 1), grad_y(2 * size, 2), w(channels * 9 * channels, 3);
    for (const bool forward : {true, false}) {
      CAPTURE(forward);
      const Numbers<T>& operand = forward ? x : grad_y;
      CHECK(
          (convolved(row, c, forward, operand, w, 1) == convolved(row, c, forward, operand, w, 2)));
    }

    // The gradient of the weights of both images, and of each: other sums, so not to the bit.
    const auto gradient = [&](std::int64_t first, std::int64_t n) {
      Conv2dParams some = c;
      some.n = n;
      test::Array result(c.weight_shape(), dtype);
      TestWorkspace workspace;
      Exec exec{{}, workspace};
      row.backward_weights(exec, some, {x.data + first * size, some.x_shape(), dtype},
                           {grad_y.data + first * size, some.y_shape(), dtype}, result.view());
      return result;
    };
    const test::Array both = gradient(0, 2), one = gradient(0, 1), other = gradient(1, 1);
    double greatest = 0;
    for (std::int64_t i = 0; i < c.weight_shape().numel(); ++i)
      greatest = std::max(greatest, std::abs(both.at(i) - (one.at(i) + other.at(i))));
    CHECK(greatest <= row.error_factor * test::sum_tolerance(2 * h * 48, dtype, both));
  });
}

TEST_CASE("large results of block tails equal smaller ones") {
  for_each_cpu_row(block_tail_rows(), [](const BlockTailRow& row, auto zero) {
    using T = decltype(zero);
    constexpr DType dtype = dtype_of<T>;
    for (const std::int64_t pool : {1, 2})
      for (const std::int64_t w : {128, 129}) {
        const Tail<T> tail(pool, w);
        const auto run = [&](std::int64_t pieces) {
          BlockTailParams p = tail.p;
          p.n = 2 / pieces;
          Numbers<T> y(tail.out), grad_x(tail.in), grad_weight(p.channels), grad_bias(p.channels);
          for (std::int64_t i = 0; i < pieces; ++i) {
            TestWorkspace workspace;
            Exec exec{{}, workspace};
            const auto in_at = [&](T* data) {
              return View{data + i * tail.in / pieces, p.x_shape(), dtype};
            };
            const auto out_at = [&](T* data) {
              return View{data + i * tail.out / pieces, p.y_shape(), dtype};
            };
            row.forward(exec, p, in_at(tail.x.data), tail.vector(tail.weight),
                        tail.vector(tail.bias), tail.vector(tail.mean), tail.vector(tail.var), {},
                        {}, out_at(y.data));
            row.backward(exec, p, in_at(tail.x.data), out_at(tail.grad_y.data),
                         tail.vector(tail.weight), tail.vector(tail.bias), tail.vector(tail.mean),
                         tail.vector(tail.var), in_at(grad_x.data), tail.vector(grad_weight),
                         tail.vector(grad_bias));
          }
          return std::pair(std::move(y), std::move(grad_x));
        };
        CAPTURE(pool);
        CAPTURE(w);
        CHECK(straddles<T>(tail.in));
        const auto whole = run(1), pieces = run(2);
        CHECK((whole.first == pieces.first));
        CHECK((whole.second == pieces.second));
      }
  });
}

TEST_CASE("large gradients of block tails with dropout are the same past the caches and in them") {
  for_each_cpu_row(block_tail_rows(), [](const BlockTailRow& row, auto zero) {
    using T = decltype(zero);
    constexpr DType dtype = dtype_of<T>;
    for (const std::int64_t pool : {1, 2})
      for (const std::int64_t w : {128, 129}) {
        Tail<T> tail(pool, w);
        BlockTailParams& p = tail.p;
        p.dropout = 0.3f;
        p.mask = {{3, 4}};
        // Past the caches only vectors go that are aligned.
        const auto run = [&](std::int64_t shift) {
          Numbers<T> grad_x(tail.in + shift), grad_weight(p.channels), grad_bias(p.channels);
          CHECK(goes_past_cache(grad_x.data + shift, tail.in, p.channels) == (shift == 0));
          TestWorkspace workspace;
          Exec exec{{}, workspace};
          row.backward(exec, p, View{tail.x.data, p.x_shape(), dtype},
                       View{tail.grad_y.data, p.y_shape(), dtype}, tail.vector(tail.weight),
                       tail.vector(tail.bias), tail.vector(tail.mean), tail.vector(tail.var),
                       View{grad_x.data + shift, p.x_shape(), dtype}, tail.vector(grad_weight),
                       tail.vector(grad_bias));
          return std::vector<T>(grad_x.data + shift, grad_x.data + shift + tail.in);
        };
        CAPTURE(pool);
        CAPTURE(w);
        CHECK((run(0) == run(1)));
      }
  });
}

TEST_CASE("large gradients of linear weights equal smaller ones") {
  for_each_cpu_row(linear_rows(), [](const LinearRow& row, auto zero) {
    using T = decltype(zero);
    constexpr DType dtype = dtype_of<T>;
    const std::int64_t n = 5, in = 2048, out = past_cache_bytes / sizeof(T) / in;
    const Numbers<T> x(n * in, 1), grad_y(n * out, 2);
    CHECK(straddles<T>(in * out));
    Numbers<T> whole(in * out), pieces(in * out);
    {
      TestWorkspace workspace;
      Exec exec{{}, workspace};
      row.backward_weights(exec, {n, in, out}, {x.data, {n, in}, dtype},
                           {grad_y.data, {n, out}, dtype}, {whole.data, {out, in}, dtype});
    }
    for (std::int64_t half = 0; half < 2; ++half) {
      TestWorkspace workspace;
      Exec exec{{}, workspace};
      Numbers<T> some(n * out / 2);
      for (std::int64_t i = 0; i < n; ++i)
        std::copy_n(grad_y.data + i * out + half * out / 2, out / 2, some.data + i * out / 2);
      row.backward_weights(exec, {n, in, out / 2}, {x.data, {n, in}, dtype},
                           {some.data, {n, out / 2}, dtype},
                           {pieces.data + half * out / 2 * in, {out / 2, in}, dtype});
    }
    CHECK((whole == pieces));
  });
}
