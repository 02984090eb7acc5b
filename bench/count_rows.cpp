/// One call of each of the CPU's rows that a training step spends its time in, on one thread, at
/// small shapes of this network: count_rows is run under callgrind, which counts the instructions
/// in `counted_call` (count-rows.sh). Prints its compiler, then the name of each call, in
/// order; with --compiler the first alone.

#include <functional>
#include <iostream>
#include <string_view>
#include <vector>

#include "kernels/adam/adam.h"
#include "kernels/base/parallel.h"
#include "kernels/base/philox.h"
#include "kernels/batchnorm/batchnorm.h"
#include "kernels/block_tail/block_tail.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/linear/linear.h"
#include "kernels/maxpool2d/maxpool2d.h"
#include "kernels/product_square/product_square.h"
#include "kernels/resize/resize.h"
#include "kernels/spectrogram/spectrogram.h"
#include "kernels/standardize/standardize.h"
#include "kernels/sum_of_squares/sum_of_squares.h"

namespace duet {

extern const AdamRow adam_cpu;
extern const BatchNormRow batchnorm_cpu;
extern const BlockTailRow block_tail_cpu;
extern const Conv2dRow conv2d_cpu, conv2d_cpu_few_channels, conv2d_cpu_winograd;
extern const LinearRow linear_cpu;
extern const MaxPool2dRow maxpool2d_cpu;
extern const ProductSquareRow product_square_cpu;
extern const ResizeRow resize_cpu;
extern const SpectrogramRow spectrogram_cpu;
extern const StandardizeRow standardize_cpu;
extern const SumOfSquaresRow sum_of_squares_cpu;

}  // namespace duet

/// What is counted; by this name callgrind knows it.
extern "C" [[gnu::noinline]] void counted_call(const std::function<void()>& call) { call(); }

namespace {

using namespace duet;

/// Scratch memory from one block: none of it is set up during a call.
class Arena final : public Workspace {
 public:
  void* allocate(std::size_t bytes) override {
    void* const block = memory_.data() + used_ / 64;
    used_ += (bytes + 63) / 64 * 64;
    if (used_ > memory_.size() * 64) fail("[count_rows] a call takes {} bytes of scratch", used_);
    return block;
  }
  void release_all() { used_ = 0; }

 private:
  struct alignas(64) Line {
    char bytes[64];
  };
  std::vector<Line> memory_ = std::vector<Line>(std::size_t{1} << 20);
  std::size_t used_ = 0;
};

/// f32 operands, kept until the end.
class Operands {
 public:
  View random(Shape shape) {
    const View view = zeros(shape);
    const Philox numbers{1, static_cast<std::uint64_t>(kept_.size())};
    for (std::int64_t i = 0; i < shape.numel(); ++i)
      kept_.back()[i] = numbers.uniform(static_cast<std::uint64_t>(i)) - 0.5f;
    return view;
  }
  View zeros(Shape shape) {
    kept_.emplace_back(shape.numel());
    return {kept_.back().data(), shape, DType::f32};
  }

 private:
  std::vector<std::vector<float>> kept_;
};

class Count {
 public:
  /// Calls once before what is counted, so that tables and threads exist.
  void operator()(const RowInfo& row, const char* op, const char* direction,
                  const std::string& call, const std::function<void(Exec&)>& run) {
    Exec exec{{}, arena_};
    const auto once = [&] {
      arena_.release_all();
      run(exec);
    };
    once();
    counted_call(once);
    std::cout << fmt::format("{} {} {} {}\n", op, row.name, direction, call);
  }

 private:
  Arena arena_;
};

void convolution(Count& count, const Conv2dRow& row, std::int64_t side, std::int64_t in,
                 std::int64_t out) {
  const Conv2dParams p{2, side, side, in, out, 3, 3, 1, 1, 1, 1};
  Operands o;
  const View x = o.random(p.x_shape()), weight = o.random(p.weight_shape()),
             y = o.random(p.y_shape());
  const std::string call = fmt::format("2x{}x{}x{} to {}", side, side, in, out);
  count(row, "conv2d", "forward", call,
        [&](Exec& exec) { row.forward(exec, p, x, weight, {}, y); });
  count(row, "conv2d", "backward_data", call,
        [&](Exec& exec) { row.backward_data(exec, p, y, weight, x); });
  count(row, "conv2d", "backward_weights", call,
        [&](Exec& exec) { row.backward_weights(exec, p, x, y, weight); });
}

void dense_layer(Count& count, std::int64_t n) {
  const LinearRow& row = linear_cpu;
  const LinearParams p{n, 512, 256};
  Operands o;
  const View x = o.random({n, p.in_features}), weight = o.random({p.out_features, p.in_features}),
             bias = o.random({p.out_features}), y = o.random({n, p.out_features});
  const std::string call = fmt::format("{}x{} to {}", n, p.in_features, p.out_features);
  count(row, "linear", "forward", call,
        [&](Exec& exec) { row.forward(exec, p, x, weight, bias, y); });
  if (n == 1) return;  // only answers are that small
  count(row, "linear", "backward_data", call,
        [&](Exec& exec) { row.backward_data(exec, p, y, weight, x); });
  count(row, "linear", "backward_weights", call,
        [&](Exec& exec) { row.backward_weights(exec, p, x, y, weight); });
}

void block(Count& count) {
  BlockTailParams p{.n = 2, .h = 16, .w = 16, .channels = 64, .pool = 2, .dropout = 0.3f};
  p.mask.philox = {3, 4};
  const Shape channels = {p.channels};
  Operands o;
  const View x = o.random(p.x_shape()), y = o.random(p.y_shape()), weight = o.random(channels),
             bias = o.random(channels), mean = o.zeros(channels), var = o.zeros(channels),
             grad_x = o.zeros(p.x_shape()), grad_weight = o.zeros(channels),
             grad_bias = o.zeros(channels), flat_y = o.zeros(p.x_shape());
  const std::string call = "2x16x16x64";
  count(block_tail_cpu, "block_tail", "forward", call + " pool 2", [&](Exec& exec) {
    block_tail_cpu.forward(exec, p, x, weight, bias, mean, var, {}, {}, y);
  });
  count(block_tail_cpu, "block_tail", "backward", call + " pool 2", [&](Exec& exec) {
    block_tail_cpu.backward(exec, p, x, y, weight, bias, mean, var, grad_x, grad_weight, grad_bias);
  });
  count(batchnorm_cpu, "batchnorm", "forward", call, [&](Exec& exec) {
    batchnorm_cpu.forward(exec, p.batchnorm(), x, weight, bias, mean, var, {}, {}, flat_y);
  });
  count(batchnorm_cpu, "batchnorm", "backward", call, [&](Exec& exec) {
    batchnorm_cpu.backward(exec, p.batchnorm(), x, flat_y, weight, mean, var, grad_x, grad_weight,
                           grad_bias);
  });
  std::vector<std::uint8_t> taps(p.y_shape().numel());
  const View tap{taps.data(), p.y_shape(), DType::u8};
  count(maxpool2d_cpu, "maxpool2d", "forward", call,
        [&](Exec& exec) { maxpool2d_cpu.forward(exec, p.maxpool2d(), x, y, tap); });
  count(maxpool2d_cpu, "maxpool2d", "backward", call,
        [&](Exec& exec) { maxpool2d_cpu.backward(exec, p.maxpool2d(), tap, y, grad_x); });
}

void update(Count& count) {
  const Shape shape = {256, 512};
  Operands o;
  const AdamSlot slot{o.random(shape), o.random(shape), o.zeros(shape), o.zeros(shape), 2e-4};
  count(adam_cpu, "adam", "step", "256x512", [&](Exec& exec) {
    adam_cpu.step(exec, {3e-4, 0.9, 0.999, 1e-8, 1}, {&slot, 1});
  });
  const View left = o.random({32, shape[0]}), right = o.random({32, shape[1]});
  AdamSlot by_factors{slot.weight, {}, slot.m, slot.v, 2e-4};
  by_factors.left = left;
  by_factors.right = right;
  count(adam_cpu, "adam", "step by factors", "32x256, 32x512", [&](Exec& exec) {
    adam_cpu.step(exec, {3e-4, 0.9, 0.999, 1e-8, 1}, {&by_factors, 1});
  });
  double sum = 0;
  const ConstView x = slot.grad;
  count(sum_of_squares_cpu, "sum_of_squares", "forward", "256x512", [&](Exec& exec) {
    sum_of_squares_cpu.forward(exec, {1}, {&x, 1}, {&sum, {}, DType::f64});
  });
  count(product_square_cpu, "product_square", "forward", "32x256, 32x512", [&](Exec& exec) {
    product_square_cpu.forward(exec, {32, shape[0], shape[1]}, left, right, {&sum, {}, DType::f64});
  });
}

void inputs(Count& count) {
  Operands o;
  const SpectrogramParams sound{.batch = 1, .samples = 48000};
  const View wave = o.random(sound.x_shape()), y = o.zeros(sound.y_shape());
  count(spectrogram_cpu, "spectrogram", "forward", "1x48000",
        [&](Exec& exec) { spectrogram_cpu.forward(exec, sound, wave, y); });
  const ResizeParams size{1, sound.n_mels, sound.frames(), 1, 64, 64};
  const View image = o.zeros(size.y_shape());
  count(resize_cpu, "resize", "forward", "1x128x188x1 to 64x64",
        [&](Exec& exec) { resize_cpu.forward(exec, size, y, image); });
  const StandardizeParams pixels{64 * 64, 3};
  const View face = o.random({1, 64, 64, 3});
  const std::vector<double> mean(3, 0.5), deviation(3, 0.25);
  count(standardize_cpu, "standardize", "forward", "1x64x64x3",
        [&](Exec& exec) { standardize_cpu.forward(exec, pixels, face, mean, deviation, face); });
}

}  // namespace

int main(int argc, char** argv) {
  std::cout << "compiler " << __VERSION__ << "\n";
  if (argc > 1 && std::string_view(argv[1]) == "--compiler") return 0;
  set_thread_count(1);
  Count count;
  convolution(count, conv2d_cpu_winograd, 16, 64, 64);
  convolution(count, conv2d_cpu_few_channels, 16, 3, 64);
  convolution(count, conv2d_cpu, 16, 3, 64);
  dense_layer(count, 32);
  dense_layer(count, 1);
  block(count);
  update(count);
  inputs(count);
}
