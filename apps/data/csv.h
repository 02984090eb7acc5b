#pragma once
/// Comma-separated tables as RFC 4180 has them: fields in double quotes may hold commas, line ends
/// and doubled quotes; lines end in LF or CRLF.

#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace duet {

struct CsvRow {
  /// Where the row begins, counted from 1.
  int line = 0;
  std::vector<std::string> fields;
};

struct CsvTable {
  std::filesystem::path path;
  std::vector<std::string> header;
  std::vector<CsvRow> rows;

  /// The first column with one of these names (in any case), or -1.
  int column(std::initializer_list<std::string_view> names) const;
};

/// The rows of a text; empty lines are left out. DataError with path and line: a quote that is not
/// closed, text after a closing quote, a NUL byte.
std::vector<CsvRow> parse_csv(std::string_view text, const std::filesystem::path& path);

/// A file with a header. DataError also for: no header, a column name twice, a row with another
/// number of fields than the header.
CsvTable read_csv(const std::filesystem::path& path);
/// The same of rows read already; the first is the header.
CsvTable to_table(std::vector<CsvRow> rows, const std::filesystem::path& path);

/// A field as it is written: quoted where it must be.
std::string csv_field(std::string_view value);

}  // namespace duet
