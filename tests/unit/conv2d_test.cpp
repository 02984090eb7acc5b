#include "kernels/conv2d/conv2d.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/row_memory.h"
#include "tests/rows_under_test.h"
#include "tests/test_rows.h"

using namespace duet;
using test::Array;

namespace {

// {n, h, w, in, out, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w}
const std::vector<Conv2dParams> cases = {
    {1, 5, 5, 1, 1, 3, 3, 1, 1, 1, 1},
    {2, 7, 9, 3, 8, 3, 3, 1, 1, 1, 1},
    {1, 9, 7, 8, 17, 3, 3, 1, 1, 1, 1},
    {2, 8, 8, 17, 3, 3, 3, 1, 1, 0, 0},
    {1, 6, 5, 3, 17, 3, 3, 1, 1, 2, 2},
    {2, 9, 9, 8, 8, 3, 3, 2, 2, 1, 1},
    {1, 10, 8, 3, 8, 3, 3, 2, 2, 0, 0},
    {2, 8, 11, 17, 8, 5, 3, 1, 1, 2, 1},
    {1, 11, 8, 8, 3, 5, 3, 2, 1, 0, 2},
    {2, 7, 7, 17, 17, 1, 1, 1, 1, 0, 0},
    {1, 8, 9, 8, 17, 1, 1, 2, 2, 0, 0},  // input pixels that no output reads
    {1, 5, 5, 3, 3, 5, 5, 1, 1, 0, 0},   // one output pixel
    {1, 3, 3, 64, 8, 3, 3, 1, 1, 0, 0},
    {5, 1, 1, 16, 16, 3, 3, 1, 1, 1, 1},
    {1, 4, 130, 3, 24, 3, 3, 1, 1, 1, 1},
    {3, 6, 6, 17, 300, 3, 3, 1, 1, 1, 1},
    // Pictures: more rows than a band, more bands than shares, more channels than a panel, and
    // steps of 1, 2, 3 and 4.
    {1, 37, 20, 3, 40, 3, 3, 1, 1, 1, 1},
    {2, 300, 13, 1, 9, 3, 3, 1, 1, 1, 1},
    {1, 40, 33, 2, 33, 5, 4, 2, 1, 2, 1},
    {1, 18, 21, 4, 66, 3, 7, 1, 1, 1, 3},
    {1, 23, 30, 1, 64, 2, 3, 3, 3, 0, 5},
    // For Winograd in emulated kernels, which take small calls only.
    {1, 7, 6, 16, 20, 3, 3, 1, 1, 1, 1},
    {2, 6, 9, 17, 35, 3, 3, 1, 1, 1, 1},
    // Large enough for Winograd on a CPU: whole and ragged tiles, whole and ragged groups of
    // channels,
    {1, 16, 16, 64, 64, 3, 3, 1, 1, 1, 1},
    {4, 13, 10, 32, 48, 3, 3, 1, 1, 1, 1},
    {2, 17, 11, 33, 40, 3, 3, 1, 1, 1, 1},
    {8, 12, 12, 16, 32, 3, 3, 1, 1, 1, 1},
    {1, 33, 30, 64, 17, 3, 3, 1, 1, 1, 1},
    // many channels on either side or both, which share transformed tiles,
    {1, 20, 18, 140, 36, 3, 3, 1, 1, 1, 1},
    {34, 6, 6, 40, 16, 3, 3, 1, 1, 1, 1},    // 136 tiles
    {1, 62, 66, 130, 17, 3, 3, 1, 1, 1, 1},  // 272 tiles of many channels
    {16, 6, 6, 36, 150, 3, 3, 1, 1, 1, 1},
    {3, 9, 9, 136, 132, 3, 3, 1, 1, 1, 1},
    // and more of them than are transformed at once.
    {34, 6, 6, 1030, 16, 3, 3, 1, 1, 1, 1},
};

enum Direction : std::uint8_t {
  forward,
  forward_biased,
  forward_relu,
  forward_biased_relu,
  backward_data,
  backward_weights
};
const char* const direction_names[] = {"forward",           "forward with bias",
                                       "forward with ReLU", "forward with bias and ReLU",
                                       "backward_data",     "backward_weights"};

/// For the larger tiles of the emulated kernels: ragged ones, whose depth is cut into slices.
struct LargeCase {
  Direction direction;
  Conv2dParams c;
};
const LargeCase large_cases[] = {
    // Of products on patches: tiles of 128 x 128,
    {forward_biased_relu, {1, 17, 16, 88, 136, 3, 3, 1, 1, 1, 1}},
    {backward_data, {1, 17, 16, 136, 88, 3, 3, 1, 1, 1, 1}},
    {backward_weights, {2, 26, 24, 16, 136, 3, 3, 1, 1, 1, 1}},
    // 128 x 64,
    {forward_biased_relu, {1, 32, 30, 128, 64, 3, 3, 1, 1, 1, 1}},
    {backward_data, {1, 32, 30, 64, 128, 3, 3, 1, 1, 1, 1}},
    {backward_weights, {2, 34, 33, 8, 136, 3, 3, 1, 1, 1, 1}},
    // 64 x 128,
    {forward_biased, {1, 10, 10, 256, 136, 3, 3, 1, 1, 1, 1}},
    {backward_data, {1, 10, 10, 136, 256, 3, 3, 1, 1, 1, 1}},
    {backward_weights, {2, 38, 38, 40, 64, 3, 3, 1, 1, 1, 1}},
    // and 64 x 64 of half as many threads.
    {forward_biased, {1, 12, 10, 480, 68, 3, 3, 1, 1, 1, 1}},
    {backward_data, {1, 12, 10, 68, 480, 3, 3, 1, 1, 1, 1}},
    {backward_weights, {2, 46, 46, 8, 68, 3, 3, 1, 1, 1, 1}},
    // The same for Winograd's products,
    {forward_biased_relu, {1, 48, 44, 16, 132, 3, 3, 1, 1, 1, 1}},
    {backward_data, {1, 48, 44, 132, 16, 3, 3, 1, 1, 1, 1}},
    {backward_weights, {1, 8, 7, 132, 136, 3, 3, 1, 1, 1, 1}},
    {forward_biased, {1, 48, 44, 16, 64, 3, 3, 1, 1, 1, 1}},
    {backward_data, {1, 48, 44, 64, 16, 3, 3, 1, 1, 1, 1}},
    {backward_weights, {1, 8, 7, 64, 132, 3, 3, 1, 1, 1, 1}},
    {forward_biased, {1, 32, 36, 16, 132, 3, 3, 1, 1, 1, 1}},
    {backward_data, {1, 32, 36, 132, 16, 3, 3, 1, 1, 1, 1}},
    {backward_weights, {1, 8, 7, 132, 64, 3, 3, 1, 1, 1, 1}},
    {forward_biased, {1, 32, 36, 16, 68, 3, 3, 1, 1, 1, 1}},
    {backward_data, {1, 32, 36, 68, 16, 3, 3, 1, 1, 1, 1}},
    {backward_weights, {1, 8, 7, 68, 72, 3, 3, 1, 1, 1, 1}},
    // and more tiles than it takes at once.
    {forward_biased, {1, 132, 128, 16, 16, 3, 3, 1, 1, 1, 1}},
    {backward_data, {1, 132, 128, 16, 16, 3, 3, 1, 1, 1, 1}},
    {backward_weights, {1, 132, 128, 16, 16, 3, 3, 1, 1, 1, 1}},
};

/// What the tolerance is about: a ReLU makes no error larger.
Direction without_relu(Direction direction) {
  return direction == forward_relu          ? forward
         : direction == forward_biased_relu ? forward_biased
                                            : direction;
}

struct Operands {
  /// The same numbers in every dtype that holds those of `exact_in`.
  Operands(const Conv2dParams& c, DType dtype, DType exact_in = DType::f32)
      : x(Array::random(c.x_shape(), 1).to(exact_in).to(dtype)),
        weight(Array::random(c.weight_shape(), 2).to(exact_in).to(dtype)),
        bias(Array::random({c.out_channels}, 3).to(exact_in).to(dtype)),
        grad_y(Array::random(c.y_shape(), 4).to(exact_in).to(dtype)) {}
  Array x, weight, bias, grad_y;
};

void call(const Conv2dRow& row, Direction direction, Conv2dParams c, Exec exec, ConstView x,
          ConstView weight, ConstView bias, ConstView grad_y, View out) {
  c.relu = direction == forward_relu || direction == forward_biased_relu;
  switch (direction) {
    case forward:
    case forward_relu: row.forward(exec, c, x, weight, {}, out); break;
    case forward_biased:
    case forward_biased_relu: row.forward(exec, c, x, weight, bias, out); break;
    case backward_data: row.backward_data(exec, c, grad_y, weight, out); break;
    case backward_weights: row.backward_weights(exec, c, x, grad_y, out); break;
  }
}

Array run(const Conv2dRow& row, Direction direction, const Conv2dParams& c, const Operands& in) {
  Array out(direction == backward_data      ? c.x_shape()
            : direction == backward_weights ? c.weight_shape()
                                            : c.y_shape(),
            in.x.view().dtype);
  test::compared("conv2d", row, out.view().dtype);
  RowMemory memory(row);
  const View result = memory.make(out.view());
  call(row, direction, c, memory.exec(), memory.put(in.x.view()), memory.put(in.weight.view()),
       memory.put(in.bias.view()), memory.put(in.grad_y.view()), result);
  memory.get(result, out.view());
  return out;
}

/// The answer of a row that packs its weights: bias, ReLU and perhaps a pool.
Array infer(const Conv2dRow& row, Conv2dParams c, const Operands& in, bool pool) {
  c.relu = true;
  const DType dtype = in.x.view().dtype;
  const std::int64_t window = pool ? 2 : 1;
  Array out({c.n, c.out_h() / window, c.out_w() / window, c.out_channels}, dtype);
  RowMemory memory(row);
  Exec exec = memory.exec();
  Array packed({row.inference->packed_size(c, dtype)}, dtype);
  const View kept = memory.make(packed.view()), result = memory.make(out.view());
  row.inference->pack(exec, c, memory.put(in.weight.view()), kept);
  row.inference->forward(exec, c, memory.put(in.x.view()), kept, memory.put(in.bias.view()), pool,
                         result);
  memory.get(result, out.view());
  return out;
}

/// Maxima of windows of 2 × 2 pixels, in float64.
Array pooled(const Array& y, const Conv2dParams& c) {
  const std::int64_t h = c.out_h() / 2, w = c.out_w() / 2;
  std::vector<double> maxima;
  for (std::int64_t n = 0; n < c.n; ++n)
    for (std::int64_t i = 0; i < h; ++i)
      for (std::int64_t j = 0; j < w; ++j)
        for (std::int64_t o = 0; o < c.out_channels; ++o) {
          double best = -1e300;
          for (int t = 0; t < 4; ++t)
            best =
                std::max(best, y.at(((n * c.out_h() + 2 * i + t / 2) * c.out_w() + 2 * j + t % 2) *
                                        c.out_channels +
                                    o));
          maxima.push_back(best);
        }
  Array result({c.n, h, w, c.out_channels}, DType::f64);
  std::copy(maxima.begin(), maxima.end(), static_cast<double*>(result.view().data));
  return result;
}

std::int64_t reduction_length(Direction direction, const Conv2dParams& c) {
  const std::int64_t taps = c.kernel_h * c.kernel_w;
  if (direction == backward_data) return taps * c.out_channels;
  if (direction == backward_weights) return c.n * c.out_h() * c.out_w();
  return taps * c.in_channels + 1;
}

const Conv2dRow& reference() { return test::reference(conv2d_rows()); }

/// Calls `f(row, dtype)` for every row and dtype that supports a call; for an emulated kernel,
/// which takes a hundred times longer, if the call has at most `most_emulated_flops`.
template <class F>
void for_each_row(const Conv2dParams& c, double most_emulated_flops, F&& f) {
  for (const Conv2dRow& row : conv2d_rows().rows())
    for (const DType dtype : {DType::f32, DType::f64}) {
      const bool small = row.device != DeviceType::simt || c.flops() <= most_emulated_flops;
      if (test::takes_part(row) && small && row.supports(c, dtype))
        test::try_row("conv2d", row, dtype, [&] { f(row, dtype); });
    }
}

std::string name(const Conv2dRow& row, Direction d, const Conv2dParams& c, DType dtype) {
  return fmt::format("{} {} {} {}", row.name, direction_names[d], describe(c), to_string(dtype));
}

constexpr Direction directions[] = {
    forward, forward_biased, forward_relu, forward_biased_relu, backward_data, backward_weights};

/// Holds the rows that multiply on tensor cores against the reference: in bf16, and in f32 where
/// TF32 is permitted. Operands are exact in bf16, hence in TF32, so that only sums round.
void compare_tensor_cores(Conv2dParams c, Direction d, std::map<std::string, int>& compared) {
  const Operands f64(c, DType::f64, DType::bf16);
  const Array truth = run(reference(), d, c, f64), sums = run(reference(), without_relu(d), c, f64);
  for (const DType dtype : {DType::bf16, DType::f32}) {
    const Operands in(c, dtype, DType::bf16);
    for (const Conv2dRow& row : conv2d_rows().rows()) {
      c.tf32 = false;
      // Libraries multiply on tensor cores where that is permitted, and without them otherwise.
      if (dtype == DType::f32 && row.kind != RowKind::library && row.supports(c, dtype)) continue;
      c.tf32 = true;
      if (!row.supports(c, dtype)) continue;
      ++compared[fmt::format("{} {}", row.name, to_string(dtype))];
      INFO(name(row, d, c, dtype));
      test::try_row("conv2d", row, dtype, [&] {
        const Array result = run(row, d, c, in);
        CHECK(result.distance(truth) <=
              row.error_factor * test::sum_tolerance(reduction_length(d, c), dtype, sums));
        CHECK((result == run(row, d, c, in)));
      });
    }
  }
}

}  // namespace

TEST_CASE("conv2d: every row agrees with the reference in float64") {
  std::map<std::string, int> supported;
  for (const Conv2dRow& row : conv2d_rows().rows())
    if (test::takes_part(row)) supported[row.name] = 0;
  for (const Conv2dParams& c : cases) {
    const Operands f32(c, DType::f32), f64(c, DType::f64);
    for (const Direction d : directions) {
      const Array truth = run(reference(), d, c, f64);
      const Array sums = run(reference(), without_relu(d), c, f64);
      CHECK(sums.largest() > 0.01);
      for_each_row(c, 2e6, [&](const Conv2dRow& row, DType dtype) {
        ++supported[row.name];
        if (row.kind == RowKind::ref && dtype == DType::f64) return;  // the truth itself
        const Array result = run(row, d, c, dtype == DType::f32 ? f32 : f64);
        INFO(name(row, d, c, dtype));
        CHECK(result.distance(truth) <=
              row.error_factor * test::sum_tolerance(reduction_length(d, c), dtype, sums));
      });
    }
  }
  // Take no plain f32.
  for (const char* row : {"simt.tensor_core", "cuda.tensor_core"}) supported.erase(row);
  for (const auto& entry : supported)
    CHECK_MESSAGE(entry.second > 0, entry.first << " supports none of the cases");
}

TEST_CASE("conv2d: with packed weights and a pool at the end, the reference's answers in float64") {
  int compared = 0, ragged = 0;
  for (const Conv2dParams& c : cases) {
    const Operands f32(c, DType::f32), f64(c, DType::f64);
    const Array truth = run(reference(), forward_biased_relu, c, f64),
                sums = run(reference(), forward_biased, c, f64);
    for_each_row(c, 2e6, [&](const Conv2dRow& row, DType dtype) {
      if (!row.inference) return;
      ++compared, ragged += c.h % 4 != 0;
      const Operands& in = dtype == DType::f32 ? f32 : f64;
      INFO(name(row, forward_biased_relu, c, dtype));
      const double bound =
          row.error_factor * test::sum_tolerance(reduction_length(forward, c), dtype, sums);
      CHECK(infer(row, c, in, false).distance(truth) <= bound);
      const Array with_pool = infer(row, c, in, true);
      CHECK(with_pool.distance(pooled(truth, c)) <= bound);
      const test::Threads one(1);
      CHECK((infer(row, c, in, true) == with_pool));
    });
  }
  CHECK(compared > 0);
  CHECK(ragged > 0);
}

TEST_CASE("conv2d: large calls of the kernels agree with the reference in float64") {
  for (const auto& [d, c] : large_cases) {
    const Operands f32(c, DType::f32), f64(c, DType::f64);
    const Array truth = run(reference(), d, c, f64),
                sums = run(reference(), without_relu(d), c, f64);
    for (const Conv2dRow& row : conv2d_rows().rows())
      if (row.device != DeviceType::cpu && !std::string_view(row.name).ends_with(".naive") &&
          !std::string_view(row.name).ends_with(".tensor_core")) {
        INFO(name(row, d, c, DType::f32));
        const bool takes = static_cast<bool>(row.supports(c, DType::f32));
        const bool too_few_channels =
            c.in_channels < 16 && std::string_view(row.name).ends_with(".winograd");
        CHECK((takes || row.kind == RowKind::library || too_few_channels));
        if (!takes) continue;
        CHECK(run(row, d, c, f32).distance(truth) <=
              row.error_factor * test::sum_tolerance(reduction_length(d, c), DType::f32, sums));
      }
  }
}

TEST_CASE("conv2d: tensor cores agree with the reference in float64, bf16 and TF32") {
  std::map<std::string, int> compared;
  for (const Conv2dParams& c : cases) {
    if (c.flops() > 2e6) continue;
    for (const Direction d : directions) compare_tensor_cores(c, d, compared);
  }
  for (const auto& [d, c] : large_cases)
    if (c.flops() < 2e8) compare_tensor_cores(c, d, compared);
  CHECK(compared["simt.tensor_core bf16"] > 0);
  CHECK(compared["simt.tensor_core f32"] > 0);
}

TEST_CASE("conv2d: the same bits on every run, and on one thread and two") {
  for (const Conv2dParams& c : cases) {
    const Operands f32(c, DType::f32), f64(c, DType::f64);
    for_each_row(c, 5e5, [&](const Conv2dRow& row, DType dtype) {
      if (row.kind == RowKind::ref) return;  // one thread an image, no sum across images
      const Operands& in = dtype == DType::f32 ? f32 : f64;
      for (const Direction d : directions) {
        const auto result_on = [&](int threads) {
          const test::Threads scope(threads);
          return run(row, d, c, in);
        };
        INFO(name(row, d, c, dtype));
        const Array first = result_on(2);
        CHECK((first == result_on(2)));
        if (test::independent_of_threads(row)) CHECK((first == result_on(1)));
      }
    });
  }
}

TEST_CASE("conv2d: the reference convolves by the definition") {
  // One 3x3 image, one 2x2 kernel, stride 1, no padding: worked by hand.
  const Conv2dParams c{1, 3, 3, 1, 1, 2, 2};
  const float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, weight[4] = {1, 10, 100, 1000}, bias[1] = {0.5f};
  float y[4];
  TestWorkspace workspace;
  Exec exec{{}, workspace};
  reference().forward(exec, c, {x, c.x_shape(), DType::f32}, {weight, c.weight_shape(), DType::f32},
                      {bias, {1}, DType::f32}, {y, c.y_shape(), DType::f32});
  CHECK(y[0] == 5421.5f);
  CHECK(y[1] == 6532.5f);
  CHECK(y[2] == 8754.5f);
  CHECK(y[3] == 9865.5f);
}

TEST_CASE("conv2d: what is not a number stays so through the ReLU") {
  const Conv2dParams c{1, 8, 8, 16, 16, 3, 3, 1, 1, 1, 1};
  Operands in(c, DType::f32);
  in.x = Array(c.x_shape(), DType::f32);  // all NaN
  for (const Conv2dRow& row : conv2d_rows().rows())
    if (row.supports(c, DType::f32)) {
      INFO(row.name);
      const Array y = run(row, forward_biased_relu, c, in);
      for (std::int64_t i = 0; i < c.y_shape().numel(); ++i) REQUIRE(std::isnan(y.at(i)));
      if (!row.inference) continue;
      const Array maxima = infer(row, c, in, true);
      for (std::int64_t i = 0; i < maxima.view().numel(); ++i) REQUIRE(std::isnan(maxima.at(i)));
    }
}
