#include "tests/cli/tiny_run.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <random>

#include "apps/data/picture_write.h"
#include "apps/data/wave_write.h"

namespace duet::test {
namespace fs = std::filesystem;
namespace {

constexpr const char* classes[] = {"negative", "neutral", "positive"};
/// Of the classes: angry, neutral, happy.
constexpr int ravdess_codes[] = {5, 1, 3};
constexpr int persons = 6, pictures = 2, side = 24, rate = 16000;

/// Grey noise, brighter from class to class.
void write_face(const fs::path& path, int label, std::mt19937& random) {
  std::array<std::uint8_t, side * side * 3> pixels;
  for (std::uint8_t& value : pixels) value = static_cast<std::uint8_t>(60 * label + random() % 100);
  write_png(path, side, side, 3, pixels);
}

/// Half a second of a tone with noise, higher from class to class.
void write_voice(const fs::path& path, int label, std::mt19937& random) {
  std::array<std::int16_t, rate / 2> samples;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double turns = 300.0 * (1 + 2 * label) * static_cast<double>(i) / rate;
    samples[i] = static_cast<std::int16_t>(8000 * std::sin(2 * std::numbers::pi * turns) +
                                           static_cast<int>(random() % 2000) - 1000);
  }
  write_wave(path, rate, samples);
}

}  // namespace

void write_tiny_corpus(const fs::path& folder) {
  std::mt19937 random(1);
  fs::create_directories(folder / "voices");
  for (int label = 0; label < 3; ++label) {
    const fs::path faces = folder / "faces" / classes[label];
    fs::create_directories(faces);
    for (int person = 0; person < persons; ++person) {
      for (int i = 0; i < pictures; ++i)
        write_face(faces / fmt::format("Person_{:c}_{:04}.png", 'A' + person, pictures * label + i),
                   label, random);
      write_voice(
          folder / "voices" /
              fmt::format("03-01-{:02}-01-01-01-{:02}.wav", ravdess_codes[label], person + 1),
          label, random);
    }
  }
}

const TinyCorpus& tiny_corpus() {
  static const TemporaryFolder folder;
  static const TinyCorpus corpus = [] {
    write_tiny_corpus(folder.path());
    return TinyCorpus{folder / "faces", folder / "voices"};
  }();
  return corpus;
}

fs::path a_face() { return tiny_corpus().faces / "positive" / "Person_A_0004.png"; }
fs::path a_voice() { return tiny_corpus().voices / "03-01-03-01-01-01-01.wav"; }

Words tiny_options() {
  return {"--preset",     "tiny",  "--size",    "16",  "--widths",     "2,2,2,2",
          "--head",       "8,8,8", "--n-mels",  "16",  "--n-fft",      "256",
          "--hop-length", "128",   "--seconds", "0.5", "--batch-size", "4",
          "--threads",    "1",     "--lr",      "0.01"};
}

Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Ended train_mm(const Words& arguments, const Process::Options& options) {
  return Process(DUET_TRAIN_MM, arguments, options).wait();
}

Ended infer_mm(const Words& arguments, const Process::Options& options) {
  return Process(DUET_INFER_MM, arguments + Words{"--threads", "1"}, options).wait();
}

Words begin(const fs::path& run, const Words& more) { return begin_on(tiny_corpus(), run, more); }

Words begin_on(const TinyCorpus& corpus, const fs::path& run, const Words& more) {
  Words all = {"--faces", corpus.faces.string(), "--voices", corpus.voices.string(),
               "--out",   run.string()};
  // An option may be given once only.
  const Words options = tiny_options();
  for (std::size_t i = 0; i < options.size(); i += 2)
    if (std::find(more.begin(), more.end(), options[i]) == more.end())
      all.insert(all.end(), {options[i], options[i + 1]});
  return all + more;
}

Words resume(const fs::path& run, const Words& more) {
  return Words{"--resume", run.string()} + more;
}

const fs::path& tiny_run() {
  static const TemporaryFolder folder;
  static const fs::path run = [] {
    const Ended ended = train_mm(begin(folder / "run", {"--epochs", "3"}));
    REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
    return folder / "run";
  }();
  return run;
}

bool holds(const std::string& text, const Words& parts) {
  for (const std::string& part : parts)
    if (text.find(part) == std::string::npos) return false;
  return true;
}

Words temporary_files(const fs::path& folder) {
  Words found;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".tmp") found.push_back(entry.path().string());
  return found;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace duet::test
