#pragma once
/// A corpus: the faces or voices of a folder, each with its class and the person it shows or who
/// speaks. Readers look at names alone, which is fast; a file that cannot be decoded is found when
/// it is decoded, or by `inspect`.

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/label.h"
#include "apps/data/media_files.h"

namespace duet {

struct Item {
  std::filesystem::path path;
  /// The path below the corpus folder, with '/': the order of items, and a name for messages.
  std::string name;
  int label = no_label;
  /// The face's identity or the speaker. A file whose person is unknown is a person of its own.
  std::string person;
  /// What is said: TESS's word, CREMA-D's sentence code, RAVDESS's sentence number; else empty.
  std::string text;
  /// A group of persons that every split should hold a share of ("women", "men"); empty: unknown.
  std::string group;
  /// "train", "dev", "test" or empty. Of a corpus just read: the corpus's own split.
  std::string split;
};

struct Corpus {
  /// "M-LFW-FER", "FER2013", "TESS", "CREMA-D", "RAVDESS", "class folders" or "CSV".
  std::string name;
  Modality modality = Modality::face;
  std::filesystem::path folder;
  /// Sorted by name, so that runs repeat on every machine.
  std::vector<Item> items;
  std::vector<Refusal> refused;
  /// How many files were left alone, by reason: another emotion, a folder that names no class, …
  std::map<std::string, int> unused;
  std::vector<std::string> warnings;
  /// Whether `person` says who it is. If not, every file is a person of its own.
  bool persons_known = false;

  /// Items of each class.
  std::array<int, class_count> counts() const;
};

/// Reads the faces below `where`, or those that a CSV file lists (`where` may be that file, or a
/// folder without class folders that holds it).
/// kind: "auto", "m-lfw-fer" (Name_Surname_0001.jpg), "fer2013" (Training_123.jpg), "folders" or
/// "csv". Class folders are named by `emotion_of_word`; a folder train/test/dev above or below them
/// is the corpus's own split. A CSV needs a column of files (image, file, path, …) and one of
/// labels (label, class, emotion, …) or, without a header, these two first; split and person may
/// follow. DataError: no such folder, no pictures, no such corpus, a class without any file.
/// UsageError: an unknown kind.
Corpus read_faces(const std::filesystem::path& where, std::string_view kind = "auto");

/// Reads the voices below `where`. kind: "auto", "tess", "crema-d", "ravdess", "folders" or "csv";
/// errors as `read_faces`.
Corpus read_voices(const std::filesystem::path& where, std::string_view kind = "auto");

/// The split that a folder or table cell names ("train", "Training", "validation", …), or "".
std::string split_of_word(std::string_view word);

}  // namespace duet
