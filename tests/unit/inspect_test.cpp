#include "apps/data/inspect.h"

#include <doctest/doctest.h>

#include <cmath>

#include "apps/data/picture.h"
#include "tests/temporary_folder.h"

using namespace duet;

namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string little_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 255);
  return text;
}

/// A 16-bit mono WAV at 8 kHz: a tone of this height and amplitude.
std::string wav(int samples, double hertz, double amplitude) {
  std::string data;
  for (int i = 0; i < samples; ++i)
    data += little_endian(static_cast<std::uint16_t>(static_cast<std::int16_t>(
                              std::lround(amplitude * 32767 * std::sin(hertz * i / 8000 * 6.28)))),
                          2);
  const auto size = static_cast<std::uint32_t>(data.size());
  return "RIFF" + little_endian(36 + size, 4) + "WAVEfmt " + little_endian(16, 4) +
         little_endian(1, 2) + little_endian(1, 2) + little_endian(8000, 4) +
         little_endian(16000, 4) + little_endian(2, 2) + little_endian(16, 2) + "data" +
         little_endian(size, 4) + data;
}

std::string ppm(int width, int height, char value) {
  return fmt::format("P6\n{} {}\n255\n", width, height) +
         std::string(static_cast<std::size_t>(3 * width * height), value);
}

const std::string lfs_pointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n";

}  // namespace

TEST_CASE("inspect: faces and voices of a folder, and every file that it would refuse") {
  if (!pictures_supported()) return;
  const TemporaryFolder folder;
  write_text(folder / "f/train/negative/Ann_0001.ppm", ppm(10, 12, 'a'));
  write_text(folder / "f/train/neutral/Bo_0001.ppm", ppm(10, 12, 'b'));
  write_text(folder / "f/train/positive/Cy_0001.ppm", ppm(16, 16, 'c'));
  write_text(folder / "f/test/positive/Di_0001.ppm", ppm(16, 16, 'c'));
  write_text(folder / "f/test/positive/Ann_0002.ppm", ppm(16, 16, 'd'));
  write_text(folder / "f/test/positive/Ed_0001.jpg", "text");
  write_text(folder / "f/test/positive/Fe_0001.jpg", lfs_pointer);
  write_text(folder / "f/test/positive/Gi_0001.ppm", ppm(16, 16, 'e').substr(0, 300));
  write_text(folder / "v/1001_DFA_ANG_XX.wav", wav(8000, 200, 0.5));
  write_text(folder / "v/1001_DFA_NEU_XX.wav", wav(12000, 210, 0.5));
  write_text(folder / "v/1002_DFA_HAP_XX.wav", wav(16000, 220, 0.5));
  write_text(folder / "v/1002_DFA_SAD_XX.wav", wav(16000, 230, 0.5));
  write_text(folder / "v/1002_IEO_HAP_HI.wav", wav(8000, 200, 0));
  write_text(folder / "v/1002_IEO_HAP_LO.wav", "");
  write_text(folder / "v/1002_IEO_HAP_MD.wav", lfs_pointer);
  write_text(folder / "v/1003_IEO_HAP_MD.wav", "this is a text");

  const Inspection inspection = inspect(folder.path());
  REQUIRE(inspection.parts.size() == 2);
  const InspectedPart& faces = inspection.parts[0];
  CHECK(faces.modality == Modality::face);
  CHECK(faces.files == 8);
  CHECK(faces.problem == "");
  CHECK(faces.corpus.name == "M-LFW-FER");
  CHECK(faces.sizes == std::map<std::pair<int, int>, int>{{{10, 12}, 2}, {{16, 16}, 3}});
  CHECK(faces.colours == std::map<int, int>{{3, 5}});
  CHECK(faces.copies == 1);
  REQUIRE(faces.misplaced_copies.size() == 1);
  CHECK(faces.shared_persons == 1);
  REQUIRE(faces.refused.size() == 3);
  CHECK(has(faces.refused[0].reason, "not a picture"));
  CHECK(has(faces.refused[1].reason, "git-LFS"));
  CHECK(has(faces.refused[2].reason, "truncated"));

  const InspectedPart& voices = inspection.parts[1];
  CHECK(voices.corpus.name == "CREMA-D");
  CHECK(voices.files == 8);
  CHECK(voices.rates == std::map<int, int>{{8000, 3}});
  CHECK(voices.channels == std::map<int, int>{{1, 3}});
  CHECK(voices.seconds == std::vector<double>{1.0, 1.5, 2.0});
  REQUIRE(voices.refused.size() == 4);
  CHECK(has(voices.refused[0].reason, "silent"));
  CHECK(has(voices.refused[1].reason, "empty"));
  CHECK(has(voices.refused[2].reason, "git-LFS"));
  CHECK(has(voices.refused[3].reason, "not a sound"));

  const std::string text = to_string(inspection);
  for (const char* part : {"8 pictures", "M-LFW-FER", "16×16 (3), 10×12 (2)", "8 sounds", "CREMA-D",
                           "1.00 to 2.00 s, median 1.50 s", "8000 Hz (3)", "1 sad", "1003",
                           "1 persons are in more than one part", "Ed_0001.jpg: not a picture"})
    CHECK_MESSAGE(has(text, part), part << "\n" << text);
}

TEST_CASE("inspect: a folder that is no corpus is still looked through") {
  if (!pictures_supported()) return;
  const TemporaryFolder folder;
  write_text(folder / "happy/1.ppm", ppm(8, 8, 'a'));
  write_text(folder / "happy/2.ppm", ppm(1, 1, 'a'));
  const Inspection inspection = inspect(folder.path());
  REQUIRE(inspection.parts.size() == 1);
  CHECK(has(inspection.parts[0].problem, "no file of class negative"));
  REQUIRE(inspection.parts[0].refused.size() == 1);
  CHECK(has(inspection.parts[0].refused[0].reason, "1×1"));
  CHECK(has(to_string(inspection), "none: [faces]"));
}

TEST_CASE("inspect: nothing to look at") {
  const TemporaryFolder folder;
  CHECK(has(message_of<DataError>([&] { inspect(folder.path()); }), "neither pictures"));
  CHECK(has(message_of<DataError>([&] { inspect(folder / "nowhere"); }), "no such folder"));
}
