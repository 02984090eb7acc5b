#include "apps/report/events.h"

#include <doctest/doctest.h>

#include <limits>
#include <numeric>

#include "apps/report/confusion_picture.h"
#include "tests/event_file.h"
#include "tests/temporary_folder.h"

using namespace duet;
using test::EventRead;
namespace fs = std::filesystem;

namespace {

std::string name(int number) { return fmt::format("events.out.tfevents.{:04}", number); }

std::vector<EventRead> events_of(const fs::path& file) {
  return test::parse_events(read_text(file));
}

}  // namespace

TEST_CASE("events: CRC-32C of the vectors of RFC 3720, and of another reckoning") {
  std::string up(32, 0), down(32, 0);
  std::iota(up.begin(), up.end(), 0);
  std::iota(down.rbegin(), down.rend(), 0);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43);
  CHECK(crc32c(up) == 0x46dd794e);
  CHECK(crc32c(down) == 0x113fdb5c);
  CHECK(crc32c("123456789") == 0xe3069283);
  CHECK(crc32c("") == 0);
  for (const std::string& text : {std::string("a"), up + down, std::string(1000, 'x')})
    CHECK(crc32c(text) == test::crc32c_by_division(text));
}

TEST_CASE("events: a record is length, data, and a masked CRC of each") {
  const std::string record = event_record("abc");
  REQUIRE(record.size() == 8 + 4 + 3 + 4);
  CHECK(record.substr(0, 8) == std::string("\x03\0\0\0\0\0\0\0", 8));
  CHECK(record.substr(12, 3) == "abc");
  std::string_view rest = std::string_view(record).substr(15);
  const std::uint32_t crc = test::crc32c_by_division("abc");
  CHECK(test::take<std::uint32_t>(rest) == (crc >> 15 | crc << 17) + 0xa282ead8u);
}

TEST_CASE("events: what is written is read by another reader") {
  const TemporaryFolder folder;
  const std::string picture("\x89PNG\0\xff and more than 127 bytes, so that a length has two", 55);
  {
    EventLog log(folder.path());
    CHECK_MESSAGE(fs::is_empty(folder.path()), "a file without events");
    log.scalar("train/loss", 6, 0.1);
    log.scalar("train/loss", std::int64_t{1} << 40, std::numeric_limits<double>::infinity());
    log.scalar("dev/uar", 0, -2);
    log.image("test/confusion", 300, 1000, 20, picture + picture + picture);
    // It can be read while it is being written.
    CHECK(events_of(folder / name(1)).size() == 5);
  }
  const std::vector<EventRead> events = events_of(folder / name(1));
  REQUIRE(events.size() == 5);
  CHECK(events[0].file_version == "brain.Event:2");
  CHECK(events[0].tag.empty());
  CHECK(events[1].tag == "train/loss");
  CHECK(events[1].step == 6);
  CHECK(events[1].scalar == 0.1f);
  CHECK(events[2].step == std::int64_t{1} << 40);
  CHECK(events[2].scalar == std::numeric_limits<float>::infinity());
  CHECK(events[3].tag == "dev/uar");
  CHECK(events[3].step == 0);
  CHECK(events[3].scalar == -2);
  CHECK(events[4].tag == "test/confusion");
  CHECK(!events[4].scalar);
  CHECK(events[4].height == 1000);
  CHECK(events[4].width == 20);
  CHECK(events[4].colorspace == 3);
  CHECK(events[4].picture == picture + picture + picture);
  for (const EventRead& event : events) CHECK(event.wall_time > 1.7e9);  // 2023
}

TEST_CASE("events: a log that goes on writes what is new into another file") {
  const TemporaryFolder folder;
  {
    EventLog log(folder.path());
    log.scalar("a", 1, 1);
    log.scalar("a", 2, 2);
    log.scalar("b", 2, 2);
    log.scalar("b", 3, 3);
    log.scalar("b", 3, 33);
  }
  // The last record is cut short, as by a power failure: it does not count.
  const std::string whole = read_text(folder / name(1));
  write_text(folder / name(1), std::string_view(whole).substr(0, whole.size() - 1));
  {
    EventLog log(folder.path());
    for (int step = 1; step <= 3; ++step) {
      log.scalar("a", step, 10 * step);
      log.scalar("b", step, 10 * step);
    }
    log.image("c", 1, 1, 1, "png");
  }
  {
    EventLog log(folder.path());  // nothing is new: no file
    log.scalar("a", 3, 3);
    log.image("c", 1, 1, 1, "png");
  }
  CHECK(!fs::exists(folder / name(3)));
  const std::vector<EventRead> events = events_of(folder / name(2));
  REQUIRE(events.size() == 4);
  CHECK(events[1].tag == "a");
  CHECK(events[1].step == 3);
  CHECK(events[1].scalar == 30);
  CHECK(events[2].tag == "b");
  CHECK(events[2].step == 3);
  CHECK(events[3].tag == "c");
  // Behind another program's file, too.
  write_text(folder / "events.out.tfevents.1700000000.host.1.0", "no records");
  EventLog(folder.path()).scalar("a", 4, 4);
  CHECK(events_of(folder / "events.out.tfevents.1700000001").size() == 2);
}

TEST_CASE("events: a file that cannot be written is named") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "gone");
  EventLog log(folder / "gone");
  fs::remove(folder / "gone");
  const std::string message = message_of<DataError>([&] { log.scalar("a", 1, 1); });
  CHECK(message.find((folder / "gone" / name(1)).string()) == 0);
}

TEST_CASE("confusion_picture: a cell for each count, as dark as its share of the row") {
  const Picture p = confusion_picture({{{3, 1, 0}, {0, 0, 0}, {0, 0, 7}}});
  REQUIRE(p.rgb.size() == 3u * p.height * p.width);
  // Near a corner of the cells, away from the digits in the middle.
  const auto shade = [&](int truth, int answer) {
    const int cell = 80, y = p.height - (3 - truth) * cell + 8,
              x = p.width - (3 - answer) * cell + 8;
    return static_cast<int>(p.rgb[3 * (y * p.width + x)]);
  };
  CHECK(shade(2, 2) < shade(0, 0));
  CHECK(shade(0, 0) < shade(0, 1));
  CHECK(shade(0, 1) < shade(0, 2));
  for (int answer = 0; answer < 3; ++answer) CHECK(shade(1, answer) == 255);
  CHECK(shade(2, 0) == 255);
  // Other counts of the same shares are other digits in the same shades.
  const Picture other = confusion_picture({{{6, 2, 0}, {0, 0, 0}, {0, 0, 7}}});
  CHECK(other.rgb != p.rgb);
}
