/// Corpora of voices: TESS, CREMA-D and RAVDESS, known by their file names; class folders, tables.

#include <algorithm>
#include <set>

#include "apps/data/layouts.h"

namespace duet {
namespace {

struct Clip {
  Emotion emotion;
  std::string person, text, group;
  /// Not empty: why the clip is not used although its emotion is.
  std::string unused;
};

std::vector<std::string> fields_of(std::string_view stem, char separator) {
  std::vector<std::string> fields(1);
  for (const char c : stem) {
    if (c == separator)
      fields.emplace_back();
    else
      fields.back() += c;
  }
  return fields;
}

bool digits(std::string_view text, std::size_t count) {
  return text.size() == count && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// "OAF_back_angry", "YAF_death_ps". One clip of the published set is named OA_bite_neutral.
std::optional<Clip> tess_clip(std::string_view stem) {
  const auto f = fields_of(lower_case(stem), '_');
  if (f.size() < 3) return std::nullopt;
  const std::string speaker = f[0] == "oaf" || f[0] == "oa"   ? "OAF"
                              : f[0] == "yaf" || f[0] == "ya" ? "YAF"
                                                              : "";
  // The word is one field; the emotion may be two ("pleasant_surprise").
  const auto emotion = emotion_of_word(fmt::format("{}", fmt::join(f.begin() + 2, f.end(), "_")));
  if (speaker.empty() || !emotion) return std::nullopt;
  return Clip{*emotion, speaker, f[1], "women", ""};
}

/// "1001_DFA_ANG_XX"; a few clips end in X.
std::optional<Clip> crema_clip(std::string_view stem) {
  const auto f = fields_of(stem, '_');
  if (f.size() != 4 || !digits(f[0], 4) || f[1].size() != 3 || f[2].size() != 3)
    return std::nullopt;
  const auto emotion = emotion_of_word(f[2]);
  if (!emotion) return std::nullopt;
  return Clip{*emotion, f[0], f[1], "", ""};
}

/// "03-01-05-01-02-01-12": modality, channel (01 speech, 02 song), emotion, intensity, sentence,
/// repetition, actor (odd: men).
std::optional<Clip> ravdess_clip(std::string_view stem) {
  const auto f = fields_of(stem, '-');
  if (f.size() != 7) return std::nullopt;
  for (const std::string& field : f)
    if (!digits(field, 2)) return std::nullopt;
  const auto emotion = emotion_of_ravdess_code(f[2]);
  if (!emotion) return std::nullopt;
  return Clip{*emotion, "Actor_" + f[6], f[4], (f[6][1] - '0') % 2 ? "men" : "women",
              f[1] == "02" ? "song" : ""};
}

struct Kind {
  const char* key;
  const char* name;
  const char* form;
  std::optional<Clip> (*parse)(std::string_view stem);
};

constexpr Kind kinds[] = {
    {"tess", "TESS", "OAF_back_angry.wav", tess_clip},
    {"crema-d", "CREMA-D", "1001_DFA_ANG_XX.wav", crema_clip},
    {"ravdess", "RAVDESS", "03-01-05-01-02-01-12.wav", ravdess_clip},
};

/// The corpus whose names most files bear; null when hardly any does.
const Kind* recognise(const Source& source) {
  const auto& sounds = source.listing.sounds;
  const Kind* best = nullptr;
  const Kind* second = nullptr;
  std::size_t most = 0, next = 0;
  for (const Kind& kind : kinds) {
    const auto n =
        static_cast<std::size_t>(std::count_if(sounds.begin(), sounds.end(), [&](const auto& file) {
          return kind.parse(file.stem().string()).has_value();
        }));
    if (n > most) {
      second = best;
      next = most;
      best = &kind;
      most = n;
    } else if (n > next) {
      second = &kind;
      next = n;
    }
  }
  if (most * 2 < sounds.size() || most == 0) return nullptr;
  if (next * 10 > most)
    fail<DataError>(
        "[voices] {}: holds two corpora, {} ({} clips) and {} ({}); name the folder of one",
        source.corpus.folder.string(), best->name, most, second->name, next);
  return best;
}

void read_names(Source& source, const Kind& kind) {
  Corpus& corpus = source.corpus;
  corpus.name = kind.name;
  corpus.persons_known = true;
  // Some copies of these sets hold every clip in two folders. A name stands for one clip.
  std::set<std::string> seen;
  int twins = 0;
  for (const auto& file : source.listing.sounds) {
    const std::string stem = file.stem().string();
    const auto clip = kind.parse(stem);
    if (!clip) {
      corpus.refused.push_back(
          {corpus.folder / file, fmt::format("not a {} name like {}", kind.name, kind.form)});
    } else if (clip->emotion.label == no_label) {
      ++corpus.unused[clip->emotion.name];
    } else if (!clip->unused.empty()) {
      ++corpus.unused[clip->unused];
    } else if (!seen.insert(lower_case(stem)).second) {
      ++corpus.unused["there a second time"];
      ++twins;
    } else {
      corpus.items.push_back({corpus.folder / file, file.generic_string(), clip->emotion.label,
                              clip->person, clip->text, clip->group, ""});
    }
  }
  if (twins)
    corpus.warnings.push_back(
        fmt::format("{} clips are there more than once by name; the first of each is used", twins));
}

}  // namespace

Corpus read_voices(const std::filesystem::path& where, std::string_view kind) {
  const Kind* named = nullptr;
  for (const Kind& k : kinds)
    if (kind == k.key) named = &k;
  if (!named && kind != "auto" && kind != "folders" && kind != "csv")
    fail<UsageError>(
        "[voices] no kind of corpus is named '{}'; there are auto, tess, crema-d, ravdess, "
        "folders, "
        "csv",
        kind);
  Source source = open_source(where, Modality::voice);
  const bool table = !source.table.empty() || kind == "csv";
  if (!named && !table && kind == "auto") named = recognise(source);
  if (named && !table) {
    read_names(source, *named);
    return finish_corpus(std::move(source),
                         fmt::format("{} files named like {}", named->name, named->form));
  }
  if (!table) {
    source.corpus.name = "class folders";
    read_class_folders(source);
  }
  if (source.corpus.items.empty() && kind != "folders") {
    Source tables = source;
    tables.corpus.name = "CSV";
    tables.corpus.unused.clear();
    if (read_tables(tables)) source = std::move(tables);
  }
  if (!source.corpus.items.empty() && !source.corpus.persons_known)
    source.corpus.warnings.push_back(
        "who speaks is not known: each clip counts as a speaker of its own, so the same voice may "
        "stand in train and test");
  return finish_corpus(std::move(source),
                       "TESS, CREMA-D or RAVDESS file names, folders named negative, neutral, "
                       "positive or angry, happy, …, or a CSV of file and label");
}

}  // namespace duet
