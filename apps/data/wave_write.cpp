#include "apps/data/wave_write.h"

#include <fstream>
#include <limits>
#include <string>

#include "kernels/base/error.h"

namespace duet {
namespace {

void append(std::string& bytes, std::uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace

void write_wave(const std::filesystem::path& path, int rate,
                std::span<const std::int16_t> samples) {
  require(rate > 0, "[wave] rate {} Hz is not positive: {}", rate, path.string());
  require(samples.size() <= (std::numeric_limits<std::uint32_t>::max() - 44) / 2,
          "[wave] {} samples are more than a WAV file holds: {}", samples.size(), path.string());
  const auto data_bytes = static_cast<std::uint32_t>(samples.size() * 2);
  std::string bytes;
  bytes.reserve(44 + data_bytes);
  bytes += "RIFF";
  append(bytes, 36 + data_bytes, 4);
  bytes += "WAVEfmt ";
  append(bytes, 16, 4);  // length of the fmt chunk
  append(bytes, 1, 2);   // PCM
  append(bytes, 1, 2);   // channels
  append(bytes, static_cast<std::uint32_t>(rate), 4);
  append(bytes, static_cast<std::uint32_t>(rate) * 2, 4);  // bytes a second
  append(bytes, 2, 2);                                     // bytes a frame
  append(bytes, 16, 2);                                    // bits a sample
  bytes += "data";
  append(bytes, data_bytes, 4);
  for (const std::int16_t sample : samples) append(bytes, static_cast<std::uint16_t>(sample), 2);

  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  require(file.good(), "[wave] cannot write {}: see that its folder exists and has room",
          path.string());
}

}  // namespace duet
