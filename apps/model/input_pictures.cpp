#include "apps/model/input_pictures.h"

#include <algorithm>
#include <cmath>

#include "apps/data/picture_write.h"
#include "audio/colormap.h"

namespace duet {

Picture face_picture(std::span<const float> pixels, std::int64_t size) {
  Picture picture;
  picture.height = picture.width = static_cast<int>(size);
  for (const float value : pixels)
    picture.rgb.push_back(
        static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.f, 1.f))));
  return picture;
}

Tensor log_mel(const FrontEnd& front_end, const Sound& sound) {
  const Tensor wave = Tensor::empty({1, front_end.clip_samples()});
  fit_clip(sound.samples, wave.span<float>());
  return log_mel(front_end, wave);
}

Picture spectrogram_picture(const FrontEnd& front_end, const Tensor& db) {
  const std::int64_t bands = db.dim(1), frames = db.dim(2);
  Picture picture;
  picture.height = static_cast<int>(bands);
  picture.width = static_cast<int>(frames);
  for (std::int64_t band = bands - 1; band >= 0; --band)
    for (std::int64_t frame = 0; frame < frames; ++frame) {
      const double unit = db.data<float>()[band * frames + frame] / front_end.top_db + 1;
      const auto colour = map_color_8bit(static_cast<float>(unit));
      picture.rgb.insert(picture.rgb.end(), colour.begin(), colour.end());
    }
  return picture;
}

Picture voice_picture(const FrontEnd& front_end, const std::filesystem::path& voice) {
  const Sound sound = read_sound(voice, static_cast<int>(front_end.sample_rate));
  return spectrogram_picture(front_end, log_mel(front_end, sound));
}

std::string encode_png(const Picture& picture) {
  return encode_png(picture.height, picture.width, 3, picture.rgb);
}

}  // namespace duet
