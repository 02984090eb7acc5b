#pragma once
/// Reading pictures: JPEG, PNG, BMP, PPM and PGM, decoded by stb_image.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace duet {

struct Picture {
  int height = 0, width = 0;
  /// (height, width, 3), 0 … 255, upright. Grey is repeated to three channels; CMYK becomes RGB by
  /// R = (1 − C)(1 − K); 16-bit samples keep their upper byte; transparency is dropped, so a
  /// transparent pixel shows the colour stored in it.
  std::vector<std::uint8_t> rgb;
  /// Colours stored in the file: 1 grey, 3, or 4 for CMYK (transparency not counted).
  int file_colours = 0;
  std::vector<std::string> warnings;
};

/// Sides shorter than `shortest_picture_side` show no face; more pixels than `most_picture_pixels`
/// are refused from the header, before memory is taken.
inline constexpr int shortest_picture_side = 8;
inline constexpr std::int64_t most_picture_pixels = 64'000'000;

/// Reads a picture; may be called from several threads at once. DataError (path, reason, remedy):
/// no such file, empty, a git-LFS pointer, not a picture, truncated, too small, too large.
Picture read_picture(const std::filesystem::path& path);

/// Whether this build has stb_image. Without it `read_picture` is an Error.
bool pictures_supported();

}  // namespace duet
