#pragma once
/// Splits into train, dev and test. What must not be on two sides (a speaker, a word, a person) is
/// dealt out whole; which goes where depends on the seed and the names alone.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/corpus.h"

namespace duet {

enum class SplitMode {
  automatic,      ///< the corpus's own split; TESS with two speakers: random_word; else speaker
  corpus,         ///< the corpus's own train and test, dev cut from train by person
  speaker,        ///< no person (speaker, face identity) in two parts
  random_word,    ///< no word in two parts; the speakers are the same
  cross_actress,  ///< one of two speakers in train and dev (which share no word), the other in test
  leaky,          ///< by file: shows what leakage is worth
};
/// "auto", "corpus", "speaker", "random-word", "cross-actress", "leaky". UsageError for other
/// names.
SplitMode parse_split_mode(std::string_view name);
const char* to_string(SplitMode mode);

struct SplitOptions {
  SplitMode mode = SplitMode::automatic;
  std::uint64_t seed = 1;
  /// K-fold cross-validation over speakers (or words): with `folds` ≥ 2, test is the part number
  /// `fold` (0 … folds-1) of them. 0: one split of 70/15/15 %. No effect on a corpus's own split.
  int folds = 0, fold = 0;
  /// Makes it an error when a corpus's own train and test share persons.
  bool strict_identity = false;
};

/// A corpus dealt out: every item's `split` is "train", "dev" or "test".
struct SplitCorpus {
  SplitMode mode = SplitMode::speaker;
  std::vector<Item> items;
  std::vector<std::string> warnings;
  /// Persons whom the corpus itself has in both train and test (sorted).
  std::vector<std::string> shared_persons;
  /// As `Corpus::persons_known`.
  bool persons_known = true;
};

/// Persons with items in more than one of train, dev and test, sorted.
std::vector<std::string> persons_in_several_splits(const std::vector<Item>& items);

/// Faces follow the corpus's own train and test; dev is what it names so, or 10 % of the persons
/// of train who are not in test. A corpus without train and test is split by person, or by picture
/// if the mode is leaky; the voices' other modes mean the same as `speaker` here.
SplitCorpus split_faces(const Corpus& corpus, const SplitOptions& options);

/// 15 % of the speakers (or words, or clips) are test, 15 % dev; women and men, where known, in
/// proportion. DataError: too few speakers or words for the mode, or no way to have each class in
/// each part. UsageError: a fold that does not exist.
SplitCorpus split_voices(const Corpus& corpus, const SplitOptions& options);

}  // namespace duet
