#pragma once
/// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
/// numbers: as easy as 1, 2, 3", SC 2011). A number is a pure function of (seed, stream, index), so
/// it has the same bits on every device, for every thread count, and can be drawn again instead of
/// being stored.

#include <array>
#include <cmath>
#include <cstdint>

#include "kernels/base/host_device.h"

namespace duet {

struct Philox {
  std::uint64_t seed = 0;
  /// Separates independent sequences under one seed.
  std::uint64_t stream = 0;

  struct Block {
    std::uint32_t word[4];
  };

  /// Four random words for the block index.
  DUET_HOST_DEVICE Block block(std::uint64_t index) const {
    std::uint32_t c0 = static_cast<std::uint32_t>(index),
                  c1 = static_cast<std::uint32_t>(index >> 32);
    std::uint32_t c2 = static_cast<std::uint32_t>(stream),
                  c3 = static_cast<std::uint32_t>(stream >> 32);
    std::uint32_t k0 = static_cast<std::uint32_t>(seed),
                  k1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0;
      const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c2;
      const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
      const std::uint32_t n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
      c1 = static_cast<std::uint32_t>(p1);
      c3 = static_cast<std::uint32_t>(p0);
      c0 = n0;
      c2 = n2;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
  }

  /// The random word of one index.
  DUET_HOST_DEVICE std::uint32_t word(std::uint64_t index) const {
    return block(index / 4).word[index % 4];
  }

  /// A uniform number in [0, 1) with 24 random bits, exact in float.
  DUET_HOST_DEVICE static float to_uniform(std::uint32_t word) {
    return static_cast<float>(word >> 8) * 0x1p-24f;
  }
  DUET_HOST_DEVICE float uniform(std::uint64_t index) const { return to_uniform(word(index)); }

  /// A standard normal number (Box-Muller on the two words of a pair of indices).
  double normal(std::uint64_t index) const {
    const Block b = block(index / 2);
    const int pair = static_cast<int>(index % 2) * 2;
    const double u = (b.word[pair] + 0.5) * 0x1p-32, v = (b.word[pair + 1] + 0.5) * 0x1p-32;
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * 3.14159265358979323846 * v);
  }
};

/// A sequential reader of one Philox sequence, for host code that draws a few numbers one after the
/// other.
class RandomSequence {
 public:
  RandomSequence(std::uint64_t seed, std::uint64_t stream) : philox_{seed, stream} {}

  std::uint32_t word() { return philox_.word(next_++); }
  /// In [0, 1).
  double uniform() { return Philox::to_uniform(word()); }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// In 0 … n-1, by multiplication (bias below n / 2^32).
  std::uint32_t below(std::uint32_t n) {
    return static_cast<std::uint32_t>((std::uint64_t{word()} * n) >> 32);
  }
  double normal() {
    const double u = (word() + 0.5) * 0x1p-32, v = (word() + 0.5) * 0x1p-32;
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * 3.14159265358979323846 * v);
  }
  /// Fisher-Yates.
  template <class Range>
  void shuffle(Range& range) {
    for (std::size_t i = range.size(); i > 1; --i)
      std::swap(range[i - 1], range[below(static_cast<std::uint32_t>(i))]);
  }

 private:
  Philox philox_;
  std::uint64_t next_ = 0;
};

}  // namespace duet
