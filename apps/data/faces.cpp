/// Corpora of faces: M-LFW-FER, FER2013 and its masked form, class folders, tables.

#include <set>

#include "apps/data/layouts.h"

namespace duet {
namespace {

bool digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// "Aaron_Eckhart_0001", or with something after the number ("…_0001_cloth"): "Aaron_Eckhart", the
/// part before the last underscore that four digits follow. Empty when the name has no such form.
std::string lfw_person(std::string_view stem) {
  for (std::size_t at = stem.rfind('_'); at != std::string_view::npos && at > 0;
       at = stem.rfind('_', at - 1)) {
    const std::string_view rest = stem.substr(at + 1);
    if (rest.size() >= 4 && digits(rest.substr(0, 4)) &&
        (rest.size() == 4 || rest[4] == '_' || rest[4] == '-' || rest[4] == '.'))
      return std::string(stem.substr(0, at));
  }
  return "";
}

/// The part of FER2013 that a picture's name tells: "Training", "PublicTest", "PrivateTest".
std::string fer_part(std::string_view stem) {
  const std::size_t at = stem.find('_');
  if (at == std::string_view::npos || !digits(stem.substr(at + 1))) return "";
  const std::string part = lower_case(stem.substr(0, at));
  const bool known = part == "training" || part == "publictest" || part == "privatetest";
  return known ? split_of_word(part) : "";
}

void name_persons(Corpus& corpus, std::string_view kind) {
  std::size_t lfw = 0, fer = 0;
  for (const Item& item : corpus.items) {
    const std::string stem = item.path.stem().string();
    fer += !fer_part(stem).empty();
    lfw += fer_part(stem).empty() && !lfw_person(stem).empty();
  }
  const std::size_t most = (corpus.items.size() * 9 + 9) / 10;
  if (kind == "fer2013" || (kind != "m-lfw-fer" && fer >= most && fer > 0)) {
    if (kind != "csv") corpus.name = "FER2013";
    bool any_split = false;
    for (const Item& item : corpus.items) any_split |= !item.split.empty();
    for (Item& item : corpus.items) {
      // The number is the picture's, not the person's; but the same name is the same picture.
      item.person = item.path.stem().string();
      if (!any_split) item.split = fer_part(item.person);
    }
  } else if (kind == "m-lfw-fer" || (lfw >= most && lfw > 0)) {
    if (kind != "csv") corpus.name = "M-LFW-FER";
    std::size_t unknown = 0;
    for (Item& item : corpus.items) {
      item.person = lfw_person(item.path.stem().string());
      unknown += item.person.empty();
    }
    corpus.persons_known = unknown < corpus.items.size();
    if (unknown)
      corpus.warnings.push_back(fmt::format(
          "{} pictures are not named Person_0001: each counts as a person of its own", unknown));
  }
  if (!corpus.persons_known)
    corpus.warnings.push_back(
        "who is on a picture is not known: each counts as a person of its own");
}

/// A picture that is there twice by name may stand on both sides of a split, or in two classes.
void warn_of_twins(Corpus& corpus) {
  if (corpus.name == "class folders" || corpus.name == "CSV") return;
  std::map<std::string, const Item*> first;
  int twins = 0, contradicting = 0;
  for (const Item& item : corpus.items) {
    const auto [it, fresh] = first.emplace(item.path.filename().string(), &item);
    twins += !fresh;
    contradicting += !fresh && it->second->label != item.label;
  }
  if (twins)
    corpus.warnings.push_back(
        fmt::format("{} pictures are there more than once by name ({} of them with another label)",
                    twins, contradicting));
}

}  // namespace

Corpus read_faces(const std::filesystem::path& where, std::string_view kind) {
  static const std::set<std::string_view> kinds{"auto", "m-lfw-fer", "fer2013", "folders", "csv"};
  if (!kinds.contains(kind))
    fail<UsageError>("[faces] no kind of corpus is named '{}'; there are {}", kind,
                     fmt::join(kinds, ", "));
  Source source = open_source(where, Modality::face);
  std::string_view how = source.table.empty() ? kind : "csv";
  if (how != "csv") {
    source.corpus.name = "class folders";
    read_class_folders(source);
  }
  if (source.corpus.items.empty() && (how == "csv" || how == "auto")) {
    Source tables = source;
    tables.corpus.name = "CSV";
    tables.corpus.unused.clear();
    if (read_tables(tables)) {
      source = std::move(tables);
      how = "csv";
    }
  }
  // Who a table or the folders name is kept.
  if (!source.corpus.items.empty() && !source.corpus.persons_known && (kind != "folders"))
    name_persons(source.corpus, how);
  warn_of_twins(source.corpus);
  return finish_corpus(std::move(source),
                       "folders named negative, neutral, positive or angry, happy, …, or a CSV of "
                       "file and label");
}

}  // namespace duet
