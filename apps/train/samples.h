#pragma once
/// Decoded files: faces as pixels, of the network's size or as they are, voices as clips of the
/// front end's length. Each file is decoded once while memory lasts. All functions may be called
/// from several threads at once.

#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "apps/model/model.h"
#include "kernels/resize_pictures/resize_pictures.h"

namespace duet {

class Samples {
 public:
  using Values = std::shared_ptr<const std::vector<float>>;

  /// What a slot of `resize_pictures` holds.
  struct Slot {
    SlotPicture picture;
    std::vector<std::uint8_t> bytes;
  };

  /// How faces are kept.
  enum class Faces : std::uint8_t { resized, slots };

  /// size: side of the faces; cache_bytes: how much decoded data is kept.
  Samples(std::int64_t size, FrontEnd front_end, std::size_t cache_bytes,
          Faces faces = Faces::resized)
      : size_(size), front_end_(front_end), faces_(faces), cache_left_(cache_bytes) {}

  /// (size, size, 3) in 0 … 1. DataError when the file cannot be used.
  Values face(const std::filesystem::path& path);
  /// A face as `resize_pictures` takes it. DataError when the file cannot be used.
  std::shared_ptr<const Slot> slot(const std::filesystem::path& path);
  /// Reads a face in the form in which it is kept. DataError when the file cannot be used.
  void decode_face(const std::filesystem::path& path) {
    if (faces_ == Faces::slots)
      slot(path);
    else
      face(path);
  }
  /// (clip_samples). DataError when the file cannot be used.
  Values voice(const std::filesystem::path& path);

  std::int64_t size() const { return size_; }
  Faces faces() const { return faces_; }
  std::int64_t clip_samples() const { return front_end_.clip_samples(); }
  /// What was odd about files that could be read all the same, since the last call.
  std::vector<std::string> take_warnings();

 private:
  template <class T>
  using Cache = std::unordered_map<std::string, std::shared_ptr<const T>>;
  template <class T, class Decode>
  std::shared_ptr<const T> get(Cache<T>& cache, const std::filesystem::path& path, Decode&& decode);

  std::int64_t size_;
  FrontEnd front_end_;
  Faces faces_;
  std::mutex mutex_;
  std::size_t cache_left_;
  Cache<std::vector<float>> values_;
  Cache<Slot> slots_;
  std::vector<std::string> warnings_;  ///< not yet taken
  std::set<std::string> warned_;
};

/// For a model: on a device that resizes them itself, faces are kept for it to do so. Not in f64,
/// which judges one device by another: there all are given the same numbers.
std::unique_ptr<Samples> make_samples(const Model& model);

}  // namespace duet
