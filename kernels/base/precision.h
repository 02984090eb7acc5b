#pragma once
/// What a network computes in. Parameters, and what is fused, are f32 in all but f64.

#include <cstdint>

namespace duet {

enum class Precision : std::uint8_t {
  f32,
  f64,   ///< everything: for checks
  tf32,  ///< tensors of f32, rounded to 11 bits of significand on the way into the products of
         ///< convolutions and linear layers
  bf16,  ///< weights are rounded to bf16 for those products, and streams and head keep bf16
         ///< between their layers; sums and statistics are carried in f32
};

constexpr const char* to_string(Precision precision) {
  switch (precision) {
    case Precision::f32: return "f32";
    case Precision::f64: return "f64";
    case Precision::tf32: return "tf32";
    case Precision::bf16: return "bf16";
  }
  return "?";
}

}  // namespace duet
