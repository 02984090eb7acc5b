#include "kernels/standardize/standardize.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "kernels/base/philox.h"
#include "tests/row_memory.h"
#include "tests/rows_under_test.h"

using namespace duet;

namespace {

/// Where the result goes. Behind one element, neither is aligned to more than an element.
enum class Place { elsewhere, in_place, behind_one };

template <class T>
std::vector<T> run(const StandardizeRow& row, const StandardizeParams& p,
                   const std::vector<double>& mean, const std::vector<double>& std,
                   const std::vector<T>& x, Place place) {
  test::compared("standardize", row, dtype_of<T>);
  RowMemory memory(row);
  Exec exec = memory.exec();
  const Shape shape{p.count, p.channels};
  T *from = nullptr, *to = nullptr;
  if (place == Place::behind_one) {
    std::vector<T> shifted(1);
    shifted.insert(shifted.end(), x.begin(), x.end());
    from = memory.put(shifted) + 1;
    to = memory.allocate_array<T>(std::ssize(shifted)) + 1;
  } else {
    from = memory.put(x);
    to = place == Place::in_place ? from : memory.allocate_array<T>(std::ssize(x));
  }
  row.forward(exec, p, {from, shape, dtype_of<T>}, mean, std, {to, shape, dtype_of<T>});
  return memory.get(to, std::ssize(x));
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
    if (!row.supports(p, dtype_of<T>)) continue;
    CAPTURE(row.name);
    CAPTURE(describe(p));
    const std::vector<T> y = run(row, p, mean, std, x, Place::elsewhere);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % p.channels;
      const double expected = (x[i] * p.scale + p.offset - mean[c]) / std[c];
      worst = std::max(worst, std::abs(static_cast<double>(y[i]) - expected));
    }
    CHECK(worst < tolerance<T>);
    CHECK(run(row, p, mean, std, x, Place::in_place) == y);
    CHECK(run(row, p, mean, std, x, Place::behind_one) == y);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("standardize: every row follows the definition", T, float, double) {
  compare<T>({1000, 3}, {0.4, 0.5, 0.6}, {0.2, 0.1, 0.3}, 1);
  compare<T>({70000, 3}, {0.4, 0.5, 0.6}, {0.2, 0.1, 0.3}, 1);  // several chunks
  compare<T>({777, 1, 1.0 / 80, 1}, {0.3}, {0.25}, -80);        // a spectrogram in dB
  compare<T>({5, 7}, std::vector<double>(7, 0.5), std::vector<double>(7, 1.0), 1);
  compare<T>({3, 5000}, std::vector<double>(5000, 0.25), std::vector<double>(5000, 0.5), 1);
  compare<T>({0, 3}, {0, 0, 0}, {1, 1, 1}, 1);
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
