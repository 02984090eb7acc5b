#include "engine/npy.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

#include "engine/atomic_file.h"

namespace duet {
namespace {

static_assert(std::endian::native == std::endian::little,
              "arrays are stored as they are in memory");

constexpr std::string_view magic = "\x93NUMPY";

[[noreturn]] void refuse(const std::filesystem::path& path, std::string_view reason,
                         std::string_view remedy) {
  fail<DataError>("[npy] {}: {}; {}", path.string(), reason, remedy);
}

/// What follows `'key':` in the header's Python dictionary, without leading blanks.
std::optional<std::string_view> value_of(std::string_view header, std::string_view key) {
  const std::size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) return std::nullopt;
  header.remove_prefix(at + key.size() + 3);
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

/// The extents of a tuple "(2, 3)", "(5,)" or "()".
std::optional<std::vector<std::int64_t>> parse_tuple(std::string_view text) {
  const std::size_t close = text.find(')');
  if (!text.starts_with('(') || close == std::string_view::npos) return std::nullopt;
  std::vector<std::int64_t> extents;
  const char *at = text.data() + 1, *end = text.data() + close;
  while (at != end) {
    if (*at == ' ' || *at == ',') {
      ++at;
      continue;
    }
    std::int64_t extent = 0;
    const auto [next, error] = std::from_chars(at, end, extent);
    if (error != std::errc() || extent < 0) return std::nullopt;
    extents.push_back(extent);
    at = next;
  }
  return extents;
}

}  // namespace

NpyArray read_npy(const std::filesystem::path& path) {
  constexpr const char* remedy = "write it again with numpy.save, as float32 or float64 in C order";
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  const std::uintmax_t file_size = std::filesystem::file_size(path, error);
  if (!file || error) refuse(path, "cannot be opened", "check the path");
  char start[12];
  file.read(start, 10);
  if (!file || std::string_view(start, 6) != magic) refuse(path, "is not a .npy file", remedy);
  std::size_t header_size = static_cast<unsigned char>(start[8]) |
                            static_cast<std::size_t>(static_cast<unsigned char>(start[9])) << 8;
  if (start[6] > 1) {  // since version 2.0 the length has four bytes
    file.read(start + 10, 2);
    header_size |= static_cast<std::size_t>(static_cast<unsigned char>(start[10])) << 16 |
                   static_cast<std::size_t>(static_cast<unsigned char>(start[11])) << 24;
  }
  if (!file || header_size > file_size) refuse(path, "its header is cut short", remedy);
  std::string header(header_size, ' ');
  file.read(header.data(), static_cast<std::streamsize>(header_size));
  if (!file) refuse(path, "its header is cut short", remedy);

  const auto descr = value_of(header, "descr"), order = value_of(header, "fortran_order"),
             tuple = value_of(header, "shape");
  const auto extents = tuple ? parse_tuple(*tuple) : std::nullopt;
  if (!descr || !order || !extents || extents->size() > Shape::max_rank)
    refuse(path, fmt::format("its header is not understood: {}", header), remedy);
  NpyArray array;
  if (descr->starts_with("'<f4'"))
    array.dtype = DType::f32;
  else if (descr->starts_with("'<f8'"))
    array.dtype = DType::f64;
  else
    refuse(path, fmt::format("its elements are {}", descr->substr(0, descr->find(','))), remedy);
  if (!order->starts_with("False")) refuse(path, "is in Fortran order", remedy);
  array.shape = Shape(*extents);

  const auto data_size = file_size - static_cast<std::uintmax_t>(file.tellg());
  std::uintmax_t expected = size_of(array.dtype);
  for (const std::int64_t extent : array.shape)
    if (__builtin_mul_overflow(expected, static_cast<std::uintmax_t>(extent), &expected))
      refuse(path, fmt::format("its shape {} is beyond any memory", to_string(array.shape)),
             remedy);
  if (data_size != expected)
    refuse(path,
           fmt::format("holds {} bytes of data where its shape {} of {} takes {}", data_size,
                       to_string(array.shape), to_string(array.dtype), expected),
           remedy);
  array.bytes.resize(expected);
  file.read(reinterpret_cast<char*>(array.bytes.data()), static_cast<std::streamsize>(expected));
  if (!file) refuse(path, "cannot be read to its end", "check the disk");
  return array;
}

void write_npy(const std::filesystem::path& path, const ConstView& array) {
  require(is_floating(array.dtype), "[npy] elements are {}, only f32 and f64 are written",
          to_string(array.dtype));
  std::string extents;
  for (const std::int64_t extent : array.shape) extents += fmt::format("{}, ", extent);
  if (array.shape.rank() > 1) extents.resize(extents.size() - 2);
  if (array.shape.rank() == 1) extents.resize(extents.size() - 1);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                   array.dtype == DType::f32 ? "<f4" : "<f8", extents);
  // The data starts at a multiple of 64 bytes, after a line feed.
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10, ' ');
  header.back() = '\n';

  AtomicFile file(path);
  file.write(magic);
  const char version_and_length[] = {'\x01', '\x00', static_cast<char>(header.size() & 0xff),
                                     static_cast<char>(header.size() >> 8)};
  file.write(version_and_length, sizeof version_and_length);
  file.write(header);
  file.write(array.data, array.numel() * size_of(array.dtype));
  file.commit();
}

}  // namespace duet
