#pragma once
/// What a picture file says beside its pixels.

#include <cstdint>
#include <span>

namespace duet {

struct PictureTags {
  /// Whether the file begins as a JPEG or PNG does; then the size of its pixels, unless the header
  /// is damaged.
  bool jpeg = false, png = false;
  std::int64_t height = 0, width = 0;
  /// EXIF orientation 1 … 8 (tag 0x0112): 1 is upright; 6, the commonest other, must be turned a
  /// quarter clockwise. A missing or senseless tag is 1.
  int orientation = 1;
  /// Of a JPEG: components in its frame header, and whether an Adobe segment says what they are.
  int jpeg_components = 0;
  bool adobe = false;
  /// Whether a JPEG's Huffman tables hold no more codes than there are symbols (256): stb_image up
  /// to 2.27 writes beyond its table otherwise.
  bool huffman_tables_fit = true;
};

/// Reads the segments of a JPEG, or the chunks of a PNG. Never fails: whatever is
/// damaged is left out.
PictureTags read_picture_tags(std::span<const std::uint8_t> file);

}  // namespace duet
