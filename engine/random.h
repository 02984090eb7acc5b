#pragma once
/// Where random numbers come from: every draw has its own Philox stream under the run's seed,
/// numbered within a domain, so that two uses never share numbers and each can be repeated alone.

#include "kernels/base/philox.h"

namespace duet {

enum class RandomDomain : std::uint64_t {
  dropout,
  weights,
  batch_order,
  face_augmentation,
  voice_augmentation,
  split,
  pairing,
};

/// Stream `index` (below 2^56) of a domain.
inline Philox random_stream(std::uint64_t seed, RandomDomain domain, std::uint64_t index) {
  return {seed, static_cast<std::uint64_t>(domain) << 56 | index};
}

/// The part of the random state that training carries along and a checkpoint keeps: how many
/// dropout masks were drawn.
struct RandomState {
  std::uint64_t seed = 1;
  std::uint64_t masks_drawn = 0;

  Philox next_mask() { return random_stream(seed, RandomDomain::dropout, masks_drawn++); }
};

}  // namespace duet
