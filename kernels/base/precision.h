#pragma once
/// What the products of convolutions and linear layers are multiplied in. Sums are carried in f32,
/// and the rest of a network computes in f32, in any case.

#include <cstdint>

namespace duet {

enum class Precision : std::uint8_t {
  f32,
  tf32,  ///< tensors of f32, rounded to 11 bits of significand on the way into a product
  bf16,  ///< operands and results rounded to bf16
};

constexpr const char* to_string(Precision precision) {
  switch (precision) {
    case Precision::f32: return "f32";
    case Precision::tf32: return "tf32";
    case Precision::bf16: return "bf16";
  }
  return "?";
}

}  // namespace duet
