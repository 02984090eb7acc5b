#include "apps/data/demo.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <string>

#include "apps/data/demo_face.h"
#include "apps/data/demo_voice.h"
#include "apps/data/picture_write.h"
#include "apps/data/wave_write.h"
#include "kernels/base/error.h"
#include "kernels/base/parallel.h"
#include "tests/temporary_folder.h"

namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;  // path below the corpus → bytes

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

duet::DemoOptions small() {
  duet::DemoOptions o;
  o.train_persons = 3;
  o.test_persons = 2;
  o.faces_per_class = 2;
  o.image_size = 48;
  o.speakers = 4;
  o.clips_per_class = 3;
  return o;
}

Files corpus(const duet::DemoOptions& options) {
  const duet::TemporaryFolder folder;
  duet::write_demo(folder.path(), options);
  Files files;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path()))
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(folder.path()).generic_string()] = read(entry.path());
  return files;
}

std::uint32_t little_endian(const std::string& bytes, std::size_t at, int count) {
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i)
    value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return value;
}

std::string identity(const std::string& file) { return file.substr(0, file.rfind('_')); }

std::vector<double> samples_of(const std::string& wave) {
  std::vector<double> samples;
  for (std::size_t i = 44; i < wave.size(); i += 2)
    samples.push_back(static_cast<std::int16_t>(little_endian(wave, i, 2)) / 32768.0);
  return samples;
}

}  // namespace

TEST_CASE(
    "demo: the same seed gives the same bytes on any number of threads, another seed others") {
  const int threads = duet::thread_count();
  duet::set_thread_count(1);
  const Files one = corpus(small());
  duet::set_thread_count(3);
  const Files three = corpus(small());
  duet::set_thread_count(threads);
  CHECK(one == three);

  duet::DemoOptions other = small();
  other.seed = 2;
  const Files changed = corpus(other);
  REQUIRE(changed.size() == one.size());
  for (const auto& [name, bytes] : one) {
    CAPTURE(name);
    REQUIRE(changed.count(name) == 1);
    CHECK(changed.at(name) != bytes);
  }
  std::set<std::string> distinct;
  for (const auto& [name, bytes] : one) distinct.insert(bytes);
  CHECK(distinct.size() == one.size());
}

TEST_CASE("demo: counts and names are as promised, identities disjoint") {
  const Files files = corpus(small());
  std::map<std::string, int> pictures;                  // split/class → count
  std::map<std::string, std::set<std::string>> people;  // split → identities
  std::map<std::string, int> clips;                     // emotion field → count
  std::set<std::string> speakers;
  for (const auto& [name, bytes] : files) {
    CAPTURE(name);
    const fs::path path(name);
    const std::string file = path.filename().string();
    if (name.starts_with("faces/")) {
      const std::string label = path.parent_path().filename().string();
      const std::string split = path.parent_path().parent_path().filename().string();
      ++pictures[split + "/" + label];
      people[split].insert(identity(file));
      REQUIRE(file.size() == std::string("Drawn_001_0001.png").size());
      CHECK(bytes.substr(1, 3) == "PNG");
      // IHDR: width and height, big endian, then 8 bits of RGB.
      CHECK(bytes.substr(16, 10) == std::string("\0\0\0\x30\0\0\0\x30\x08\x02", 10));
    } else {
      REQUIRE(file.size() == std::string("03-01-05-01-02-01-12.wav").size());
      CHECK(file.starts_with("03-01-"));
      ++clips[file.substr(6, 2)];
      speakers.insert(file.substr(18, 2));
      CHECK(path.parent_path().filename().string() == "Actor_" + file.substr(18, 2));
    }
  }
  CHECK(pictures == std::map<std::string, int>{{"train/negative", 6},
                                               {"train/neutral", 6},
                                               {"train/positive", 6},
                                               {"test/negative", 4},
                                               {"test/neutral", 4},
                                               {"test/positive", 4}});
  CHECK(clips == std::map<std::string, int>{{"01", 12}, {"03", 12}, {"05", 12}});
  CHECK(speakers.size() == 4);
  CHECK(people["train"].size() == 3);
  CHECK(people["test"].size() == 2);
  for (const std::string& person : people["test"]) CHECK(people["train"].count(person) == 0);
}

TEST_CASE("demo: waves are 16 kHz mono PCM of one level and a length that fits the front end") {
  for (const auto& [name, bytes] : corpus(small())) {
    if (!name.starts_with("voices/")) continue;
    CAPTURE(name);
    REQUIRE(bytes.size() > 44);
    CHECK(bytes.substr(0, 4) == "RIFF");
    CHECK(little_endian(bytes, 4, 4) == bytes.size() - 8);
    CHECK(bytes.substr(8, 8) == "WAVEfmt ");
    CHECK(little_endian(bytes, 20, 2) == 1);      // PCM
    CHECK(little_endian(bytes, 22, 2) == 1);      // mono
    CHECK(little_endian(bytes, 24, 4) == 16000);  // Hz
    CHECK(little_endian(bytes, 34, 2) == 16);     // bits
    CHECK(little_endian(bytes, 40, 4) == bytes.size() - 44);
    const std::vector<double> samples = samples_of(bytes);
    CHECK(samples.size() >= 16000 * 149 / 100);  // 1.5 s, down to a whole control frame
    CHECK(samples.size() <= 16000 * 26 / 10);
    double squares = 0, peak = 0;
    for (const double v : samples) {
      squares += v * v;
      peak = std::max(peak, std::abs(v));
    }
    CHECK(peak < 0.99);  // nothing is clipped, or the level would be another
    // Rounding moves a sample by at most 2^-16 and so the root mean square by at most that.
    const double level = std::sqrt(squares / static_cast<double>(samples.size()));
    CHECK(std::abs(level - duet::demo::voice_rms) <= 0x1p-16);
  }
}

TEST_CASE("demo: a picture knows only whether its class frowns") {
  // With the same random numbers, a person and a frown give one picture; the frown changes it, and
  // nowhere but above the mask.
  duet::RandomSequence identity(1, 1);
  const duet::demo::Person person = duet::demo::draw_person(identity);
  const auto picture = [&](bool frowning) {
    duet::RandomSequence random(1, 2);
    const duet::demo::Expression e = duet::demo::draw_expression(frowning, random);
    CHECK((e.frown > 0.5) == frowning);
    return duet::demo::draw_face(person, e, 48, random);
  };
  const auto plain = picture(false), angry = picture(true);
  CHECK(plain == picture(false));
  int above = 0, below = 0;
  for (std::size_t i = 0; i < plain.size(); ++i)
    (i < plain.size() * 2 / 3 ? above : below) += plain[i] != angry[i];
  CHECK(above > 100);
  CHECK(below == 0);
}

TEST_CASE("demo: the length of a voice does not depend on its class, its sound does") {
  duet::RandomSequence identity(1, 1);
  const duet::demo::Speaker speaker = duet::demo::draw_speaker(identity);
  for (std::uint64_t clip = 0; clip < 10; ++clip) {
    CAPTURE(clip);
    duet::RandomSequence calm_random(2, clip), aroused_random(2, clip);
    const auto calm = duet::demo::speak(speaker, {3, clip}, false, calm_random);
    const auto aroused = duet::demo::speak(speaker, {3, clip}, true, aroused_random);
    CHECK(calm.size() == aroused.size());
    CHECK(calm != aroused);
  }
}

TEST_CASE("demo: refuses an existing corpus and options out of range, leaves nothing partial") {
  const duet::TemporaryFolder folder;
  duet::DemoOptions options = small();
  options.speakers = 100;
  CHECK_THROWS_AS(duet::write_demo(folder.path(), options), duet::UsageError);
  CHECK(fs::is_empty(folder.path()));
  options = small();
  options.image_size = 1;
  CHECK_THROWS_AS(duet::write_demo(folder.path(), options), duet::UsageError);

  fs::create_directories(folder.path() / "faces.partial" / "train");
  std::ofstream(folder.path() / "faces.partial" / "train" / "left_over.png") << "half";
  duet::write_demo(folder.path(), small());
  CHECK_FALSE(fs::exists(folder.path() / "faces.partial"));
  CHECK_FALSE(fs::exists(folder.path() / "voices.partial"));
  CHECK_FALSE(fs::exists(folder.path() / "faces" / "train" / "left_over.png"));
  CHECK_THROWS_AS(duet::write_demo(folder.path(), small()), duet::UsageError);
}

TEST_CASE("picture_write, wave_write: refuse what they cannot write, naming the path") {
  const std::vector<std::uint8_t> pixels(12);
  CHECK_THROWS_WITH_AS(duet::write_png("/nowhere/at/all.png", 2, 2, 3, pixels),
                       doctest::Contains("/nowhere/at/all.png"), duet::Error);
  const duet::TemporaryFolder folder;
  CHECK_THROWS_AS(duet::write_png(folder.path() / "a.png", 2, 2, 4, pixels), duet::Error);
  CHECK_THROWS_AS(duet::write_png(folder.path() / "a.png", 2, 2, 2, pixels), duet::Error);
  CHECK(fs::is_empty(folder.path()));
  const std::vector<std::int16_t> samples{0, 1, -1, 32767, -32768};
  CHECK_THROWS_WITH_AS(duet::write_wave("/nowhere/at/all.wav", 16000, samples),
                       doctest::Contains("/nowhere/at/all.wav"), duet::Error);
  duet::write_wave(folder.path() / "a.wav", 8000, samples);
  const std::vector<double> back = samples_of(read(folder.path() / "a.wav"));
  REQUIRE(back.size() == samples.size());
  for (std::size_t i = 0; i < back.size(); ++i) CHECK(back[i] * 32768 == samples[i]);
}
