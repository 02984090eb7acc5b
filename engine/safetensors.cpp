#include "engine/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/atomic_file.h"
#include "engine/mapped_file.h"
#include "engine/xxhash.h"

namespace duet {
namespace {

static_assert(std::endian::native == std::endian::little, "model files are little-endian");

constexpr const char* checksum_key = "duet.checksum";
constexpr const char* blank_checksum = "0000000000000000";
constexpr std::uint64_t largest_header = 100u << 20;
/// Of the first tensor's bytes in a file that is written, and so in memory when it is mapped: a
/// cache line.
constexpr std::uint64_t alignment = 64;

const char* format_name(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::f64: return "F64";
    case DType::bf16: return "BF16";
    case DType::i32: return "I32";
    case DType::u8: return "U8";
  }
  return "?";
}

/// XXH3 of a header whose checksum is blank, and of the tensors' bytes.
class Checksum {
 public:
  Checksum() : state_(XXH3_createState()) { XXH3_64bits_reset(state_); }
  ~Checksum() { XXH3_freeState(state_); }
  void add(const void* data, std::size_t bytes) { XXH3_64bits_update(state_, data, bytes); }
  std::string hex() const { return fmt::format("{:016x}", XXH3_64bits_digest(state_)); }

 private:
  XXH3_state_t* state_;
};

}  // namespace

const Tensor& Safetensors::at(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) fail<DataError>("{}: has no tensor '{}'", path.string(), name);
  return found->second;
}

void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, Tensor>& tensors,
                       std::map<std::string, std::string> metadata) {
  metadata[checksum_key] = blank_checksum;
  nlohmann::json header;
  header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::uint64_t bytes = tensor.numel() * size_of(tensor.dtype());
    header[name] = {
        {"dtype", format_name(tensor.dtype())},
        {"shape", std::vector<std::int64_t>(tensor.shape().begin(), tensor.shape().end())},
        {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  // A path in the metadata may be of any bytes; where they are not UTF-8, U+FFFD stands for them.
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.append((alignment - (8 + text.size()) % alignment) % alignment, ' ');

  Checksum checksum;
  checksum.add(text.data(), text.size());
  for (const auto& [name, tensor] : tensors)
    checksum.add(tensor.view().data, tensor.numel() * size_of(tensor.dtype()));
  const std::string key = fmt::format("\"{}\":\"", checksum_key);
  text.replace(text.find(key + blank_checksum) + key.size(), 16, checksum.hex());

  AtomicFile file(path);
  const std::uint64_t length = text.size();
  file.write(&length, sizeof length);
  file.write(text);
  for (const auto& [name, tensor] : tensors)
    file.write(tensor.view().data, tensor.numel() * size_of(tensor.dtype()));
  file.commit();
}

Safetensors read_safetensors(const std::filesystem::path& path) {
  const auto refuse = [&path]<class... Args>(fmt::format_string<Args...> why, Args&&... args) {
    fail<DataError>("{}: not a sound model file: {}", path.string(),
                    fmt::format(why, std::forward<Args>(args)...));
  };
  std::error_code error;
  if (!std::filesystem::exists(path, error)) fail<DataError>("{}: no such file", path.string());
  if (!std::filesystem::is_regular_file(path, error))
    fail<DataError>("{}: is not a file; name the model.safetensors inside", path.string());
  const auto file = std::make_shared<const MappedFile>(path);
  const std::uint64_t size = file->bytes().size();
  const char* const start = reinterpret_cast<const char*>(file->bytes().data());
  std::uint64_t length = 0;
  if (size < sizeof length) refuse("it has {} bytes", size);
  std::memcpy(&length, start, sizeof length);
  if (length > largest_header || length + 8 > size)
    refuse("it claims a header of {} bytes and has {} bytes in all (cut short?)", length, size);
  std::string text(start + 8, length);
  const char* const data = start + 8 + length;
  const nlohmann::json header = nlohmann::json::parse(text, nullptr, false);
  if (header.is_discarded() || !header.is_object()) refuse("its header is not JSON");

  Safetensors result;
  result.path = path;
  struct Piece {
    std::uint64_t begin, end;
    std::string name;
    Shape shape;
    DType dtype;
  };
  std::vector<Piece> pieces;
  try {
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        result.metadata = entry.get<std::map<std::string, std::string>>();
        continue;
      }
      const std::string format = entry.at("dtype");
      DType dtype{};
      bool known = false;
      for (DType candidate : {DType::f32, DType::f64, DType::bf16, DType::i32, DType::u8})
        if (format == format_name(candidate)) dtype = candidate, known = true;
      if (!known) refuse("tensor '{}' has elements of type {}", name, format);
      const auto extents = entry.at("shape").get<std::vector<std::int64_t>>();
      const auto offsets = entry.at("data_offsets").get<std::vector<std::uint64_t>>();
      if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > size - 8 - length)
        refuse("tensor '{}' lies outside the file (cut short?)", name);
      if (extents.size() > Shape::max_rank)
        refuse("tensor '{}' has {} dimensions, at most {} are read", name, extents.size(),
               Shape::max_rank);
      std::uint64_t bytes = size_of(dtype);
      for (std::int64_t extent : extents) {
        if (extent < 0) refuse("tensor '{}' has the negative extent {}", name, extent);
        if (extent > 0 && bytes > size / extent)
          refuse("tensor '{}' is larger than the file", name);
        bytes *= extent;
      }
      if (bytes != offsets[1] - offsets[0])
        refuse("tensor '{}' has a shape of {} bytes in {} bytes", name, bytes,
               offsets[1] - offsets[0]);
      pieces.push_back(
          {offsets[0], offsets[1], name, Shape(std::span<const std::int64_t>(extents)), dtype});
    }
  } catch (const nlohmann::json::exception& e) {
    refuse("its header is not as the format says ({})", e.what());
  }
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t next = 0;
  for (const Piece& piece : pieces) {
    if (piece.begin != next)
      refuse("tensor '{}' begins at byte {} where {} was due", piece.name, piece.begin, next);
    next = piece.end;
  }
  if (next + 8 + length != size)
    refuse("its tensors end at byte {}, the file at {}", next + 8 + length, size);

  const auto claimed = result.metadata.find(checksum_key);
  if (claimed == result.metadata.end()) refuse("it carries no checksum, so Duet did not write it");
  const std::string key = fmt::format("\"{}\":\"", checksum_key);
  const std::size_t at = text.find(key + claimed->second);
  if (claimed->second.size() != 16 || at == std::string::npos) refuse("its checksum is malformed");
  text.replace(at + key.size(), 16, blank_checksum);
  Checksum checksum;
  checksum.add(text.data(), text.size());
  checksum.add(data, next);
  if (checksum.hex() != claimed->second)
    refuse(
        "its checksum is {}, its contents give {}: it was altered or damaged after it was written",
        claimed->second, checksum.hex());

  for (const Piece& piece : pieces) {
    const char* elements = data + piece.begin;
    Tensor& tensor = result.tensors[piece.name];
    if (reinterpret_cast<std::uintptr_t>(elements) % size_of(piece.dtype) == 0) {
      tensor = Tensor::over(Storage::borrow(const_cast<char*>(elements), file), piece.shape,
                            piece.dtype);
    } else {  // behind a header or a tensor of odd length
      tensor = Tensor::empty(piece.shape, piece.dtype);
      std::memcpy(tensor.view().data, elements, piece.end - piece.begin);
    }
  }
  return result;
}

}  // namespace duet
