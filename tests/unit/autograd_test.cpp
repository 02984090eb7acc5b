#include "engine/autograd.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <optional>

#include "engine/adam.h"
#include "engine/device.h"
#include "engine/ops/binary.h"
#include "engine/ops/concat.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/linear.h"
#include "engine/ops/reduce.h"
#include "engine/ops/reshape.h"
#include "engine/ops/unary.h"
#include "kernels/base/rows.h"
#include "tests/rows_under_test.h"
#include "tests/temporary_folder.h"

using namespace duet;

namespace {

/// Small whole numbers: sums and products of them are exact, so results are compared exactly.
Tensor leaf(const std::vector<double>& values) {
  Tensor x = Tensor::from(values, {static_cast<std::int64_t>(values.size())});
  return x.set_requires_grad();
}

std::vector<double> gradient(const Tensor& x) {
  REQUIRE(x.grad());
  const auto elements = x.grad().span<double>();
  return {elements.begin(), elements.end()};
}

using Values = std::vector<double>;

/// A Function as a user writes one, with a fault that backward is to find.
struct WrongShape {
  static constexpr const char* name = "wrong_shape";
  static Tensor forward(Context&, const Tensor& x) { return x.clone(); }
  static Gradients backward(Context&, const Tensor&) { return {Tensor::zeros({7}, DType::f64)}; }
};
struct WrongCount {
  static constexpr const char* name = "wrong_count";
  static Tensor forward(Context&, const Tensor& x) { return x.clone(); }
  static Gradients backward(Context&, const Tensor& grad_y) { return {grad_y, grad_y}; }
};
/// Multiplies by a constant; a vector of tensors and an absent one count as arguments too.
struct SumOfAll {
  static constexpr const char* name = "sum_of_all";
  static Tensor forward(Context& context, const std::vector<Tensor>& xs, const Tensor& extra) {
    context.store(std::vector<bool>(context.needs_grad_));
    Tensor y = xs[0].clone();
    for (std::size_t i = 1; i < xs.size(); ++i) y = y + xs[i];
    return extra ? y + extra : y;
  }
  static Gradients backward(Context& context, const Tensor& grad_y) {
    Gradients all;
    for (const bool needed : context.stored<std::vector<bool>>())
      all.push_back(needed ? grad_y : Tensor());
    return all;
  }
};

}  // namespace

TEST_CASE("autograd: a leaf used twice gets both gradients") {
  const Tensor x = leaf({3, -2});
  sum(x * x + x).backward();  // 2x + 1
  CHECK(gradient(x) == Values{7, -3});
  const Tensor y = leaf({5, 6});
  sum(y + y).backward();
  CHECK(gradient(y) == Values{2, 2});
}

TEST_CASE("autograd: a shared subexpression is differentiated once, with all that arrives") {
  const Tensor a = leaf({2}), b = leaf({3});
  const Tensor shared = a * b;
  // f = s² + 4s + s·a with s = a·b
  const Tensor f = square(shared) + affine(shared, 4) + shared * a;
  sum(f).backward();
  // s = 6: ∂f/∂s = 12 + 4 + 2 = 18; ∂f/∂a = 18·3 + 6 = 60; ∂f/∂b = 18·2 = 36.
  CHECK(gradient(a) == Values{60});
  CHECK(gradient(b) == Values{36});
}

TEST_CASE("autograd: diamonds, against results by hand") {
  const Tensor x = leaf({1, 2, 3});
  const Tensor left = affine(x, 2), right = square(x);
  const Tensor bottom = left * right;  // 2x³
  sum(bottom * bottom).backward();     // 4x⁶: 24x⁵
  CHECK(gradient(x) == Values{24, 768, 5832});

  // A branch that is longer than the other, and one that ends nowhere.
  const Tensor y = leaf({2});
  const Tensor long_way = square(square(y));  // y⁴
  const Tensor nowhere = square(long_way);
  CHECK(nowhere.item() == 256);
  sum(long_way * y).backward();  // y⁵: 5y⁴
  CHECK(gradient(y) == Values{80});
}

TEST_CASE("autograd: thirty doublings take thirty steps, not two to the thirty") {
  const Tensor x = leaf({1});
  Tensor y = x;
  for (int i = 0; i < 30; ++i) y = y + y;
  y.backward();
  CHECK(gradient(x) == Values{std::ldexp(1.0, 30)});
}

TEST_CASE("autograd: repeated rows and joined parts get the gradients of their places") {
  const Tensor row = leaf({1, 2}), part = leaf({3, 4});
  const Tensor matrix = Tensor::from(std::vector<double>{1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor scaled = reshape(sum(matrix * row, 0), {2});  // 9·r₀, 12·r₁
  const Tensor weights = Tensor::from(std::vector<double>{1, 10, 100, 1000}, {4});
  sum(concat({scaled, part}) * weights).backward();
  CHECK(gradient(row) == Values{9, 120});
  CHECK(gradient(part) == Values{100, 1000});
}

TEST_CASE("autograd: gradients add up over calls until they are let go") {
  const Tensor x = leaf({3});
  sum(square(x)).backward();
  sum(affine(x, 10)).backward();
  CHECK(gradient(x) == Values{16});
  x.set_grad({});
  CHECK_FALSE(x.grad());
  sum(square(x)).backward();
  CHECK(gradient(x) == Values{6});
}

TEST_CASE("autograd: a second backward through a consumed graph is an error") {
  const Tensor x = leaf({3});
  const Tensor shared = square(x);
  const Tensor first = sum(shared), second = sum(affine(shared, 2));
  first.backward();
  CHECK_THROWS_WITH_AS(first.backward(), doctest::Contains("consumed by an earlier backward()"),
                       Error);
  CHECK_THROWS_WITH_AS(second.backward(), doctest::Contains("the graph below unary was consumed"),
                       Error);
}

TEST_CASE("autograd: where backward cannot start") {
  const Tensor x = leaf({3, 4});
  CHECK_THROWS_WITH_AS(square(x).backward(), doctest::Contains("this has shape (2)"), Error);
  CHECK_THROWS_AS(Tensor().backward(), Error);
  CHECK_THROWS_WITH_AS(sum(square(Tensor::zeros({2}))).backward(),
                       doctest::Contains("nothing to differentiate"), Error);
}

TEST_CASE("autograd: only what needs a gradient gets one") {
  const Tensor x = leaf({2}), constant = Tensor::from(std::vector<double>{5}, {1});
  sum(x * constant).backward();
  CHECK(gradient(x) == Values{5});
  CHECK_FALSE(constant.grad());
  const Tensor y = leaf({2});
  sum(square(y).detach() * y).backward();  // the detached factor counts as a constant
  CHECK(gradient(y) == Values{4});
}

TEST_CASE("autograd: under NoGradScope no history is kept") {
  const Tensor x = leaf({2});
  {
    const NoGradScope outer;
    CHECK_FALSE(square(x).requires_grad());
    { const NoGradScope inner; }
    CHECK_FALSE(square(x).requires_grad());  // the inner scope's end restores the outer one
  }
  CHECK(square(x).requires_grad());
}

TEST_CASE("autograd: a Function's arguments may be lists and absent ones, its faults are named") {
  const Tensor a = leaf({1}), b = Tensor::full({1}, 2, DType::f64), c = leaf({3});
  const Tensor y = apply<SumOfAll>(std::vector<Tensor>{a, b, c}, Tensor());
  CHECK(y.item() == 6);
  y.backward();
  CHECK(gradient(a) == Values{1});
  CHECK_FALSE(b.grad());
  CHECK(gradient(c) == Values{1});
  CHECK_THROWS_WITH_AS(apply<WrongShape>(leaf({1})).backward(),
                       "[autograd] wrong_shape gave a gradient of shape (7) for argument 0 of "
                       "shape (1)",
                       Error);
  CHECK_THROWS_WITH_AS(apply<WrongCount>(leaf({1})).backward(),
                       "[autograd] wrong_count returned 2 gradients for 1 tensor arguments", Error);
}

TEST_CASE("autograd: a chain of 100000 calls does not exhaust the stack") {
  constexpr int depth = 100'000;
  const Tensor x = leaf({1});
  SUBCASE("differentiated") {
    Tensor y = x;
    for (int i = 0; i < depth; ++i) y = affine(y, 1, 1);
    CHECK(y.item() == depth + 1);
    y.backward();
    CHECK(gradient(x) == Values{1});
  }
  SUBCASE("dropped without backward") {
    Tensor y = x;
    for (int i = 0; i < depth; ++i) y = y + x;
    CHECK(y.item() == depth + 1);
    y = {};
    CHECK_FALSE(x.grad());
  }
}

TEST_CASE("autograd: FiniteCheckScope names the function and the place") {
  const Tensor zero = Tensor::zeros({3}, DType::f64);
  CHECK(std::isinf(log(zero).span<double>()[0]));  // unchecked by default
  const FiniteCheckScope checked;
  const auto message = [&] { return message_of<Error>([&] { log(zero); }); };
  CHECK(message() == "the output of unary has 3 NaN or infinite elements of 3");
  {
    const NameScope face("face"), block("block2");
    CHECK(message() == "the output of unary in face.block2 has 3 NaN or infinite elements of 3");
  }
  CHECK(message() == "the output of unary has 3 NaN or infinite elements of 3");
  CHECK(square(zero).span<double>()[0] == 0);
}

TEST_CASE("autograd: count_nonfinite") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = INFINITY;
  CHECK(count_nonfinite(Tensor::from(std::vector<double>{1, nan, -inf, inf, 0}, {5})) == 3);
  CHECK(count_nonfinite(Tensor::from(std::vector<float>{1e38f, -0.f, 1e-45f}, {3})) == 0);
  CHECK(count_nonfinite(Tensor::empty({0})) == 0);
}

TEST_CASE("autograd: gradients of linear weights stay in factors while a scope asks for it") {
  const auto filled = [](const Shape& shape, double step) {
    const Tensor x = Tensor::empty(shape, DType::f64);
    for (std::int64_t i = 0; i < x.numel(); ++i) x.span<double>()[i] = std::sin(step * (1.0 + i));
    return x.to(DType::f32);
  };
  const Tensor x = filled({3, 40}, 0.7), cotangent = filled({3, 30}, 0.3);
  // The weight is used so many times.
  const auto gradient_of = [&](int uses, bool scope) {
    Tensor w = filled({30, 40}, 0.1);
    w.set_requires_grad();
    Tensor y = linear(x, w, {}, {}) * cotangent;
    for (int i = 1; i < uses; ++i) y = y + linear(x, w, {}, {}) * cotangent;
    const Tensor loss = sum(y);
    std::optional<FactorsScope> factors;
    if (scope) factors.emplace();
    loss.backward();
    return w.grad();
  };
  const auto values_of = [](const Tensor& t) {
    const auto elements = t.span<float>();
    return std::vector<float>(elements.begin(), elements.end());
  };
  CHECK_FALSE(gradient_of(1, false).factors());
  const Tensor once = gradient_of(1, true);
  REQUIRE(once.factors());
  CHECK(once.factors()->left.shape() == Shape{3, 30});
  CHECK(once.factors()->right.shape() == Shape{3, 40});
  CHECK((values_of(once) == values_of(gradient_of(1, false))));
  const Tensor twice = gradient_of(2, true);
  CHECK_FALSE(twice.factors());
  CHECK((values_of(twice) == values_of(gradient_of(2, false))));

  // A row that was chosen multiplies, and so does whoever looks at it on a device.
  {
    const ImplScope chosen("linear=ref");
    CHECK_FALSE(gradient_of(1, true).factors());
  }
  for (const Device device : test::accelerators()) {
    CAPTURE(describe(device));
    Tensor w = filled({30, 40}, 0.1).to(device);
    w.set_requires_grad();
    const Tensor there = cotangent.to(device);
    const Tensor loss = sum(linear(x.to(device), w, {}, {}) * there);
    const FactorsScope factors;
    loss.backward();
    const Tensor gradient = w.grad();
    REQUIRE(gradient.factors());
    CHECK(gradient.device() == device);
    const double square = sum_of_squares({gradient}).item();
    CHECK(gradient.factors());
    const std::vector<float> here = values_of(gradient.to(Device{}));
    CHECK_FALSE(gradient.factors());
    CHECK(square == doctest::Approx(sum_of_squares({gradient}).item()).epsilon(1e-6));
    const std::vector<float> expected = values_of(gradient_of(1, false));
    // Three products of numbers below 1.
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(std::abs(here[i] - expected[i]) <= 3 * 0x1p-24);
  }

  // Factors larger than the product, and a convolution: multiplied.
  const FactorsScope factors;
  Tensor small = filled({4, 5}, 0.1), kernel = filled({8, 1, 1, 40}, 0.1);
  sum(linear(filled({3, 5}, 0.7), small.set_requires_grad(), {}, {})).backward();
  sum(conv2d(filled({1, 1, 1, 40}, 0.7), kernel.set_requires_grad(), {}, {})).backward();
  CHECK_FALSE(small.grad().factors());
  CHECK_FALSE(kernel.grad().factors());
}
