#pragma once
/// A look at a folder before anything is trained on it: what corpus it is, what it holds, and every
/// file that would be refused.

#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "apps/data/corpus.h"

namespace duet {

/// What a folder holds of one modality.
struct InspectedPart {
  Modality modality = Modality::face;
  /// Pictures or sounds below the folder.
  std::size_t files = 0;
  /// What reading it as a corpus gave; `problem` says why it is none. Then every file is looked at,
  /// otherwise the corpus's own.
  Corpus corpus;
  std::string problem;
  /// Refused by name, then those that cannot be decoded.
  std::vector<Refusal> refused;
  /// About single files that can be decoded all the same.
  std::vector<std::string> warnings;

  std::vector<double> seconds;               ///< of each sound, as the files are ordered
  std::map<int, int> rates, channels;        ///< Hz, and channels: how many sounds
  std::map<std::pair<int, int>, int> sizes;  ///< (width, height): how many pictures
  std::map<int, int> colours;                ///< 1 grey, 3 RGB, 4 CMYK: how many pictures
  /// Files with the very bytes of an earlier one; and those of them that stand in another split or
  /// class than it, each with the name of the earlier one.
  int copies = 0;
  std::vector<std::pair<std::string, std::string>> misplaced_copies;
  /// Persons in more than one part of the corpus's own split.
  std::size_t shared_persons = 0;
};

struct Inspection {
  std::filesystem::path where;
  std::vector<InspectedPart> parts;
};

/// Reads every file that would be used. `where` may be a folder or a CSV file. DataError: no such
/// folder, or neither pictures nor sounds in it.
Inspection inspect(const std::filesystem::path& where);

/// The report, for a person to read.
std::string to_string(const Inspection& inspection);

}  // namespace duet
