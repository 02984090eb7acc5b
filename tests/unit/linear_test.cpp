#include "kernels/linear/linear.h"

#include <doctest/doctest.h>

#include <cmath>

#include <map>
#include <string>
#include <vector>

#include "tests/row_memory.h"
#include "tests/rows_under_test.h"
#include "tests/test_rows.h"

using namespace duet;
using test::Array;

namespace {

// {n, in_features, out_features}
const std::vector<LinearParams> cases = {
    {1, 1, 1},    {1, 7, 5},     {2, 64, 3},    {3, 17, 31},    {5, 33, 64},
    {7, 200, 41}, {32, 128, 3},  {32, 96, 130}, {64, 65, 66},   {33, 1031, 18},
    {1, 3000, 9}, {4, 515, 777}, {32, 3, 600},  {100, 40, 129}, {6, 8, 1},
    {1, 516, 10}, {8, 640, 20},  {30, 264, 36}, {600, 150, 15},
};

/// For the larger tiles of the emulated kernels: 128 x 128, 128 x 64, 64 x 128 and 64 x 64 of half
/// as many threads; ragged ones, whose depth is cut into slices.
struct LargeCase {
  std::int64_t rows, columns, depth;
};
const LargeCase large_cases[] = {{264, 136, 904}, {264, 64, 2824}, {72, 136, 2184}, {72, 72, 4232}};

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

/// What the tolerance is about: a ReLU makes no error larger.
Direction without_relu(Direction direction) {
  return direction == forward_relu          ? forward
         : direction == forward_biased_relu ? forward_biased
                                            : direction;
}

struct Operands {
  /// The same numbers in every dtype that holds those of `exact_in`.
  Operands(const LinearParams& p, DType dtype, DType exact_in = DType::f32)
      : x(Array::random({p.n, p.in_features}, 1).to(exact_in).to(dtype)),
        weight(Array::random({p.out_features, p.in_features}, 2).to(exact_in).to(dtype)),
        bias(Array::random({p.out_features}, 3).to(exact_in).to(dtype)),
        grad_y(Array::random({p.n, p.out_features}, 4).to(exact_in).to(dtype)) {}
  Array x, weight, bias, grad_y;
};

void call(const LinearRow& row, Direction direction, LinearParams p, Exec exec, ConstView x,
          ConstView weight, ConstView bias, ConstView grad_y, View out) {
  p.relu = direction == forward_relu || direction == forward_biased_relu;
  switch (direction) {
    case forward:
    case forward_relu: row.forward(exec, p, x, weight, {}, out); break;
    case forward_biased:
    case forward_biased_relu: row.forward(exec, p, x, weight, bias, out); break;
    case backward_data: row.backward_data(exec, p, grad_y, weight, out); break;
    case backward_weights: row.backward_weights(exec, p, x, grad_y, out); break;
  }
}

Array run(const LinearRow& row, Direction direction, const LinearParams& p, const Operands& in) {
  Array out(direction == backward_data      ? Shape{p.n, p.in_features}
            : direction == backward_weights ? Shape{p.out_features, p.in_features}
                                            : Shape{p.n, p.out_features},
            in.x.view().dtype);
  test::compared("linear", row, out.view().dtype);
  RowMemory memory(row);
  const View result = memory.make(out.view());
  call(row, direction, p, memory.exec(), memory.put(in.x.view()), memory.put(in.weight.view()),
       memory.put(in.bias.view()), memory.put(in.grad_y.view()), result);
  memory.get(result, out.view());
  return out;
}

std::int64_t reduction_length(Direction direction, const LinearParams& p) {
  if (direction == backward_data) return p.out_features;
  if (direction == backward_weights) return p.n;
  return p.in_features + 1;
}

const LinearRow& reference() { return test::reference(linear_rows()); }

/// Calls `f(row, dtype)` for every row and dtype that supports a call.
template <class F>
void for_each_row(const LinearParams& p, F&& f) {
  for (const LinearRow& row : linear_rows().rows())
    for (const DType dtype : {DType::f32, DType::f64})
      if (test::takes_part(row) && row.supports(p, dtype))
        test::try_row("linear", row, dtype, [&] { f(row, dtype); });
}

std::string name(const LinearRow& row, Direction d, const LinearParams& p, DType dtype) {
  return fmt::format("{} {} {} {}", row.name, direction_names[d], describe(p), to_string(dtype));
}

constexpr Direction directions[] = {
    forward, forward_biased, forward_relu, forward_biased_relu, backward_data, backward_weights};

/// Holds the rows that multiply on tensor cores against the reference: in bf16, and in f32 where
/// TF32 is permitted. Operands are exact in bf16, hence in TF32, so that only sums round.
void compare_tensor_cores(LinearParams p, Direction d, std::map<std::string, int>& compared) {
  const Operands f64(p, DType::f64, DType::bf16);
  const Array truth = run(reference(), d, p, f64), sums = run(reference(), without_relu(d), p, f64);
  for (const DType dtype : {DType::bf16, DType::f32}) {
    const Operands in(p, dtype, DType::bf16);
    for (const LinearRow& row : linear_rows().rows()) {
      p.tf32 = false;
      // Libraries multiply on tensor cores where that is permitted, and without them otherwise.
      if (dtype == DType::f32 && row.kind != RowKind::library && row.supports(p, dtype)) continue;
      p.tf32 = true;
      if (!row.supports(p, dtype)) continue;
      ++compared[fmt::format("{} {}", row.name, to_string(dtype))];
      INFO(name(row, d, p, dtype));
      test::try_row("linear", row, dtype, [&] {
        const Array result = run(row, d, p, in);
        CHECK(result.distance(truth) <=
              row.error_factor * test::sum_tolerance(reduction_length(d, p), dtype, sums));
        CHECK((result == run(row, d, p, in)));
      });
    }
  }
}

}  // namespace

TEST_CASE("linear: what is not a number stays so through the ReLU") {
  for (const LinearParams& p : {LinearParams{1, 16, 12}, LinearParams{40, 16, 12}}) {
    Operands in(p, DType::f32);
    in.x = Array({p.n, p.in_features}, DType::f32);  // all NaN
    for (const LinearRow& row : linear_rows().rows())
      if (row.supports(p, DType::f32)) {
        INFO(row.name);
        const Array y = run(row, forward_biased_relu, p, in);
        for (std::int64_t i = 0; i < p.n * p.out_features; ++i) REQUIRE(std::isnan(y.at(i)));
      }
  }
}

TEST_CASE("linear: the CPU's rows take an empty batch") {
  const LinearParams p{0, 96, 130};
  const Operands in(p, DType::f32);
  for (const LinearRow& row : linear_rows().rows()) {
    if (row.device != DeviceType::cpu || row.kind != RowKind::handwritten) continue;
    if (!test::takes_part(row) || !row.supports(p, DType::f32)) continue;
    INFO(row.name);
    for (const Direction d : {forward, backward_data})
      CHECK(run(row, d, p, in).view().shape.numel() == 0);
  }
}

TEST_CASE("linear: every row agrees with the reference in float64") {
  std::map<std::string, int> supported;
  for (const LinearRow& row : linear_rows().rows())
    if (test::takes_part(row)) supported[row.name] = 0;
  for (const LinearParams& p : cases) {
    const Operands f32(p, DType::f32), f64(p, DType::f64);
    for (const Direction d : directions) {
      const Array truth = run(reference(), d, p, f64);
      const Array sums = run(reference(), without_relu(d), p, f64);
      CHECK(sums.largest() > 0.01);
      for_each_row(p, [&](const LinearRow& row, DType dtype) {
        ++supported[row.name];
        if (row.kind == RowKind::ref && dtype == DType::f64) return;  // the truth itself
        const Array result = run(row, d, p, dtype == DType::f32 ? f32 : f64);
        INFO(name(row, d, p, dtype));
        CHECK(result.distance(truth) <= test::sum_tolerance(reduction_length(d, p), dtype, sums));
      });
    }
  }
  // Take no plain f32.
  for (const char* row : {"simt.tensor_core", "cuda.tensor_core"}) supported.erase(row);
  for (const auto& entry : supported)
    CHECK_MESSAGE(entry.second > 0, entry.first << " supports none of the cases");
}

TEST_CASE("linear: large calls of the kernels agree with the reference in float64") {
  std::map<std::string, int> compared;
  for (const auto& [rows, columns, depth] : large_cases) {
    const std::pair<Direction, LinearParams> calls[] = {
        {forward_biased_relu, {rows, depth, columns}},
        {backward_data, {rows, columns, depth}},
        {backward_weights, {depth, columns, rows}},
    };
    for (const auto& [d, p] : calls) {
      const Operands f32(p, DType::f32), f64(p, DType::f64);
      const Array truth = run(reference(), d, p, f64),
                  sums = run(reference(), without_relu(d), p, f64);
      for (const LinearRow& row : linear_rows().rows())
        if (row.device != DeviceType::cpu && row.supports(p, DType::f32)) {
          INFO(name(row, d, p, DType::f32));
          ++compared[row.name];
          CHECK(run(row, d, p, f32).distance(truth) <=
                test::sum_tolerance(reduction_length(d, p), DType::f32, sums));
        }
      compare_tensor_cores(p, d, compared);
    }
  }
  CHECK(compared["simt.tiled"] > 0);
  CHECK(compared["simt.tensor_core bf16"] > 0);
}

TEST_CASE("linear: tensor cores agree with the reference in float64, bf16 and TF32") {
  std::map<std::string, int> compared;
  for (const LinearParams& p : cases) {
    for (const Direction d : directions) compare_tensor_cores(p, d, compared);
  }
  CHECK(compared["simt.tensor_core bf16"] > 0);
  CHECK(compared["simt.tensor_core f32"] > 0);
}

TEST_CASE("linear: the same bits on every run, and on one thread and two") {
  for (const LinearParams& p : cases) {
    const Operands f32(p, DType::f32), f64(p, DType::f64);
    for_each_row(p, [&](const LinearRow& row, DType dtype) {
      if (row.kind == RowKind::ref) return;  // one thread an image, no sum across images
      const Operands& in = dtype == DType::f32 ? f32 : f64;
      for (const Direction d : directions) {
        const auto result_on = [&](int threads) {
          const test::Threads scope(threads);
          return run(row, d, p, in);
        };
        INFO(name(row, d, p, dtype));
        const Array first = result_on(2);
        CHECK((first == result_on(2)));
        if (test::independent_of_threads(row)) CHECK((first == result_on(1)));
      }
    });
  }
}

TEST_CASE("linear: the reference multiplies by the definition") {
  const LinearParams p{1, 3, 2};
  const float x[3] = {1, 2, 3}, weight[6] = {1, 10, 100, 2, 20, 200}, bias[2] = {0.5f, -0.5f};
  float y[2];
  TestWorkspace workspace;
  Exec exec{{}, workspace};
  reference().forward(exec, p, {x, {1, 3}, DType::f32}, {weight, {2, 3}, DType::f32},
                      {bias, {2}, DType::f32}, {y, {1, 2}, DType::f32});
  CHECK(y[0] == 321.5f);
  CHECK(y[1] == 641.5f);
}

TEST_CASE("linear: TF32 operands are rounded to nearest, not cut off") {
  // Positive terms x·w, each off by at most 2u where its factors are rounded, but at random: of a
  // sum of `length` such terms with uniform factors the relative standard deviation is
  // u·√(2/3)·√(Σ(xw)²)/Σxw = u·√(2/3)·(4/3)/√length, and six of these are not reached by chance.
  // Cut off, every factor is too small, the sum by about 1.4u.
  const LinearParams p{256, 256, 256, false, true};
  Operands f64(p, DType::f64), f32(p, DType::f32);
  for (auto array : {&Operands::x, &Operands::weight, &Operands::grad_y}) {
    (f64.*array).make_positive();
    (f32.*array) = (f64.*array).to(DType::f32);
  }
  const double bound = 6 * std::sqrt(2.0 / 3) * (4.0 / 3) / 16 * test::tf32_unit_roundoff;
  for (const LinearRow& row : linear_rows().rows())
    if (std::string_view(row.name) == "simt.tensor_core")
      for (const Direction d : {forward, backward_data, backward_weights}) {
        INFO(name(row, d, p, DType::f32));
        const Array truth = run(reference(), d, p, f64), result = run(row, d, p, f32);
        double worst = 0;
        for (std::int64_t i = 0; i < 256 * 256; ++i)
          worst = std::max(worst, std::abs(result.at(i) / truth.at(i) - 1));
        CHECK(worst <= bound);
        CHECK(worst > test::unit_roundoff(DType::f32) * 256);  // TF32, not f32
      }
}
