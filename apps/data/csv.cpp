#include "apps/data/csv.h"

#include <set>

#include "apps/data/media_files.h"

namespace duet {
namespace fs = std::filesystem;

int CsvTable::column(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names)
    for (std::size_t i = 0; i < header.size(); ++i)
      if (lower_case(header[i]) == name) return static_cast<int>(i);
  return -1;
}

std::vector<CsvRow> parse_csv(std::string_view text, const fs::path& path) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (text.find('\0') != std::string_view::npos)
    fail<DataError>("[csv] {}: holds NUL bytes, so it is no text; save it as CSV in UTF-8",
                    path.string());
  std::vector<CsvRow> rows;
  int line = 1;
  std::size_t i = 0;
  while (i < text.size()) {
    CsvRow row{line, {}};
    bool ended = false;
    while (!ended) {
      std::string field;
      if (i < text.size() && text[i] == '"') {
        const int opened = line;
        for (++i;; ++i) {
          if (i >= text.size())
            fail<DataError>("[csv] {}:{}: a quote is not closed; end the field with \"",
                            path.string(), opened);
          if (text[i] == '"') {
            if (i + 1 >= text.size() || text[i + 1] != '"') break;
            ++i;
          }
          line += text[i] == '\n';
          field += text[i];
        }
        ++i;
        if (i < text.size() && text[i] != ',' && text[i] != '\n' && text[i] != '\r')
          fail<DataError>(
              "[csv] {}:{}: text after a closing quote; double the quotes inside a field",
              path.string(), line);
      } else {
        while (i < text.size() && text[i] != ',' && text[i] != '\n' && text[i] != '\r')
          field += text[i++];
      }
      row.fields.push_back(std::move(field));
      if (i < text.size() && text[i] == ',') {
        ++i;
        continue;
      }
      if (i < text.size() && text[i] == '\r') ++i;
      if (i < text.size() && text[i] == '\n') ++i;
      ++line;
      ended = true;
    }
    if (row.fields.size() > 1 || !row.fields[0].empty()) rows.push_back(std::move(row));
  }
  return rows;
}

CsvTable to_table(std::vector<CsvRow> rows, const fs::path& path) {
  if (rows.empty())
    fail<DataError>("[csv] {}: no header; the first line must name the columns", path.string());
  CsvTable table{path, std::move(rows.front().fields), {}};
  std::set<std::string> names;
  for (const std::string& name : table.header)
    if (!names.insert(name).second)
      fail<DataError>("[csv] {}: two columns are named '{}'; rename one", path.string(), name);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].fields.size() != table.header.size())
      fail<DataError>(
          "[csv] {}:{}: {} fields, but the header has {}; quote fields that hold commas",
          path.string(), rows[i].line, rows[i].fields.size(), table.header.size());
    table.rows.push_back(std::move(rows[i]));
  }
  return table;
}

CsvTable read_csv(const fs::path& path) {
  const auto bytes = read_bytes(path);
  return to_table(parse_csv({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path),
                  path);
}

std::string csv_field(std::string_view value) {
  if (value.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(value);
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace duet
