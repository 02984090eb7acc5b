/// The gradient of the whole network by central differences in float64: every parameter tensor,
/// through every registered fusion, with batch norm in training mode and dropout on.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "engine/ops/softmax_cross_entropy.h"
#include "layers/two_stream.h"
#include "tests/test_rows.h"

using namespace duet;

namespace {

constexpr std::int64_t batch = 6;

struct Sample {
  explicit Sample(const TwoStreamOptions& options)
      : face(Tensor::empty({batch, options.size, options.size, 3}, DType::f64)),
        voice(Tensor::empty({batch, options.size, options.size, 1}, DType::f64)),
        labels(Tensor::from(std::vector<std::int32_t>{0, 1, 2, 2, 1, 0}, {batch})) {
    RandomSequence numbers(31, 0);
    for (double& v : face.span<double>()) v = numbers.normal();
    for (double& v : voice.span<double>()) v = numbers.normal();
  }
  Tensor face, voice, labels;
};

/// The network with its masks frozen: each forward draws the same ones. Its parameters are moved a
/// little from where they start: behind dropped units a bias of zero is an activation at ReLU's
/// very kink.
class Frozen {
 public:
  explicit Frozen(const TwoStreamOptions& options, Presence presence = {})
      : build_{.dtype = DType::f64, .random = random_},
        network_(build_, options),
        sample_(options),
        presence_(std::move(presence)) {
    RandomSequence numbers(32, 0);
    for (const Parameter& p : network_.parameters())
      for (double& v : p.tensor.span<double>()) v += 0.1 * numbers.normal();
  }

  Tensor loss() {
    random_.masks_drawn = 0;
    return softmax_cross_entropy(network_.forward(sample_.face, sample_.voice, presence_),
                                 sample_.labels);
  }
  std::vector<Parameter> parameters() const { return network_.parameters(); }

 private:
  RandomState random_{.seed = 1};
  Build build_;
  TwoStream network_;
  Sample sample_;
  Presence presence_;
};

/// The step is small because the loss has kinks, at every ReLU and max-pool: of some ten thousand
/// activations of density 0.4 near zero, each moved by about the step, a percent of the differences
/// meets one at 1e-6. Truncation, h²·f‴/6, is then far below what rounding does.
constexpr double step = 1e-6;

/// What rounding does to a difference over the half step: the loss comes out of some fifty ops in a
/// row, whose roundings, u each, partly add up and are amplified where batch norm divides by a
/// small deviation: 100·u in all.
double tolerance(double loss) { return 100 * 0x1p-53 * loss / (step / 2); }

double difference(Frozen& network, double& element, double h) {
  const NoGradScope no_grad;
  const double before = element;
  element = before + h;
  const double above = network.loss().item();
  element = before - h;
  const double below = network.loss().item();
  element = before;
  return (above - below) / (2 * h);
}

/// Up to `count` elements, spread over the tensor, the one with the largest gradient among them.
std::vector<std::int64_t> elements_of(const Tensor& grad, std::size_t count) {
  const auto values = grad.span<double>();
  std::vector<std::int64_t> chosen = {
      std::max_element(values.begin(), values.end(),
                       [](double a, double b) { return std::abs(a) < std::abs(b); }) -
      values.begin()};
  const std::int64_t stride =
      std::max<std::int64_t>(1, grad.numel() / static_cast<std::int64_t>(count - 1));
  for (std::int64_t i = 0; i < grad.numel() && chosen.size() < count; i += stride)
    if (i != chosen[0]) chosen.push_back(i);
  return chosen;
}

void check_gradients(const std::string& what, const TwoStreamOptions& options,
                     std::size_t elements = 5, const Presence& presence = {}) {
  const test::Threads one(1);  // the tensors are tiny
  Frozen network(options, presence);
  const Tensor loss = network.loss();
  loss.backward();
  const double allowed = tolerance(loss.item());
  int compared = 0, kinks = 0;
  for (const Parameter& p : network.parameters()) {
    const std::string where = fmt::format("{}: {}", what, p.name);
    REQUIRE_MESSAGE(p.tensor.grad(), where);
    const auto grad = p.tensor.grad().span<double>();
    int smooth = 0;
    double largest = 0;
    for (const std::int64_t i : elements_of(p.tensor.grad(), elements)) {
      double& element = p.tensor.data<double>()[i];
      const double wide = difference(network, element, step);
      const double narrow = difference(network, element, step / 2);
      largest = std::max(largest, std::abs(grad[i]));
      // Two steps that disagree have a kink between them. (A wrong gradient is not excused by this:
      // it does not enter.)
      if (std::abs(wide - narrow) > allowed) {
        ++kinks;
        continue;
      }
      ++smooth;
      CHECK_MESSAGE(
          std::abs(narrow - grad[i]) <= allowed,
          fmt::format("{}[{}]: gradient {}, central difference {}", where, i, grad[i], narrow));
    }
    CHECK_MESSAGE(smooth > 0, fmt::format("{}: kinks at every element tried", where));
    // Far above what the tolerance lets pass.
    CHECK_MESSAGE(
        largest > 100 * allowed,
        fmt::format("{}: the gradient is all zero, or too small to compare: {}", where, largest));
    compared += smooth;
  }
  CHECK_MESSAGE(kinks <= compared / 10, fmt::format("{}: {} kinks", what, kinks));
}

TwoStreamOptions tiny_options() {
  TwoStreamOptions options;
  options.size = 16;
  options.stream.widths = {2, 3, 4, 5};
  options.stream.dropout = 0.2;
  options.head = {8, 6, 4};
  options.head_dropout = 0.3;
  return options;
}

}  // namespace

TEST_CASE("network gradient: every fusion") {
  REQUIRE(fusion_names().size() >= 3);
  for (const std::string& fusion : fusion_names()) {
    TwoStreamOptions options = tiny_options();
    options.fusion = fusion;
    check_gradients(fusion, options);
  }
}

TEST_CASE("network gradient: maps of more than one pixel at the fusion and at the flattening") {
  for (const std::string& fusion : fusion_names()) {
    TwoStreamOptions options = tiny_options();
    options.fusion = fusion;
    options.size = 32;
    options.stream.widths = {2, 2, 3, 3};
    check_gradients(fusion + ", 32 x 32", options, 2);
  }
}

TEST_CASE("network gradient: single streams, and convolutions with bias instead of batch norm") {
  TwoStreamOptions options = tiny_options();
  options.streams = Streams::face;
  check_gradients("face", options);
  options.streams = Streams::voice;
  check_gradients("voice", options);
  options.streams = Streams::both;
  options.stream.batch_norm = false;
  check_gradients("no batch norm", options);
}

TEST_CASE("network gradient: pairs that lack one of their streams") {
  const auto present = [](const std::vector<double>& pairs) {
    return Tensor::from(pairs, {batch});
  };
  const Presence presence = {present({1, 0, 1, 1, 0, 1}), present({1, 1, 0, 1, 1, 0})};
  for (const std::string& fusion : fusion_names()) {
    TwoStreamOptions options = tiny_options();
    options.fusion = fusion;
    check_gradients(fusion + ", streams absent", options, 5, presence);
    CHECK(Frozen(options, presence).loss().item() != Frozen(options).loss().item());
  }
}

TEST_CASE("network gradient: the masks are on, and frozen") {
  // Otherwise the tests above would have checked a network without dropout.
  TwoStreamOptions options = tiny_options();
  Frozen with(options);
  const double loss = with.loss().item();
  CHECK(with.loss().item() == loss);
  options.stream.dropout = options.head_dropout = 0;
  CHECK(Frozen(options).loss().item() != loss);
}
