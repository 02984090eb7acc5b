#pragma once
/// Pictures as PNG.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace duet {

/// The bytes of an 8-bit PNG. data: (height, width, channels), 1 (grey), 3 (RGB) or 4 (RGBA)
/// channels, dense, first row on top.
std::string encode_png(int height, int width, int channels, std::span<const std::uint8_t> data);

/// The same into a file. An Error names the path when it cannot be written.
void write_png(const std::filesystem::path& path, int height, int width, int channels,
               std::span<const std::uint8_t> data);

}  // namespace duet
