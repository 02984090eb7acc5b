/// Batch norm's running statistics, dropout, and the bookkeeping of modules.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "engine/adam.h"
#include "engine/ops/batchnorm.h"
#include "engine/ops/binary.h"
#include "engine/ops/dropout.h"
#include "engine/ops/maxpool2d.h"
#include "engine/ops/reduce.h"
#include "engine/ops/relu.h"
#include "layers/batchnorm.h"
#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/linear.h"
#include "tests/temporary_folder.h"

using namespace duet;

namespace {

Tensor normal_tensor(const Shape& shape, std::uint64_t stream, DType dtype = DType::f64) {
  RandomSequence numbers(21, stream);
  Tensor x = Tensor::empty(shape, DType::f64);
  for (double& v : x.span<double>()) v = 0.5 + 2 * numbers.normal();
  return x.to(dtype);
}

/// Mean and variance (over n − 1) of each channel of all batches taken together.
std::pair<std::vector<double>, std::vector<double>> statistics(const std::vector<Tensor>& batches) {
  const std::int64_t channels = batches[0].dim(-1);
  std::vector<double> mean(channels), var(channels);
  double rows = 0;
  for (const Tensor& x : batches) {
    rows += static_cast<double>(x.numel() / channels);
    for (std::int64_t i = 0; i < x.numel(); ++i) mean[i % channels] += x.span<double>()[i];
  }
  for (double& m : mean) m /= rows;
  for (const Tensor& x : batches)
    for (std::int64_t i = 0; i < x.numel(); ++i)
      var[i % channels] += std::pow(x.span<double>()[i] - mean[i % channels], 2);
  for (double& v : var) v /= rows - 1;
  return {mean, var};
}

const Tensor& buffer(const std::map<std::string, Tensor>& state, const char* name) {
  return state.at(name);
}

void check_close(const Tensor& actual, const std::vector<double>& expected, double tolerance) {
  REQUIRE(actual.numel() == static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(std::abs(actual.to(DType::f64).span<double>()[i] - expected[i]) <= tolerance);
}

/// A part with one of everything, to name and load.
class Sample : public Module {
 public:
  explicit Sample(Build& build)
      : conv_(build, 2, 3, 3, 1, true), norm_(build, 3), linear_(build, 5, 4) {
    add_part("conv", conv_);
    add_part("norm", norm_);
    add_part("out", linear_);
  }

 private:
  Conv2d conv_;
  BatchNorm norm_;
  Linear linear_;
};

}  // namespace

TEST_CASE("batchnorm layer: running statistics follow training batches with the momentum") {
  RandomState random;
  Build build{.dtype = DType::f64, .random = random};
  BatchNorm norm(build, 3, 0.25);
  std::vector<double> mean(3, 0), var(3, 1);
  for (std::uint64_t batch = 0; batch < 3; ++batch) {
    const Tensor x = normal_tensor({4, 2, 3, 3}, batch);
    norm.forward(x);
    const auto [batch_mean, batch_var] = statistics({x});
    for (int c = 0; c < 3; ++c) {
      mean[c] = 0.75 * mean[c] + 0.25 * batch_mean[c];
      var[c] = 0.75 * var[c] + 0.25 * batch_var[c];
    }
  }
  // Sums of 24 numbers below 10: 24·10·u, with a factor of 10.
  check_close(buffer(norm.state(), "running_mean"), mean, 1e-12);
  check_close(buffer(norm.state(), "running_var"), var, 1e-12);
}

TEST_CASE("batchnorm layer: evaluation uses the running statistics and changes nothing") {
  RandomState random;
  Build build{.dtype = DType::f64, .random = random};
  BatchNorm norm(build, 2);
  norm.load_state({{"weight", Tensor::from(std::vector<double>{2, -1}, {2})},
                   {"bias", Tensor::from(std::vector<double>{0.5, 1}, {2})},
                   {"running_mean", Tensor::from(std::vector<double>{1, -1}, {2})},
                   {"running_var", Tensor::from(std::vector<double>{4 - 1e-5, 1 - 1e-5}, {2})}},
                  "test");
  norm.set_mode(Mode::evaluation);
  const Tensor y = norm.forward(Tensor::from(std::vector<double>{3, 0, 1, -1}, {2, 2}));
  // 2·(3 − 1)/2 + 0.5, −(0 + 1)/1 + 1, and the means themselves.
  check_close(y, {2.5, 0, 0.5, 1}, 1e-14);
  check_close(buffer(norm.state(), "running_mean"), {1, -1}, 0);
  // Evaluation takes a single row; training cannot.
  CHECK(norm.forward(Tensor::zeros({1, 2}, DType::f64)).numel() == 2);
  norm.set_mode(Mode::training);
  CHECK_THROWS_WITH_AS(norm.forward(Tensor::zeros({1, 2}, DType::f64)),
                       doctest::Contains("[batchnorm] one value a channel has no variance"), Error);
}

TEST_CASE("batchnorm layer: with a tail it is the four layers one after the other, in each mode") {
  const Shape shape{3, 5, 4, 6};
  for (const Device device : {Device{}, Device{DeviceType::simt, 0}})
    for (const Mode mode : {Mode::training, Mode::evaluation, Mode::estimation}) {
      CAPTURE(to_string(device.type));
      CAPTURE(static_cast<int>(mode));
      RandomState random;
      Build build{.dtype = DType::f64, .device = device, .random = random};
      BatchNorm apart(build, 6, 0.25), fused(build, 6, 0.25);
      for (BatchNorm* norm : {&apart, &fused}) {
        norm->forward(normal_tensor(shape, 1).to(device));  // moves the statistics off 0 and 1
        norm->set_mode(mode);
      }
      const Tensor x = normal_tensor(shape, 2).to(device);
      const BlockTailOptions tail{.pool = 2, .dropout = 0.25, .mask = {1, 2}};
      const Tensor expected = dropout(maxpool2d(relu(apart.forward(x))), tail.dropout, tail.mask);
      const Tensor actual = fused.forward(x, tail);
      REQUIRE(actual.shape() == expected.shape());
      const auto values = expected.to(Device{});
      // The same sums in the same order, but for what the compiler fuses: 60 additions of numbers
      // below 10.
      check_close(actual.to(Device{}), {values.span<double>().begin(), values.span<double>().end()},
                  60 * 10 * 0x1p-53);
      for (BatchNorm* norm : {&apart, &fused}) norm->set_mode(Mode::evaluation);
      for (const char* name : {"running_mean", "running_var"}) {
        const Tensor kept = buffer(apart.state(), name);
        check_close(buffer(fused.state(), name),
                    {kept.span<double>().begin(), kept.span<double>().end()}, 60 * 10 * 0x1p-53);
      }
    }
}

TEST_CASE_TEMPLATE("batchnorm layer: estimation gives the statistics of all batches together", T,
                   float, double) {
  const DType dtype = dtype_of<T>;
  RandomState random;
  Build build{.dtype = dtype, .random = random};
  BatchNorm norm(build, 3);
  norm.forward(normal_tensor({5, 2, 2, 3}, 9, dtype));
  const auto before = norm.state();
  const std::vector<double> mean_before = {before.at("running_mean").template span<T>()[0]};

  // Batches of unequal size: their means may not simply be averaged.
  std::vector<Tensor> batches;
  norm.set_mode(Mode::estimation);
  for (std::uint64_t i = 0; i < 4; ++i) {
    const Tensor x = normal_tensor({static_cast<std::int64_t>(2 + 3 * i), 2, 3, 3}, i, dtype);
    batches.push_back(x.to(DType::f64));
    const Tensor y = norm.forward(x);
    // What goes on to the next layer is normalised by the batch itself.
    const auto [mean, var] = statistics({y.to(DType::f64)});
    for (int c = 0; c < 3; ++c) CHECK(std::abs(mean[c]) < 1e-5);
    CHECK(before.at("running_mean").template span<T>()[0] == mean_before[0]);
  }
  norm.set_mode(Mode::evaluation);
  const auto [mean, var] = statistics(batches);
  // Each batch's statistics are rounded to the dtype after sums of up to 66 terms, then carried in
  // f64: 66·u times |mean| + deviation² ≈ 5, and the result is rounded once more.
  const double tolerance = 70 * 5 * (dtype == DType::f32 ? 0x1p-24 : 0x1p-53);
  check_close(buffer(norm.state(), "running_mean"), mean, tolerance);
  check_close(buffer(norm.state(), "running_var"), var, tolerance);

  // A second estimation starts afresh, and one that saw nothing leaves what there was.
  norm.set_mode(Mode::estimation);
  norm.forward(batches[0].to(dtype));
  norm.set_mode(Mode::training);
  check_close(buffer(norm.state(), "running_mean"), statistics({batches[0]}).first, tolerance);
  const double kept = buffer(norm.state(), "running_mean").to(DType::f64).span<double>()[0];
  norm.set_mode(Mode::estimation);
  norm.set_mode(Mode::evaluation);
  CHECK(buffer(norm.state(), "running_mean").to(DType::f64).span<double>()[0] == kept);
}

TEST_CASE(
    "dropout layer: on in training alone, each call draws another mask, a seed repeats them") {
  const Tensor ones = Tensor::full({1000}, 1);
  const auto kept = [](const Tensor& y) {
    std::vector<bool> mask;
    for (const float v : y.span<float>()) mask.push_back(v != 0);
    return mask;
  };
  RandomState random{.seed = 5};
  Build build{.random = random};
  Dropout dropout(build, 0.3);
  const auto first = kept(dropout.forward(ones)), second = kept(dropout.forward(ones));
  CHECK(first != second);
  CHECK(random.masks_drawn == 2);
  const auto count = std::count(first.begin(), first.end(), true);
  // 700 expected, with a deviation of sqrt(1000·0.3·0.7) = 14.5: five of them.
  CHECK(std::abs(count - 700) < 73);
  for (const float v : dropout.forward(ones).span<float>())
    CHECK((v == 0 || v == doctest::Approx(1 / 0.7).epsilon(1e-6)));

  for (const Mode mode : {Mode::evaluation, Mode::estimation}) {
    dropout.set_mode(mode);
    CHECK(dropout.forward(ones).view().data == ones.view().data);
  }
  CHECK(random.masks_drawn == 3);  // no mask was spent

  RandomState again{.seed = 5}, other{.seed = 6};
  Build build_again{.random = again}, build_other{.random = other};
  CHECK(kept(Dropout(build_again, 0.3).forward(ones)) == first);
  CHECK(kept(Dropout(build_other, 0.3).forward(ones)) != first);
  again.masks_drawn = 1;  // as a checkpoint restores it
  CHECK(kept(Dropout(build_again, 0.3).forward(ones)) == second);

  Dropout off(build, 0);
  CHECK(off.forward(ones).view().data == ones.view().data);
  CHECK(random.masks_drawn == 3);
}

TEST_CASE("module: names, order, and PyTorch's layouts") {
  RandomState random;
  Build build{.random = random};
  const Sample sample(build);
  std::vector<std::string> names;
  for (const Parameter& p : sample.parameters()) names.push_back(p.name);
  CHECK(names == std::vector<std::string>{"conv.weight", "conv.bias", "norm.weight", "norm.bias",
                                          "out.weight", "out.bias"});
  names.clear();
  for (const Parameter& p : sample.buffers()) names.push_back(p.name);
  CHECK(names == std::vector<std::string>{"norm.running_mean", "norm.running_var"});

  const Tensor inside = sample.parameters()[0].tensor, outside = sample.state().at("conv.weight");
  CHECK(sample.parameters()[0].conv_kernel);
  CHECK_FALSE(sample.parameters()[4].conv_kernel);
  REQUIRE(inside.shape() == Shape{3, 3, 3, 2});   // O, kH, kW, I
  REQUIRE(outside.shape() == Shape{3, 2, 3, 3});  // O, I, kH, kW
  for (int o = 0; o < 3; ++o)
    for (int i = 0; i < 2; ++i)
      for (int y = 0; y < 3; ++y)
        for (int x = 0; x < 3; ++x)
          CHECK(outside.span<float>()[((o * 2 + i) * 3 + y) * 3 + x] ==
                inside.span<float>()[((o * 3 + y) * 3 + x) * 2 + i]);
}

TEST_CASE("layers: in TF32 and bf16 products are that exact, and weights stay f32") {
  constexpr int rows = 12, in = 24, out = 16;
  const Tensor x0 = normal_tensor({rows, in}, 1, DType::f32),
               cotangent = normal_tensor({rows, out}, 2, DType::f32);
  struct Results {
    Tensor weight, y, grad_x, grad_weight, grad_bias;
  };
  /// A linear layer, or the convolution that is the same product.
  const auto run = [&](Precision precision, Device device, bool convolution) {
    RandomState random{.seed = 3};
    Build build{.device = device, .random = random, .precision = precision};
    const Shape x_shape = convolution ? Shape{2, 3, 2, in} : Shape{rows, in};
    Tensor x = x0.alias(x_shape).to(device);
    x.set_requires_grad();
    std::unique_ptr<Module> layer;
    Tensor y;
    if (convolution) {
      auto conv = std::make_unique<Conv2d>(build, in, out, 1, 0, true);
      y = conv->forward(x);
      layer = std::move(conv);
    } else {
      auto linear = std::make_unique<Linear>(build, in, out);
      y = linear->forward(x);
      layer = std::move(linear);
    }
    REQUIRE(y.dtype() == DType::f32);
    sum(multiply(y, cotangent.alias(y.shape()).to(device))).backward();
    Results results;
    const auto parameters = layer->parameters();
    results.weight = parameters[0].tensor.to(Device{});
    results.y = y.detach().to(Device{});
    results.grad_x = x.grad().to(Device{});
    REQUIRE(results.weight.dtype() == DType::f32);
    results.grad_weight = parameters[0].grad().to(Device{}).to(DType::f32);
    results.grad_bias = parameters[1].grad().to(Device{}).to(DType::f32);
    return results;
  };
  for (const bool convolution : {false, true})
    for (const Precision precision : {Precision::tf32, Precision::bf16}) {
      CAPTURE(convolution);
      CAPTURE(to_string(precision));
      const Results exact = run(Precision::f32, Device{}, convolution);
      const Results rounded = run(precision, {DeviceType::simt, 0}, convolution);
      // A factor 1 + δ, |δ| ≤ u, for each operand and for the result; their squares are the 0.1.
      const double bound = 3.1 * (precision == Precision::bf16 ? 0x1p-8 : 0x1p-11);
      const auto x = x0.span<float>(), w = exact.weight.span<float>(), g = cotangent.span<float>();
      double worst = 0;
      const auto compare = [&](const Tensor& expected, const Tensor& actual, auto&& terms) {
        REQUIRE(actual.dtype() == DType::f32);
        for (std::int64_t i = 0; i < expected.numel(); ++i) {
          const double error = std::abs(actual.span<float>()[i] - expected.span<float>()[i]);
          CHECK(error <= bound * terms(i));
          worst = std::max(worst, error / terms(i));
        }
      };
      compare(exact.y, rounded.y, [&](std::int64_t i) {
        double terms = 0;
        for (int k = 0; k < in; ++k) terms += std::abs(x[i / out * in + k] * w[i % out * in + k]);
        return terms;
      });
      compare(exact.grad_x, rounded.grad_x, [&](std::int64_t i) {
        double terms = 0;
        for (int o = 0; o < out; ++o) terms += std::abs(g[i / in * out + o] * w[o * in + i % in]);
        return terms;
      });
      compare(exact.grad_weight, rounded.grad_weight, [&](std::int64_t i) {
        double terms = 0;
        for (int n = 0; n < rows; ++n) terms += std::abs(g[n * out + i / in] * x[n * in + i % in]);
        return terms;
      });
      CHECK(worst > 0x1p-16);  // more than f32 rounds
      compare(exact.grad_bias, rounded.grad_bias, [&](std::int64_t i) {
        double terms = 0;
        for (int n = 0; n < rows; ++n) terms += std::abs(g[n * out + i]);
        return terms;
      });
    }
}

TEST_CASE(
    "layers: in bf16 the products' weights are the f32 ones rounded, after an update and a load") {
  RandomState random{.seed = 3};
  const Device simt{DeviceType::simt, 0};
  Build build{.device = simt, .random = random, .precision = Precision::bf16};
  const Linear layer(build, 24, 16);
  const std::vector<Parameter> parameters = layer.parameters();
  const auto check_rounded = [&] {
    for (const Parameter& p : parameters) {
      REQUIRE(p.rounded.dtype() == DType::bf16);
      const Tensor kept = p.rounded.to(Device{}).to(DType::f32),
                   again = p.tensor.to(Device{}).to(DType::bf16).to(DType::f32);
      for (std::int64_t i = 0; i < kept.numel(); ++i)
        REQUIRE(kept.span<float>()[i] == again.span<float>()[i]);
    }
  };
  check_rounded();
  const auto fresh = layer.state();

  std::vector<AdamParameter> trained;
  for (const Parameter& p : parameters)
    trained.push_back({.name = p.name, .weight = p.tensor, .rounded = p.rounded});
  Adam adam(trained, {.lr = 0.1});
  sum(layer.forward(normal_tensor({12, 24}, 1, DType::f32).to(simt))).backward();
  REQUIRE(adam.gradients().size() == 2);
  adam.step();
  check_rounded();
  const Tensor before = fresh.at("weight"), after = layer.state().at("weight");
  for (std::int64_t i = 0; i < before.numel(); ++i)
    CHECK(std::abs(after.span<float>()[i] - before.span<float>()[i]) > 0.09);

  layer.load_state(fresh, "test");
  check_rounded();
}

TEST_CASE("layers: a ReLU in bf16 lets a gradient pass where its own result is positive") {
  RandomState random{.seed = 3};
  const Device simt{DeviceType::simt, 0};
  Build build{.device = simt, .random = random, .precision = Precision::bf16};
  const Linear layer(build, 24, 16, true);
  const Tensor y = layer.forward(normal_tensor({12, 24}, 1, DType::f32).to(simt));
  sum(y).backward();
  const Tensor result = y.detach().to(Device{}),
               grad = layer.parameters()[1].grad().to(Device{}).to(DType::f32);
  int passed = 0;
  for (int o = 0; o < 16; ++o) {
    int positive = 0;
    for (int n = 0; n < 12; ++n) {
      CHECK(result.span<float>()[n * 16 + o] >= 0);
      positive += result.span<float>()[n * 16 + o] > 0;
    }
    CHECK(grad.span<float>()[o] == positive);
    passed += positive;
  }
  CHECK(passed > 0);
  CHECK(passed < 12 * 16);
}

TEST_CASE("module: a state loads into another network, in another precision too") {
  RandomState one{.seed = 1}, two{.seed = 2};
  Build build_one{.random = one}, build_two{.dtype = DType::f64, .random = two};
  const Sample a(build_one), b(build_two);
  const auto state = a.state();
  b.load_state(state, "a");
  const auto loaded = b.state();
  REQUIRE(loaded.size() == state.size());
  for (const auto& [name, tensor] : state) {
    REQUIRE(loaded.at(name).dtype() == DType::f64);
    for (std::int64_t i = 0; i < tensor.numel(); ++i)
      CHECK(loaded.at(name).span<double>()[i] == tensor.span<float>()[i]);
  }
  CHECK(b.parameters()[0].tensor.requires_grad());
}

TEST_CASE("module: a state that is shared is not copied, but for what lies otherwise in memory") {
  RandomState random;
  Build build{.random = random};
  const Sample a(build);
  const auto state = a.state();
  Build bare{.random = random, .draw_weights = false};
  Sample b(bare);
  CHECK(bare.weights_drawn == 0);
  b.share_state(state, "a");
  const auto shared = b.state();
  REQUIRE(shared.size() == state.size());
  for (const auto& [name, tensor] : state) {
    const auto values = tensor.span<float>(), others = shared.at(name).span<float>();
    CHECK(std::equal(values.begin(), values.end(), others.begin(), others.end()));
  }
  for (const Parameter& p : b.parameters()) {
    CHECK((p.tensor.view().data == state.at(p.name).view().data) == !p.conv_kernel);
    CHECK(p.tensor.requires_grad());
  }
  CHECK_FALSE(state.at("out.bias").requires_grad());

  // Another type, and another device, take copies.
  for (const Device device : {Device{}, Device{DeviceType::simt, 0}}) {
    Build wide{.dtype = DType::f64, .device = device, .random = random, .draw_weights = false};
    const Sample c(wide);
    c.share_state(state, "a");
    for (const auto& [name, tensor] : c.state())
      for (std::int64_t i = 0; i < tensor.numel(); ++i)
        CHECK(tensor.span<double>()[i] == state.at(name).span<float>()[i]);
  }
}

TEST_CASE("module: states that do not fit are DataErrors that name file and tensor") {
  RandomState random;
  Build build{.random = random};
  const Sample sample(build);
  const auto refusal = [&](const char* name, const Tensor& replacement) {
    auto state = sample.state();
    state.erase(name);
    if (replacement) state[name] = replacement;
    return message_of<DataError>([&] { sample.load_state(state, "run/model.safetensors"); });
  };
  CHECK(refusal("norm.running_var", {}) ==
        "run/model.safetensors: has no tensor 'norm.running_var', which this network needs");
  CHECK(refusal("out.bias", Tensor::zeros({5})) ==
        "run/model.safetensors: tensor 'out.bias' has shape (5), this network needs (4)");
  CHECK(refusal("conv.weight", Tensor::zeros({3, 3, 3, 2})) != "");
  CHECK(refusal("conv.weight", Tensor::zeros({54})) != "");
  CHECK(refusal("conv.weight", Tensor::zeros({3, 2, 3, 3})) == "");
}

TEST_CASE("module: He-normal weights have their variance, and a seed repeats them") {
  RandomState random{.seed = 3};
  Build build{.random = random}, again{.random = random};
  const Tensor w = build.he_normal({200, 100}, 100), v = build.he_normal({200, 100}, 100);
  double sum = 0, squares = 0;
  for (const float x : w.span<float>()) sum += x, squares += double{x} * x;
  // 20,000 numbers of variance 2/100: the mean deviates by 0.001, the variance by 1 %; five times.
  CHECK(std::abs(sum / 20'000) < 0.005);
  CHECK(std::abs(squares / 20'000 / 0.02 - 1) < 0.05);
  CHECK(w.span<float>()[0] != v.span<float>()[0]);
  const Tensor repeated = again.he_normal({200, 100}, 100);
  CHECK(std::equal(w.span<float>().begin(), w.span<float>().end(), repeated.span<float>().begin()));
}
