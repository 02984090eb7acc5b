#include "apps/train/samples.h"

#include <algorithm>
#include <cstring>

#include "apps/data/picture.h"
#include "audio/sound.h"

namespace duet {
namespace {

std::size_t bytes_of(const std::vector<float>& values) { return values.size() * sizeof(float); }
std::size_t bytes_of(const Samples::Slot& slot) { return slot.bytes.size(); }

std::vector<float> resized(const Picture& picture, std::int64_t size) {
  std::vector<float> pixels(size * size * 3);
  face_pixels(picture, size, pixels);
  return pixels;
}

}  // namespace

template <class T, class Decode>
std::shared_ptr<const T> Samples::get(Cache<T>& cache, const std::filesystem::path& path,
                                      Decode&& decode) {
  const std::string key = path.string();
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = cache.find(key); found != cache.end()) return found->second;
  }
  auto decoded = std::make_shared<T>();
  const std::vector<std::string> warnings = decode(*decoded);
  const std::scoped_lock lock(mutex_);
  const std::size_t bytes = bytes_of(*decoded);
  if (bytes <= cache_left_ && cache.emplace(key, decoded).second) cache_left_ -= bytes;
  // Of a file that is decoded again and again, once.
  for (const std::string& warning : warnings)
    if (warned_.insert(warning).second) warnings_.push_back(warning);
  return decoded;
}

Samples::Values Samples::face(const std::filesystem::path& path) {
  if (faces_ == Faces::resized)
    return get(values_, path, [&](std::vector<float>& values) {
      const Picture picture = read_picture(path);
      values = resized(picture, size_);
      return picture.warnings;
    });
  const std::shared_ptr<const Slot> kept = slot(path);
  const auto [h, w] = kept->picture;
  if (h > 0) return std::make_shared<const std::vector<float>>(resized({h, w, kept->bytes}, size_));
  auto values = std::make_shared<std::vector<float>>(size_ * size_ * 3);
  std::memcpy(values->data(), kept->bytes.data(), kept->bytes.size());
  return values;
}

std::shared_ptr<const Samples::Slot> Samples::slot(const std::filesystem::path& path) {
  return get(slots_, path, [&](Slot& slot) {
    Picture picture = read_picture(path);
    if (ResizePicturesParams{1, size_}.has_room(picture.height, picture.width)) {
      slot = {{picture.height, picture.width}, std::move(picture.rgb)};
    } else {
      const std::vector<float> pixels = resized(picture, size_);
      slot.bytes.resize(bytes_of(pixels));
      std::memcpy(slot.bytes.data(), pixels.data(), slot.bytes.size());
    }
    return std::move(picture.warnings);
  });
}

Samples::Values Samples::voice(const std::filesystem::path& path) {
  return get(values_, path, [&](std::vector<float>& values) {
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

std::unique_ptr<Samples> make_samples(const Model& model) {
  const bool by_device = model.device() != Device{} && model.dtype() != DType::f64;
  return std::make_unique<Samples>(model.config().size, model.front_end(),
                                   static_cast<std::size_t>(model.config().cache_mb) << 20,
                                   by_device ? Samples::Faces::slots : Samples::Faces::resized);
}

}  // namespace duet
