#include "apps/data/picture_write.h"

#include <fstream>
#include <string>

#include "kernels/base/error.h"

#if defined(DUET_HAVE_STB)
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
#include <stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#endif

namespace duet {

std::string encode_png(int height, int width, int channels, std::span<const std::uint8_t> data) {
  require(height > 0 && width > 0 && (channels == 1 || channels == 3 || channels == 4),
          "[picture] cannot write {} rows, {} columns, {} channels as PNG", height, width,
          channels);
  const std::size_t expected = std::size_t{1} * height * width * channels;
  require(data.size() == expected, "[picture] {} bytes given for {}x{}x{} pixels", data.size(),
          height, width, channels);
#if defined(DUET_HAVE_STB)
  std::string bytes;
  const auto append = [](void* to, void* from, int count) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(from), count);
  };
  const int encoded = stbi_write_png_to_func(append, &bytes, width, height, channels, data.data(),
                                             width * channels);
  require(encoded != 0, "[picture] not enough memory to encode a PNG");
  return bytes;
#else
  fail("[picture] cannot write PNG: built without stb_image_write; install libstb-dev and rebuild");
#endif
}

void write_png(const std::filesystem::path& path, int height, int width, int channels,
               std::span<const std::uint8_t> data) {
  const std::string bytes = encode_png(height, width, channels, data);
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  require(file.good(), "[picture] cannot write {}: see that its folder exists and has room",
          path.string());
}

}  // namespace duet
