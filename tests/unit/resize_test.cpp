#include "kernels/resize/resize.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "engine/npy.h"
#include "kernels/base/philox.h"
#include "kernels/resize/triangle.h"
#include "kernels/resize_pictures/resize_pictures.h"
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

/// A batch of pictures in slots: of random pixels, but for the last, which was resized before.
struct Slots {
  ResizePicturesParams params;
  std::vector<SlotPicture> pictures;
  std::vector<std::uint8_t> bytes;

  Slots(std::int64_t size, std::vector<SlotPicture> sizes)
      : params{std::ssize(sizes) + 1, size},
        pictures(std::move(sizes)),
        bytes(params.slots_shape().numel()) {
    const Philox philox{13, 0};
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(256 * philox.uniform(i));
    pictures.push_back({});
    const std::vector<float> pixels = resized();
    std::memcpy(slot(params.n - 1), pixels.data(), params.slot_bytes());
  }

  /// What the last slot has.
  std::vector<float> resized() const {
    const Philox philox{14, 0};
    std::vector<float> pixels(params.size * params.size * 3);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = philox.uniform(i);
    return pixels;
  }
  std::uint8_t* slot(std::int64_t n) { return bytes.data() + n * params.slot_bytes(); }

  template <class T>
  std::vector<T> run(const ResizePicturesRow& row) const {
    check(params, pictures);
    test::compared("resize_pictures", row, dtype_of<T>);
    RowMemory memory(row);
    Exec exec = memory.exec();
    const std::int64_t count = params.y_shape().numel();
    T* y = memory.allocate_array<T>(count);
    row.forward(exec, params, {memory.put(bytes), params.slots_shape(), DType::u8},
                {memory.put(pictures), pictures.size()}, {y, params.y_shape(), dtype_of<T>});
    return memory.get(y, count);
  }
};

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

TEST_CASE("resize_pictures: every row makes of bytes what resize makes of them over 255") {
  for (Slots slots : {Slots(17, {{7, 5}, {17, 17}, {28, 41}, {1, 9}}), Slots(1, {{2, 2}}),
                      Slots(33, {{66, 66}, {8, 8}})}) {
    const ResizePicturesParams& p = slots.params;
    const std::int64_t elements = p.size * p.size * 3;
    std::vector<double> expected;
    for (std::int64_t n = 0; n + 1 < p.n; ++n) {
      const auto [h, w] = slots.pictures[n];
      REQUIRE(p.has_room(h, w));
      std::vector<double> x(slots.slot(n), slots.slot(n) + 3 * h * w);
      for (double& v : x) v /= 255;
      const auto y = run(test::reference(resize_rows()), {1, h, w, 3, p.size, p.size}, x);
      expected.insert(expected.end(), y.begin(), y.end());
    }
    for (const float v : slots.resized()) expected.push_back(v);
    for (const ResizePicturesRow& row : resize_pictures_rows().rows()) {
      CAPTURE(row.name);
      CAPTURE(describe(p));
      const auto f32 = slots.run<float>(row);
      const auto f64 = slots.run<double>(row);
      // As for resize, and one rounding more, of the quotient by 255.
      for (std::int64_t i = 0; i < std::ssize(expected); ++i) {
        const auto [h, w] = slots.pictures[i / elements];
        const double taps = h == 0 ? 0 : tolerance({1, h, w, 3, p.size, p.size}, 1) + 1;
        CHECK(std::abs(f32[i] - expected[i]) <= taps * 0x1p-24);
        CHECK(std::abs(f64[i] - expected[i]) <= taps * 0x1p-53);
      }
    }
  }
}

TEST_CASE("resize_pictures: a slot has room for what is no larger than the result") {
  const ResizePicturesParams p{1, 16};
  CHECK(p.has_room(32, 32));
  CHECK(p.has_room(1, 1024));
  CHECK_FALSE(p.has_room(32, 33));
  CHECK_THROWS_AS(check(p, std::vector<SlotPicture>(2)), Error);
}
