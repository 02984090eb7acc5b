#include "apps/data/picture.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "apps/data/media_files.h"
#include "apps/data/picture_tags.h"

#if DUET_HAVE_STB
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_PNM
#define STBI_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb_image.h>
#pragma GCC diagnostic pop
#endif

namespace duet {
namespace fs = std::filesystem;

#if DUET_HAVE_STB
namespace {

using Bytes = std::span<const std::uint8_t>;

/// Feeds a file to stb_image and notes when it asks for bytes beyond the end: by itself it would
/// take them for zeros and return a picture that ends in grey.
class Reader {
 public:
  explicit Reader(Bytes file) : file_(file) {}

  bool ran_out() const { return ran_out_; }

  static stbi_io_callbacks callbacks() {
    return {[](void* self, char* out, int size) { return of(self).read(out, size); },
            [](void* self, int n) { of(self).skip(n); },
            [](void* self) { return int{of(self).at_ == of(self).file_.size()}; }};
  }

 private:
  static Reader& of(void* self) { return *static_cast<Reader*>(self); }

  int read(char* out, int size) {
    const std::size_t n = std::min(static_cast<std::size_t>(size), file_.size() - at_);
    ran_out_ |= n == 0 && size > 0;
    if (n > 0) std::memcpy(out, file_.data() + at_, n);
    at_ += n;
    return static_cast<int>(n);
  }
  void skip(int n) {
    const auto target = static_cast<std::int64_t>(at_) + n;
    const auto size = static_cast<std::int64_t>(file_.size());
    ran_out_ |= target > size;
    at_ = static_cast<std::size_t>(std::clamp<std::int64_t>(target, 0, size));
  }

  Bytes file_;
  std::size_t at_ = 0;
  bool ran_out_ = false;
};

struct FreePixels {
  void operator()(stbi_uc* pixels) const { stbi_image_free(pixels); }
};

/// What else a file is, told by its first bytes; for the message only.
const char* other_format(Bytes file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.size() >= 12 && text.starts_with("RIFF") && text.substr(8, 4) == "WEBP") return "WebP";
  if (text.size() >= 12 && text.substr(4, 4) == "ftyp") return "HEIF, AVIF or a video";
  if (text.starts_with("GIF8")) return "GIF";
  if (text.starts_with("II*") || text.starts_with("MM")) return "TIFF";
  return nullptr;
}

void check_size(const fs::path& path, std::int64_t h, std::int64_t w) {
  if (h == 0 || w == 0) return;  // not known yet
  if (h > most_picture_pixels / w)
    fail<DataError>("[picture] {}: {}×{} pixels, more than {} million; make it smaller",
                    path.string(), w, h, most_picture_pixels / 1'000'000);
  if (h < shortest_picture_side || w < shortest_picture_side)
    fail<DataError>("[picture] {}: {}×{} pixels show no face; at least {}×{} are needed",
                    path.string(), w, h, shortest_picture_side, shortest_picture_side);
}

/// Whether a binary PGM or PPM holds all its pixels. stb_image reads them with one call, of which
/// `Reader` cannot tell whether it came too short. True for all other files.
bool pnm_complete(Bytes file) {
  if (file.size() < 2 || file[0] != 'P' || (file[1] != '5' && file[1] != '6')) return true;
  std::size_t at = 2;
  std::int64_t numbers[3] = {0, 0, 0};  // width, height, largest value
  for (std::int64_t& number : numbers) {
    for (; at < file.size() && (file[at] < '0' || file[at] > '9'); ++at)
      if (file[at] == '#')
        while (at + 1 < file.size() && file[at] != '\n') ++at;
    for (; at < file.size() && file[at] >= '0' && file[at] <= '9' && number < 1'000'000'000; ++at)
      number = 10 * number + (file[at] - '0');
  }
  const std::int64_t sample = numbers[2] > 255 ? 2 : 1, colours = file[1] == '6' ? 3 : 1;
  return numbers[0] * numbers[1] * colours * sample <=
         static_cast<std::int64_t>(file.size()) - static_cast<std::int64_t>(at) - 1;
}

/// Turns the pixels so that a picture with this EXIF orientation stands upright.
void turn_upright(Picture& picture, int orientation) {
  if (orientation == 1) return;
  const int h = picture.height, w = picture.width;
  const bool swapped = orientation >= 5;
  const int rows = swapped ? w : h, columns = swapped ? h : w;
  std::vector<std::uint8_t> turned(picture.rgb.size());
  for (int y = 0; y < rows; ++y)
    for (int x = 0; x < columns; ++x) {
      int sy = swapped ? x : y, sx = swapped ? y : x;
      if (orientation == 3 || orientation == 4 || orientation == 7 || orientation == 6)
        sy = h - 1 - sy;
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
        sx = w - 1 - sx;
      std::memcpy(&turned[3 * (static_cast<std::size_t>(y) * columns + x)],
                  &picture.rgb[3 * (static_cast<std::size_t>(sy) * w + sx)], 3);
    }
  picture.rgb = std::move(turned);
  picture.height = rows;
  picture.width = columns;
}

}  // namespace

bool pictures_supported() { return true; }

Picture read_picture(const fs::path& path) {
  const std::vector<std::uint8_t> file = read_bytes(path);
  const stbi_io_callbacks callbacks = Reader::callbacks();
  const PictureTags tags = read_picture_tags(file);

  check_size(path, tags.height, tags.width);
  if (!tags.huffman_tables_fit)
    fail<DataError>("[picture] {}: damaged (its Huffman tables); fetch it again", path.string());
  Picture picture;
  int channels = 0;
  Reader header(file);
  if (!stbi_info_from_callbacks(&callbacks, &header, &picture.width, &picture.height, &channels)) {
    if (const char* other = other_format(file))
      fail<DataError>("[picture] {}: {}, which is not read; convert it to JPEG or PNG",
                      path.string(), other);
    if (tags.jpeg || tags.png)
      fail<DataError>(
          "[picture] {}: its header is damaged, truncated or of an unusual kind; save it again as "
          "JPEG or PNG",
          path.string());
    fail<DataError>("[picture] {}: not a picture; JPEG, PNG, BMP, PPM and PGM are read",
                    path.string());
  }
  check_size(path, picture.height, picture.width);
  const int h = picture.height, w = picture.width;
  if (tags.jpeg_components == 4 && !tags.adobe)
    fail<DataError>(
        "[picture] {}: a JPEG of four colours that does not say which; save it again as RGB",
        path.string());

  Reader reader(file);
  int width = 0, height = 0;
  const std::unique_ptr<stbi_uc, FreePixels> pixels(
      stbi_load_from_callbacks(&callbacks, &reader, &width, &height, &channels, 0));
  if (reader.ran_out() || !pnm_complete(file))
    fail<DataError>(
        "[picture] {}: truncated, the file ends before the picture does; fetch it again",
        path.string());
  if (!pixels)
    fail<DataError>("[picture] {}: damaged ({}); fetch it again", path.string(),
                    stbi_failure_reason());

  const std::size_t count = static_cast<std::size_t>(h) * static_cast<std::size_t>(w);
  const bool grey = channels <= 2, transparent = channels == 2 || channels == 4;
  picture.file_colours = tags.jpeg_components == 4 ? 4 : grey ? 1 : 3;
  picture.rgb.resize(3 * count);
  bool see_through = false;
  for (std::size_t i = 0; i < count; ++i) {
    const stbi_uc* pixel = pixels.get() + i * static_cast<std::size_t>(channels);
    for (int c = 0; c < 3; ++c) picture.rgb[3 * i + c] = pixel[grey ? 0 : c];
    see_through |= transparent && pixel[channels - 1] != 255;
  }
  if (see_through)
    picture.warnings.push_back(fmt::format("{}: its transparency was dropped", path.string()));
  turn_upright(picture, tags.orientation);
  return picture;
}

#else

bool pictures_supported() { return false; }

Picture read_picture(const fs::path& path) {
  fail("[picture] {}: this build reads no pictures; build with stb_image", path.string());
}

#endif

}  // namespace duet
