#pragma once
/// The two layouts that any corpus may have, faces or voices: folders named after classes, and a
/// table of files and labels.

#include "apps/data/corpus.h"

namespace duet {

/// A corpus without items yet: `where` is a folder with files of this modality, or a CSV file
/// (then the listing is that of its folder). DataError when there is nothing to read.
struct Source {
  Corpus corpus;
  Listing listing;
  std::filesystem::path table;  // empty: none was named
};
Source open_source(const std::filesystem::path& where, Modality modality);

/// Adds the files below folders that name a class. The nearest such folder counts. Other folders
/// between the corpus and the file name the person, where they tell files apart.
void read_class_folders(Source& source);

/// Adds the files that the table, or each table of the folder, lists. False when there is no table
/// with a column of files and one of labels.
bool read_tables(Source& source);

/// Ends a reading: sorts, and refuses a corpus that lacks a class (DataError). `layouts` says what
/// was looked for.
Corpus finish_corpus(Source source, std::string_view layouts);

}  // namespace duet
