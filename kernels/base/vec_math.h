#pragma once
/// What takes more than one operation of a register full of numbers (vec.h).

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/base/vec.h"

namespace duet {

/// The first `count` lanes, zeros behind them; all lanes where `count` is no less, none where it is
/// negative.
template <class T>
DUET_INLINE Vec<T> load(const T* p, std::int64_t count) {
  if (count >= lanes<T>) return load(p);
  Vec<T> v{};
  if (count > 0) std::memcpy(&v, p, static_cast<std::size_t>(count) * sizeof(T));
  return v;
}

template <class T>
DUET_INLINE void store(T* p, Vec<T> v, std::int64_t count) {
  if (count >= lanes<T>) return store(p, v);
  if (count > 0) std::memcpy(p, &v, static_cast<std::size_t>(count) * sizeof(T));
}

/// The greater of two numbers; `a` where one is not a number.
template <class T>
DUET_INLINE Vec<T> greater(Vec<T> a, Vec<T> b) {
  return b > a ? b : a;
}

/// The lanes of `a` whose number has bit `bit` set, and those of `b` where it is not, change
/// places.
template <class T, int bit, int... lane>
DUET_INLINE void exchange_lanes(Vec<T>& a, Vec<T>& b, std::integer_sequence<int, lane...>) {
  const Vec<T> low = __builtin_shufflevector(a, b, (lane & bit ? lanes<T> + lane - bit : lane)...);
  b = __builtin_shufflevector(a, b, (lane & bit ? lanes<T> + lane : lane + bit)...);
  a = low;
}

/// rows[i][k] and rows[k][i] change places: bit by bit of i and k.
template <class T, int bit = 1>
DUET_INLINE void transpose(Vec<T> (&rows)[lanes<T>]) {
  if constexpr (bit < lanes<T>) {
    DUET_UNROLL
    for (int i = 0; i < lanes<T>; ++i)
      if ((i & bit) == 0)
        exchange_lanes<T, bit>(rows[i], rows[i + bit], std::make_integer_sequence<int, lanes<T>>());
    transpose<T, 2 * bit>(rows);
  }
}

/// log10(x), in each lane within 8 u |log10 x|, u = 2^-24 (float) or 2^-53 (double), for every
/// positive x, denormal ones too; −∞ of 0, ∞ of ∞, NaN of NaN and of what is negative.
///
/// x = 2^e m with √½ ≤ m < √2, and with s = (m − 1) / (m + 1), |s| ≤ 0.1716,
///
///   ln m = 2 (s + s³/3 + s⁵/5 + …)      (Abramowitz and Stegun, Handbook of Mathematical
///                                        Functions, 4.1.27)
///
/// cut off after `terms` terms: what is left is less than 1.04 s^(2 terms) / (2 terms + 1) ≤ 0.04 u
/// of it. The roundings of m + 1, of the quotient, of the coefficients, the series and its product
/// with s make 6 u of log10 m with that. e log10 2 is added in two parts, the greater exact. As
/// |log10 m| ≤ log10(√2), which is at most the sum where e ≠ 0, two more roundings make 8 u of the
/// sum.
template <class T>
DUET_INLINE Vec<T> log10(Vec<T> x) {
  using Limits = std::numeric_limits<T>;
  using Int = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  constexpr int fraction_bits = Limits::digits - 1;
  constexpr int exponent_bits = 8 * static_cast<int>(sizeof(T)) - Limits::digits;
  constexpr int terms = sizeof(T) == 4 ? 5 : 11;
  constexpr Int sqrt_half = sizeof(T) == 4 ? 0x3f3504f3 : 0x3fe6a09e667f3bcd;  // as it is stored
  constexpr long double log10_2 = 0.301029995663981195213738894724493027L,
                        log10_e = 0.434294481903251827651128918916605082L;
  // So many bits that its product with an exponent is exact.
  constexpr auto unit = std::int64_t{1} << (Limits::digits - exponent_bits + 1);
  constexpr T high = static_cast<T>(static_cast<std::int64_t>(log10_2 * unit)) / unit;
  constexpr T low = static_cast<T>(log10_2 - high);

  const auto denormal = x < Limits::min();
  const Vec<T> scaled = denormal ? x * T(std::int64_t{1} << Limits::digits) : x;
  // Without the sign: what is negative has no logarithm, and its bits would overflow below.
  const Vec<Int> bits = reinterpret_cast<Vec<Int>>(scaled) & std::numeric_limits<Int>::max();
  const Vec<Int> exponent = (bits - sqrt_half) >> fraction_bits;
  const Vec<T> m = reinterpret_cast<Vec<T>>(bits - (exponent << fraction_bits));
  const Vec<T> e = __builtin_convertvector(denormal ? exponent - Limits::digits : exponent, Vec<T>);

  const Vec<T> s = (m - 1) / (m + 1), square = s * s;
  Vec<T> series = Vec<T>{} + static_cast<T>(2 * log10_e / (2 * terms - 1));
  DUET_UNROLL
  for (int i = terms - 2; i >= 0; --i)
    series = series * square + static_cast<T>(2 * log10_e / (2 * i + 1));
  const Vec<T> result = e * high + (e * low + s * series);

  const Vec<T> infinity = Vec<T>{} + Limits::infinity();
  const Vec<T> of_the_rest = x == 0 ? -infinity : Vec<T>{} + Limits::quiet_NaN();
  return x > 0 ? (x < infinity ? result : infinity) : of_the_rest;
}

}  // namespace duet
