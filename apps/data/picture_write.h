#pragma once
/// Writing a picture.

#include <cstdint>
#include <filesystem>
#include <span>

namespace duet {

/// Writes an 8-bit PNG. data: (height, width, channels), 1 (grey), 3 (RGB) or 4 (RGBA) channels,
/// dense, first row on top. An Error names the path when the file cannot be written.
void write_png(const std::filesystem::path& path, int height, int width, int channels,
               std::span<const std::uint8_t> data);

}  // namespace duet
