#include "layers/fusion/fusion.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "engine/random.h"

using namespace duet;

namespace {

/// What the fusion `name` makes of maps of one pixel with one channel each.
std::vector<double> fused(const std::string& name, double face, double voice) {
  RandomState random;
  Build build{.dtype = DType::f64, .random = random};
  const std::unique_ptr<Fusion> fusion = make_fusion(name, build, {1, 1, 1});
  const auto map = [](double value) { return Tensor::full({1, 1, 1, 1}, value, DType::f64); };
  const NoGradScope no_grad;
  const Tensor y = fusion->forward(map(face), map(voice));
  REQUIRE(y.shape() == Shape{1, 1, 1, fusion->out_channels()});
  return {y.span<double>().begin(), y.span<double>().end()};
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

TEST_CASE("fusion: those without weights are what they say") {
  const std::map<std::string, std::function<std::vector<double>(double, double)>> formulas = {
      {"add", [](double f, double v) { return std::vector{f + v}; }},
      {"concat",
       [](double f, double v) {
         return std::vector{f, v};
       }},
      {"cross_gated",
       [](double f, double v) { return std::vector{f * sigmoid(v) + v * sigmoid(f)}; }},
  };
  for (const auto& [name, formula] : formulas)
    for (const auto& [face, voice] :
         {std::pair(0.5, -2.0), {3.0, 0.25}, {0.0, 1.0}, {-1.0, -1.5}}) {
      CAPTURE(name);
      CAPTURE(face);
      const std::vector<double> y = fused(name, face, voice), expected = formula(face, voice);
      REQUIRE(y.size() == expected.size());
      for (std::size_t i = 0; i < y.size(); ++i)
        CHECK(y[i] == doctest::Approx(expected[i]).epsilon(1e-14));
    }
}
