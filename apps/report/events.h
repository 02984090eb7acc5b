#pragma once
/// Event files, which TensorBoard reads: numbers and pictures by tag and step. A file is a row of
/// records (TFRecord), each with an Event, a message of protocol buffers: the format of
/// tensorflow/core/lib/io/record_writer.h, util/event.proto and framework/summary.proto.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

namespace duet {

/// CRC-32C, Castagnoli's polynomial (RFC 3720, appendix B.4).
std::uint32_t crc32c(std::string_view bytes);

/// A record: its length in 8 bytes, their masked CRC, the data, its masked CRC; little-endian.
std::string event_record(std::string_view data);

/// The event files of a folder. What is written to it goes into a file of its own, which sorts
/// behind those that are there; it is made when there is something to write.
class EventLog {
 public:
  /// Reads how far the files that are there have come. DataError where one cannot be read; a record
  /// cut short ends what counts of its file.
  explicit EventLog(std::filesystem::path folder);

  /// A number, or a PNG of RGB, of a step. Where the tag has come as far already, it is passed
  /// over: a run that goes on from a checkpoint comes to some steps again. DataError where it
  /// cannot be written.
  void scalar(const std::string& tag, std::int64_t step, double value);
  void image(const std::string& tag, std::int64_t step, int height, int width,
             std::string_view png);

 private:
  void add(const std::string& tag, std::int64_t step, const std::string& value);
  void write(std::string_view event);

  std::filesystem::path folder_, path_;
  std::map<std::string, std::int64_t> last_step_;  ///< of each tag
  std::ofstream file_;
};

}  // namespace duet
