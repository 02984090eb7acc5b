#include "apps/data/digest.h"

#include <fmt/format.h>

#include "engine/xxhash.h"

namespace duet {
namespace {

std::string hex(XXH128_hash_t hash) {
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace

std::string digest_hex(std::span<const std::uint8_t> bytes) {
  return hex(XXH3_128bits(bytes.data(), bytes.size()));
}

std::string digest_hex(std::string_view text) {
  return hex(XXH3_128bits(text.data(), text.size()));
}

RandomSequence random_for(std::uint64_t seed, std::string_view purpose) {
  return {seed, XXH3_64bits(purpose.data(), purpose.size())};
}

}  // namespace duet
