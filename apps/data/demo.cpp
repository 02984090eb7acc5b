#include "apps/data/demo.h"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "apps/data/demo_face.h"
#include "apps/data/demo_voice.h"
#include "apps/data/picture_write.h"
#include "apps/data/wave_write.h"
#include "kernels/base/error.h"
#include "kernels/base/parallel.h"
#include "kernels/base/philox.h"

namespace duet {
namespace {

namespace fs = std::filesystem;

/// The classes and the one bit of each that a stream gets to know.
struct DemoClass {
  const char* folder;
  int emotion;  // RAVDESS's number
  bool frowning;
  bool aroused;
};
constexpr std::array<DemoClass, 3> classes{{
    {"negative", 5, true, true},
    {"neutral", 1, false, false},
    {"positive", 3, false, true},
}};

/// Each thing that is drawn has a random sequence of its own, so that files can be written in any
/// order.
enum class Draw : std::uint64_t { person = 1, picture, speaker, sentence, clip };
RandomSequence sequence(std::uint64_t seed, Draw what, int owner, int number) {
  return {seed, static_cast<std::uint64_t>(what) << 56 | static_cast<std::uint64_t>(owner) << 24 |
                    static_cast<std::uint64_t>(number)};
}

void check(const DemoOptions& o) {
  const auto in_range = [](const char* name, int value, int low, int high) {
    if (value < low || value > high)
      fail<UsageError>("[demo] {} is {}, give {} to {}", name, value, low, high);
  };
  in_range("train_persons", o.train_persons, 1, 900);
  in_range("test_persons", o.test_persons, 1, 99);
  in_range("faces_per_class", o.faces_per_class, 1, 1000);
  in_range("image_size", o.image_size, 16, 1024);
  in_range("speakers", o.speakers, 1, 99);
  in_range("clips_per_class", o.clips_per_class, 1, 198);
}

void write_faces(const fs::path& dir, const DemoOptions& o) {
  for (const char* split : {"train", "test"})
    for (const DemoClass& c : classes) fs::create_directories(dir / split / c.folder);
  const int per_person = static_cast<int>(classes.size()) * o.faces_per_class;
  parallel_chunks((o.train_persons + o.test_persons) * per_person, [&](std::int64_t i) {
    const int who = static_cast<int>(i) / per_person, number = static_cast<int>(i) % per_person;
    const DemoClass& c = classes[number % classes.size()];
    RandomSequence identity = sequence(o.seed, Draw::person, who, 0);
    RandomSequence random = sequence(o.seed, Draw::picture, who, number);
    const demo::Person person = demo::draw_person(identity);
    const demo::Expression expression = demo::draw_expression(c.frowning, random);
    const auto picture = demo::draw_face(person, expression, o.image_size, random);
    write_png(dir / (who < o.train_persons ? "train" : "test") / c.folder /
                  fmt::format("Drawn_{:03}_{:04}.png", who + 1, number + 1),
              o.image_size, o.image_size, 3, picture);
  });
}

void write_voices(const fs::path& dir, const DemoOptions& o) {
  for (int i = 1; i <= o.speakers; ++i) fs::create_directories(dir / fmt::format("Actor_{:02}", i));
  const int per_speaker = static_cast<int>(classes.size()) * o.clips_per_class;
  parallel_chunks(o.speakers * per_speaker, [&](std::int64_t i) {
    const int who = static_cast<int>(i) / per_speaker, number = static_cast<int>(i) % per_speaker;
    const DemoClass& c = classes[number % classes.size()];
    const int take = number / static_cast<int>(classes.size());
    const int sentence = take % 2 + 1, repetition = take / 2 + 1;
    RandomSequence identity = sequence(o.seed, Draw::speaker, who, 0);
    RandomSequence random = sequence(o.seed, Draw::clip, who, number);
    const demo::Speaker speaker = demo::draw_speaker(identity);
    const auto samples =
        demo::speak(speaker, sequence(o.seed, Draw::sentence, who, sentence), c.aroused, random);
    write_wave(dir / fmt::format("Actor_{:02}", who + 1) /
                   fmt::format("03-01-{:02}-01-{:02}-{:02}-{:02}.wav", c.emotion, sentence,
                               repetition, who + 1),
               demo::voice_rate, samples);
  });
}

}  // namespace

void write_demo(const fs::path& dir, const DemoOptions& options) {
  check(options);
  for (const char* name : {"faces", "voices"})
    if (fs::exists(dir / name))
      fail<UsageError>("[demo] {} is there already: name another folder or remove it",
                       (dir / name).string());
  const fs::path faces = dir / "faces.partial", voices = dir / "voices.partial";
  fs::remove_all(faces);
  fs::remove_all(voices);
  write_faces(faces, options);
  write_voices(voices, options);
  fs::rename(faces, dir / "faces");
  fs::rename(voices, dir / "voices");
}

}  // namespace duet
