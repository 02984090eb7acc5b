#pragma once
/// The network's inputs as pictures for people.

#include <filesystem>
#include <span>

#include "apps/data/picture.h"
#include "audio/front_end.h"
#include "audio/sound.h"

namespace duet {

/// pixels (size, size, 3) in 0 … 1, before standardisation.
Picture face_picture(std::span<const float> pixels, std::int64_t size);

/// (1, n_mels, frames) of a sound's clip.
Tensor log_mel(const FrontEnd& front_end, const Sound& sound);

/// db (1, n_mels, frames), −top_db … 0 → a picture with a row for each band, low frequencies at the
/// bottom, and a column for each frame.
Picture spectrogram_picture(const FrontEnd& front_end, const Tensor& db);

/// The spectrogram of a sound file's clip. DataError as `read_sound`.
Picture voice_picture(const FrontEnd& front_end, const std::filesystem::path& voice);

/// A picture's bytes as PNG.
std::string encode_png(const Picture& picture);

}  // namespace duet
