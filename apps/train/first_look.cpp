#include "apps/train/first_look.h"

#include <cmath>
#include <exception>
#include <set>
#include <thread>

#include "kernels/base/parallel.h"

namespace duet {
namespace {

/// Running sums of each channel.
struct ChannelSums {
  std::vector<double> sum, squares;
  double count = 0;

  void add(const Tensor& x) {
    const std::int64_t channels = x.dim(-1);
    sum.resize(channels);
    squares.resize(channels);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const double value = x.data<float>()[i];
      sum[i % channels] += value;
      squares[i % channels] += value * value;
    }
    count += static_cast<double>(x.numel() / channels);
  }

  void finish(std::vector<double>& mean, std::vector<double>& std) const {
    for (std::size_t c = 0; c < sum.size(); ++c) {
      mean[c] = sum[c] / count;
      // A channel that never changes is left unscaled.
      const double variance = squares[c] / count - mean[c] * mean[c];
      std[c] = variance > 1e-12 ? std::sqrt(variance) : 1;
    }
  }
};

}  // namespace

void decode_all(Samples& samples, const Model& model, const std::vector<Pair>& pairs, int workers,
                const std::atomic<bool>& stop) {
  std::set<std::filesystem::path> faces, voices;
  for (const Pair& pair : pairs) {
    if (model.sees_faces() && !pair.face.empty()) faces.insert(pair.face);
    if (model.hears_voices()) voices.insert(pair.voice);
  }
  std::vector<std::filesystem::path> files(faces.begin(), faces.end());
  files.insert(files.end(), voices.begin(), voices.end());
  std::mutex mutex;
  std::set<std::string> refused;
  std::exception_ptr failure;  // of the program, not of a file
  std::atomic<std::size_t> next{0};
  const auto read = [&] {
    const SerialScope alone;
    for (std::size_t i = next++; i < files.size() && !stop; i = next++) {
      try {
        if (i < faces.size())
          samples.decode_face(files[i]);
        else
          samples.voice(files[i]);
      } catch (const DataError& e) {
        const std::scoped_lock lock(mutex);
        refused.insert(e.what());
      } catch (...) {
        const std::scoped_lock lock(mutex);
        failure = std::current_exception();
        next = files.size();
      }
    }
  };
  std::vector<std::thread> readers;
  for (int i = 0; i < workers; ++i) readers.emplace_back(read);
  for (std::thread& reader : readers) reader.join();
  if (failure) std::rethrow_exception(failure);
  if (refused.empty()) return;
  std::string list;
  std::size_t shown = 0;
  for (const std::string& why : refused)
    if (++shown <= 10) list += "\n  " + why;
  fail<DataError>(
      "{} of the files cannot be used; mend them or remove them, and give the same command again:"
      "{}{}",
      refused.size(), list, refused.size() > 10 ? "\n  …" : "");
}

Normalization measure_normalization(Samples& samples, const Model& model,
                                    const std::vector<Pair>& pairs) {
  Normalization n = model.description.normalization;
  ChannelSums faces, voices;
  std::set<std::filesystem::path> seen;
  const std::int64_t size = samples.size();
  for (const Pair& pair : pairs) {
    if (pair.split != "train") continue;
    if (model.sees_faces() && seen.insert(pair.face).second)
      faces.add(Tensor::from(std::span<const float>(*samples.face(pair.face)), {size * size, 3}));
    if (model.hears_voices() && seen.insert(pair.voice).second) {
      const Samples::Values clip = samples.voice(pair.voice);
      voices.add(model.voice_images(
          Tensor::from(std::span<const float>(*clip), {1, samples.clip_samples()})));
    }
  }
  if (faces.count > 0) faces.finish(n.face_mean, n.face_std);
  if (voices.count > 0) voices.finish(n.voice_mean, n.voice_std);
  return n;
}

}  // namespace duet
