#include "apps/train/samples.h"

#include "apps/data/picture.h"
#include "apps/model/model.h"
#include "audio/sound.h"

namespace duet {

template <class Decode>
Samples::Values Samples::get(const std::filesystem::path& path, Decode&& decode) {
  const std::string key = path.string();
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = cache_.find(key); found != cache_.end()) return found->second;
  }
  auto values = std::make_shared<std::vector<float>>();
  const std::vector<std::string> warnings = decode(*values);
  const std::scoped_lock lock(mutex_);
  const std::size_t bytes = values->size() * sizeof(float);
  if (bytes <= cache_left_ && cache_.emplace(key, values).second) {
    cache_left_ -= bytes;
    warnings_.insert(warnings_.end(), warnings.begin(), warnings.end());
  }
  return values;
}

Samples::Values Samples::face(const std::filesystem::path& path) {
  return get(path, [&](std::vector<float>& values) {
    const Picture picture = read_picture(path);
    values.resize(size_ * size_ * 3);
    face_pixels(picture, size_, values);
    return picture.warnings;
  });
}

Samples::Values Samples::voice(const std::filesystem::path& path) {
  return get(path, [&](std::vector<float>& values) {
    const Sound sound = read_sound(path, static_cast<int>(front_end_.sample_rate));
    values.resize(front_end_.clip_samples());
    fit_clip(sound.samples, values);
    return sound.warnings;
  });
}

std::vector<std::string> Samples::take_warnings() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(warnings_, {});
}

}  // namespace duet
