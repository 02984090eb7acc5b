#include "engine/adam.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/ops/binary.h"
#include "engine/ops/reduce.h"
#include "engine/ops/unary.h"
#include "kernels/adam/adam.h"
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
