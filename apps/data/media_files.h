#pragma once
/// The files of a data folder: which are pictures, which are sounds, and their bytes.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/error.h"

namespace duet {

enum class Modality { face, voice };
/// "face", "voice"
const char* to_string(Modality modality);

/// A file that cannot be used, and why.
struct Refusal {
  std::filesystem::path path;
  std::string reason;
};

/// ASCII letters in lower case; other bytes stay.
std::string lower_case(std::string_view text);

/// What a file is by its extension, in any case; nothing for all other files.
std::optional<Modality> modality_of(const std::filesystem::path& file);
/// ".jpg, .png, …": the extensions that count.
std::string known_extensions(Modality modality);

struct Listing {
  /// Relative to the folder, sorted by their bytes: the same order on every machine.
  std::vector<std::filesystem::path> pictures, sounds;
  /// Folders that cannot be opened, links to nothing.
  std::vector<Refusal> refused;

  const std::vector<std::filesystem::path>& of(Modality modality) const {
    return modality == Modality::face ? pictures : sounds;
  }
};

/// All pictures and sounds below a folder. Linked folders are followed once; hidden files and
/// `__MACOSX` are passed over. A missing folder, or one that is a file, is a DataError.
Listing list_media(const std::filesystem::path& folder);

/// A file's bytes. DataError: missing, not a regular file, unreadable, empty, a git-LFS pointer,
/// larger than `limit` bytes.
std::vector<std::uint8_t> read_bytes(const std::filesystem::path& file,
                                     std::size_t limit = std::size_t{1} << 29);

}  // namespace duet
