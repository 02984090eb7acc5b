#pragma once
/// Pairs of a face and a voice of the same class, and the table that holds them (pairs.csv).

#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/data/split.h"

namespace duet {

/// A sample. One of the two paths is empty in a corpus of faces alone or of voices alone.
struct Pair {
  std::filesystem::path face, voice;
  int label = no_label;  ///< `no_label` where a table does not say it
  std::string split;     ///< "train", "dev", "test", or empty where a table does not say it
  /// 0: the voice as recorded; k: its k-th augmented copy. Always 0 in dev and test.
  std::uint32_t augment = 0;
  /// Who speaks and who is seen; empty where the corpus does not say it.
  std::string speaker, person, text;
  /// Columns that mean nothing to Duet, in the table's order.
  std::vector<std::pair<std::string, std::string>> other;
};

/// One pair for each face, inside each split and class. Voices go round in shuffled order until
/// there are as many as faces ("equalising"); in train, a voice's k-th repeat has `augment` k.
/// Sorted by split (train, dev, test), then by face. DataError when a class of a split lacks faces
/// or voices.
std::vector<Pair> make_pairs(const SplitCorpus& faces, const SplitCorpus& voices,
                             std::uint64_t seed);

/// The samples of a single stream: each file once, as recorded. DataError when a class of a split
/// is empty.
std::vector<Pair> faces_only(const SplitCorpus& faces);
std::vector<Pair> voices_only(const SplitCorpus& voices);

/// Draws the voices of train again, for pairing `per-epoch`; dev and test stay. They are drawn from
/// `voices` (items of other splits are passed over), or, when that is empty, from the voices in
/// `pairs`. Epoch 0 with the same voices and seed gives the pairs of `make_pairs`.
std::vector<Pair> pair_anew(std::vector<Pair> pairs, std::uint64_t seed, std::uint64_t epoch,
                            std::span<const Item> voices = {});

/// What must not be in two splits.
struct LeakRules {
  bool speakers = true, persons = true, words = false;
  /// cross-actress: train and dev have one speaker.
  bool train_dev_speakers = true;
  /// Persons (faces) and speakers (voices) whom a corpus's own split shares: warned of already.
  std::set<std::string> allowed_persons, allowed_speakers;
};
/// The rules that two splits promise.
LeakRules leak_rules(const SplitCorpus& faces, const SplitCorpus& voices);
LeakRules leak_rules(const SplitCorpus& single, Modality modality);

/// DataError when a file (a voice with its augmented copies counts as one; files with the same
/// bytes are one), speaker, person or word is in two splits: lists the first ten and the count.
/// Pairs without a split are passed over.
void check_leaks(std::span<const Pair> pairs, const LeakRules& rules);

/// The same for files with the same bytes under different names; files that are not there are
/// passed over.
void check_copies(std::span<const Pair> pairs);

/// XXH3-128, as 32 hexadecimal digits, of the sorted lines of split, face's file name, voice's file
/// name and class: the same for the same pairs on any machine and in any order.
std::string split_fingerprint(std::span<const Pair> pairs);

/// Writes a table with the header face,voice,label,split,augment,speaker,person (text, where any
/// pair has one; then the other columns). A path below the table's folder is written relative to
/// it, so that both can be moved together; any other is absolute. The file appears whole or not at
/// all.
void write_pairs(const std::filesystem::path& csv, std::span<const Pair> pairs);

/// Reads a table. `face` or `voice` is needed, all else optional; relative paths are relative to
/// the table. DataError with path and line: neither column, a row without face and voice, an
/// unknown label or split, an augment that is no number or not in train.
std::vector<Pair> read_pairs(const std::filesystem::path& csv);

}  // namespace duet
