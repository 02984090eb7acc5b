#include "kernels/standardize/standardize.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "kernels/base/philox.h"
#include "tests/test_workspace.h"

using namespace duet;

namespace {

template <class T>
void run(const StandardizeRow& row, const StandardizeParams& p, const std::vector<double>& mean,
         const std::vector<double>& std, const std::vector<T>& x, std::vector<T>& y) {
  TestWorkspace workspace;
  Exec exec{{}, workspace};
  const Shape shape{p.count, p.channels};
  row.forward(exec, p, {x.data(), shape, dtype_of<T>}, mean, std, {y.data(), shape, dtype_of<T>});
}

/// |x · scale|, |offset| and |mean| are at most 1 and std at least 0.1: terms of at most 10 with
/// two roundings of their coefficients and two of the operations each.
template <class T>
constexpr double tolerance = 4 * 2 * 10 * (sizeof(T) == 4 ? 0x1p-24 : 0x1p-53);

template <class T>
void compare(const StandardizeParams& p, const std::vector<double>& mean,
             const std::vector<double>& std, double amplitude) {
  check(p, mean, std);
  const Philox philox{4, 0};
  std::vector<T> x(p.count * p.channels);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(amplitude * philox.uniform(i));
  for (const StandardizeRow& row : standardize_rows().rows()) {
    if (row.device != DeviceType::cpu || !row.supports(p, dtype_of<T>)) continue;
    CAPTURE(row.name);
    CAPTURE(describe(p));
    std::vector<T> y(x.size()), in_place = x;
    run(row, p, mean, std, x, y);
    run(row, p, mean, std, in_place, in_place);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % p.channels;
      const double expected = (x[i] * p.scale + p.offset - mean[c]) / std[c];
      worst = std::max(worst, std::abs(static_cast<double>(y[i]) - expected));
    }
    CHECK(worst < tolerance<T>);
    CHECK(in_place == y);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("standardize: every row follows the definition", T, float, double) {
  compare<T>({1000, 3}, {0.4, 0.5, 0.6}, {0.2, 0.1, 0.3}, 1);
  compare<T>({70000, 3}, {0.4, 0.5, 0.6}, {0.2, 0.1, 0.3}, 1);  // several chunks
  compare<T>({777, 1, 1.0 / 80, 1}, {0.3}, {0.25}, -80);        // a spectrogram in dB
  compare<T>({5, 7}, std::vector<double>(7, 0.5), std::vector<double>(7, 1.0), 1);
}

TEST_CASE("standardize: a channel without spread, or without statistics, is an error") {
  const StandardizeParams p{10, 2};
  const auto verdict = [&](std::vector<double> mean, std::vector<double> std) {
    try {
      check(p, mean, std);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(verdict({0, 0}, {1, 1}).empty());
  CHECK(verdict({0, 0}, {1, 0}).find("channel 1") != std::string::npos);
  CHECK(verdict({NAN, 0}, {1, 1}).find("channel 0") != std::string::npos);
  CHECK(verdict({0}, {1, 1}).find("1 means") != std::string::npos);
}
