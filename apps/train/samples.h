#pragma once
/// Decoded files: faces as pixels of the network's size, voices as clips of the front end's length.
/// Each file is decoded once while memory lasts. All functions may be called from several threads
/// at once.

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "audio/front_end.h"

namespace duet {

class Samples {
 public:
  using Values = std::shared_ptr<const std::vector<float>>;

  /// size: side of the faces; cache_bytes: how much decoded data is kept.
  Samples(std::int64_t size, FrontEnd front_end, std::size_t cache_bytes)
      : size_(size), front_end_(front_end), cache_left_(cache_bytes) {}

  /// (size, size, 3) in 0 … 1. DataError when the file cannot be used.
  Values face(const std::filesystem::path& path);
  /// (clip_samples). DataError when the file cannot be used.
  Values voice(const std::filesystem::path& path);

  std::int64_t size() const { return size_; }
  std::int64_t clip_samples() const { return front_end_.clip_samples(); }
  /// What was odd about files that could be read all the same, since the last call.
  std::vector<std::string> take_warnings();

 private:
  template <class Decode>
  Values get(const std::filesystem::path& path, Decode&& decode);

  std::int64_t size_;
  FrontEnd front_end_;
  std::mutex mutex_;
  std::size_t cache_left_;
  std::unordered_map<std::string, Values> cache_;
  std::vector<std::string> warnings_;
};

}  // namespace duet
