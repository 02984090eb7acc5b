// Sound files of every kind that must be read, and of every kind that must be refused. The files
// are written here, with libsndfile or byte by byte.
#if __has_include(<sndfile.h>)
#include "audio/sound.h"

#include <doctest/doctest.h>
#include <sndfile.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <numbers>
#include <thread>

#include "kernels/base/error.h"

namespace {

namespace fs = std::filesystem;

/// A folder that lives as long as the object.
struct TemporaryFolder {
  fs::path path;
  TemporaryFolder() {
    static std::atomic<int> count{0};
    path = fs::temp_directory_path() /
           fmt::format("duet_sound_{}_{}", static_cast<long>(getpid()), count++);
    fs::create_directories(path);
  }
  ~TemporaryFolder() { fs::remove_all(path); }
};

/// `channels` copies of a sine, 0.5 at its peaks.
std::vector<float> tone(int rate, int channels, double seconds, double hertz) {
  std::vector<float> x;
  for (int i = 0; i < static_cast<int>(rate * seconds); ++i)
    for (int c = 0; c < channels; ++c)
      x.push_back(static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * hertz * i / rate)));
  return x;
}

void write(const fs::path& path, int format, int rate, int channels, const std::vector<float>& x) {
  SF_INFO info{};
  info.samplerate = rate;
  info.channels = channels;
  info.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  REQUIRE(file);
  const auto frames = static_cast<sf_count_t>(x.size()) / channels;
  CHECK(sf_writef_float(file, x.data(), frames) == frames);
  sf_close(file);
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The message that reading the file ends with; it must name the file.
std::string refusal(const fs::path& path) {
  try {
    duet::read_sound(path);
  } catch (const duet::DataError& error) {
    CHECK(std::string(error.what()).find(path.string()) != std::string::npos);
    return error.what();
  }
  return "it was read";
}

bool says(const std::string& message, const char* words) {
  INFO(message);
  const bool found = message.find(words) != std::string::npos;
  CHECK(found);
  return found;
}

/// Root mean square difference from the tone that was written, away from the ends, where a
/// resampler sees the edge.
double error_from_tone(const std::vector<float>& x, int rate, double hertz) {
  const std::size_t margin = x.size() / 10;
  double sum = 0;
  for (std::size_t i = margin; i < x.size() - margin; ++i) {
    const double d = x[i] - 0.5 * std::sin(2 * std::numbers::pi * hertz * i / rate);
    sum += d * d;
  }
  return std::sqrt(sum / (x.size() - 2 * margin));
}

}  // namespace

TEST_CASE("sound: every sample format at the front end's own rate") {
  const TemporaryFolder folder;
  struct Format {
    const char* name;
    int format;
    double tolerance;  // the coder's step / √12, doubled; for Vorbis its own, psychoacoustic error
  };
  const Format formats[] = {
      {"u8.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 2 * 0x1p-7 / std::sqrt(12.0)},
      {"s16.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 2 * 0x1p-15 / std::sqrt(12.0)},
      {"s24.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 2 * 0x1p-23 / std::sqrt(12.0)},
      {"s32.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_32, 0x1p-23},  // the float's own roundoff
      {"f32.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 0x1p-24},
      {"f64.wav", SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 0x1p-24},
      {"extensible.wav", SF_FORMAT_WAVEX | SF_FORMAT_PCM_16, 2 * 0x1p-15 / std::sqrt(12.0)},
      {"s16.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 2 * 0x1p-15 / std::sqrt(12.0)},
      {"s24.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 2 * 0x1p-23 / std::sqrt(12.0)},
      {"vorbis.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 0.02},
  };
  for (const Format& f : formats) {
    CAPTURE(f.name);
    const fs::path path = folder.path / f.name;
    write(path, f.format, 16000, 1, tone(16000, 1, 0.5, 440));
    const duet::Sound sound = duet::read_sound(path);
    CHECK(sound.samples.size() == 8000);
    CHECK(sound.sample_rate == 16000);
    CHECK(sound.file_rate == 16000);
    CHECK(sound.file_channels == 1);
    CHECK(sound.file_seconds == 0.5);
    CHECK(sound.warnings.empty());
    CHECK(error_from_tone(sound.samples, 16000, 440) < f.tolerance);
  }
}

TEST_CASE("sound: every rate becomes 16 kHz") {
  const TemporaryFolder folder;
  for (const int rate : {1000, 8000, 11025, 22050, 24414, 32000, 44100, 48000, 96000, 192000}) {
    CAPTURE(rate);
    const fs::path path = folder.path / fmt::format("{}.wav", rate);
    write(path, SF_FORMAT_WAV | SF_FORMAT_FLOAT, rate, 1, tone(rate, 1, 0.5, 300));
    const duet::Sound sound = duet::read_sound(path);
    CHECK(sound.file_rate == rate);
    CHECK(std::abs(static_cast<double>(sound.samples.size()) - 16000 * sound.file_seconds) <= 1);
    // The filter's own error is below 2e-6; half a sample of lag would give 0.02.
    CHECK(error_from_tone(sound.samples, 16000, 300) < 1e-5);
  }
}

TEST_CASE("sound: what the new rate cannot hold is removed") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "high.wav";
  std::vector<float> x = tone(48000, 1, 0.5, 300);
  const std::vector<float> high = tone(48000, 1, 0.5, 11000);  // would alias to 5 kHz
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += high[i];
  write(path, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 48000, 1, x);
  CHECK(error_from_tone(duet::read_sound(path).samples, 16000, 300) < 1e-5);
}

TEST_CASE("sound: channels are averaged") {
  const TemporaryFolder folder;
  for (const int channels : {2, 3, 6, 8, 12}) {
    CAPTURE(channels);
    const fs::path path = folder.path / fmt::format("{}.wav", channels);
    std::vector<float> x = tone(16000, channels, 0.25, 440);
    // Channel c is scaled by 2(c + 1) / (channels + 1): their mean is the tone again.
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= 2.0f * (i % channels + 1) / (channels + 1);
    write(path, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, channels, x);
    const duet::Sound sound = duet::read_sound(path);
    CHECK(sound.file_channels == channels);
    CHECK(sound.samples.size() == 4000);
    CHECK(error_from_tone(sound.samples, 16000, 440) < 0x1p-23);  // two roundings of values < 1
  }
}

TEST_CASE("sound: a header that claims too much gives what is there and a warning") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "short.wav";
  write(path, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, tone(16000, 1, 1.0, 440));
  SUBCASE("truncated") { fs::resize_file(path, 44 + 2 * 6000); }
  SUBCASE("streamed, with the greatest length") {
    std::string bytes = read_bytes(path).substr(0, 44 + 2 * 6000);
    for (const std::size_t i : {4, 5, 6, 7, 40, 41, 42, 43}) bytes[i] = '\xff';
    write_bytes(path, bytes);
  }
  const duet::Sound sound = duet::read_sound(path);
  CHECK(sound.samples.size() == 6000);
  CHECK(error_from_tone(sound.samples, 16000, 440) < 0x1p-15);
  REQUIRE(sound.warnings.size() == 1);
  CHECK(says(sound.warnings[0], "claims"));
  CHECK(says(sound.warnings[0], path.c_str()));
}

TEST_CASE("sound: a FLAC that ends early gives what could be decoded and a warning") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "short.flac";
  write(path, SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 1, tone(16000, 1, 2.0, 440));
  fs::resize_file(path, fs::file_size(path) / 2);
  const duet::Sound sound = duet::read_sound(path);
  CHECK(sound.samples.size() > 4096);  // at least one block of the coder
  CHECK(sound.samples.size() < 32000);
  CHECK(error_from_tone(sound.samples, 16000, 440) < 0x1p-15);
  REQUIRE(sound.warnings.size() == 1);
  CHECK(says(sound.warnings[0], "claims 32000 samples"));
}

TEST_CASE("sound: what is refused, and why") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "bad.wav";
  constexpr int wav16 = SF_FORMAT_WAV | SF_FORMAT_PCM_16, wavf = SF_FORMAT_WAV | SF_FORMAT_FLOAT;
  SUBCASE("missing") { says(refusal(path), "no such file"); }
  SUBCASE("a folder") { says(refusal(folder.path), "is a folder"); }
  SUBCASE("empty") {
    write_bytes(path, "");
    says(refusal(path), "empty");
  }
  SUBCASE("text") {
    write_bytes(path, "Speaker,Sentence,Emotion\n1001,DFA,ANG\n");
    says(refusal(path), "not a sound file");
  }
  SUBCASE("git-LFS pointer") {
    write_bytes(path,
                "version https://git-lfs.github.com/spec/v1\noid sha256:"
                "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 73156\n");
    says(refusal(path), "git lfs pull");
  }
  SUBCASE("header without samples") {
    write(path, wav16, 16000, 1, {});
    says(refusal(path), "no samples");
  }
  SUBCASE("truncated inside the header") {
    write(path, wav16, 16000, 1, tone(16000, 1, 0.1, 440));
    fs::resize_file(path, 30);
    says(refusal(path), "not a sound file");
  }
  SUBCASE("zeros") {
    write(path, wav16, 16000, 1, std::vector<float>(16000, 0.0f));
    says(refusal(path), "silent");
  }
  SUBCASE("dither of one step") {
    std::vector<float> x(16000);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = (i * 7 % 3 - 1.0f) * 0x1p-15f;
    write(path, wav16, 16000, 1, x);
    says(refusal(path), "silent");
  }
  SUBCASE("channels that cancel") {
    std::vector<float> x = tone(16000, 2, 0.1, 440);
    for (std::size_t i = 1; i < x.size(); i += 2) x[i] = -x[i];
    write(path, wavf, 16000, 2, x);
    says(refusal(path), "cancel");
  }
  SUBCASE("NaN") {
    std::vector<float> x = tone(16000, 1, 0.1, 440);
    x[800] = std::numeric_limits<float>::quiet_NaN();
    write(path, wavf, 16000, 1, x);
    says(refusal(path), "NaN or infinite, at 0.0500 s");
  }
  SUBCASE("infinity") {
    std::vector<float> x = tone(16000, 1, 0.1, 440);
    x[0] = -std::numeric_limits<float>::infinity();
    write(path, wavf, 16000, 1, x);
    says(refusal(path), "NaN or infinite");
  }
  SUBCASE("a rate that is no sound") {
    write(path, wav16, 16000, 1, tone(16000, 1, 0.1, 440));
    std::string bytes = read_bytes(path);
    for (const std::size_t i : {24, 25, 26, 27}) bytes[i] = i == 24 ? '\x02' : '\0';
    write_bytes(path, bytes);
    says(refusal(path), "2 Hz");
  }
}

TEST_CASE("sound: a quiet recording is not silent") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "quiet.wav";
  std::vector<float> x = tone(16000, 1, 0.1, 440);
  for (float& v : x) v *= 1e-3f;  // -66 dB
  write(path, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, x);
  CHECK(duet::read_sound(path).samples.size() == 1600);
}

TEST_CASE("sound: several threads read and refuse at once") {
  const TemporaryFolder folder;
  const fs::path good = folder.path / "good.flac", bad = folder.path / "bad.wav";
  write(good, SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 22050, 2, tone(22050, 2, 0.1, 440));
  write_bytes(bad, "not sound");
  const std::vector<float> expected = duet::read_sound(good).samples;
  std::atomic<int> same{0}, refused{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        same += duet::read_sound(good).samples == expected;
        try {
          duet::read_sound(bad);
        } catch (const duet::DataError&) {
          ++refused;
        }
      }
    });
  threads.clear();
  CHECK(same == 20);
  CHECK(refused == 20);
}
#endif
