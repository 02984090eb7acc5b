#include "apps/train/run_pairs.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <tuple>

#include "apps/data/demo.h"

namespace duet {
namespace {

namespace fs = std::filesystem;

struct Folders {
  fs::path faces, voices;
};

/// Where the corpora are; the demo's are drawn now if they are not there.
Folders corpora(const Config& config, const RunFolder& folder) {
  if (!config.demo) return {config.faces, config.voices};
  const Folders demo{folder.demo() / "faces", folder.demo() / "voices"};
  if (!exists(demo.faces) || !exists(demo.voices)) {
    remove_all(folder.demo());
    DemoOptions options;
    options.seed = static_cast<std::uint64_t>(config.seed);
    write_demo(folder.demo(), options);
  }
  return demo;
}

SplitOptions split_options(const Config& config) {
  SplitOptions options;
  options.mode = parse_split_mode(config.split);
  options.seed = static_cast<std::uint64_t>(config.seed);
  options.folds = static_cast<int>(config.folds);
  options.fold = static_cast<int>(config.fold);
  options.strict_identity = config.strict_identity;
  return options;
}

/// The run's corpora, dealt out to train, dev and test.
struct Dealt {
  std::optional<SplitCorpus> faces, voices;
};

Dealt deal(const Config& config, const RunFolder& folder, Progress& progress, bool report) {
  const SplitOptions options = split_options(config);
  const auto say = [&](const Corpus& corpus, const SplitCorpus& split) {
    if (!report) return;
    progress.line(fmt::format("{}: {}, {} files, split {}", corpus.folder.string(), corpus.name,
                              corpus.items.size(), to_string(split.mode)));
    for (const std::string& warning : corpus.warnings) progress.line("warning: " + warning);
    for (const std::string& warning : split.warnings) progress.line("warning: " + warning);
  };
  const Folders folders = corpora(config, folder);
  Dealt dealt;
  if (!folders.faces.empty()) {
    const Corpus corpus = read_faces(folders.faces, config.faces_kind);
    dealt.faces = split_faces(corpus, options);
    say(corpus, *dealt.faces);
  }
  if (!folders.voices.empty()) {
    const Corpus corpus = read_voices(folders.voices, config.voices_kind);
    dealt.voices = split_voices(corpus, options);
    say(corpus, *dealt.voices);
  }
  return dealt;
}

std::vector<Pair> pairs_of(const Dealt& dealt, std::uint64_t seed) {
  if (dealt.faces && dealt.voices) return make_pairs(*dealt.faces, *dealt.voices, seed);
  return dealt.faces ? faces_only(*dealt.faces) : voices_only(*dealt.voices);
}

LeakRules rules_of(const Dealt& dealt) {
  if (dealt.faces && dealt.voices) return leak_rules(*dealt.faces, *dealt.voices);
  return dealt.faces ? leak_rules(*dealt.faces, Modality::face)
                     : leak_rules(*dealt.voices, Modality::voice);
}

/// DataError where a table says otherwise than the corpus who a file shows, or who speaks in it.
void check_identities(std::span<const Pair> pairs, const Dealt& dealt, const fs::path& table) {
  const auto check = [&](const std::optional<SplitCorpus>& corpus, fs::path Pair::*file,
                         std::string Pair::*name, const char* what) {
    if (!corpus || !corpus->persons_known) return;
    std::map<fs::path, std::string> known;
    for (const Item& item : corpus->items)
      known[fs::absolute(item.path).lexically_normal()] = item.person;
    for (const Pair& pair : pairs) {
      const auto found = known.find(fs::absolute(pair.*file).lexically_normal());
      if (found != known.end() && found->second != pair.*name)
        fail<DataError>("{}: says that the {} of {} is '{}'; by the corpus it is '{}'",
                        table.string(), what, (pair.*file).string(), pair.*name, found->second);
    }
  };
  check(dealt.faces, &Pair::face, &Pair::person, "person");
  check(dealt.voices, &Pair::voice, &Pair::speaker, "speaker");
}

}  // namespace

RunPairs run_pairs(const Config& config, const RunFolder& folder, Progress& progress) {
  const bool given = exists(folder.pairs());
  const Dealt dealt = deal(config, folder, progress, !given);
  std::vector<Pair> pairs =
      given ? read_pairs(folder.pairs()) : pairs_of(dealt, static_cast<std::uint64_t>(config.seed));
  for (const Pair& pair : pairs)
    if (pair.label == no_label || pair.split.empty())
      fail<DataError>("{}: a training run needs the label and split of every pair",
                      folder.pairs().string());
  for (const auto& [file, what, other] :
       {std::tuple{&Pair::face, "face", "voice"}, {&Pair::voice, "voice", "face"}})
    if (config.stream != other &&
        std::any_of(pairs.begin(), pairs.end(),
                    [file = file](const Pair& pair) { return (pair.*file).empty(); }))
      fail<DataError>("{}: a training run with --stream {} needs the {} of every pair",
                      folder.pairs().string(), config.stream, what);
  std::vector<Item> voices;
  if (config.pairing == "per-epoch" && config.stream != "face" && dealt.faces && dealt.voices)
    std::copy_if(dealt.voices->items.begin(), dealt.voices->items.end(), std::back_inserter(voices),
                 [](const Item& item) { return item.split == "train"; });
  std::vector<Pair> all = pairs;
  for (Pair& pair : training_pairs(voices)) all.push_back(std::move(pair));
  check_leaks(all, rules_of(dealt));
  if (given) {
    check_identities(pairs, dealt, folder.pairs());
  } else {
    write_pairs(folder.pairs(), pairs);
    pairs = read_pairs(folder.pairs());
  }
  return {std::move(pairs), std::move(voices)};
}

std::vector<Pair> training_pairs(std::span<const Item> voices) {
  std::vector<Pair> pairs;
  for (const Item& voice : voices) {
    Pair pair;
    pair.voice = voice.path;
    pair.label = voice.label;
    pair.split = "train";
    pair.speaker = voice.person;
    pair.text = voice.text;
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace duet
