#include "bench/cases.h"

#include <map>
#include <memory>

#include "audio/colormap.h"
#include "audio/front_end.h"
#include "engine/adam.h"
#include "engine/autograd.h"
#include "engine/ops/augment.h"
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
#include "engine/ops/resize.h"
#include "engine/ops/softmax.h"
#include "engine/ops/softmax_cross_entropy.h"
#include "engine/ops/standardize.h"
#include "engine/ops/unary.h"
#include "layers/fusion/fusion.h"

namespace duet::bench {
namespace {

using Inputs = std::vector<Tensor>;

const std::vector<Derivative> of_x_by_x = {{"backward", {0}, {0}}}, of_x = {{"backward", {0}, {}}};

std::string text(const Shape& shape) {
  std::string result;
  for (int i = 0; i < shape.rank(); ++i) result += fmt::format("{}{}", i == 0 ? "" : "x", shape[i]);
  return result;
}

/// One optimiser for each weight, with its moments.
Adam& adam_of(const Tensor& weight) {
  static std::map<const void*, std::unique_ptr<Adam>> made;
  std::unique_ptr<Adam>& adam = made[weight.view().data];
  if (!adam)
    adam = std::make_unique<Adam>(std::vector<AdamParameter>{{"w", weight}}, AdamOptions{});
  return *adam;
}

class Cases {
 public:
  Cases(const Config& config, Precision precision)
      : n_(config.batch_size), tf32_(precision == Precision::tf32) {
    convolutions(config);
    dense_layers(config);
    if (precision != Precision::tf32) blocks(config);
    if (precision != Precision::f32) return;
    fusions(config);
    losses(config);
    updates(config);
    inputs(config);
  }
  std::vector<Case> take() { return std::move(all_); }

 private:
  void add(Case c) { all_.push_back(std::move(c)); }
  void add(const char* op, const Shape& x, std::function<Tensor(const Tensor&)> run,
           std::vector<Derivative> derivatives = {}, const char* what = nullptr) {
    add({op,
         what ? fmt::format("{} {}", what, text(x)) : text(x),
         {x},
         [run](const Inputs& in) { return run(in[0]); },
         std::move(derivatives)});
  }

  void convolutions(const Config& config) {
    for (std::size_t block = config.widths.size(); block-- > 0;)
      for (const bool second : {true, false}) {
        const std::int64_t side = config.size >> block, out = config.widths[block];
        const std::int64_t in = second ? out : block == 0 ? 3 : config.widths[block - 1];
        add({"conv2d",
             fmt::format("block{}.conv{} {}x{}x{}x{} to {}", block + 1, second ? 2 : 1, n_, side,
                         side, in, out),
             {{n_, side, side, in}, {out, 3, 3, in}},
             [tf32 = tf32_](const Inputs& i) {
               return conv2d(i[0], i[1], {}, {1, 1, 1, 1, false, tf32});
             },
             {{"backward data", {0}, {1}}, {"backward weights", {1}, {0}}},
             2.0 * n_ * side * side * out * 9 * in});
      }
  }

  void dense_layers(const Config& config) {
    const std::int64_t side = config.size / 16;
    std::vector<std::int64_t> widths = {2 * config.widths.back() * side * side};
    widths.insert(widths.end(), config.head.begin(), config.head.end());
    widths.push_back(3);
    for (std::size_t i = 0; i + 1 < widths.size(); ++i)
      for (const std::int64_t n : {n_, std::int64_t{1}}) {
        if (n == n_ && n_ == 1) continue;
        const std::int64_t in = widths[i], out = widths[i + 1];
        Case c{"linear",
               fmt::format("fc{} {}x{} to {}", i + 1, n, in, out),
               {{n, in}, {out, in}},
               [tf32 = tf32_](const Inputs& x) {
                 return linear(x[0], x[1], {}, {false, tf32});
               },
               {},
               2.0 * n * in * out};
        if (n == n_) c.derivatives = {{"backward data", {0}, {1}}, {"backward weights", {1}, {0}}};
        add(std::move(c));
      }
  }

  void blocks(const Config& config) {
    for (const std::size_t block : {0, 2}) {
      const std::int64_t side = config.size >> block, c = config.widths[block];
      const Shape x = {n_, side, side, c};
      Case norm{"batchnorm", text(x), {x, {c}, {c}}, {}, {{"backward", {0, 1, 2}, {0}}}};
      norm.run = [](const Inputs& i) { return batchnorm_training(i[0], i[1], i[2], 1e-5); };
      norm.parameters = 2;
      add(norm);
      norm.op = "block_tail";
      norm.name += " pool 2";
      norm.run = [](const Inputs& i) {
        return block_tail_training(i[0], i[1], i[2], 1e-5, {2, 0.3, {3, 4}});
      };
      add(std::move(norm));
      add(
          "relu", x, [](const Tensor& t) { return relu(t); }, of_x_by_x);
      add(
          "maxpool2d", x, [](const Tensor& t) { return maxpool2d(t); }, of_x);
      add(
          "dropout", {n_, side / 2, side / 2, c},
          [](const Tensor& t) {
            return dropout(t, 0.3, {3, 4});
          },
          of_x);
      add(
          "reduce", {n_ * side * side, c}, [](const Tensor& t) { return sum(t, 0); }, of_x,
          "sum of rows");
    }
  }

  void fusions(const Config& config) {
    const std::int64_t side = config.size / 16, c = config.widths.back();
    const Shape map = {n_, side, side, c};
    add({"concat",
         text(map),
         {map, map},
         [](const Inputs& i) { return concat(i); },
         {{"backward", {0, 1}, {}}}});
    Case multiply_maps{"binary", "multiply " + text(map), {map, map}, {}, {}};
    multiply_maps.run = [](const Inputs& i) { return multiply(i[0], i[1]); };
    multiply_maps.derivatives = {{"backward", {0, 1}, {0, 1}}};
    add(std::move(multiply_maps));
    add(
        "unary", map, [](const Tensor& t) { return sigmoid(t); }, of_x_by_x, "sigmoid");
    add(
        "permute", map,
        [](const Tensor& t) {
          return permute(t, {0, 3, 1, 2});
        },
        of_x);
    for (const std::string& fusion : fusion_names())
      add({fusion_op(fusion),
           fmt::format("fusion {} {}", fusion, text(map)),
           {map, map},
           [=](const Inputs& i) {
             // Weights, where it has any, are drawn once.
             static std::map<std::string, std::unique_ptr<Fusion>> made;
             static RandomState random{.seed = 1};
             std::unique_ptr<Fusion>& layer =
                 made[fmt::format("{} {}", fusion, to_string(i[0].device().type))];
             if (!layer) {
               Build build{.dtype = i[0].dtype(), .device = i[0].device(), .random = random};
               layer = make_fusion(fusion, build, {c, side, side});
             }
             return layer->forward(i[0], i[1]);
           },
           {{"backward", {0, 1}, {0, 1}}}});
  }

  void losses(const Config&) {
    const Shape logits = {n_, 3};
    add(
        "softmax", logits, [](const Tensor& t) { return softmax(t); }, of_x_by_x);
    add(
        "softmax_cross_entropy", logits,
        [n = n_](const Tensor& t) {
          static std::map<DeviceType, Tensor> labels;  // brought there once
          Tensor& there = labels[t.device().type];
          if (!there) there = Tensor::from(std::vector<std::int32_t>(n, 1), {n}, t.device());
          return softmax_cross_entropy(t, there, {}, 0);
        },
        of_x_by_x);
  }

  void updates(const Config& config) {
    // The largest layer of the head has nearly all parameters.
    const std::int64_t side = config.size / 16;
    const Shape weight = {config.head.front(), 2 * config.widths.back() * side * side};
    Case step{"adam", text(weight), {weight, weight}, {}, {}};
    step.forward_bytes = 7.0 * weight.numel() * sizeof(float);
    step.run = [](const Inputs& i) {
      i[0].set_grad(i[1]);
      adam_of(i[0]).step();
      return Tensor();
    };
    add(std::move(step));
    const std::vector<Shape> factors = {{n_, weight[0]}, {n_, weight[1]}};
    Case by_factors{"adam", text(weight) + " by factors", {weight, factors[0], factors[1]}, {}, {}};
    by_factors.flops = 2.0 * n_ * weight.numel();
    by_factors.forward_bytes = 6.0 * weight.numel() * sizeof(float);
    by_factors.run = [](const Inputs& i) {
      Adam& adam = adam_of(i[0]);
      if (!adam.takes_factors()) throw UsageError("[adam] this row takes no factors");
      i[0].set_grad(Tensor::product_of(i[1], i[2], {}));
      adam.step();
      return Tensor();
    };
    add(std::move(by_factors));
    Case square{"product_square", text(factors[0]) + " " + text(factors[1]), factors, {}, {}};
    square.run = [](const Inputs& i) {
      sum_of_squares({Tensor::product_of(i[0], i[1], {})});
      return Tensor();
    };
    add(std::move(square));
    add("cast", weight, [](const Tensor& t) { return cast(t, DType::bf16); });
    add("sum_of_squares", weight, [](const Tensor& t) {
      sum_of_squares({t});
      return Tensor();
    });
    add("nonfinite", weight, [](const Tensor& t) {
      count_nonfinite(t);
      return Tensor();
    });
  }

  void inputs(const Config& config) {
    const FrontEnd front_end;
    const Shape waves = {n_, front_end.clip_samples()};
    add("augment_wave", waves, [n = n_](const Tensor& t) {
      const std::vector<WaveAugmentation> how(n, {100, 1.2f, 20, 5});
      return augment_waves(t, tensor_of_structs(how, t.device()), 1);
    });
    add("spectrogram", waves, [=](const Tensor& t) { return log_mel(front_end, t); });
    add("resize", {n_, front_end.n_mels, 1 + waves[1] / front_end.hop_length, 1},
        [side = config.size](const Tensor& t) { return resize(t, side, side); });
    const Shape pictures = {n_, config.size, config.size, 3};
    add("resize_pictures", pictures,
        [side = config.size, made = std::make_shared<Inputs>()](const Tensor& t) {
          // As large as they may be.
          const ResizePicturesParams p{t.dim(0), side};
          const auto twice = static_cast<std::int32_t>(2 * side);
          if (made->empty())
            *made = {Tensor::zeros(p.slots_shape(), DType::u8, t.device()),
                     tensor_of_structs(std::vector<SlotPicture>(p.n, {twice, twice}), t.device())};
          return resize_pictures((*made)[0], (*made)[1], t.dtype());
        });
    add("augment_image", pictures, [n = n_](const Tensor& t) {
      const std::vector<ImageAugmentation> how(n, {true, 2, -3, 1.1f, 0.05f});
      return augment_images(t, tensor_of_structs(how, t.device()));
    });
    add("palette", {n_, config.size, config.size, 1},
        [](const Tensor& t) { return map_colors(t); });
    add("standardize", pictures, [](const Tensor& t) {
      const std::vector<double> mean(3, 0.5), deviation(3, 0.25);
      return standardize(t, mean, deviation);
    });
  }

  std::int64_t n_;
  bool tf32_;
  std::vector<Case> all_;
};

}  // namespace

std::vector<Case> cases(const Config& config, Precision precision) {
  return Cases(config, precision).take();
}

}  // namespace duet::bench
