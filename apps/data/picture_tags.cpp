#include "apps/data/picture_tags.h"

#include <algorithm>
#include <string_view>

namespace duet {
namespace {

using Bytes = std::span<const std::uint8_t>;

bool starts_with(Bytes bytes, std::string_view text) {
  return bytes.size() >= text.size() &&
         std::equal(text.begin(), text.end(), bytes.begin(),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

std::uint32_t big_endian(Bytes bytes) {
  std::uint32_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

/// The orientation in the first directory of a TIFF block (EXIF 2.3, section 4.6).
int tiff_orientation(Bytes tiff) {
  if (tiff.size() < 8) return 1;
  const bool little = tiff[0] == 'I';
  const auto number = [&](std::size_t at, std::size_t count) -> std::uint32_t {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
      value = value << 8 | tiff[at + (little ? count - 1 - i : i)];
    return value;
  };
  if (tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M') || number(2, 2) != 42) return 1;
  const std::size_t directory = number(4, 4);
  if (directory > tiff.size() - 2) return 1;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.size()) return 1;
    if (number(entry, 2) != 0x0112) continue;
    const std::uint32_t type = number(entry + 2, 2);  // 3: 16 bits, 4: 32 bits
    const std::uint32_t value = type == 3   ? number(entry + 8, 2)
                                : type == 4 ? number(entry + 8, 4)
                                            : 1;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

/// A DHT segment (ITU T.81, B.2.4.2) of this many bytes: tables of 16 counts and as many symbols as
/// they add up to. stb_image reads a table to its end even where the segment ends before, and so
/// does this.
bool huffman_tables_fit(Bytes file, std::int64_t length) {
  while (length > 0) {
    std::size_t symbols = 0;
    for (std::size_t i = 1; i <= 16 && i < file.size(); ++i) symbols += file[i];
    if (symbols > 256) return false;
    const std::size_t table = 17 + symbols;
    length -= static_cast<std::int64_t>(table);
    file = file.subspan(std::min(table, file.size()));
  }
  return true;
}

void read_jpeg(Bytes file, PictureTags& tags) {
  std::size_t at = 2;
  while (at + 4 <= file.size()) {
    if (file[at] != 0xFF) {  // rubbish between segments
      ++at;
      continue;
    }
    const std::uint8_t marker = file[at + 1];
    if (marker == 0xFF) {  // a fill byte
      ++at;
      continue;
    }
    if (marker == 0xD9) return;  // the end
    const std::size_t length = big_endian(file.subspan(at + 2, 2));
    if (marker == 0xC4)
      tags.huffman_tables_fit &=
          huffman_tables_fit(file.subspan(at + 4), static_cast<std::int64_t>(length) - 2);
    if (length < 2 || at + 2 + length > file.size()) return;
    const Bytes body = file.subspan(at + 4, length - 2);
    const bool frame =
        marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame && body.size() >= 6) {
      tags.height = big_endian(body.subspan(1, 2));
      tags.width = big_endian(body.subspan(3, 2));
      tags.jpeg_components = body[5];
    }
    if (marker == 0xEE && starts_with(body, "Adobe")) tags.adobe = true;
    if (marker == 0xE1 && starts_with(body, {"Exif\0\0", 6}))
      tags.orientation = tiff_orientation(body.subspan(6));
    at += 2 + length;
    if (marker != 0xDA) continue;
    // A scan follows: on to the next marker but restarts; 0xFF 0x00 stands for a byte 0xFF.
    while (at + 1 < file.size() && (file[at] != 0xFF || file[at + 1] == 0 ||
                                    (file[at + 1] >= 0xD0 && file[at + 1] <= 0xD7)))
      ++at;
  }
}

void read_png(Bytes file, PictureTags& tags) {
  for (std::size_t at = 8; at + 16 <= file.size();) {
    const std::size_t length = big_endian(file.subspan(at, 4));
    if (at == 8 && length == 13) {
      tags.width = big_endian(file.subspan(16, 4));
      tags.height = big_endian(file.subspan(20, 4));
    }
    if (length > file.size() - at - 12) return;
    if (starts_with(file.subspan(at + 4), "eXIf"))
      tags.orientation = tiff_orientation(file.subspan(at + 8, length));
    at += 12 + length;
  }
}

}  // namespace

PictureTags read_picture_tags(Bytes file) {
  PictureTags tags;
  tags.jpeg = starts_with(file, "\xFF\xD8\xFF");
  tags.png = starts_with(file, "\x89PNG\r\n\x1A\n");
  if (tags.jpeg) read_jpeg(file, tags);
  if (tags.png) read_png(file, tags);
  return tags;
}

}  // namespace duet
