/// The leak check: nothing may stand on both sides of a split.

#include <algorithm>
#include <map>

#include "apps/data/digest.h"
#include "apps/data/pairs.h"
#include "engine/atomic_file.h"

namespace duet {
namespace {

class Ledger {
 public:
  /// Notes that something is in a split.
  void note(const char* what, const std::string& name, const std::string& split) {
    if (!name.empty()) seen_[{what, name}].insert(split);
  }

  std::vector<std::string> offenders(const LeakRules& rules) const {
    std::vector<std::string> result;
    for (const auto& [key, splits] : seen_) {
      const auto& [what, name] = key;
      if (splits.size() < 2) continue;
      if (what == "person" && rules.allowed_persons.contains(name)) continue;
      if (what == "speaker" && rules.allowed_speakers.contains(name)) continue;
      if (what == "speaker" && !rules.train_dev_speakers && !splits.contains("test")) continue;
      result.push_back(fmt::format("{} {} ({})", what, name, fmt::join(splits, ", ")));
    }
    return result;
  }

 private:
  std::map<std::pair<std::string, std::string>, std::set<std::string>> seen_;
};

std::string same_file(const std::filesystem::path& path) {
  return path.empty() ? std::string() : std::filesystem::absolute(path).lexically_normal().string();
}

/// Notes files with the same bytes under different names; those that are not there are passed over.
void note_copies(Ledger& ledger, std::span<const Pair> pairs) {
  std::map<std::string, std::set<std::string>> splits_of;
  for (const Pair& pair : pairs)
    for (const std::filesystem::path& path : {pair.face, pair.voice})
      if (!path.empty() && !pair.split.empty()) splits_of[same_file(path)].insert(pair.split);
  // Only files of the same size are read.
  std::map<std::uintmax_t, std::vector<std::string>> by_size;
  for (const auto& [path, splits] : splits_of) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (!error) by_size[size].push_back(path);
  }
  for (const auto& [size, paths] : by_size) {
    if (paths.size() < 2) continue;
    std::map<std::string, std::vector<std::string>> by_content;
    for (const std::string& path : paths) by_content[digest_hex(read_file(path))].push_back(path);
    for (const auto& [digest, same] : by_content) {
      if (same.size() < 2) continue;
      const std::string name = fmt::format("{}", fmt::join(same, " = "));
      for (const std::string& path : same)
        for (const std::string& split : splits_of[path])
          ledger.note("identical files", name, split);
    }
  }
}

void refuse(const std::vector<std::string>& found) {
  if (found.empty()) return;
  constexpr std::size_t shown = 10;
  const auto last = found.begin() + static_cast<std::ptrdiff_t>(std::min(shown, found.size()));
  fail<DataError>(
      "[leaks] {} in more than one split:\n  {}{}\nkeep each in one split, or say --split leaky",
      found.size(), fmt::join(found.begin(), last, "\n  "),
      found.size() > shown ? fmt::format("\n  and {} more", found.size() - shown) : "");
}

/// The rules of one corpus, added to `rules`.
void add_rules(LeakRules& rules, const SplitCorpus& corpus, Modality modality) {
  if (modality == Modality::face) {
    rules.persons = corpus.mode != SplitMode::leaky;
    rules.allowed_persons.insert(corpus.shared_persons.begin(), corpus.shared_persons.end());
    return;
  }
  rules.speakers = corpus.mode != SplitMode::leaky && corpus.mode != SplitMode::random_word;
  rules.words = corpus.mode == SplitMode::random_word;
  rules.train_dev_speakers = corpus.mode != SplitMode::cross_actress;
  rules.allowed_speakers.insert(corpus.shared_persons.begin(), corpus.shared_persons.end());
}

}  // namespace

LeakRules leak_rules(const SplitCorpus& faces, const SplitCorpus& voices) {
  LeakRules rules;
  add_rules(rules, faces, Modality::face);
  add_rules(rules, voices, Modality::voice);
  return rules;
}

LeakRules leak_rules(const SplitCorpus& single, Modality modality) {
  LeakRules rules;
  add_rules(rules, single, modality);
  return rules;
}

void check_leaks(std::span<const Pair> pairs, const LeakRules& rules) {
  Ledger ledger;
  std::set<std::string> augmented;
  for (const Pair& pair : pairs)
    if (pair.augment > 0) augmented.insert(same_file(pair.voice));
  for (const Pair& pair : pairs) {
    if (pair.split.empty()) continue;
    const std::string voice = same_file(pair.voice);
    ledger.note("face", same_file(pair.face), pair.split);
    ledger.note(augmented.contains(voice) ? "clip with augmented copies" : "clip", voice,
                pair.split);
    if (rules.persons) ledger.note("person", pair.person, pair.split);
    if (rules.speakers) ledger.note("speaker", pair.speaker, pair.split);
    if (rules.words) ledger.note("word", pair.text, pair.split);
  }
  refuse(ledger.offenders(rules));
}

void check_copies(std::span<const Pair> pairs) {
  Ledger ledger;
  note_copies(ledger, pairs);
  refuse(ledger.offenders({}));
}

}  // namespace duet
