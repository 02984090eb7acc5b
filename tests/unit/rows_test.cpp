/// Every row of every op, in every dtype it takes, against the reference row in float64.

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "tests/op_cases.h"

using namespace duet;
using namespace duet::test;

namespace {

/// Rounding errors of a sum of n terms grow at most like n·u times the sum of magnitudes (Higham
/// 2002, 4.2), here measured by the largest result; a few operations more surround each sum.
double tolerance(const OpCase& c, const RowInfo& row, DType dtype, double largest) {
  const double u = dtype == DType::f32 ? 0x1p-24 : 0x1p-53;
  return row.error_factor * (4.0 + c.reduction_length) * 2 * u * std::max(1.0, largest);
}

void compare(const OpCase& c, const RowInfo& row, DType dtype, const Tensor& expected,
             const Tensor& actual, const std::string& what) {
  REQUIRE(actual.shape() == expected.shape());
  const Tensor a = actual.to(DType::f64);
  double largest = 0, error = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    largest = std::max(largest, std::abs(expected.data<double>()[i]));
    const double difference = std::abs(a.data<double>()[i] - expected.data<double>()[i]);
    error = std::isnan(difference) ? INFINITY : std::max(error, difference);
  }
  CHECK_MESSAGE(error <= tolerance(c, row, dtype, largest),
                fmt::format("{} '{}', row {}, {}: {} differs by {}, largest element {}", c.op,
                            c.name, row.name, to_string(dtype), what, error, largest));
}

}  // namespace

TEST_CASE("rows: every row equals the reference in float64") {
  int compared = 0;
  for (const OpCase& c : op_cases()) {
    OpResult expected;
    {
      const ImplScope reference("ref");
      expected = run_case(c, DType::f64);
    }
    const RowTable& table = RowTable::find(c.op);
    for (std::size_t i = 0; i < table.size(); ++i) {
      const RowInfo& row = table.info(i);
      for (DType dtype : {DType::f32, DType::f64}) {
        OpResult actual;
        try {
          const ImplScope forced(fmt::format("{}={}", c.op, row.name));
          actual = run_case(c, dtype, {row.device, 0});
        } catch (const UsageError&) {
          continue;  // the row says that it does not take this call
        }
        ++compared;
        compare(c, row, dtype, expected.y, actual.y, "y");
        for (std::size_t k = 0; k < expected.grads.size(); ++k)
          compare(c, row, dtype, expected.grads[k], actual.grads[k], fmt::format("gradient {}", k));
      }
    }
  }
  CHECK(compared > 100);
}

TEST_CASE("rows: every differentiable op has cases, and every row runs in one") {
  // Ops without a derivative are held against their references by tests of their own.
  const std::set<std::string> without_derivative = {
      "adam",   "augment_image", "augment_wave", "nonfinite",     "palette",
      "resize", "spectrogram",   "standardize",  "sum_of_squares"};
  std::set<std::string> covered;
  for (const OpCase& c : op_cases()) {
    covered.insert(c.op);
    run_case(c, DType::f32);
  }
  for (const RowTable* table : RowTable::all())
    if (!without_derivative.contains(table->op()))
      CHECK_MESSAGE(covered.contains(table->op()),
                    fmt::format("op {} has no case in op_cases.cpp", table->op()));
}

TEST_CASE("rows: a forced row that does not fit is an error that lists each row with its reason") {
  CHECK_THROWS_WITH_AS(Impl::parse("conv3d=ref"), doctest::Contains("the ops are adam, "),
                       UsageError);
  CHECK_THROWS_WITH_AS(Impl::parse("conv2d=cudnnn"), doctest::Contains("its rows are "),
                       UsageError);
  const ImplScope forced("maxpool2d=cpu");
  const OpCase* pool = nullptr;
  const std::vector<OpCase> cases = op_cases();
  for (const OpCase& c : cases)
    if (c.op == "maxpool2d" && c.name == "3x3 stride 2") pool = &c;
  REQUIRE(pool);
  CHECK_THROWS_WITH_AS(run_case(*pool, DType::f32),
                       doctest::Contains("cpu: takes windows of 2 x 2"), UsageError);
  CHECK_THROWS_WITH_AS(run_case(*pool, DType::f32), doctest::Contains("ref: fits"), UsageError);
}
