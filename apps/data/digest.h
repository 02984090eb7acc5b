#pragma once
/// Digests of names and bytes (XXH3): not for secrets, but the same on every machine.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kernels/base/philox.h"

namespace duet {

/// XXH3-128 as 32 hexadecimal digits.
std::string digest_hex(std::span<const std::uint8_t> bytes);
std::string digest_hex(std::string_view text);

/// The random sequence that belongs to a purpose under a seed: purposes with different names draw
/// independently of each other.
RandomSequence random_for(std::uint64_t seed, std::string_view purpose);

}  // namespace duet
