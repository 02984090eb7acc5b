#include "audio/sound.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "kernels/base/error.h"

#if DUET_HAVE_SNDFILE
#include <sndfile.h>
#endif
#if DUET_HAVE_SAMPLERATE
#include <samplerate.h>
#endif

namespace duet {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, std::string_view reason,
                         std::string_view remedy) {
  fail<DataError>("[sound] {}: {}; {}", path.string(), reason, remedy);
}

/// Refuses what can be told apart without decoding.
void check_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status))
    refuse(path, "there is no such file", "check the path, or remove the entry that names it");
  if (std::filesystem::is_directory(status))
    refuse(path, "is a folder, not a sound file", "name a file in it");
  std::ifstream file(path, std::ios::binary);
  if (!file)
    refuse(path, fmt::format("cannot be opened ({})", std::strerror(errno)),
           "check its permissions");
  std::array<char, 64> start{};
  file.read(start.data(), start.size());
  const std::string_view text(start.data(), static_cast<std::size_t>(file.gcount()));
  if (text.empty()) refuse(path, "is empty (0 bytes)", "copy it again from its source");
  if (text.starts_with("version https://git-lfs"))
    refuse(path, "is a git-LFS pointer, the sound itself was never downloaded",
           "run `git lfs pull` in its repository");
}

#if DUET_HAVE_SNDFILE

struct CloseSound {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using SoundFile = std::unique_ptr<SNDFILE, CloseSound>;

SoundFile open_sound(const std::filesystem::path& path, SF_INFO& info) {
  // libsndfile keeps the error of a failed open in a global variable.
  static std::mutex open_mutex;
  const std::scoped_lock lock(open_mutex);
  info = {};
  SoundFile file(sf_open(path.c_str(), SFM_READ, &info));
  if (!file)
    refuse(path, fmt::format("is not a sound file ({})", sf_strerror(nullptr)),
           "use WAV, FLAC or OGG, and check that the file is whole");
  return file;
}

struct DataChunk {
  std::uint64_t claimed = 0, present = 0;  ///< bytes
};

/// The data chunk of a RIFF WAV as its header gives it. libsndfile quietly corrects a wrong length,
/// so it has to be looked up here.
std::optional<DataChunk> find_data_chunk(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const auto file_size = static_cast<std::uint64_t>(std::filesystem::file_size(path));
  std::array<unsigned char, 12> head{};
  const auto read = [&](std::size_t count) {
    return static_cast<bool>(
        file.read(reinterpret_cast<char*>(head.data()), static_cast<std::streamsize>(count)));
  };
  if (!read(12) || std::memcmp(head.data(), "RIFF", 4) != 0 ||
      std::memcmp(head.data() + 8, "WAVE", 4) != 0)
    return std::nullopt;
  for (std::uint64_t position = 12; position + 8 <= file_size;) {
    file.seekg(static_cast<std::streamoff>(position));
    if (!read(8)) return std::nullopt;
    const std::uint64_t size =
        head[4] | head[5] << 8 | head[6] << 16 | std::uint64_t{head[7]} << 24;
    position += 8;
    if (std::memcmp(head.data(), "data", 4) == 0) return DataChunk{size, file_size - position};
    position += size + size % 2;
  }
  return std::nullopt;
}

struct Mono {
  std::vector<float> samples;
  float channel_peak = 0;  ///< max |x| over all channels
};

/// Decodes to the mean of the channels. The header's length is only believed as far as samples
/// follow, so that a lying one costs no memory.
Mono decode_mono(const std::filesystem::path& path, SNDFILE* file, const SF_INFO& info) {
  constexpr sf_count_t block = 1 << 14;
  constexpr std::size_t most_samples = std::size_t{1} << 27;  // 512 MiB, 46 minutes at 48 kHz
  const int channels = info.channels;
  std::vector<float> frames(static_cast<std::size_t>(block * channels));
  Mono mono;
  while (const sf_count_t count = sf_readf_float(file, frames.data(), block)) {
    for (sf_count_t i = 0; i < count; ++i) {
      double sum = 0;
      for (int c = 0; c < channels; ++c) {
        const float x = frames[static_cast<std::size_t>(i * channels + c)];
        sum += x;
        mono.channel_peak = std::max(mono.channel_peak, std::abs(x));
      }
      if (!std::isfinite(sum))
        refuse(path,
               fmt::format("holds a sample that is NaN or infinite, at {:.4f} s",
                           static_cast<double>(mono.samples.size()) / info.samplerate),
               "make the file again from its source");
      mono.samples.push_back(static_cast<float>(sum / channels));
    }
    if (mono.samples.size() > most_samples)
      refuse(path, fmt::format("is longer than {} samples", most_samples),
             "cut the clips that are meant out of it");
  }
  return mono;
}

std::vector<float> resample(const std::filesystem::path& path, std::vector<float> samples,
                            int from_rate, int to_rate) {
  if (from_rate == to_rate) return samples;
#if DUET_HAVE_SAMPLERATE
  const double ratio = static_cast<double>(to_rate) / from_rate;
  if (!src_is_valid_ratio(ratio))
    refuse(path, fmt::format("its rate of {} Hz cannot be brought to {} Hz", from_rate, to_rate),
           "check the header's rate, or resample the file with another program");
  std::vector<float> result(static_cast<std::size_t>(std::ceil(samples.size() * ratio)) + 1);
  SRC_DATA data{};
  data.data_in = samples.data();
  data.input_frames = static_cast<long>(samples.size());
  data.data_out = result.data();
  data.output_frames = static_cast<long>(result.size());
  data.src_ratio = ratio;
  // The medium sinc: its error is 121 dB below full scale, under the last bit of 16-bit sound, and
  // it takes a quarter of the best one's time.
  if (const int error = src_simple(&data, SRC_SINC_MEDIUM_QUALITY, 1))
    refuse(path, fmt::format("cannot be resampled ({})", src_strerror(error)),
           "resample the file with another program");
  result.resize(static_cast<std::size_t>(data.output_frames_gen));
  return result;
#else
  refuse(path, fmt::format("is sampled at {} Hz, and this build has no libsamplerate", from_rate),
         fmt::format("build Duet with libsamplerate, or resample the file to {} Hz", to_rate));
#endif
}

#else

[[noreturn]] void refuse_without_sndfile(const std::filesystem::path& path) {
  refuse(path, "this build reads no sound files, it has no libsndfile",
         "install libsndfile and build Duet again");
}

#endif

}  // namespace

#if DUET_HAVE_SNDFILE

Sound read_sound(const std::filesystem::path& path, int sample_rate) {
  require(sample_rate > 0, "[sound] a rate of {} Hz was asked for, it must be positive",
          sample_rate);
  check_file(path);
  SF_INFO info;
  const SoundFile file = open_sound(path, info);
  Mono mono = decode_mono(path, file.get(), info);
  if (mono.samples.empty())
    refuse(path, "holds no samples (zero length)", "record or copy it again");

  Sound sound;
  sound.sample_rate = sample_rate;
  sound.file_rate = info.samplerate;
  sound.file_channels = info.channels;
  sound.file_seconds = static_cast<double>(mono.samples.size()) / info.samplerate;
  if (const auto chunk = find_data_chunk(path); chunk && chunk->claimed > chunk->present)
    sound.warnings.push_back(fmt::format(
        "{}: the header claims {} bytes of sound, the file holds {}; the {:.3f} s that are there "
        "were read",
        path.string(), chunk->claimed, chunk->present, sound.file_seconds));
  else if (static_cast<sf_count_t>(mono.samples.size()) < info.frames)
    sound.warnings.push_back(fmt::format("{}: the header claims {} samples, {} could be decoded",
                                         path.string(), info.frames, mono.samples.size()));

  sound.samples = resample(path, std::move(mono.samples), info.samplerate, sample_rate);
  float peak = 0;
  for (const float x : sound.samples) {
    if (!std::isfinite(x))
      refuse(path, fmt::format("its samples overflow (peak {})", mono.channel_peak),
             "scale it to ±1");
    peak = std::max(peak, std::abs(x));
  }
  if (peak <= silence_peak) {
    if (mono.channel_peak <= silence_peak)
      refuse(path,
             fmt::format("is silent (peak {:.2g} of full scale over {:.3f} s)", mono.channel_peak,
                         sound.file_seconds),
             "remove it, or record it again");
    refuse(path,
           fmt::format("is silent once mixed to one channel at {} Hz, though its peak is {:.2g} "
                       "(channels that cancel, or ultrasound)",
                       sample_rate, mono.channel_peak),
           "keep one of its channels");
  }
  return sound;
}

#else

Sound read_sound(const std::filesystem::path& path, int) {
  check_file(path);
  refuse_without_sndfile(path);
}

#endif

}  // namespace duet
