#pragma once
/// What a network's products are multiplied in. Sums are carried in f32 in any case.

#include <cstdint>

namespace duet {

enum class Precision : std::uint8_t {
  f32,
  tf32,  ///< f32 operands, rounded to 11 bits of significand where tensor cores take them
};

}  // namespace duet
