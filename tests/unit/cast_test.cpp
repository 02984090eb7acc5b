#include "kernels/cast/cast.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "engine/autograd.h"
#include "engine/ops/cast.h"
#include "engine/ops/reduce.h"

using namespace duet;

TEST_CASE("cast: every row rounds as the reference does, between all types") {
  // Numbers, ties between two bf16, overflow of f32, infinity, NaN; more than one packet.
  std::vector<double> values = {0,     -0.0,   1.5,  1.00390625, 1.01171875, -3.1415926535,
                                1e-40, 3.4e38, 1e39, -1e300,     INFINITY,   std::nan("")};
  for (int i = 0; i < 1031; ++i) values.push_back(std::sin(i) * std::exp2(i % 40 - 20));
  const Tensor all = Tensor::from(values, {static_cast<std::int64_t>(values.size())});
  const DType types[] = {DType::f32, DType::f64, DType::bf16};
  for (const DType from : types)
    for (const DType to : types) {
      if (from == to) continue;
      const Tensor x = all.to(from);
      const auto run = [&](const CastRow& row) {
        const ImplScope forced(fmt::format("cast={}", row.name));
        return cast(x.to({row.device, 0}), to).to(Device{}).to(DType::f64);
      };
      const Tensor expected = run(cast_rows().rows().back());
      for (const CastRow& row : cast_rows().rows()) {
        if (row.device == DeviceType::cuda) continue;
        const Tensor y = run(row);
        CAPTURE(row.name);
        CAPTURE(to_string(from));
        CAPTURE(to_string(to));
        for (std::int64_t i = 0; i < y.numel(); ++i) {
          const double a = y.data<double>()[i], b = expected.data<double>()[i];
          REQUIRE((a == b || (std::isnan(a) && std::isnan(b))));
        }
      }
    }
}

TEST_CASE("cast: the reference rounds to nearest, ties to even") {
  const ImplScope reference("cast=ref");
  const Tensor x = Tensor::from(std::vector<float>{1.00390625f, 1.01171875f, 1.0041f, -2.5f}, {4});
  const Tensor y = cast(cast(x, DType::bf16), DType::f32);
  CHECK(y.data<float>()[0] == 1.0f);
  CHECK(y.data<float>()[1] == 1.015625f);
  CHECK(y.data<float>()[2] == 1.0078125f);
  CHECK(y.data<float>()[3] == -2.5f);
  const Tensor narrow =
      cast(Tensor::from(std::vector<double>{1 + 0x1p-24, 1 + 0x3p-24}, {2}), DType::f32);
  CHECK(narrow.data<float>()[0] == 1.0f);
  CHECK(narrow.data<float>()[1] == 1 + 0x1p-22f);
}

TEST_CASE("cast: a gradient comes back in the type of the input") {
  Tensor x = Tensor::from(std::vector<float>{1, 2, 3}, {3});
  x.set_requires_grad();
  sum(cast(cast(x, DType::bf16), DType::f64)).backward();
  REQUIRE(x.grad().dtype() == DType::f32);
  for (int i = 0; i < 3; ++i) CHECK(x.grad().data<float>()[i] == 1);
  CHECK(cast(x, DType::f32).impl() == x.impl());
}

TEST_CASE("cast: integers are refused") {
  const Tensor labels = Tensor::from(std::vector<std::int32_t>{1, 2}, {2});
  CHECK_THROWS_WITH_AS(cast(labels, DType::f32), doctest::Contains("not i32"), Error);
}
