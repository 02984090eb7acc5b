#include "tests/op_cases.h"

#include "engine/autograd.h"
#include "engine/ops/batchnorm.h"
#include "engine/ops/binary.h"
#include "engine/ops/block_tail.h"
#include "engine/ops/cast.h"
#include "engine/ops/concat.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/dropout.h"
#include "engine/ops/linear.h"
#include "engine/ops/maxpool2d.h"
#include "engine/ops/permute.h"
#include "engine/ops/reduce.h"
#include "engine/ops/relu.h"
#include "engine/ops/softmax.h"
#include "engine/ops/softmax_cross_entropy.h"
#include "engine/ops/unary.h"
#include "kernels/base/philox.h"
#include "layers/fusion/fusion.h"

namespace duet::test {
namespace {

using Inputs = std::vector<Tensor>;

OpCase conv(const char* name, Shape x, Shape weight, Conv2dOptions options, bool bias) {
  OpCase c{"conv2d", name, {x, weight}, {}, 0};
  if (bias) c.inputs.push_back({weight[0]});
  c.run = [=](const Inputs& in) { return conv2d(in[0], in[1], bias ? in[2] : Tensor(), options); };
  c.tf32 = options.tf32;
  if (c.tf32) c.exact = DType::bf16;
  c.reduction_length = std::max(
      {weight[1] * weight[2] * weight[3], weight[1] * weight[2] * weight[0], x[0] * x[1] * x[2]});
  return c;
}

OpCase dense(const char* name, std::int64_t n, std::int64_t in, std::int64_t out,
             LinearOptions options = {}, bool bias = true) {
  OpCase c{"linear", name, {{n, in}, {out, in}}, {}, std::max({n, in, out})};
  if (bias) c.inputs.push_back({out});
  c.run = [=](const Inputs& i) { return linear(i[0], i[1], bias ? i[2] : Tensor(), options); };
  c.tf32 = options.tf32;
  if (c.tf32) c.exact = DType::bf16;
  return c;
}

OpCase tail(const char* name, Shape x, BlockTailOptions options, bool training) {
  const std::int64_t channels = x[3];
  return {"block_tail",
          name,
          {x, {channels}, {channels}},
          [=](const Inputs& in) {
            if (training) return block_tail_training(in[0], in[1], in[2], 1e-5, options);
            const Tensor mean = Tensor::full({channels}, 0.25, in[1].dtype(), in[0].device());
            const Tensor var = Tensor::full({channels}, 1.5, in[1].dtype(), in[0].device());
            return block_tail_inference(in[0], in[1], in[2], 1e-5, options, mean, var);
          },
          x[0] * x[1] * x[2],
          false,
          2};
}

OpCase unary_case(const char* name, Tensor (*f)(const Tensor&), bool positive = false) {
  return {"unary", name, {{5, 7}}, [f](const Inputs& in) { return f(in[0]); }, 8, positive};
}

OpCase binary_case(const char* name, Tensor (*f)(const Tensor&, const Tensor&), Shape a, Shape b) {
  return {"binary",
          name,
          {a, b},
          [f](const Inputs& in) { return f(in[0], in[1]); },
          std::max(a.numel(), b.numel()),
          true};
}

OpCase reduction(const char* name, Tensor (*f)(const Tensor&, int), Shape x, int dimension) {
  return {"reduce", name, {x}, [=](const Inputs& in) { return f(in[0], dimension); }, x[dimension]};
}

/// Σ y · weights, worked out on the CPU without any row: y alone is under test.
struct WeightedSum {
  static constexpr const char* name = "weighted_sum";

  static Tensor forward(Context& context, const Tensor& y, const Tensor& weights) {
    context.save({y, weights});
    const Tensor a = y.to(Device{}).to(DType::f64), b = weights.to(DType::f64);
    double sum = 0;
    for (std::int64_t i = 0; i < a.numel(); ++i) sum += a.data<double>()[i] * b.data<double>()[i];
    return Tensor::full({}, sum, DType::f64);
  }

  static Gradients backward(Context& context, const Tensor&) {
    return {context.saved(1).to(context.saved(0).device()), {}};
  }
};

Tensor labels_for(std::int64_t n, std::int64_t classes, Device device) {
  std::vector<std::int32_t> labels(n);
  for (std::int64_t i = 0; i < n; ++i) labels[i] = static_cast<std::int32_t>(i * 5 % classes);
  return Tensor::from(labels, {n}, device);
}

OpCase cross_entropy(const char* name, bool weighted, double smoothing) {
  return {"softmax_cross_entropy",
          name,
          {{6, 3}},
          [=](const Inputs& in) {
            const Tensor weights = weighted ? Tensor::from(std::vector<double>{0.5, 2, 1.25}, {3})
                                                  .to(wide(in[0].dtype()))
                                                  .to(in[0].device())
                                            : Tensor();
            return softmax_cross_entropy(in[0], labels_for(6, 3, in[0].device()), weights,
                                         smoothing);
          },
          18};
}

OpCase fusion_case(const std::string& fusion) {
  const Shape map = {2, 3, 3, 5};
  return {fusion_op(fusion),
          "fusion " + fusion,
          {map, map},
          [=](const Inputs& in) {
            RandomState random{.seed = 1};
            Build build{.dtype = in[0].dtype(), .device = in[0].device(), .random = random};
            return make_fusion(fusion, build, {map[3], map[1], map[2]})->forward(in[0], in[1]);
          },
          8};
}

}  // namespace

std::vector<OpCase> op_cases() {
  std::vector<OpCase> cases = {
      conv("3x3 pad 1", {2, 6, 5, 3}, {4, 3, 3, 3}, {1, 1, 1, 1}, false),
      conv("3x3 pad 1, 16 channels", {2, 11, 10, 16}, {16, 3, 3, 16}, {1, 1, 1, 1}, false),
      conv("3x3 pad 1, 17 to 35 channels, bias", {1, 7, 10, 17}, {35, 3, 3, 17}, {1, 1, 1, 1},
           true),
      conv("5x3 stride 2,1 pad 0,2", {2, 9, 7, 3}, {5, 5, 3, 3}, {2, 1, 0, 2}, true),
      conv("1x1", {3, 4, 4, 8}, {6, 1, 1, 8}, {}, true),
      conv("3x3 pad 1, ReLU", {2, 5, 6, 3}, {5, 3, 3, 3}, {.pad_h = 1, .pad_w = 1, .relu = true},
           false),
      conv("3x3 pad 1, 16 channels, bias, ReLU", {2, 6, 7, 16}, {17, 3, 3, 16},
           {.pad_h = 1, .pad_w = 1, .relu = true}, true),
      conv("3x3 pad 1, TF32", {2, 6, 7, 8}, {12, 3, 3, 8}, {.pad_h = 1, .pad_w = 1, .tf32 = true},
           false),
      conv("5x3 stride 2,1 pad 0,2, bias, ReLU, TF32", {2, 9, 7, 3}, {5, 5, 3, 3},
           {2, 1, 0, 2, true, true}, true),
      conv("one pixel", {1, 1, 1, 2}, {3, 1, 1, 2}, {}, false),
      dense("one row", 1, 37, 19),
      dense("a batch", 6, 33, 18),
      dense("three classes", 5, 16, 3),
      dense("nine rows, whole packs", 9, 20, 12),
      dense("34 rows", 34, 9, 5),
      dense("one row, ReLU", 1, 37, 19, {.relu = true}),
      dense("a batch, ReLU", 12, 20, 18, {.relu = true}),
      dense("a batch, no bias", 6, 16, 24, {}, false),
      dense("a batch, ReLU, TF32", 40, 20, 36, {.relu = true, .tf32 = true}),
      dense("three classes, TF32", 5, 17, 3, {.tf32 = true}),
      {"batchnorm",
       "training",
       {{2, 3, 4, 5}, {5}, {5}},
       [](const Inputs& in) { return batchnorm_training(in[0], in[1], in[2], 1e-5); },
       24,
       false,
       2},
      {"batchnorm",
       "training, eight channels",
       {{3, 5, 7, 8}, {8}, {8}},
       [](const Inputs& in) { return batchnorm_training(in[0], in[1], in[2], 1e-5); },
       105,
       false,
       2},
      {"batchnorm",
       "inference",
       {{6, 5}, {5}, {5}},
       [](const Inputs& in) {
         const Tensor mean = Tensor::full({5}, 0.25, in[1].dtype(), in[0].device());
         const Tensor var = Tensor::full({5}, 1.5, in[1].dtype(), in[0].device());
         return batchnorm_inference(in[0], in[1], in[2], 1e-5, mean, var);
       },
       6,
       false,
       2},
      {"cast", "to f64", {{3, 5, 7}}, [](const Inputs& in) { return cast(in[0], DType::f64); }, 1},
      tail("no pool", {2, 3, 4, 5}, {}, true),
      tail("2x2, dropout", {2, 6, 4, 8}, {.pool = 2, .dropout = 0.3, .mask = {3, 4}}, true),
      tail("2x2, odd sides, dropout", {2, 7, 5, 3}, {.pool = 2, .dropout = 0.3, .mask = {3, 4}},
           true),
      tail("no pool, dropout", {2, 3, 5, 20}, {.dropout = 0.3, .mask = {3, 4}}, true),
      tail("2x2, odd sides, 20 channels, dropout", {1, 5, 7, 20},
           {.pool = 2, .dropout = 0.3, .mask = {3, 4}}, true),
      tail("2x2, inference", {2, 5, 4, 4}, {.pool = 2}, false),
      tail("3x3", {1, 7, 9, 3}, {.pool = 3}, true),
      {"relu", "any", {{3, 4, 5}}, [](const Inputs& in) { return relu(in[0]); }, 1},
      {"maxpool2d", "2x2", {{2, 6, 4, 5}}, [](const Inputs& in) { return maxpool2d(in[0]); }, 1},
      {"maxpool2d",
       "2x2, sixteen channels",
       {{1, 4, 6, 16}},
       [](const Inputs& in) { return maxpool2d(in[0]); },
       1},
      {"maxpool2d",
       "odd sides",
       {{2, 7, 5, 3}},
       [](const Inputs& in) { return maxpool2d(in[0]); },
       1},
      {"maxpool2d",
       "3x3 stride 2",
       {{1, 7, 9, 3}},
       [](const Inputs& in) { return maxpool2d(in[0], 3, 2); },
       4},
      {"dropout",
       "p 0.3",
       {{13, 11}},
       [](const Inputs& in) {
         return dropout(in[0], 0.3, {3, 4});
       },
       1},
      {"concat",
       "channels",
       {{2, 3, 4}, {2, 3, 5}},
       [](const Inputs& in) { return concat(in); },
       1},
      {"concat",
       "rows",
       {{2, 3}, {4, 3}, {1, 3}},
       [](const Inputs& in) { return concat(in, 0); },
       1},
      binary_case("add", add, {4, 6}, {4, 6}),
      binary_case("subtract", subtract, {4, 6}, {4, 6}),
      binary_case("multiply", multiply, {4, 6}, {4, 6}),
      binary_case("divide", divide, {4, 6}, {4, 6}),
      binary_case("add, row repeated", add, {4, 6}, {6}),
      binary_case("multiply, column repeated", multiply, {4, 1}, {4, 6}),
      binary_case("divide, both repeated", divide, {2, 1, 5}, {3, 1}),
      unary_case("affine", [](const Tensor& x) { return affine(x, -1.5, 0.25); }),
      unary_case("square", square),
      unary_case("sqrt", sqrt, true),
      unary_case("exp", exp),
      unary_case("log", log, true),
      unary_case("sigmoid", sigmoid),
      unary_case("tanh", tanh),
      reduction("sum of rows", sum, {300, 7}, 0),
      reduction("sum in rows", sum, {7, 300}, 1),
      reduction("mean in the middle", mean, {3, 40, 5}, 1),
      reduction("max", max, {5, 6, 7}, 1),
      {"permute",
       "NHWC to NCHW",
       {{2, 3, 4, 5}},
       [](const Inputs& in) { return permute(in[0], {0, 3, 1, 2}); },
       1},
      {"softmax", "rows", {{5, 4}}, [](const Inputs& in) { return softmax(in[0]); }, 4},
      cross_entropy("plain", false, 0),
      cross_entropy("class weights", true, 0),
      cross_entropy("class weights, label smoothing", true, 0.1),
  };
  for (const std::string& fusion : fusion_names())
    if (!fusion_op(fusion).empty()) cases.push_back(fusion_case(fusion));
  return cases;
}

double exact_in(const OpCase& c, double value) {
  const auto single = static_cast<float>(value);
  return c.exact == DType::bf16 ? widen(bf16(single)) : single;
}

std::vector<Tensor> draw_inputs(const OpCase& c, DType dtype, Device device) {
  std::vector<Tensor> inputs;
  for (std::size_t k = 0; k < c.inputs.size(); ++k) {
    RandomSequence numbers(11, k);
    std::vector<double> values(c.inputs[k].numel());
    for (double& v : values)
      v = exact_in(c, c.positive ? numbers.uniform(0.5, 2) : numbers.normal());
    const bool parameter = k + c.parameters >= c.inputs.size();
    inputs.push_back(
        Tensor::from(values, c.inputs[k]).to(parameter ? wide(dtype) : dtype).to(device));
    inputs.back().set_requires_grad();
  }
  return inputs;
}

OpResult run_case(const OpCase& c, DType dtype, Device device) {
  const std::vector<Tensor> inputs = draw_inputs(c, dtype, device);
  const Tensor y = c.run(inputs);
  RandomSequence numbers(12, 0);
  std::vector<double> cotangent(y.numel());
  for (double& v : cotangent) v = exact_in(c, numbers.normal());
  apply<WeightedSum>(y, Tensor::from(cotangent, y.shape()).to(y.dtype())).backward();
  OpResult result{y.detach().to(Device{}), {}};
  for (const Tensor& input : inputs) result.grads.push_back(input.grad().to(Device{}));
  return result;
}

}  // namespace duet::test
