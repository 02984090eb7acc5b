/// pairs.csv, written and read.

#include <algorithm>
#include <charconv>

#include "apps/data/csv.h"
#include "apps/data/pairs.h"
#include "engine/atomic_file.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

std::string written_path(const fs::path& path, const fs::path& folder) {
  if (path.empty()) return "";
  const fs::path whole = fs::absolute(path).lexically_normal();
  const fs::path relative = whole.lexically_relative(folder);
  const bool below = !relative.empty() && *relative.begin() != ".." && relative != ".";
  return (below ? relative : whole).generic_string();
}

}  // namespace

void write_pairs(const fs::path& csv, std::span<const Pair> pairs) {
  const fs::path folder = fs::absolute(csv).lexically_normal().parent_path();
  std::vector<std::string> others;
  bool text = false;
  for (const Pair& pair : pairs) {
    text |= !pair.text.empty();
    for (const auto& [name, value] : pair.other)
      if (std::find(others.begin(), others.end(), name) == others.end()) others.push_back(name);
  }
  std::string out = "face,voice,label,split,augment,speaker,person";
  if (text) out += ",text";
  for (const std::string& name : others) out.append(",").append(csv_field(name));
  out += "\n";
  for (const Pair& pair : pairs) {
    out += fmt::format("{},{},{},{},{},{},{}", csv_field(written_path(pair.face, folder)),
                       csv_field(written_path(pair.voice, folder)),
                       pair.label == no_label ? "" : class_names[pair.label], csv_field(pair.split),
                       pair.augment, csv_field(pair.speaker), csv_field(pair.person));
    if (text) out.append(",").append(csv_field(pair.text));
    for (const std::string& name : others) {
      const auto it = std::find_if(pair.other.begin(), pair.other.end(),
                                   [&](const auto& cell) { return cell.first == name; });
      out.append(",").append(it == pair.other.end() ? "" : csv_field(it->second));
    }
    out += "\n";
  }
  write_file_atomically(csv, out);
}

std::vector<Pair> read_pairs(const fs::path& csv) {
  const CsvTable table = read_csv(csv);
  const fs::path folder = csv.parent_path();
  enum Column { face, voice, label, split, augment, speaker, person, text, known };
  constexpr const char* names[known] = {"face",    "voice",   "label",  "split",
                                        "augment", "speaker", "person", "text"};
  int at[known];
  for (int c = 0; c < known; ++c) at[c] = table.column({names[c]});
  if (at[face] < 0 && at[voice] < 0)
    fail<DataError>("[pairs] {}: neither a column 'face' nor 'voice'; the header is '{}'",
                    csv.string(), fmt::join(table.header, ","));

  std::vector<Pair> pairs;
  for (const CsvRow& row : table.rows) {
    const auto cell = [&](Column c) {
      return at[c] < 0 ? std::string() : row.fields[static_cast<std::size_t>(at[c])];
    };
    const auto refuse = [&](const std::string& what) {
      fail<DataError>("[pairs] {}:{}: {}", csv.string(), row.line, what);
    };
    const auto resolve = [&](const std::string& name) {
      return name.empty() ? fs::path() : (folder / name).lexically_normal();
    };
    Pair pair;
    pair.face = resolve(cell(face));
    pair.voice = resolve(cell(voice));
    if (pair.face.empty() && pair.voice.empty())
      refuse("neither a face nor a voice; name one of them, or remove the row");
    if (const std::string word = cell(label); !word.empty()) {
      pair.label = label_of_word(word);
      if (pair.label == no_label)
        refuse(fmt::format("label '{}' is none of the three classes; the words are {}", word,
                           known_label_words()));
    }
    if (const std::string word = cell(split); !word.empty()) {
      pair.split = split_of_word(word);
      if (pair.split.empty())
        refuse(fmt::format("split '{}' is not known; the words are train, dev, test", word));
    }
    if (const std::string number = cell(augment); !number.empty()) {
      const char* end = number.data() + number.size();
      const auto [stop, error] = std::from_chars(number.data(), end, pair.augment);
      if (error != std::errc() || stop != end)
        refuse(fmt::format("augment '{}' is not a number; 0 is the voice as recorded", number));
      if (pair.augment > 0 && pair.split != "train")
        refuse(fmt::format("augment {} outside train; only voices of train are augmented",
                           pair.augment));
    }
    pair.speaker = cell(speaker);
    pair.person = cell(person);
    pair.text = cell(text);
    for (std::size_t i = 0; i < table.header.size(); ++i)
      if (std::find(std::begin(at), std::end(at), static_cast<int>(i)) == std::end(at))
        pair.other.emplace_back(table.header[i], row.fields[i]);
    pairs.push_back(std::move(pair));
  }
  if (pairs.empty()) fail<DataError>("[pairs] {}: no pairs, only a header; add rows", csv.string());
  return pairs;
}

}  // namespace duet
