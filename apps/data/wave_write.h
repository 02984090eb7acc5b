#pragma once
/// Writing a sound.

#include <cstdint>
#include <filesystem>
#include <span>

namespace duet {

/// Writes mono 16-bit PCM WAV: a header of 44 bytes (RIFF, fmt, data), then the samples, little
/// endian. rate is in Hz. An Error names the path when the file cannot be written.
void write_wave(const std::filesystem::path& path, int rate, std::span<const std::int16_t> samples);

}  // namespace duet
