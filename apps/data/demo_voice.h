#pragma once
/// The demo's voices: a glottal pulse train and noise, shaped by the resonances of a vocal tract.

#include <cstdint>
#include <vector>

#include "kernels/base/philox.h"

namespace duet::demo {

/// In Hz, of all voices.
inline constexpr int voice_rate = 16000;
/// Root mean square of every voice, full scale being 1: the level tells nothing.
inline constexpr double voice_rms = 0.05;

/// What stays the same in all of a speaker's clips.
struct Speaker {
  double pitch;          ///< Hz, at rest
  double tract;          ///< factor on all resonances: 1 for a long vocal tract, more for a shorter
  double tempo;          ///< factor on the length of a syllable
  double open_quotient;  ///< share of a glottal period in which air flows
  double breath;         ///< amplitude of breath noise beside the pulses
  double jitter;         ///< standard deviation of a glottal period, as a share of it
  double tilt;           ///< factor on the corner frequency of the source
};
Speaker draw_speaker(RandomSequence& random);

/// One clip of 1.5 to 2.6 s. `sentence` draws the syllables, `random` all else. `aroused` is all
/// that a voice knows of its class: higher pitch with wide accents, quick syllables and a bright
/// source, instead of low pitch, small accents, slow syllables and a dull source. Length, level,
/// melody (falling, rising, arched) and noise floor do not depend on it.
std::vector<std::int16_t> speak(const Speaker& speaker, RandomSequence sentence, bool aroused,
                                RandomSequence& random);

}  // namespace duet::demo
