#include "kernels/base/vec_math.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <vector>

using namespace duet;

namespace {

template <class T>
std::vector<T> log10_of(std::vector<T> x) {
  const std::size_t count = x.size();
  x.resize((count + lanes<T> - 1) / lanes<T> * lanes<T>, T(1));
  for (std::size_t i = 0; i < x.size(); i += lanes<T>)
    store(x.data() + i, log10<T>(load(x.data() + i)));
  x.resize(count);
  return x;
}

}  // namespace

TEST_CASE_TEMPLATE("vec: log10 over all positive numbers", T, float, double) {
  using Limits = std::numeric_limits<T>;
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  std::vector<T> x = {Limits::denorm_min(),
                      Limits::min(),
                      std::nextafter(Limits::min(), T(0)),
                      Limits::max(),
                      std::nextafter(T(1), T(0)),
                      std::nextafter(T(1), T(2)),
                      std::sqrt(T(0.5)),
                      std::sqrt(T(2)),
                      T(1e-10),
                      T(1e-20)};
  // Every so many of all numbers, from the least denormal one on, …
  constexpr auto end = std::bit_cast<Bits>(Limits::infinity());
  constexpr Bits step = end / 2'000'000;
  for (Bits bits = 1; bits < end - step; bits += step) x.push_back(std::bit_cast<T>(bits));
  // … denormal ones of every size, …
  for (T tiny = Limits::min(); tiny > 0; tiny /= 2) {
    x.push_back(tiny);
    x.push_back(tiny * T(1.7));
  }
  // … and close to 1, where the logarithm is close to zero.
  for (int i = 1; i < 100'000; ++i) {
    x.push_back(1 + i * Limits::epsilon());
    x.push_back(1 - i * Limits::epsilon() / 2);
  }
  const std::vector<T> y = log10_of(x);
  const long double bound = 4 * static_cast<long double>(Limits::epsilon());  // 8 u
  long double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const long double expected = std::log10(static_cast<long double>(x[i]));
    const long double error = std::abs((y[i] - expected) / expected);
    if (!(error <= worst)) worst = error;
  }
  CAPTURE(static_cast<double>(worst / bound));
  CHECK(worst < bound);
}

TEST_CASE_TEMPLATE("vec: log10 of what has none", T, float, double) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const std::vector<T> y =
      log10_of<T>({T(1), T(0), T(-0.0), infinity, T(-1), -infinity,
                   -std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::quiet_NaN()});
  CHECK(y[0] == 0);
  CHECK(y[1] == -infinity);
  CHECK(y[2] == -infinity);
  CHECK(y[3] == infinity);
  for (std::size_t i = 4; i < y.size(); ++i) CHECK(std::isnan(y[i]));
}

TEST_CASE_TEMPLATE("vec: rows and lanes change places", T, float, double) {
  Vec<T> rows[lanes<T>];
  for (int i = 0; i < lanes<T>; ++i)
    for (int k = 0; k < lanes<T>; ++k) rows[i][k] = static_cast<T>(100 * i + k);
  transpose<T>(rows);
  for (int i = 0; i < lanes<T>; ++i)
    for (int k = 0; k < lanes<T>; ++k) CHECK(T(rows[i][k]) == static_cast<T>(100 * k + i));
}

TEST_CASE_TEMPLATE("vec: part of a register", T, float, double) {
  const std::vector<T> numbers(lanes<T>, T(7));
  for (int count = 0; count <= lanes<T>; ++count) {
    const Vec<T> v = load(numbers.data(), count);
    std::vector<T> stored(lanes<T>, T(3));
    store(stored.data(), v + 1, count);
    for (int i = 0; i < lanes<T>; ++i) {
      CHECK(T(v[i]) == (i < count ? 7 : 0));
      CHECK(stored[i] == (i < count ? 8 : 3));
    }
  }
}
