#include "apps/data/csv.h"

#include <doctest/doctest.h>

#include "tests/temporary_folder.h"

using namespace duet;

TEST_CASE("csv: quotes, commas, line ends and line numbers as RFC 4180 has them") {
  const auto rows = parse_csv(
      "\xEF\xBB\xBF"
      "a,b\r\n\"x,\"\"y\"\"\",\"two\nlines\"\n\n,last",
      "t.csv");
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].fields == std::vector<std::string>{"a", "b"});
  CHECK(rows[1].fields == std::vector<std::string>{"x,\"y\"", "two\nlines"});
  CHECK(rows[1].line == 2);
  CHECK(rows[2].fields == std::vector<std::string>{"", "last"});
  CHECK(rows[2].line == 5);
}

TEST_CASE("csv: a field that is written is read back") {
  for (const char* value :
       {"plain", "", "a,b", "say \"hi\"", "two\nlines", "cr\rlf\r\n", " spaces "}) {
    const auto rows = parse_csv("x," + csv_field(value) + ",y\n", "t.csv");
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].fields == std::vector<std::string>{"x", value, "y"});
  }
}

TEST_CASE("csv: refusals name the file and the line") {
  const TemporaryFolder folder;
  const auto message = [&](std::string_view text) {
    write_text(folder / "t.csv", text);
    return message_of<DataError>([&] { read_csv(folder / "t.csv"); });
  };
  CHECK(message("a,b\n1,2\n\"open,2\n").find("t.csv:3: a quote is not closed") !=
        std::string::npos);
  CHECK(message("a,b\n\"1\"x,2\n").find("t.csv:2: text after a closing quote") !=
        std::string::npos);
  CHECK(message("a,b\n1,2\n1,2,3\n").find("t.csv:3: 3 fields, but the header has 2") !=
        std::string::npos);
  CHECK(message("a,a\n1,2\n").find("two columns are named 'a'") != std::string::npos);
  CHECK(message("\n\n").find("no header") != std::string::npos);
  CHECK(message(std::string_view("a,b\n\0,2\n", 8)).find("NUL") != std::string::npos);
  CHECK(message("").find("empty") != std::string::npos);
}

TEST_CASE("csv: columns are found by any of their names, in any case") {
  const TemporaryFolder folder;
  write_text(folder / "t.csv", "Image,Class\nx,y\n");
  const CsvTable table = read_csv(folder / "t.csv");
  CHECK(table.column({"file", "image"}) == 0);
  CHECK(table.column({"class"}) == 1);
  CHECK(table.column({"split"}) == -1);
}
