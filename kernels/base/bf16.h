#pragma once
/// bfloat16: the upper half of a float, with its range and 8 bits of significand. A type to store
/// and to multiply in; nothing is added up in it.

#include <bit>
#include <cstdint>

#include "kernels/base/host_device.h"

namespace duet {

class bf16 {
 public:
  bf16() = default;
  /// Rounds to nearest, ties to even.
  DUET_HOST_DEVICE explicit bf16(float f) {
    const auto bits = std::bit_cast<std::uint32_t>(f);
    bits_ = f != f ? 0x7fff : static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
  DUET_HOST_DEVICE explicit operator float() const {
    return std::bit_cast<float>(std::uint32_t{bits_} << 16);
  }
  DUET_HOST_DEVICE std::uint16_t bits() const { return bits_; }

 private:
  std::uint16_t bits_;
};

/// The type in which an element is computed with: float for a bf16, else its own.
template <class T>
struct WideOf {
  using type = T;
};
template <>
struct WideOf<bf16> {
  using type = float;
};
template <class T>
using Wide = typename WideOf<T>::type;

template <class T>
DUET_HOST_DEVICE Wide<T> widen(T value) {
  return static_cast<Wide<T>>(value);
}

}  // namespace duet
