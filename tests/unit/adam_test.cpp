#include "engine/adam.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/ops/binary.h"
#include "engine/ops/reduce.h"
#include "engine/ops/unary.h"
#include "kernels/adam/adam.h"
#include "kernels/product_square/product_square.h"
#include "kernels/sum_of_squares/sum_of_squares.h"
#include "tests/row_memory.h"
#include "tests/rows_under_test.h"
#include "tests/test_rows.h"

using namespace duet;
using test::unit_roundoff;

namespace {

using Values = std::vector<double>;

/// Five updates of two parameters, the first with an L2 gradient of 0.02 per unit of weight, as
/// torch.optim.Adam (PyTorch 2, float64, lr 0.01, weight_decay 0.02 and 0) makes them.
const Values w_start = {1, -2, 0.5, 0}, u_start = {0.25, -0.75};
const Values w_grads[] = {{0.1, -0.2, 0.0, 1e-3},
                          {0.3, 0.1, -0.4, 2e-3},
                          {-0.5, 0.25, 0.2, -1e-3},
                          {0.05, -0.6, 0.1, 0.0},
                          {0.2, 0.2, -0.3, 5e-3}};
const Values u_grads[] = {{1, -1}, {0.5, 2}, {-0.25, 0.125}, {0, 0}, {3, -0.5}};
const Values w_expected[] = {
    {0.9900000008333333, -1.9900000004166667, 0.49000000999999, -0.009999900000999989},
    {0.9806795490266043, -1.9853122592687056, 0.4972673583307619, -0.019758372049867762},
    {0.98171328498355, -1.9866915508360912, 0.49918702807920784, -0.022417280901144542},
    {0.981871960567946, -1.9820194514071579, 0.49931232319447877, -0.023528867281358515},
    {0.9801026590332386, -1.979356417700024, 0.5023288936254839, -0.028751254926061745}};
const Values u_expected[] = {{0.2400000001, -0.7400000001},
                             {0.2306782038298161, -0.7436610353472075},
                             {0.22504159014963296, -0.746843373788594},
                             {0.22042441921091216, -0.7494501517973885},
                             {0.21393726766451765, -0.7504099706219707}};

Tensor tensor(const Values& values, DType dtype, DeviceType device = DeviceType::cpu) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())})
      .to(dtype)
      .to(Device{device, 0});
}

double distance(const Tensor& x, const Values& expected) {
  const Tensor wide = x.to(Device{}).to(DType::f64);
  double largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    largest = std::max(largest, std::abs(wide.span<double>()[i] - expected[i]));
  return largest;
}

}  // namespace

TEST_CASE("adam: every row makes PyTorch's updates, with coupled L2") {
  int tried = 0;
  for (const AdamRow& row : adam_rows().rows())
    for (const DType dtype : {DType::f32, DType::f64}) {
      if (!row.supports({}, dtype)) continue;
      ++tried;
      test::compared("adam", row, dtype);
      const ImplScope forced(fmt::format("adam={}", row.name));
      const Tensor w = tensor(w_start, dtype, row.device), u = tensor(u_start, dtype, row.device);
      Adam adam({{"w", w, 0.02}, {"u", u}}, {.lr = 0.01});
      for (int step = 0; step < 5; ++step) {
        w.set_grad(tensor(w_grads[step], dtype, row.device));
        u.set_grad(tensor(u_grads[step], dtype, row.device));
        adam.step();
        // Each update rounds the weight once (u·|w|, |w| ≤ 2) and an increment of at most
        // 3·lr in about ten operations: 2u + 0.3u a step.
        const double tolerance = 2.3 * (step + 1) * unit_roundoff(dtype);
        CHECK_MESSAGE(distance(w, w_expected[step]) <= tolerance, row.name, " w ", step);
        CHECK_MESSAGE(distance(u, u_expected[step]) <= tolerance, row.name, " u ", step);
      }
      CHECK(adam.steps() == 5);
    }
  CHECK(tried >= 4);
}

TEST_CASE("adam: every row equals the reference on many elements") {
  constexpr std::int64_t count = 100'003;  // several chunks of a parallel loop, and a rest
  const AdamParams params{1e-3, 0.9, 0.999, 1e-8, 3};
  // The arrays are cut into parameters: one element, none, many that start at an address that
  // vectors do not like, many at one that they do.
  const std::int64_t cuts[] = {0, 1, 1, 20'000, count};
  const auto run = [&](const AdamRow& row, DType dtype) {
    test::Array w = test::Array::random({count}, 1).to(dtype),
                g = test::Array::random({count}, 2).to(dtype),
                m = test::Array::random({count}, 3).to(dtype);
    // A second moment is not negative: squares of the first ones.
    test::Array v = test::Array::random({count}, 3).to(dtype);
    dispatch_floating(dtype, [&](auto zero) {
      using T = decltype(zero);
      for (T& x : std::span(v.view().as<T>(), count)) x *= x;
    });
    RowMemory memory(row);
    Exec exec = memory.exec();
    test::Array* const arrays[] = {&w, &g, &m, &v};
    char* on_device[4];
    for (int i = 0; i < 4; ++i) {
      on_device[i] = memory.allocate_array<char>(count * size_of(dtype));
      memory.copy(on_device[i], arrays[i]->view().data, count * size_of(dtype));
    }
    std::vector<AdamSlot> slots;
    for (std::size_t i = 0; i + 1 < std::size(cuts); ++i) {
      const auto part = [&](int array) {
        return View{on_device[array] + cuts[i] * size_of(dtype), {cuts[i + 1] - cuts[i]}, dtype};
      };
      slots.push_back({part(0), part(1), part(2), part(3), 0.01});
    }
    row.step(exec, params, slots);
    for (int i = 0; i < 4; ++i)
      memory.copy(arrays[i]->view().data, on_device[i], count * size_of(dtype));
    return std::vector{w, m, v};
  };
  const auto& rows = adam_rows().rows();
  const auto truth = run(test::reference(adam_rows()), DType::f64);
  for (const AdamRow& row : rows)
    for (const DType dtype : {DType::f32, DType::f64}) {
      if (!row.supports(params, dtype)) continue;
      test::compared("adam", row, dtype);
      const auto result = run(row, dtype);
      // Moments: two products and a sum of numbers below 1. Weights: one rounding of |w| ≤ 1.01,
      // and an increment of at most lr·(1/0.271)/(sqrt(v)/sqrt(0.003)) with sqrt(v) ≥ 0.99·|m|:
      // below 1e-3, so that its roundings do not count.
      CHECK(result[1].distance(truth[1]) <= 4 * unit_roundoff(dtype));
      CHECK(result[2].distance(truth[2]) <= 4 * unit_roundoff(dtype));
      CHECK(result[0].distance(truth[0]) <= 4 * unit_roundoff(dtype));
      if (test::independent_of_threads(row)) {
        const test::Threads one(1);
        CHECK(run(row, dtype)[0] == result[0]);
      }
    }
}

TEST_CASE("adam: each group of parameters goes by its own rates") {
  const AdamRates rates[] = {{1e-3, 1.5}, {0, 2}, {2e-3, 3}};
  constexpr std::uint32_t groups[] = {2, 0, 1, 0};
  constexpr std::int64_t count = 1000;
  for (const AdamRow& row : adam_rows().rows()) {
    CAPTURE(row.name);
    RowMemory memory(row);
    Exec exec = memory.exec();
    std::vector<AdamSlot> slots;
    std::vector<float*> weights;
    for (const std::uint32_t group : groups) {
      const auto view = [&](float value) {
        return View{memory.put(std::vector<float>(count, value)), {count}, DType::f32};
      };
      slots.push_back({view(1), view(0.25f), view(0.5f), view(0.0625f), 0, group});
      weights.push_back(slots.back().weight.as<float>());
    }
    AdamParams params{1, 0.5, 0.75, 0, 3};
    params.rates = memory.put(std::vector<AdamRates>(std::begin(rates), std::end(rates)));
    row.step(exec, params, slots);
    // Both moments are their own means with the gradient: m = 0.375, v = 0.0625, all exact.
    for (std::size_t i = 0; i < std::size(groups); ++i) {
      const AdamRates& own = rates[groups[i]];
      const std::vector<float> weight = memory.get(weights[i], count);
      const double expected = 1 - own.rate * 0.375 / (0.25 * own.scale);
      for (const float w : weight) REQUIRE(std::abs(w - expected) <= 0x1p-24);
    }
  }
}

TEST_CASE("adam: every row takes bf16 gradients for their numbers, and leaves rounded copies") {
  // One call for three parameters: two with bf16 gradients and copies, the second at an address
  // that vectors do not like, and one without either.
  constexpr std::int64_t cuts[] = {0, 2001, 5000, 7003}, count = 7003;
  const Philox philox{7, 0};
  std::vector<float> w(count), g(count), m(count), v(count);
  std::vector<bf16> g_bf16(count);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto draw = [&](int k) { return philox.uniform(static_cast<std::uint64_t>(4 * i + k)); };
    w[i] = draw(0) - 0.5f;
    g_bf16[i] = bf16(draw(1) - 0.5f);
    g[i] = widen(g_bf16[i]);
    m[i] = draw(2) - 0.5f;
    v[i] = draw(3);
  }
  for (const AdamRow& row : adam_rows().rows()) {
    CAPTURE(row.name);
    std::vector<bf16> copies;
    const auto run = [&](bool in_bf16) {
      RowMemory memory(row);
      Exec exec = memory.exec();
      float *weight = memory.put(w), *first = memory.put(m), *second = memory.put(v);
      const float* grad = memory.put(g);
      const bf16* grad_bf16 = memory.put(g_bf16);
      bf16* copy = memory.allocate_array<bf16>(count);
      std::vector<AdamSlot> slots;
      for (int k = 0; k < 3; ++k) {
        const std::int64_t at = cuts[k];
        const Shape shape{cuts[k + 1] - at};
        AdamSlot slot{{weight + at, shape, DType::f32},
                      {grad + at, shape, DType::f32},
                      {first + at, shape, DType::f32},
                      {second + at, shape, DType::f32},
                      0.01};
        if (in_bf16 && k < 2) {
          slot.grad = {grad_bf16 + at, shape, DType::bf16};
          slot.copy = {copy + at, shape, DType::bf16};
        }
        slots.push_back(slot);
      }
      row.step(exec, {1e-3, 0.9, 0.999, 1e-8, 3}, slots);
      copies = memory.get(copy, count);
      return memory.get(weight, count);
    };
    const std::vector<float> plain = run(false), mixed = run(true);
    CHECK(plain == mixed);
    int wrong = 0;
    for (std::int64_t i = 0; i < count; ++i)
      wrong += copies[i].bits() != (i < cuts[2] ? bf16(mixed[i]).bits() : 0xffff);
    CHECK(wrong == 0);
  }
}

TEST_CASE("adam: rows that take a gradient's factors update as by their product") {
  // Rows and columns that are no multiple of a tile, and one longer than a piece of the work.
  struct Size {
    std::int64_t n, rows, columns;
  };
  const AdamParams params{1e-3, 0.9, 0.999, 1e-8, 3};
  int tried = 0;
  for (const auto& [n, rows, columns] :
       {Size{1, 1, 1}, {5, 7, 33}, {32, 100, 64}, {3, 13, 8257}, {0, 4, 5}}) {
    const std::int64_t count = rows * columns;
    const test::Array left = test::Array::random({n, rows}, 1),
                      right = test::Array::random({n, columns}, 2);
    test::Array product({rows, columns}, DType::f64);
    for (std::int64_t o = 0; o < rows; ++o)
      for (std::int64_t i = 0; i < columns; ++i) {
        double sum = 0;
        for (std::int64_t k = 0; k < n; ++k)
          sum += left.at(k * rows + o) * right.at(k * columns + i);
        product.view().as<double>()[o * columns + i] = sum;
      }
    const auto run = [&](const AdamRow& row, DType dtype, bool factors) {
      test::Array w = test::Array::random({rows, columns}, 3).to(dtype),
                  m = test::Array::random({rows, columns}, 4).to(dtype);
      test::Array v = m;
      dispatch_floating(dtype, [&](auto zero) {
        using T = decltype(zero);
        for (T& x : std::span(v.view().as<T>(), count)) x *= x;
      });
      const test::Array a = left.to(dtype), b = right.to(dtype), g = product.to(dtype);
      RowMemory memory(row);
      Exec exec = memory.exec();
      // The first of two slots, the other with a gradient of its own.
      const auto put = [&](const test::Array& array) {
        const ConstView view = memory.put(array.view());
        return View{const_cast<void*>(view.data), view.shape, view.dtype};
      };
      AdamSlot by_factors{put(w), {}, put(m), put(v), 0.01};
      if (factors) {
        by_factors.left = put(a);
        by_factors.right = put(b);
      } else {
        by_factors.grad = put(g);
      }
      const AdamSlot plain{put(w), put(g), put(m), put(v), 0.02};
      row.step(exec, params, std::vector{by_factors, plain});
      test::Array w2 = w, m2 = w, v2 = w;
      memory.get(by_factors.weight, w.view());
      memory.get(by_factors.m, m.view());
      memory.get(by_factors.v, v.view());
      memory.get(plain.weight, w2.view());
      memory.get(plain.m, m2.view());
      memory.get(plain.v, v2.view());
      return std::vector{w, m, v, w2, m2, v2};
    };
    const auto truth = run(test::reference(adam_rows()), DType::f64, false);
    for (const AdamRow& row : adam_rows().rows())
      for (const DType dtype : {DType::f32, DType::f64}) {
        if (!row.supports(params, dtype) || !row.takes_factors) continue;
        CAPTURE(row.name);
        CAPTURE(columns);
        ++tried;
        test::compared("adam", row, dtype);
        const auto result = run(row, dtype, true);
        // As with a gradient that is given, and the product's own rounding: at most n of them, of
        // partial sums no larger than n; a tenth of it in m, a thousandth of its square in v.
        const double u = unit_roundoff(dtype), own = u * static_cast<double>(n * n);
        CHECK(result[1].distance(truth[1]) <= 4 * u * std::max(1.0, 0.1 * n) + 0.1 * own);
        CHECK(result[2].distance(truth[2]) <=
              4 * u * std::max(1.0, 1e-3 * n * n) + 1e-3 * 2 * n * own);
        // The increment is at most 1e-3 · (1 + n) and moves with m and sqrt(v).
        CHECK(result[0].distance(truth[0]) <= 4 * u + 1e-2 * own);
        for (std::size_t i = 3; i < 6; ++i) CHECK(result[i].distance(truth[i]) <= 4 * u * (1 + n));
        const test::Threads one(1);
        CHECK(run(row, dtype, true)[0] == result[0]);
      }
  }
  CHECK(tried == 20);
}

TEST_CASE("adam: a gradient in factors is never multiplied, but where a factor is itself updated") {
  const auto values = [](const Shape& shape, std::uint64_t stream) {
    const test::Array array = test::Array::random(shape, stream);
    return Tensor::from(std::span(array.view().as<double>(), shape.numel()), shape);
  };
  const Tensor x = values({2, 40}, 1), grad_y = values({2, 30}, 2);
  // `shared` is a factor of one gradient and a parameter with a gradient of its own, listed first.
  const auto updated = [&](bool factors, bool shared) {
    const Tensor w = values({30, 40}, 3), right = x.clone();
    int multiplied = 0;
    const auto multiply = [&](const Tensor& product) {
      ++multiplied;
      for (std::int64_t o = 0; o < 30; ++o)
        for (std::int64_t i = 0; i < 40; ++i) {
          double sum = 0;
          for (std::int64_t n = 0; n < 2; ++n)
            sum += grad_y.span<double>()[n * 30 + o] * x.span<double>()[n * 40 + i];
          product.span<double>()[o * 40 + i] = sum;
        }
    };
    Tensor product = Tensor::product_of(grad_y, right, multiply);
    if (!factors) product.view();
    w.set_grad(product);
    right.set_grad(Tensor::full({2, 40}, 1, DType::f64));
    std::vector<AdamParameter> parameters = {{"w", w}};
    if (shared) parameters.insert(parameters.begin(), {"right", right});
    Adam adam(std::move(parameters), {});
    REQUIRE(adam.takes_factors());
    const double square = sum_of_squares({product}).item();
    adam.step();
    CHECK(multiplied == (factors && !shared ? 0 : 1));
    return std::pair(w, square);
  };
  for (const bool shared : {false, true}) {
    const auto [w, square] = updated(true, shared);
    const auto [expected, expected_square] = updated(false, shared);
    // Sums of 2 · 70 products in f64, in another order; an increment of at most 3e-4 each.
    CHECK(square == doctest::Approx(expected_square).epsilon(1e-13));
    for (std::int64_t i = 0; i < w.numel(); ++i)
      CHECK(std::abs(w.span<double>()[i] - expected.span<double>()[i]) <= 1e-13);
  }
}

TEST_CASE("adam: a parameter without a gradient stays, gradients are let go") {
  const Tensor a = tensor({1}, DType::f32), b = tensor({1}, DType::f32);
  Adam adam({{"a", a}, {"b", b, 0.5}}, {});
  a.set_grad(tensor({2}, DType::f32));
  CHECK(sum_of_squares(adam.gradients()).item() == 4);
  adam.step();
  CHECK(a.item() < 1);
  CHECK(b.item() == 1);
  CHECK_FALSE(a.grad());
  CHECK(adam.gradients().empty());
}

TEST_CASE("adam: a resumed optimiser takes the same steps to the bit") {
  const auto gradient = [](const Tensor& w, int step) {
    w.set_grad(tensor({0.1 * step, -0.3, 1.0 / (step + 1)}, DType::f32));
  };
  const Tensor w = tensor({1, 2, 3}, DType::f32);
  Adam whole({{"w", w, 1e-3}}, {});
  Tensor resumed;
  for (int step = 0; step < 6; ++step) {
    if (step == 3) {
      resumed = w.clone();
      Adam again({{"w", resumed, 1e-3}}, {});
      const auto from = whole.state(), to = again.state();
      REQUIRE(from.size() == 2);
      CHECK(from[0].first == "m.w");
      CHECK(from[1].first == "v.w");
      for (std::size_t i = 0; i < 2; ++i) to[i].second.copy_from(from[i].second);
      again.set_steps(whole.steps());
      for (int rest = 3; rest < 6; ++rest) {
        gradient(resumed, rest);
        again.step();
      }
    }
    gradient(w, step);
    whole.step();
  }
  for (int i = 0; i < 3; ++i) CHECK(w.span<float>()[i] == resumed.span<float>()[i]);
}

TEST_CASE("adam: it finds the minimum of a bowl") {
  Tensor w = tensor({3, -2}, DType::f64);
  w.set_requires_grad();
  const Tensor minimum = tensor({1, 0.5}, DType::f64);
  Adam adam({{"w", w}}, {.lr = 0.05});
  for (int step = 0; step < 1000; ++step) {
    if (step == 800) adam.set_lr(0.005);
    sum(square(w - minimum)).backward();
    adam.step();
  }
  CHECK(distance(w, {1, 0.5}) < 1e-3);
}

TEST_CASE("sum_of_squares: every row, over several tensors and sizes") {
  int tried = 0;
  for (const SumOfSquaresRow& row : sum_of_squares_rows().rows())
    for (const DType dtype : {DType::f32, DType::f64}) {
      if (!row.supports({}, dtype)) continue;
      ++tried;
      test::compared("sum_of_squares", row, dtype);
      const Device device{row.device, 0};
      const ImplScope forced(fmt::format("sum_of_squares={}", row.name));
      // 1² + … + n², exact in f64.
      for (const std::int64_t n : {0, 1, 15, 16, 17, 1000, 40'000}) {
        const Tensor x = Tensor::empty({n}, DType::f64);
        for (std::int64_t i = 0; i < n; ++i) x.span<double>()[i] = static_cast<double>(i + 1);
        const double squares = n * (n + 1.0) * (2.0 * n + 1) / 6;
        CHECK(sum_of_squares({x.to(dtype).to(device), Tensor::full({2, 2}, -3, dtype, device)})
                  .item() == squares + 36);
      }
      // Carried in f64: an f32 sum would lose the ones, its squares would be infinite.
      CHECK(sum_of_squares(
                {Tensor::full({}, 1 << 14, dtype, device), Tensor::full({}, 1, dtype, device)})
                .item() == std::ldexp(1, 28) + 1);
      CHECK(sum_of_squares({Tensor::full({}, std::ldexp(1, 100), dtype, device)}).item() ==
            std::ldexp(1, 200));
    }
  CHECK(tried >= 6);
  CHECK_THROWS_AS(sum_of_squares({}), Error);
}

TEST_CASE("sum_of_squares: arrays at any address, and no array") {
  int with_bf16 = 0;
  for (const SumOfSquaresRow& row : sum_of_squares_rows().rows()) {
    CAPTURE(row.name);
    RowMemory memory(row);
    Exec exec = memory.exec();
    const float* x = memory.put(std::vector<float>(50'000, 3));
    double* y = memory.allocate_array<double>(1);
    const View result{y, {}, DType::f64};
    row.forward(exec, {0}, {}, result);
    CHECK(memory.get(y, 1)[0] == 0);
    const std::vector<ConstView> parts = {{x + 1, {9'998}, DType::f32},
                                          {x + 9'999, {1}, DType::f32},
                                          {x + 10'000, {39'999}, DType::f32}};
    row.forward(exec, {49'998}, parts, result);
    CHECK(memory.get(y, 1)[0] == 9 * 49'998);
    if (!row.supports({}, DType::bf16)) continue;
    // Among others, at an odd address, and at one that vectors like.
    const bf16* rounded = memory.put(std::vector<bf16>(20'000, bf16(-0.5f)));
    const std::vector<ConstView> mixed = {{rounded + 1, {9'000}, DType::bf16},
                                          {x + 1, {4}, DType::f32},
                                          {rounded + 10'000, {10'000}, DType::bf16}};
    row.forward(exec, {19'004}, mixed, result);
    CHECK(memory.get(y, 1)[0] == 19'000 * 0.25 + 4 * 9);
    ++with_bf16;
  }
  CHECK(with_bf16 > 0);
}

TEST_CASE("product_square: every row gives the squares of the product's elements") {
  struct Size {
    std::int64_t n, rows, columns;
  };
  int tried = 0;
  const auto run = [](const ProductSquareRow& row, const Size& size, const test::Array& left,
                      const test::Array& right) {
    RowMemory memory(row);
    Exec exec = memory.exec();
    double* y = memory.allocate_array<double>(1);
    row.forward(exec, {size.n, size.rows, size.columns}, memory.put(left.view()),
                memory.put(right.view()), {y, {}, DType::f64});
    return memory.get(y, 1)[0];
  };
  for (const Size& size :
       {Size{1, 1, 1}, {3, 5, 17}, {32, 100, 1500}, {2, 0, 5}, {0, 3, 4}, {7, 513, 16}}) {
    const auto& [n, rows, columns] = size;
    const test::Array left = test::Array::random({n, rows}, 1),
                      right = test::Array::random({n, columns}, 2);
    const double truth = run(test::reference(product_square_rows()), size, left, right);
    CHECK((truth > 0) == (n * rows * columns > 0));
    for (const ProductSquareRow& row : product_square_rows().rows())
      for (const DType dtype : {DType::f32, DType::f64}) {
        if (!row.supports({n, rows, columns}, dtype)) continue;
        CAPTURE(row.name);
        ++tried;
        test::compared("product_square", row, dtype);
        // A product's element rounds n times a partial sum of random signs, its square twice as
        // much; the Gram matrices are f64 and as long as the rows.
        const double tolerance =
            2.0 * n * unit_roundoff(dtype) + (rows + columns) * unit_roundoff(DType::f64);
        const double square = run(row, size, left.to(dtype), right.to(dtype));
        // Four times that: of random operands the largest terms are of the size of the whole sum.
        CHECK(std::abs(square - truth) <= 4 * tolerance * truth);
        if (test::independent_of_threads(row)) {
          const test::Threads one(1);
          CHECK(run(row, size, left.to(dtype), right.to(dtype)) == square);
        }
      }
  }
  CHECK(tried >= 6 * 6);
}

TEST_CASE("product_square: not finite where the product is not, and never below zero") {
  const auto square = [](const ProductSquareRow& row, std::vector<float> left,
                         std::vector<float> right) {
    RowMemory memory(row);
    Exec exec = memory.exec();
    double* y = memory.allocate_array<double>(1);
    row.forward(exec, {2, 2, 3}, ConstView{memory.put(left), {2, 2}, DType::f32},
                ConstView{memory.put(right), {2, 3}, DType::f32}, {y, {}, DType::f64});
    return memory.get(y, 1)[0];
  };
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  for (const ProductSquareRow& row : product_square_rows().rows()) {
    CAPTURE(row.name);
    CHECK(square(row, {1, 2, 3, 4}, {1, 0, 2, 0, 1, -1}) == 1 + 9 + 1 + 4 + 16 + 0);
    // The rows cancel.
    const double none = square(row, {0.1f, 0.7f, 0.1f, 0.7f}, {0.3f, 1, 0.9f, -0.3f, -1, -0.9f});
    // What is left of terms below 1, in f64, or of elements below 1, in f32, squared.
    CHECK(none >= 0);
    CHECK(none <= 1e-14);
    for (const float bad : {infinity, -infinity, nan}) {
      // The other factor's row is zero there.
      CHECK_FALSE(std::isfinite(square(row, {1, 2, 0, 0}, {1, 1, 1, bad, 1, 1})));
      CHECK_FALSE(std::isfinite(square(row, {1, bad, 1, 1}, {0, 0, 0, 1, 1, 1})));
    }
    // Finite factors, an element of the product beyond the range of f32.
    CHECK_FALSE(std::isfinite(square(row, {1e20f, 0, 0, 0}, {1e20f, 0, 0, 0, 0, 0})));
    // On the way to an element that is zero.
    CHECK_FALSE(std::isfinite(square(row, {1e20f, 0, 1e20f, 0}, {1e20f, 0, 0, -1e20f, 0, 0})));
    CHECK(std::isfinite(square(row, {1e18f, 0, 0, 0}, {1e18f, 0, 0, 0, 0, 0})));
  }
}
