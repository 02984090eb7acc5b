#include "apps/data/picture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "apps/data/picture_tags.h"
#include "apps/data/picture_write.h"
#include "kernels/base/philox.h"
#include "tests/temporary_folder.h"
#include "tests/test_data.h"

using namespace duet;
namespace fs = std::filesystem;

namespace {

const fs::path fixtures = test::test_data("pictures");

/// Pixels of a binary PPM with three header lines, as the fixtures' script writes it.
Picture read_ppm(const fs::path& path) {
  const std::string text = read_text(path);
  Picture picture;
  int most = 0, used = 0;
  REQUIRE(std::sscanf(text.c_str(), "P6 %d %d %d%n", &picture.width, &picture.height, &most,
                      &used) == 3);
  picture.rgb.assign(text.begin() + used + 1, text.end());
  return picture;
}

int largest_difference(const Picture& a, const Picture& b) {
  REQUIRE(a.width == b.width);
  REQUIRE(a.height == b.height);
  REQUIRE(a.rgb.size() == b.rgb.size());
  int largest = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i)
    largest = std::max(largest, std::abs(a.rgb[i] - b.rgb[i]));
  return largest;
}

/// A PNG header alone.
std::string png_header(std::uint32_t width, std::uint32_t height) {
  std::string text("\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR", 16);
  for (const std::uint32_t side : {width, height})
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(side >> shift & 255);
  return text + std::string("\x08\x02\0\0\0\0\0\0\0", 9);
}

std::string ppm(int width, int height) {
  return "P6\n" + std::to_string(width) + " " + std::to_string(height) + "\n255\n" +
         std::string(static_cast<std::size_t>(3 * width * height), '\x40');
}

void check_refused(const fs::path& path, const char* reason) {
  CAPTURE(path);
  CHECK_MESSAGE(
      message_of<DataError>([&] { read_picture(path); }).find(reason) != std::string::npos,
      message_of<DataError>([&] { read_picture(path); }));
  CHECK(message_of<DataError>([&] { read_picture(path); }).find(path.string()) !=
        std::string::npos);
}

}  // namespace

TEST_CASE("picture: agrees with Pillow on every kind of file") {
  if (!pictures_supported()) return;
  int compared = 0;
  for (const auto& entry : fs::directory_iterator(fixtures)) {
    if (entry.path().extension() == ".ppm") continue;
    const Picture picture = read_picture(entry.path());
    const Picture oracle = read_ppm(entry.path().string() + ".ppm");
    CAPTURE(entry.path().filename());
    const std::string name = entry.path().filename().string();
    // Lossless files are exact. JPEG: two decoders' inverse transforms differ by 1 in each of Y, Cb
    // and Cr, which the conversion to RGB makes at most 1 + 1.772 + rounding. CMYK multiplies by K
    // and rounds once more.
    const bool inks = name.starts_with("cmyk") || name.starts_with("ycck");
    const int tolerance = entry.path().extension() != ".jpg" ? 0 : 3 + inks;
    CHECK(largest_difference(picture, oracle) <= tolerance);
    ++compared;
  }
  CHECK(compared == 21);
}

TEST_CASE("picture: says how many colours a file has, and that transparency was dropped") {
  if (!pictures_supported()) return;
  CHECK(read_picture(fixtures / "grey.jpg").file_colours == 1);
  CHECK(read_picture(fixtures / "grey.png").file_colours == 1);
  CHECK(read_picture(fixtures / "rgb.bmp").file_colours == 3);
  CHECK(read_picture(fixtures / "cmyk.jpg").file_colours == 4);
  CHECK(read_picture(fixtures / "opaque.png").warnings.empty());
  const auto warnings = read_picture(fixtures / "rgba.png").warnings;
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("transparency was dropped") != std::string::npos);
}

TEST_CASE("picture: EXIF orientation is read from JPEG and PNG, and damage does no harm") {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const auto file = read_text(fixtures / ("exif" + std::to_string(orientation) + ".jpg"));
    std::vector<std::uint8_t> bytes(file.begin(), file.end());
    CHECK(read_picture_tags(bytes).orientation == orientation);
    // Every byte of the EXIF segment set to extremes: always a sane answer.
    for (std::size_t at = 2; at < 120; ++at)
      for (const int value : {0x00, 0x7F, 0xFF}) {
        auto damaged = bytes;
        damaged[at] = static_cast<std::uint8_t>(value);
        const int read = read_picture_tags(damaged).orientation;
        CHECK(read >= 1);
        CHECK(read <= 8);
      }
    for (std::size_t size = 0; size < bytes.size(); ++size)
      CHECK(read_picture_tags(std::span(bytes).first(size)).orientation <= 8);
  }
}

TEST_CASE("picture: refuses a file cut off anywhere") {
  if (!pictures_supported()) return;
  const TemporaryFolder folder;
  for (const char* name : {"rgb.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "rgb.png",
                           "grey16.png", "rgb.bmp", "rgb.jpg.ppm"}) {
    const std::string whole = read_text(fixtures / name);
    CAPTURE(name);
    int accepted = 0;
    for (std::size_t size = 1; size < whole.size(); ++size) {
      write_text(folder / "cut", whole.substr(0, size));
      try {
        read_picture(folder / "cut");
        ++accepted;
        MESSAGE("accepted at " << size << " of " << whole.size() << " bytes");
      } catch (const DataError&) {
      }
    }
    CHECK(accepted == 0);
    write_text(folder / "more", whole + "trailing bytes");
    CHECK_NOTHROW(read_picture(folder / "more"));
  }
}

// Worth most under AddressSanitizer, which ends the test at the first byte out of bounds.
TEST_CASE("picture: damaged files are read or refused, and nothing else happens") {
  if (!pictures_supported()) return;
  const TemporaryFolder folder;
  RandomSequence random(1, 0);
  int read = 0, refused = 0;
  for (const char* name : {"rgb.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "exif6.jpg",
                           "rgb.png", "palette.png", "exif6.png", "rgb.bmp"}) {
    const std::string whole = read_text(fixtures / name);
    for (int i = 0; i < 100; ++i) {
      std::string damaged = whole;
      for (std::uint32_t n = 1 + random.below(4); n > 0; --n)
        damaged[random.below(static_cast<std::uint32_t>(whole.size()))] =
            static_cast<char>(random.word());
      write_text(folder / "damaged", damaged);
      try {
        const Picture picture = read_picture(folder / "damaged");
        CHECK(picture.rgb.size() == std::size_t{3} * picture.height * picture.width);
        ++read;
      } catch (const DataError&) {
        ++refused;
      }
    }
  }
  CHECK(read > 50);
  CHECK(refused > 50);
}

TEST_CASE("picture: each refusal names the path, the reason and what to do") {
  if (!pictures_supported()) return;
  const TemporaryFolder folder;
  const auto file = [&](const char* name, std::string_view text) {
    write_text(folder / name, text);
    return folder / name;
  };
  check_refused(folder / "nowhere.jpg", "no such file");
  check_refused(folder.path(), "not a regular file");
  check_refused(file("empty.jpg", ""), "empty");
  check_refused(
      file("pointer.jpg", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"),
      "git lfs pull");
  check_refused(file("text.jpg", "this is a text, whatever its name says"), "not a picture");
  check_refused(file("one.png", png_header(1, 1)), "1×1 pixels show no face");
  check_refused(file("one.ppm", ppm(1, 1)), "1×1 pixels show no face");
  check_refused(file("low.ppm", ppm(64, 7)), "at least 8×8");
  CHECK_NOTHROW(read_picture(file("small.ppm", ppm(8, 8))));
  check_refused(file("huge.png", png_header(20000, 20000)), "20000×20000 pixels, more than 64");
  check_refused(file("web.jpg", std::string("RIFF\x10\0\0\0WEBPVP8 ", 16)), "WebP");
  check_refused(file("tiff.jpg", std::string("II*\0\x08\0\0\0", 8)), "TIFF");

  std::string jpeg = read_text(fixtures / "rgb.jpg");
  const std::size_t frame = jpeg.find("\xFF\xC0");
  REQUIRE(frame != std::string::npos);
  for (const std::size_t at : {5u, 7u}) {
    jpeg[frame + at] = '\x4E';  // 0x4E20 = 20000
    jpeg[frame + at + 1] = '\x20';
  }
  check_refused(file("huge.jpg", jpeg), "20000×20000 pixels, more than 64");
  check_refused(file("cut.jpg", read_text(fixtures / "rgb.jpg").substr(0, 700)), "truncated");

  std::string tables = read_text(fixtures / "progressive.jpg");
  tables[tables.rfind("\xFF\xC4") + 5 + 15] =
      '\xFF';  // more codes of the longest kind than symbols
  tables[tables.rfind("\xFF\xC4") + 5 + 14] = '\xFF';
  check_refused(file("tables.jpg", tables), "damaged (its Huffman tables)");

  std::string inks = read_text(fixtures / "cmyk.jpg");
  inks[inks.find("Adobe")] = 'a';
  check_refused(file("inks.jpg", inks), "four colours");
}

TEST_CASE("picture: several threads read the same pixels and their own errors") {
  if (!pictures_supported()) return;
  const TemporaryFolder folder;
  write_text(folder / "text.jpg", "no picture");
  const Picture expected = read_picture(fixtures / "rgb.jpg");
  std::atomic<int> right{0}, refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        right += read_picture(fixtures / "rgb.jpg").rgb == expected.rgb;
        try {
          read_picture(folder / "text.jpg");
        } catch (const DataError& error) {
          refused += std::string_view(error.what()).find("not a picture") != std::string_view::npos;
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 200);
  CHECK(refused == 200);
}

TEST_CASE("picture: encoded as PNG and read again, the pixels are the same") {
  if (!pictures_supported()) return;
  Picture picture{9, 11, std::vector<std::uint8_t>(9 * 11 * 3)};
  for (std::size_t i = 0; i < picture.rgb.size(); ++i)
    picture.rgb[i] = static_cast<std::uint8_t>(37 * i);
  const TemporaryFolder folder;
  write_text(folder / "a.png", encode_png(9, 11, 3, picture.rgb));
  CHECK(largest_difference(read_picture(folder / "a.png"), picture) == 0);
}
