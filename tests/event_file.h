#pragma once
/// An event file, read by other means than those that wrote it: by the format's description alone.

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace duet::test {

/// An Event with at most one value in its summary.
struct EventRead {
  double wall_time = 0;
  std::int64_t step = 0;
  std::string file_version, tag;
  std::optional<float> scalar;
  std::int64_t height = 0, width = 0, colorspace = 0;
  std::string picture;
};

/// The remainder of a division by Castagnoli's polynomial, x³² + 0x1edc6f41, a bit at a time: bytes
/// come lowest bit first, and the result is read backwards, too.
inline std::uint32_t crc32c_by_division(std::string_view bytes) {
  std::uint32_t remainder = 0xffffffff;
  for (const char c : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const bool in = static_cast<unsigned char>(c) >> bit & 1, top = remainder >> 31 & 1;
      remainder <<= 1;
      if (in != top) remainder ^= 0x1edc6f41;
    }
  std::uint32_t reversed = 0;
  for (int bit = 0; bit < 32; ++bit) reversed |= (remainder >> bit & 1) << (31 - bit);
  return ~reversed;
}

/// Takes bytes off the front as the number they are.
template <class T>
T take(std::string_view& bytes) {
  T value{};
  REQUIRE(bytes.size() >= sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

inline std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = take<std::uint8_t>(bytes);
    value += static_cast<std::uint64_t>(byte % 128) << shift;
    if (byte < 128) return value;
  }
}

inline std::string_view take_bytes(std::string_view& bytes) {
  const std::uint64_t length = take_varint(bytes);
  REQUIRE(length <= bytes.size());
  const std::string_view taken = bytes.substr(0, length);
  bytes.remove_prefix(length);
  return taken;
}

/// A field's key: its number and its wire type.
constexpr std::uint64_t key(int number, int type) { return 8 * number + type; }

inline EventRead parse_event(std::string_view bytes) {
  EventRead event;
  while (!bytes.empty()) switch (take_varint(bytes)) {
      case key(1, 1): event.wall_time = take<double>(bytes); break;
      case key(2, 0): event.step = static_cast<std::int64_t>(take_varint(bytes)); break;
      case key(3, 2): event.file_version = take_bytes(bytes); break;
      case key(5, 2): {
        std::string_view summary = take_bytes(bytes);
        REQUIRE(take_varint(summary) == key(1, 2));
        std::string_view value = take_bytes(summary);
        REQUIRE(summary.empty());
        while (!value.empty()) switch (take_varint(value)) {
            case key(1, 2): event.tag = take_bytes(value); break;
            case key(2, 5): event.scalar = take<float>(value); break;
            case key(4, 2): {
              std::string_view image = take_bytes(value);
              while (!image.empty()) switch (take_varint(image)) {
                  case key(1, 0): event.height = static_cast<int>(take_varint(image)); break;
                  case key(2, 0): event.width = static_cast<int>(take_varint(image)); break;
                  case key(3, 0): event.colorspace = static_cast<int>(take_varint(image)); break;
                  case key(4, 2): event.picture = take_bytes(image); break;
                  default: FAIL("an unknown field of an image");
                }
              break;
            }
            default: FAIL("an unknown field of a value");
          }
        break;
      }
      default: FAIL("an unknown field of an event");
    }
  return event;
}

/// All events of a file, which has to end with a whole one.
inline std::vector<EventRead> parse_events(std::string_view file) {
  const auto check_masked = [&](std::string_view bytes) {
    const std::uint32_t crc = crc32c_by_division(bytes);
    CHECK(take<std::uint32_t>(file) == (crc >> 15 | crc << 17) + 0xa282ead8u);
  };
  std::vector<EventRead> events;
  while (!file.empty()) {
    const std::string_view head = file.substr(0, 8);
    const auto length = take<std::uint64_t>(file);
    check_masked(head);
    REQUIRE(length <= file.size());
    const std::string_view data = file.substr(0, length);
    file.remove_prefix(length);
    check_masked(data);
    events.push_back(parse_event(data));
  }
  return events;
}

}  // namespace duet::test
