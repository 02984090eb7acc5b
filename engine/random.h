#pragma once
/// Where random numbers come from: every draw has its own Philox stream under the run's seed,
/// numbered within a domain, so that two uses never share numbers and each can be repeated alone.

#include "kernels/base/philox.h"
#include "kernels/dropout/dropout.h"

namespace duet {

enum class RandomDomain : std::uint64_t {
  dropout,
  weights,
  batch_order,
  face_augmentation,
  voice_augmentation,
  // Numbers fix the bits of what is drawn; 5 and 6 are free.
  modality_dropout = 7,
  voice_masks,
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

  DropoutMask next_mask() {
    return {random_stream(seed, RandomDomain::dropout, masks_drawn++ - counter_start), counter};
  }

  /// From now on masks are numbered from the count in the device's memory, which must be what
  /// `masks_drawn` is now by the time that the kernels run. Null: by `masks_drawn` alone.
  void count_masks_in(const std::uint64_t* memory) {
    counter = memory;
    counter_start = memory ? masks_drawn : 0;
  }

  const std::uint64_t* counter = nullptr;
  std::uint64_t counter_start = 0;  ///< what it is taken to be
};

}  // namespace duet
