#include "apps/train/run_pairs.h"

#include <optional>

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

void make_pairs_file(const Config& config, const RunFolder& folder, Progress& progress) {
  const SplitOptions options = split_options(config);
  const auto report = [&progress](const Corpus& corpus, const SplitCorpus& split) {
    progress.line(fmt::format("{}: {}, {} files, split {}", corpus.folder.string(), corpus.name,
                              corpus.items.size(), to_string(split.mode)));
    for (const std::string& warning : corpus.warnings) progress.line("warning: " + warning);
    for (const std::string& warning : split.warnings) progress.line("warning: " + warning);
  };
  const Folders folders = corpora(config, folder);
  std::optional<SplitCorpus> faces, voices;
  if (!folders.faces.empty()) {
    const Corpus corpus = read_faces(folders.faces, config.faces_kind);
    faces = split_faces(corpus, options);
    report(corpus, *faces);
  }
  if (!folders.voices.empty()) {
    const Corpus corpus = read_voices(folders.voices, config.voices_kind);
    voices = split_voices(corpus, options);
    report(corpus, *voices);
  }
  const bool leaky = options.mode == SplitMode::leaky;
  std::vector<Pair> pairs;
  if (faces && voices) {
    pairs = make_pairs(*faces, *voices, options.seed);
    if (!leaky) check_leaks(pairs, leak_rules(*faces, *voices));
  } else {
    pairs = faces ? faces_only(*faces) : voices_only(*voices);
    if (!leaky)
      check_leaks(pairs,
                  leak_rules(faces ? *faces : *voices, faces ? Modality::face : Modality::voice));
  }
  write_pairs(folder.pairs(), pairs);
}

}  // namespace

std::vector<Pair> run_pairs(const Config& config, const RunFolder& folder, Progress& progress) {
  if (!exists(folder.pairs())) make_pairs_file(config, folder, progress);
  std::vector<Pair> pairs = read_pairs(folder.pairs());
  for (const Pair& pair : pairs)
    if (pair.label == no_label || pair.split.empty())
      fail<DataError>("{}: a training run needs the label and split of every pair",
                      folder.pairs().string());
  return pairs;
}

std::vector<Item> run_training_voices(const Config& config, const RunFolder& folder) {
  const Corpus corpus = read_voices(corpora(config, folder).voices, config.voices_kind);
  std::vector<Item> items = split_voices(corpus, split_options(config)).items;
  std::erase_if(items, [](const Item& item) { return item.split != "train"; });
  return items;
}

}  // namespace duet
