#pragma once
/// An explained answer as a page or a picture.

#include <filesystem>

#include "apps/data/picture.h"
#include "apps/explain/occlusion.h"

namespace duet {

/// What was asked about. A stream that the network lacks has an empty picture.
struct Asked {
  std::string face_name, voice_name;
  Picture face;         ///< as large as the network gets it
  Picture spectrogram;  ///< with the front end's bands and frames, low frequencies at the bottom
};

/// UsageError unless the file's name ends in .html or .png.
void check_explanation_path(const std::filesystem::path& path);

/// .html: the pictures with the maps over them, all figures, and what they mean. .png: for each
/// stream the picture and the picture under its map, side by side.
void write_explanation(const std::filesystem::path& path, const Explanation& explanation,
                       const Asked& asked);

}  // namespace duet
