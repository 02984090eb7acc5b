#include "apps/data/layouts.h"

#include <algorithm>
#include <set>

#include "apps/data/csv.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

const char* plural(Modality modality) { return modality == Modality::face ? "pictures" : "sounds"; }
const char* place(Modality modality) { return modality == Modality::face ? "faces" : "voices"; }

/// Finds the file that a table names: relative to the table, in a class folder beside it, or
/// anywhere below it if only one file has that name.
class FileFinder {
 public:
  FileFinder(const fs::path& folder, const std::vector<fs::path>& files) : folder_(folder) {
    for (const fs::path& file : files) {
      names_.insert(file.generic_string());
      by_name_[file.filename().string()].push_back(file);
    }
  }

  struct Found {
    fs::path path;
    std::string name, reason;
  };

  Found find(const std::string& file, const std::string& label, const std::string& split) const {
    const fs::path given(file);
    if (given.is_absolute()) {
      if (fs::is_regular_file(given)) return {given, given.generic_string(), ""};
      return {{}, {}, "is not there"};
    }
    const fs::path candidates[] = {given, fs::path(label) / given,
                                   fs::path(split) / fs::path(label) / given,
                                   fs::path(label) / fs::path(split) / given};
    for (const fs::path& candidate : candidates) {
      const std::string name = candidate.lexically_normal().generic_string();
      if (names_.contains(name)) return {folder_ / name, name, ""};
    }
    // A table may name files outside its folder.
    if (fs::is_regular_file(folder_ / given))
      return {folder_ / given, given.lexically_normal().generic_string(), ""};
    const auto same = by_name_.find(given.filename().string());
    if (same == by_name_.end()) return {{}, {}, "is not there"};
    if (same->second.size() > 1)
      return {{}, {}, fmt::format("{} files have this name", same->second.size())};
    return {folder_ / same->second[0], same->second[0].generic_string(), ""};
  }

 private:
  fs::path folder_;
  std::set<std::string> names_;
  std::map<std::string, std::vector<fs::path>> by_name_;
};

struct Columns {
  int file = -1, label = -1, split = -1, person = -1, text = -1;
  explicit operator bool() const { return file >= 0 && label >= 0; }
};

Columns find_columns(const CsvTable& table, Modality modality) {
  Columns c;
  c.file = modality == Modality::face
               ? table.column({"face", "image", "picture", "file", "filename", "file_name", "path",
                               "name", "img"})
               : table.column({"voice", "audio", "clip", "sound", "wav", "file", "filename",
                               "file_name", "path", "name"});
  c.label = table.column({"label", "class", "emotion", "expression", "facial_expression"});
  c.split = table.column({"split", "subset", "set", "usage"});
  c.person = modality == Modality::face
                 ? table.column({"person", "identity", "subject", "speaker"})
                 : table.column({"speaker", "actor", "person", "subject", "identity"});
  c.text = table.column({"text", "word", "sentence"});
  return c;
}

/// A table without a header holds files in its first column and labels in its second.
std::vector<CsvRow> with_header(std::vector<CsvRow> rows, Modality modality) {
  if (!rows.empty() && rows[0].fields.size() >= 2 && modality_of(rows[0].fields[0]) == modality &&
      emotion_of_word(rows[0].fields[1])) {
    CsvRow header{0, {"file", "label"}};
    for (std::size_t i = 2; i < rows[0].fields.size(); ++i)
      header.fields.push_back(fmt::format("column {}", i + 1));
    rows.insert(rows.begin(), std::move(header));
  }
  return rows;
}

void read_table(Source& source, const CsvTable& table, const Columns& columns,
                const FileFinder& finder, std::set<std::string>& seen) {
  Corpus& corpus = source.corpus;
  const std::string stem_split = split_of_word(table.path.stem().string());
  const auto cell = [](const CsvRow& row, int column) {
    return column < 0 ? std::string() : row.fields[static_cast<std::size_t>(column)];
  };
  for (const CsvRow& row : table.rows) {
    const std::string file = cell(row, columns.file), word = cell(row, columns.label);
    const auto at = [&] { return fmt::format("{}:{}", table.path.string(), row.line); };
    const auto emotion = emotion_of_word(word);
    if (!emotion)
      fail<DataError>("[{}] {}: label '{}' is not known; the words are {}", place(corpus.modality),
                      at(), word, known_label_words());
    if (emotion->label == no_label) {
      ++corpus.unused[emotion->name];
      continue;
    }
    const std::string split_word = cell(row, columns.split);
    std::string split = columns.split < 0 ? stem_split : split_of_word(split_word);
    if (split.empty() && !split_word.empty())
      fail<DataError>("[{}] {}: split '{}' is not known; the words are train, dev, test",
                      place(corpus.modality), at(), split_word);
    const auto found = finder.find(file, word, split_word.empty() ? split : split_word);
    if (!found.reason.empty()) {
      corpus.refused.push_back(
          {corpus.folder / file, fmt::format("named at {}: {}", at(), found.reason)});
      continue;
    }
    if (!seen.insert(found.name).second)
      fail<DataError>("[{}] {}: '{}' is listed a second time; name each file once",
                      place(corpus.modality), at(), file);
    corpus.items.push_back({found.path, found.name, emotion->label, cell(row, columns.person),
                            cell(row, columns.text), "", split});
    corpus.persons_known |= columns.person >= 0;
  }
}

}  // namespace

Source open_source(const fs::path& where, Modality modality) {
  Source source;
  source.corpus.modality = modality;
  std::error_code error;
  if (fs::is_regular_file(where, error) && lower_case(where.extension().string()) == ".csv") {
    source.table = where;
    source.corpus.folder = where.has_parent_path() ? where.parent_path() : fs::path(".");
  } else {
    source.corpus.folder = where;
  }
  source.listing = list_media(source.corpus.folder);
  source.corpus.refused = source.listing.refused;
  if (source.table.empty() && source.listing.of(modality).empty()) {
    const Modality other = modality == Modality::face ? Modality::voice : Modality::face;
    const std::size_t others = source.listing.of(other).size();
    fail<DataError>(
        "[{}] {}: holds no {} ({}){}", place(modality), where.string(), plural(modality),
        known_extensions(modality),
        others ? fmt::format("; its {} {} belong to --{}", others, plural(other), place(other))
               : "; name the folder that the corpus was unpacked into");
  }
  return source;
}

void read_class_folders(Source& source) {
  Corpus& corpus = source.corpus;
  std::vector<std::string> residues;
  for (const fs::path& file : source.listing.of(corpus.modality)) {
    std::optional<Emotion> emotion;
    std::string split, residue, class_word, split_word;
    const auto refuse_two = [&](const char* what, const std::string& one,
                                const std::string& other) {
      fail<DataError>(
          "[{}] {}: its folders '{}' and '{}' name two {}; rename the one that is meant otherwise",
          place(corpus.modality), (corpus.folder / file).string(), one, other, what);
    };
    for (const fs::path& part : file.parent_path()) {
      const std::string word = part.string();
      if (const auto named = emotion_of_word(word)) {
        if (emotion && emotion->label != named->label) refuse_two("classes", class_word, word);
        emotion = named;
        class_word = word;
      } else if (const std::string s = split_of_word(word); !s.empty()) {
        if (!split.empty() && split != s) refuse_two("splits", split_word, word);
        split = s;
        split_word = word;
      } else {
        if (!residue.empty()) residue += '/';
        residue += word;
      }
    }
    if (!emotion) {
      ++corpus.unused["in no class folder"];
    } else if (emotion->label == no_label) {
      ++corpus.unused[emotion->name];
    } else {
      residues.push_back(residue);
      corpus.items.push_back(
          {corpus.folder / file, file.generic_string(), emotion->label, "", "", "", split});
    }
  }
  // A single such folder, or folders that each hold train and test, are not people.
  std::map<std::string, std::set<std::string>> splits_of;
  for (std::size_t i = 0; i < residues.size(); ++i)
    splits_of[residues[i]].insert(corpus.items[i].split);
  const bool all_shared = std::all_of(splits_of.begin(), splits_of.end(),
                                      [](const auto& entry) { return entry.second.size() > 1; });
  if (splits_of.size() > 1 && !splits_of.contains("") && !all_shared) {
    for (std::size_t i = 0; i < residues.size(); ++i) corpus.items[i].person = residues[i];
    corpus.persons_known = true;
  }
}

bool read_tables(Source& source) {
  const Corpus& corpus = source.corpus;
  std::vector<fs::path> paths;
  if (!source.table.empty()) {
    paths.push_back(source.table);
  } else {
    for (const auto& entry : fs::directory_iterator(corpus.folder))
      if (lower_case(entry.path().extension().string()) == ".csv" && entry.is_regular_file())
        paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
  }
  const FileFinder finder(corpus.folder, source.listing.of(corpus.modality));
  std::set<std::string> seen;
  bool found = false;
  for (const fs::path& path : paths) {
    const auto bytes = read_bytes(path);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    auto rows = with_header(parse_csv(text, path), corpus.modality);
    if (rows.empty()) continue;
    CsvTable head{path, rows.front().fields, {}};
    const Columns columns = find_columns(head, corpus.modality);
    if (!columns) {
      if (source.table.empty()) continue;
      fail<DataError>(
          "[{}] {}: no column of files (image, file, path, …) and of labels (label, class, "
          "emotion, …); the header is '{}'",
          place(corpus.modality), path.string(), fmt::join(head.header, ","));
    }
    found = true;
    read_table(source, to_table(std::move(rows), path), columns, finder, seen);
  }
  return found;
}

Corpus finish_corpus(Source source, std::string_view layouts) {
  Corpus corpus = std::move(source.corpus);
  const auto counts = corpus.counts();
  const std::string where = (source.table.empty() ? corpus.folder : source.table).string();
  if (corpus.items.empty())
    fail<DataError>("[{}] {}: {} {}, but none in a layout that is known ({}){}",
                    place(corpus.modality), where, source.listing.of(corpus.modality).size(),
                    plural(corpus.modality), layouts,
                    corpus.refused.empty()
                        ? ""
                        : fmt::format("; the first refused is {}: {}",
                                      corpus.refused[0].path.string(), corpus.refused[0].reason));
  for (int label = 0; label < class_count; ++label)
    if (counts[label] == 0)
      fail<DataError>(
          "[{}] {}: {} has no file of class {} (negative {}, neutral {}, positive {}); all three "
          "classes are needed: complete the corpus",
          place(corpus.modality), where, corpus.name, class_names[label], counts[0], counts[1],
          counts[2]);
  std::sort(corpus.items.begin(), corpus.items.end(),
            [](const Item& a, const Item& b) { return a.name < b.name; });
  // A person that nobody named is the file itself.
  for (Item& item : corpus.items)
    if (item.person.empty()) item.person = item.name;
  return corpus;
}

}  // namespace duet
