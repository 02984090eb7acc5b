#include "apps/data/media_files.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <system_error>

namespace duet {
namespace fs = std::filesystem;
namespace {

constexpr std::array picture_extensions{".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm"};
// MP3 is left out on purpose: CREMA-D holds every clip twice, as WAV and as MP3.
constexpr std::array sound_extensions{".wav", ".wave", ".flac", ".ogg", ".oga", ".aif", ".aiff"};

bool among(const auto& list, std::string_view extension) {
  return std::find(list.begin(), list.end(), extension) != list.end();
}

void walk(const fs::path& root, const fs::path& relative, std::set<fs::path>& seen, Listing& out) {
  std::error_code error;
  const fs::path folder = root / relative;
  if (!seen.insert(fs::canonical(folder, error)).second) return;
  for (auto it = fs::directory_iterator(folder, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    const fs::path name = it->path().filename(), below = relative / name;
    if (name.native().starts_with('.') || name == "__MACOSX") continue;
    std::error_code unreadable;
    const fs::file_status status = it->status(unreadable);
    if (fs::is_directory(status)) {
      walk(root, below, seen, out);
    } else if (const auto modality = modality_of(name)) {
      if (status.type() == fs::file_type::not_found)
        out.refused.push_back({it->path(), "a link to nothing"});
      else if (!fs::is_regular_file(status))
        out.refused.push_back({it->path(), "not a regular file"});
      else
        (*modality == Modality::face ? out.pictures : out.sounds).push_back(below);
    }
  }
  if (error) out.refused.push_back({folder, "cannot be opened: " + error.message()});
}

}  // namespace

const char* to_string(Modality modality) { return modality == Modality::face ? "face" : "voice"; }

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

std::optional<Modality> modality_of(const fs::path& file) {
  const std::string extension = lower_case(file.extension().string());
  if (among(picture_extensions, extension)) return Modality::face;
  if (among(sound_extensions, extension)) return Modality::voice;
  return std::nullopt;
}

std::string known_extensions(Modality modality) {
  return modality == Modality::face ? fmt::format("{}", fmt::join(picture_extensions, ", "))
                                    : fmt::format("{}", fmt::join(sound_extensions, ", "));
}

Listing list_media(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found)
    fail<DataError>("[data] {}: no such folder; check the path", folder.string());
  if (!fs::is_directory(status))
    fail<DataError>("[data] {}: not a folder; name the folder that holds the corpus (unpacked)",
                    folder.string());
  Listing listing;
  std::set<fs::path> seen;
  walk(folder, {}, seen, listing);
  const auto by_bytes = [](const fs::path& a, const fs::path& b) {
    return a.generic_string() < b.generic_string();
  };
  std::sort(listing.pictures.begin(), listing.pictures.end(), by_bytes);
  std::sort(listing.sounds.begin(), listing.sounds.end(), by_bytes);
  std::sort(listing.refused.begin(), listing.refused.end(),
            [&](const Refusal& a, const Refusal& b) { return by_bytes(a.path, b.path); });
  return listing;
}

std::vector<std::uint8_t> read_bytes(const fs::path& file, std::size_t limit) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (status.type() == fs::file_type::not_found)
    fail<DataError>("[data] {}: no such file; check the path", file.string());
  if (!fs::is_regular_file(status))
    fail<DataError>("[data] {}: not a regular file; name a picture, sound or table", file.string());
  const std::uintmax_t size = fs::file_size(file, error);
  if (size > limit)
    fail<DataError>("[data] {}: {} MiB, more than the {} MiB that are read; is it the right file?",
                    file.string(), size >> 20, limit >> 20);
  std::vector<std::uint8_t> bytes(size);
  std::ifstream in(file, std::ios::binary);
  if (!in || !in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size)))
    fail<DataError>("[data] {}: cannot be read; check its permissions", file.string());
  if (bytes.empty())
    fail<DataError>("[data] {}: the file is empty; fetch it again or remove it", file.string());
  constexpr std::string_view lfs = "version https://git-lfs";
  if (bytes.size() >= lfs.size() && std::equal(lfs.begin(), lfs.end(), bytes.begin()))
    fail<DataError>(
        "[data] {}: a git-LFS pointer, not the file itself; run `git lfs pull` in its repository",
        file.string());
  return bytes;
}

}  // namespace duet
