/// Every op's gradient, through every row that takes float64, by central differences.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/autograd.h"
#include "kernels/base/philox.h"
#include "tests/op_cases.h"
#include "tests/rows_under_test.h"

using namespace duet;
using namespace duet::test;

namespace {

constexpr double step = 1e-5;

/// Σ y · cotangent with element i of input k moved by `delta`.
double loss_at(const OpCase& c, Device device, const Tensor& cotangent, std::size_t k,
               std::int64_t i, double delta) {
  const NoGradScope no_grad;
  std::vector<Tensor> inputs = draw_inputs(c, DType::f64);
  inputs[k].data<double>()[i] += delta;
  for (Tensor& input : inputs) input = input.to(device);
  const Tensor y = c.run(inputs).to(Device{});
  double loss = 0;
  for (std::int64_t j = 0; j < y.numel(); ++j)
    loss += y.data<double>()[j] * cotangent.data<double>()[j];
  return loss;
}

}  // namespace

TEST_CASE("gradients: every row that takes float64 agrees with central differences") {
  int checked = 0;
  for (const OpCase& c : op_cases()) {
    const RowTable& table = RowTable::find(c.op);
    for (std::size_t r = 0; r < table.size(); ++r) {
      const ImplScope forced(fmt::format("{}={}", c.op, table.info(r).name));
      const Device device{table.info(r).device, 0};
      OpResult result;
      try {
        result = run_case(c, DType::f64, device);
      } catch (const UsageError&) {
        continue;
      } catch (const std::exception& error) {
        speak_against(c.op, table.info(r), DType::f64, error);
        continue;
      }
      compared(c.op, table.info(r), DType::f64);
      RandomSequence numbers(12, 0);
      const Tensor cotangent = Tensor::empty(result.y.shape(), DType::f64);
      for (double& v : cotangent.span<double>()) v = exact_in(c, numbers.normal());
      for (std::size_t k = 0; k < c.inputs.size(); ++k) {
        const Tensor& grad = result.grads[k];
        // At most 60 elements, spread over the tensor, and the largest.
        const auto elements = grad.span<double>();
        const std::int64_t at_largest =
            std::max_element(elements.begin(), elements.end(),
                             [](double a, double b) { return std::abs(a) < std::abs(b); }) -
            elements.begin();
        const double largest = std::abs(elements[at_largest]);
        std::vector<std::int64_t> tried{at_largest};
        for (std::int64_t i = 0; i < grad.numel();
             i += std::max<std::int64_t>(1, grad.numel() / 60))
          tried.push_back(i);
        double error = 0;
        for (const std::int64_t i : tried) {
          const double numeric = (loss_at(c, device, cotangent, k, i, step) -
                                  loss_at(c, device, cotangent, k, i, -step)) /
                                 (2 * step);
          error = std::max(error, std::abs(numeric - elements[i]));
        }
        ++checked;
        const std::string where =
            fmt::format("{} '{}', row {}, input {}", c.op, c.name, table.info(r).name, k);
        CHECK_MESSAGE(largest > 0, fmt::format("{}: the gradient is all zero", where));
        // Central differences are off by h²·f‴/6 and by rounding u·|loss|/h: 1e-10 and 1e-10 here,
        // with a factor of 100.
        CHECK_MESSAGE(error <= 1e-8 * std::max(1.0, largest),
                      fmt::format("{}: error {}, largest gradient {}", where, error, largest));
      }
    }
  }
  CHECK(checked > 80);
}
