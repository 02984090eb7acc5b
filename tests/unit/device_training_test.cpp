/// A whole network trained on a device, or by other rows, beside the same on the CPU.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "engine/adam.h"
#include "engine/device.h"
#include "engine/ops/softmax_cross_entropy.h"
#include "kernels/base/philox.h"
#include "layers/two_stream.h"
#include "tests/rows_under_test.h"
#include "tests/skip.h"

using namespace duet;

namespace {

struct Start {
  Device device;
  /// Every weight begins this much larger, relatively.
  double off = 0;
  /// Which rows run, as `--impl` has it.
  const char* impl = "";
};

Tensor images(std::int64_t channels, std::uint64_t stream, Device device) {
  RandomSequence numbers(5, stream);
  std::vector<double> values(6 * 32 * 32 * channels);
  for (double& v : values) v = numbers.uniform(0, 1);
  return Tensor::from(values, {6, 32, 32, channels}).to(device);
}

/// The losses of a training's steps on one batch, with dropout; in f64, where a rounding hardly
/// ever moves a maximum or a sign, after which two correct trainings go ways of their own.
std::vector<double> losses(const Start& start, int steps) {
  const ImplScope rows(start.impl);
  RandomState random{.seed = 3};
  Build build{.dtype = DType::f64, .device = start.device, .random = random};
  TwoStreamOptions options;
  options.size = 32;
  options.stream.widths = {8, 16, 16, 32};
  options.head = {32, 16};
  TwoStream network(build, options);
  std::vector<AdamParameter> parameters;
  for (const Parameter& p : network.parameters()) {
    const Tensor moved = p.tensor.to(Device{}).clone();
    for (double& w : moved.span<double>()) w *= 1 + start.off;
    p.tensor.copy_from(moved);
    parameters.push_back({p.name, p.tensor, p.conv_kernel ? 2e-4 : 0});
  }
  Adam adam(parameters, {.lr = 1e-3});
  const Tensor face = images(3, 0, start.device), voice = images(1, 1, start.device);
  const Tensor labels =
      Tensor::from(std::vector<std::int32_t>{0, 1, 2, 0, 1, 2}, {6}, start.device);
  std::vector<double> all;
  for (int step = 0; step < steps; ++step) {
    const Tensor loss = softmax_cross_entropy(network.forward(face, voice), labels, {}, 0);
    all.push_back(loss.to(Device{}).item());
    loss.backward();
    adam.step();
  }
  return all;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// How far may roundings lead? The CPU's own training tells, begun anew with every weight one or
/// two roundings away, up or down: the farthest of four. That is one rounding for each weight, at
/// the beginning; a device rounds differently at every step, in the four sums that each weight has
/// a part in (forward, two backward, update) and in the result of each: eight times as far. So do
/// other rows.
void follows_the_cpu(const Start& other, int steps) {
  const std::vector<double> cpu = losses({}, steps);
  double allowed = 0;
  for (const double off : {0x1p-52, -0x1p-52, 0x1p-51, -0x1p-51})
    allowed = std::max(allowed, 8 * distance(cpu, losses({{}, off}, steps)));
  const double found = distance(cpu, losses(other, steps));
  MESSAGE(fmt::format(
      "{} steps on {} {}: losses from {:.4f} to {:.4f} differ from the CPU's by "
      "{:.2e}, {:.2e} allowed",
      steps, describe(other.device), other.impl, cpu.front(), cpu.back(), found, allowed));
  CHECK(cpu.back() < cpu.front());
  CHECK(allowed > 0);
  CHECK(found <= allowed);
}

}  // namespace

TEST_CASE("training: on the emulated device the losses follow the CPU's") {
  follows_the_cpu({.device = {DeviceType::simt, 0}}, 3);
}

TEST_CASE("training: on a GPU the losses follow the CPU's for 50 steps") {
  if (!test::has_cuda_device()) return test::skip("no CUDA device");
  follows_the_cpu({.device = {DeviceType::cuda, 0}}, 50);
}

TEST_CASE("training: the losses of the fast rows are those of the plain loops for 100 steps") {
  follows_the_cpu({.impl = "ref"}, 100);
}
