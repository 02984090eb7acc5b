/// Every row of every op, in every dtype it takes, against the reference row in float64.

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "tests/op_cases.h"
#include "tests/rows_under_test.h"

using namespace duet;
using namespace duet::test;

namespace {

/// Rounding errors of a sum of n terms grow at most like n·u times the sum of magnitudes (Higham
/// 2002, 4.2), here measured by the largest result; a few operations more surround each sum. bf16
/// is computed in f32.
double tolerance(const OpCase& c, const RowInfo& row, DType dtype, double largest) {
  const double u = dtype == DType::f64 ? 0x1p-53 : 0x1p-24;
  return row.error_factor * (4.0 + c.reduction_length) * 2 * u * std::max(1.0, largest);
}

/// How much more an element of a bf16 result may be off: u = 2^-8 of itself, rounded when it is
/// stored. The gradients of some ops are made of other stored results, y or up to three products,
/// with which they are added up or cancel: four times u, of the largest.
double stored_tolerance(const OpCase& c, bool is_gradient, double element, double largest) {
  const bool composed = is_gradient && (c.op == "binary" || c.op == "unary" || c.op == "softmax");
  return composed ? 4 * 0x1p-8 * std::max(1.0, largest) : 0x1p-8 * std::abs(element);
}

void compare(const OpCase& c, const RowInfo& row, DType dtype, const Tensor& expected,
             const Tensor& actual, const std::string& what) {
  REQUIRE(actual.shape() == expected.shape());
  const Tensor a = actual.to(DType::f64);
  double largest = 0;
  for (const double e : expected.span<double>()) largest = std::max(largest, std::abs(e));
  const double common = tolerance(c, row, dtype, largest);
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double e = expected.data<double>()[i], error = std::abs(a.data<double>()[i] - e);
    const double stored =
        actual.dtype() == DType::bf16 ? stored_tolerance(c, what != "y", e, largest) : 0;
    if (error <= common + stored) continue;
    FAIL_CHECK(fmt::format("{} '{}', row {}, {}: element {} of {} is {} instead of {}, largest {}",
                           c.op, c.name, row.name, to_string(dtype), i, what, a.data<double>()[i],
                           e, largest));
    return;
  }
}

}  // namespace

TEST_CASE("rows: every row equals the reference in float64") {
  int count = 0;
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
        } catch (const std::exception& error) {
          speak_against(c.op, row, dtype, error);
          continue;
        }
        ++count;
        compared(c.op, row, dtype);
        compare(c, row, dtype, expected.y, actual.y, "y");
        for (std::size_t k = 0; k < expected.grads.size(); ++k)
          compare(c, row, dtype, expected.grads[k], actual.grads[k], fmt::format("gradient {}", k));
      }
    }
  }
  CHECK(count > 100);
}

TEST_CASE("rows: every row that takes bf16 equals the reference on the same numbers") {
  std::set<std::string> tried;
  for (OpCase c : op_cases()) {
    c.exact = DType::bf16;
    OpResult expected;
    {
      const ImplScope reference("ref");
      expected = run_case(c, DType::f64);
    }
    const RowTable& table = RowTable::find(c.op);
    for (std::size_t i = 0; i < table.size(); ++i) {
      const RowInfo& row = table.info(i);
      OpResult actual;
      try {
        const ImplScope forced(fmt::format("{}={}", c.op, row.name));
        actual = run_case(c, DType::bf16, {row.device, 0});
      } catch (const UsageError&) {
        continue;
      } catch (const std::exception& error) {
        speak_against(c.op, row, DType::bf16, error);
        continue;
      }
      tried.insert(fmt::format("{} {}", c.op, row.name));
      compared(c.op, row, DType::bf16);
      compare(c, row, DType::bf16, expected.y, actual.y, "y");
      for (std::size_t k = 0; k < expected.grads.size(); ++k) {
        CHECK(actual.grads[k].dtype() ==
              (k + c.parameters < c.inputs.size() ? DType::bf16 : DType::f32));
        compare(c, row, DType::bf16, expected.grads[k], actual.grads[k],
                fmt::format("gradient {}", k));
      }
    }
  }
  for (const char* row : {"batchnorm simt.columns", "binary simt.elementwise", "concat simt.copy",
                          "conv2d simt.tensor_core", "linear simt.tensor_core",
                          "dropout simt.elementwise", "maxpool2d simt.gather", "permute simt.tiles",
                          "reduce simt.tree", "relu simt.elementwise", "softmax simt.warp_per_row",
                          "softmax_cross_entropy simt.one_block", "unary simt.elementwise"})
    CHECK_MESSAGE(tried.contains(row), std::string(row));
}

TEST_CASE("rows: a batch of none is nothing to do, and gives weights no gradient") {
  int tried = 0;
  for (const OpCase& c : op_cases()) {
    // The first extent is the batch's wherever it is not a weight's, a shape to repeat, or what a
    // statistic is made of.
    static const std::set<std::string> batched = {"conv2d",  "linear",  "relu",    "maxpool2d",
                                                  "dropout", "softmax", "permute", "unary"};
    if (!batched.contains(c.op)) continue;
    OpCase none = c;
    none.inputs[0] = none.inputs[0].with(0, 0);
    const RowTable& table = RowTable::find(c.op);
    for (std::size_t i = 0; i < table.size(); ++i) {
      const RowInfo& row = table.info(i);
      if (row.device == DeviceType::cpu || row.kind == RowKind::library) continue;
      OpResult result;
      try {
        const ImplScope forced(fmt::format("{}={}", c.op, table.info(i).name));
        result = run_case(none, DType::f32, {row.device, 0});
      } catch (const UsageError&) {
        continue;
      } catch (const std::exception& error) {
        speak_against(c.op, row, DType::f32, error);
        continue;
      }
      ++tried;
      CHECK(result.y.numel() == 0);
      for (std::size_t k = 0; k < result.grads.size(); ++k)
        for (const float g : result.grads[k].span<float>())
          CHECK_MESSAGE(g == 0, fmt::format("{} '{}', row {}, gradient {}", c.op, c.name,
                                            table.info(i).name, k));
    }
  }
  CHECK(tried > 20);
}

TEST_CASE("rows: every differentiable op has cases, and every row runs in one") {
  // Ops without a derivative are held against their references by tests of their own.
  const std::set<std::string> without_derivative = {
      "adam",   "augment_image",   "augment_wave", "nonfinite",   "palette",       "product_square",
      "resize", "resize_pictures", "spectrogram",  "standardize", "sum_of_squares"};
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

TEST_CASE("rows: a scope's choice ends with it, and the process's is heard again") {
  { const ImplScope inner("conv2d=ref"); }
  set_impl(Impl::parse("linear=ref"));
  CHECK(current_impl().forced.count("linear") == 1);
  {
    const ImplScope inner("conv2d=ref");
    CHECK(current_impl().forced.size() == 2);
  }
  set_impl({});
  CHECK(current_impl().forced.empty());
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
