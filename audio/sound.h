#pragma once
/// Reading sound files: whatever libsndfile decodes (WAV, FLAC, OGG …), at any rate and with any
/// number of channels, becomes one channel at the rate that the front end wants.
///
/// Everything here runs on the calling thread alone, and in several threads at once.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace duet {

struct Sound {
  /// Mono, the mean of the file's channels; full scale is ±1.
  std::vector<float> samples;
  /// Hz, of `samples`.
  int sample_rate = 0;
  /// Hz, of the file.
  int file_rate = 0;
  int file_channels = 0;
  double file_seconds = 0;
  /// What is odd about the file though it could be read, each a sentence with the path.
  std::vector<std::string> warnings;
};

/// The peak, relative to full scale, up to which a sound counts as silent: one step of 16-bit PCM,
/// 90 dB below full scale. A 16-bit file that stays within one step holds rounding or dither and
/// nothing else; and played so loud that full scale is 100 dB SPL, its peaks are 10 dB SPL, below
/// the noise of a quiet room.
inline constexpr float silence_peak = 0x1p-15f;

/// Reads a file and resamples it to `sample_rate` Hz. A WAV whose header claims more than there is
/// gives what is there, and a warning.
///
/// Throws DataError (path, reason, remedy) when the file is missing, empty, a git-LFS pointer, not
/// sound, without samples, silent, or holds NaN or infinity, and when this build lacks the library
/// that the file needs.
Sound read_sound(const std::filesystem::path& path, int sample_rate = 16000);

}  // namespace duet
