#include "apps/report/events.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <optional>

#include "engine/atomic_file.h"
#include "kernels/base/error.h"

namespace duet {
namespace {

constexpr std::string_view file_prefix = "events.out.tfevents.";

constexpr std::array<std::uint32_t, 256> crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    table[byte] = crc;
  }
  return table;
}();

template <class T>
std::string little_endian(T value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof value; ++i)
    bytes += static_cast<char>(static_cast<std::uint8_t>(value >> 8 * i));
  return bytes;
}

std::uint64_t number_of(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

/// The CRC of data in which CRCs are stored would be of no use: stored ones are masked.
std::string masked_crc(std::string_view bytes) {
  return little_endian(std::rotr(crc32c(bytes), 15) + 0xa282ead8u);
}

constexpr std::size_t head_bytes = 12, crc_bytes = 4;

/// Takes the next record off the front and returns its data; nothing where the rest is no whole
/// record.
std::optional<std::string_view> take_record(std::string_view& file) {
  if (file.size() < head_bytes + crc_bytes) return std::nullopt;
  const std::string_view length = file.substr(0, 8);
  if (file.substr(8, crc_bytes) != masked_crc(length)) return std::nullopt;
  const std::uint64_t bytes = number_of(length);
  if (bytes > file.size() - head_bytes - crc_bytes) return std::nullopt;
  const std::string_view data = file.substr(head_bytes, bytes);
  if (file.substr(head_bytes + bytes, crc_bytes) != masked_crc(data)) return std::nullopt;
  file.remove_prefix(head_bytes + bytes + crc_bytes);
  return data;
}

// Protocol buffers: a message is a row of fields, each a key (number and wire type), then a value.

enum WireType : std::uint8_t { varint = 0, fixed64 = 1, length_delimited = 2, fixed32 = 5 };

std::string varint_of(std::uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>((value & 127) | 128);
  return bytes + static_cast<char>(value);
}

std::string key(int number, WireType type) {
  return varint_of(static_cast<std::uint64_t>(number) << 3 | type);
}

std::string field(int number, std::int64_t value) {
  return key(number, varint) + varint_of(static_cast<std::uint64_t>(value));
}
std::string field(int number, double value) {
  return key(number, fixed64) + little_endian(std::bit_cast<std::uint64_t>(value));
}
std::string field(int number, float value) {
  return key(number, fixed32) + little_endian(std::bit_cast<std::uint32_t>(value));
}
std::string field(int number, std::string_view bytes) {
  return key(number, length_delimited) + varint_of(bytes.size()) + std::string(bytes);
}

// The numbers of the fields.
namespace event {
enum { wall_time = 1, step = 2, file_version = 3, summary = 5 };
}
namespace summary {
enum { value = 1 };
}
namespace summary_value {
enum { tag = 1, simple_value = 2, image = 4 };
}
namespace summary_image {
enum { height = 1, width = 2, colorspace = 3, encoded_image = 4 };
}

std::uint64_t take_varint(std::string_view& message) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !message.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(message.front());
    message.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 127) << shift;
    if (byte < 128) break;
  }
  return value;
}

/// Calls `f(number, value, bytes)` for each field of a message: `value` of a varint, `bytes` of any
/// other.
template <class F>
void for_each_field(std::string_view message, F&& f) {
  while (!message.empty()) {
    const std::uint64_t head = take_varint(message), type = head & 7;
    std::uint64_t value = 0, bytes = 0;
    if (type == varint) value = take_varint(message);
    if (type == fixed64) bytes = 8;
    if (type == fixed32) bytes = 4;
    if (type == length_delimited) bytes = take_varint(message);
    const std::string_view taken = message.substr(0, bytes);
    message.remove_prefix(taken.size());
    f(static_cast<int>(head >> 3), value, taken);
  }
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ crc_table[(crc ^ static_cast<std::uint8_t>(c)) & 255];
  return ~crc;
}

std::string event_record(std::string_view data) {
  const std::string length = little_endian(static_cast<std::uint64_t>(data.size()));
  return length + masked_crc(length) + std::string(data) + masked_crc(data);
}

EventLog::EventLog(std::filesystem::path folder) : folder_(std::move(folder)) {
  std::uint64_t last = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(file_prefix)) continue;
    std::uint64_t number = 0;
    std::from_chars(name.data() + file_prefix.size(), name.data() + name.size(), number);
    last = std::max(last, number);
    const std::string text = read_file(entry.path());
    std::string_view rest = text;
    while (const std::optional<std::string_view> record = take_record(rest)) {
      std::int64_t step = 0;
      for_each_field(*record, [&](int number, std::uint64_t value, std::string_view bytes) {
        if (number == event::step) step = static_cast<std::int64_t>(value);
        if (number != event::summary) return;
        for_each_field(bytes, [&](int, std::uint64_t, std::string_view value_of_tag) {
          for_each_field(value_of_tag, [&](int part, std::uint64_t, std::string_view tag) {
            if (part != summary_value::tag) return;
            std::int64_t& there = last_step_.try_emplace(std::string(tag), step).first->second;
            there = std::max(there, step);
          });
        });
      });
    }
  }
  path_ = folder_ / fmt::format("{}{:04}", file_prefix, last + 1);
}

void EventLog::write(std::string_view event) {
  file_ << event_record(event) << std::flush;
  if (!file_)
    fail<DataError>("{}: cannot be written; see that its folder exists and has free space",
                    path_.string());
}

void EventLog::add(const std::string& tag, std::int64_t step, const std::string& value) {
  const auto [last, is_new] = last_step_.try_emplace(tag, step);
  if (!is_new && step <= last->second) return;
  last->second = step;
  if (!file_.is_open()) {
    file_.open(path_, std::ios::binary);
    write(field(event::wall_time, seconds_now()) + field(event::file_version, "brain.Event:2"));
  }
  write(field(event::wall_time, seconds_now()) + field(event::step, step) +
        field(event::summary,
              field(summary::value, field(summary_value::tag, std::string_view(tag)) + value)));
}

void EventLog::scalar(const std::string& tag, std::int64_t step, double value) {
  add(tag, step, field(summary_value::simple_value, static_cast<float>(value)));
}

void EventLog::image(const std::string& tag, std::int64_t step, int height, int width,
                     std::string_view png) {
  constexpr std::int64_t rgb = 3;
  add(tag, step,
      field(summary_value::image, field(summary_image::height, std::int64_t{height}) +
                                      field(summary_image::width, std::int64_t{width}) +
                                      field(summary_image::colorspace, rgb) +
                                      field(summary_image::encoded_image, png)));
}

}  // namespace duet
