#include "kernels/resize/resize.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "engine/npy.h"
#include "kernels/base/philox.h"
#include "kernels/resize/triangle.h"
#include "tests/row_memory.h"
#include "tests/rows_under_test.h"
#include "tests/test_data.h"

using namespace duet;

namespace {

template <class T>
std::vector<T> run(const ResizeRow& row, const ResizeParams& p, const std::vector<T>& x) {
  check(p);
  test::compared("resize", row, dtype_of<T>);
  RowMemory memory(row);
  Exec exec = memory.exec();
  T* y = memory.allocate_array<T>(p.y_shape().numel());
  row.forward(exec, p, {memory.put(x), p.x_shape(), dtype_of<T>}, {y, p.y_shape(), dtype_of<T>});
  return memory.get(y, p.y_shape().numel());
}

template <class T>
double greatest_difference(const std::vector<T>& y, const double* expected) {
  double worst = 0;
  for (std::size_t i = 0; i < y.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(y[i]) - expected[i]));
  return worst;
}

/// Values lie in 0 … 1 and weights add up to 1, so that an error is at most a few roundings: of the
/// weights (2), their product (1) and the running sum, which grows with the taps.
double tolerance(const ResizeParams& p, double unit) {
  const double rows = 2.0 * std::max(1.0, std::ceil(double(p.h) / p.out_h)) + 1,
               columns = 2.0 * std::max(1.0, std::ceil(double(p.w) / p.out_w)) + 1;
  return (rows * columns + 3) * unit;
}

}  // namespace

TEST_CASE("resize: every row gives PyTorch's antialiased bilinear") {
  const NpyArray x = read_npy(test::test_data("resize_x.npy"));
  const std::int64_t sizes[][2] = {{8, 8}, {40, 9}, {5, 50}, {13, 31}, {1, 1}};
  for (const auto& [h, w] : sizes) {
    const NpyArray expected = read_npy(test::test_data(fmt::format("resize_{}x{}.npy", h, w)));
    const ResizeParams p{1, x.shape[0], x.shape[1], x.shape[2], h, w};
    REQUIRE(expected.shape == Shape{h, w, x.shape[2]});
    for (const ResizeRow& row : resize_rows().rows()) {
      CAPTURE(row.name);
      CAPTURE(describe(p));
      const double* values = x.as<double>();
      const std::vector<double> wide(values, values + x.shape.numel());
      const std::vector<float> narrow(wide.begin(), wide.end());
      if (row.supports(p, DType::f64))
        CHECK(greatest_difference(run(row, p, wide), expected.as<double>()) <
              tolerance(p, 0x1p-53));
      if (row.supports(p, DType::f32))
        CHECK(greatest_difference(run(row, p, narrow), expected.as<double>()) <
              tolerance(p, 0x1p-24));
    }
  }
}

TEST_CASE("resize: every row against the f64 reference, batches and channel counts") {
  const ResizeParams cases[] = {{3, 7, 5, 1, 16, 16},
                                {2, 128, 188, 1, 64, 64},
                                {2, 40, 30, 3, 17, 29},
                                {1, 1, 1, 4, 3, 2},
                                {0, 4, 4, 3, 2, 2}};
  const Philox philox{11, 0};
  for (const ResizeParams& p : cases) {
    std::vector<float> x(p.x_shape().numel());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = philox.uniform(i);
    const std::vector<double> expected =
        run(test::reference(resize_rows()), p, std::vector<double>(x.begin(), x.end()));
    for (const ResizeRow& row : resize_rows().rows()) {
      if (!row.supports(p, DType::f32)) continue;
      CAPTURE(row.name);
      CAPTURE(describe(p));
      CHECK(greatest_difference(run(row, p, x), expected.data()) <= tolerance(p, 0x1p-24));
    }
  }
}

TEST_CASE("resize: the same size changes nothing, and a constant stays") {
  const ResizeParams same{1, 6, 9, 3, 6, 9}, other{1, 6, 9, 3, 31, 4};
  std::vector<float> x(same.x_shape().numel());
  const Philox philox{12, 0};
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = philox.uniform(i);
  for (const ResizeRow& row : resize_rows().rows()) {
    CAPTURE(row.name);
    CHECK(run(row, same, x) == x);
    for (const float v : run(row, other, std::vector<float>(x.size(), 0.75f)))
      CHECK(std::abs(v - 0.75f) < tolerance(other, 0x1p-24));
  }
}

TEST_CASE("resize: an empty picture is an error") {
  CHECK_THROWS_AS(check(ResizeParams{1, 0, 4, 3, 2, 2}), Error);
  CHECK_THROWS_AS(check(ResizeParams{1, 4, 4, 3, 2, 0}), Error);
}
