#include "apps/data/split.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "apps/data/digest.h"

namespace duet {
namespace {

constexpr std::pair<const char*, SplitMode> mode_names[] = {
    {"auto", SplitMode::automatic},
    {"corpus", SplitMode::corpus},
    {"speaker", SplitMode::speaker},
    {"random-word", SplitMode::random_word},
    {"cross-actress", SplitMode::cross_actress},
    {"leaky", SplitMode::leaky},
};

/// What is dealt out whole: its name, its files, and the group it represents.
struct Unit {
  std::string group;
  std::vector<std::size_t> items;
  std::array<int, class_count> counts{};
};
using Units = std::map<std::string, Unit>;

Units units_of(const std::vector<Item>& items, const std::function<std::string(const Item&)>& key,
               const std::function<bool(const Item&)>& taken) {
  Units units;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!taken(items[i])) continue;
    Unit& unit = units[key(items[i])];
    unit.group = items[i].group;
    unit.items.push_back(i);
    ++unit.counts[items[i].label];
  }
  return units;
}

using Order = std::vector<const Unit*>;

/// A random order in which every stretch holds each group in proportion.
Order mixed_order(const Units& units, RandomSequence& random) {
  std::map<std::string, Order> groups;
  for (const auto& [name, unit] : units) groups[unit.group].push_back(&unit);
  std::vector<std::pair<double, const Unit*>> placed;
  for (auto& [name, group] : groups) {
    random.shuffle(group);
    const double offset = random.uniform();
    for (std::size_t i = 0; i < group.size(); ++i)
      placed.emplace_back((static_cast<double>(i) + offset) / static_cast<double>(group.size()),
                          group[i]);
  }
  std::stable_sort(placed.begin(), placed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Order order;
  for (const auto& [position, unit] : placed) order.push_back(unit);
  return order;
}

/// How many of `n` units test and dev get, and where in the order test begins; dev follows it,
/// round the end; train gets the rest.
struct Shares {
  std::size_t test_begin = 0, test = 0, dev = 0;
};

std::size_t share(std::size_t n, double part) {
  return std::max<std::size_t>(
      1, static_cast<std::size_t>(std::lround(part * static_cast<double>(n))));
}

Shares shares_of(std::size_t n, const SplitOptions& options) {
  if (options.folds == 0) return {0, share(n, 0.15), share(n, 0.15)};
  const std::size_t k = static_cast<std::size_t>(options.folds),
                    f = static_cast<std::size_t>(options.fold);
  const std::size_t begin = f * n / k, end = (f + 1) * n / k;
  return {begin, end - begin, share(n, 0.15)};
}

/// Deals the units out, drawing the order again (at most 100 times) until each class is in each
/// part that gets any.
void deal(std::vector<Item>& items, const Units& units, const Shares& shares, RandomSequence random,
          const std::string& place, const char* remedy) {
  const std::size_t n = units.size();
  std::string missing;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const Order order = mixed_order(units, random);
    std::array<std::array<int, class_count>, 3> counts{};
    const auto part_of = [&](std::size_t i) {
      const std::size_t from_test = (i + n - shares.test_begin) % n;
      return from_test < shares.test ? 2 : from_test < shares.test + shares.dev ? 1 : 0;
    };
    constexpr const char* names[] = {"train", "dev", "test"};
    for (std::size_t i = 0; i < n; ++i)
      for (int label = 0; label < class_count; ++label)
        counts[part_of(i)][label] += order[i]->counts[label];
    missing.clear();
    for (int part = 0; part < 3; ++part)
      for (int label = 0; label < class_count; ++label)
        if (counts[part][label] == 0 && (part < 2 || shares.test > 0) &&
            (part != 1 || shares.dev > 0))
          missing = fmt::format("{} in {}", class_names[label], names[part]);
    if (!missing.empty()) continue;
    for (std::size_t i = 0; i < n; ++i)
      for (const std::size_t item : order[i]->items) items[item].split = names[part_of(i)];
    return;
  }
  fail<DataError>("{}: no split of {} has each class in each part (at last no {}); {}", place, n,
                  missing, remedy);
}

std::string place_of(const Corpus& corpus) {
  return fmt::format("[split] {} ({})", corpus.folder.string(), corpus.name);
}

void check_folds(const SplitOptions& options) {
  if (options.folds == 0 && options.fold == 0) return;
  if (options.folds < 2)
    throw UsageError(fmt::format("[split] {} folds; at least 2 are needed, or 0 for a single split",
                                 options.folds));
  if (options.fold < 0 || options.fold >= options.folds)
    throw UsageError(fmt::format("[split] there is no fold {}; folds are 0 to {}", options.fold,
                                 options.folds - 1));
}

/// Deals out units of one kind by the usual shares.
void deal_all(const Corpus& corpus, SplitCorpus& result, const SplitOptions& options,
              const std::function<std::string(const Item&)>& key, const char* what,
              const char* remedy) {
  const Units units = units_of(result.items, key, [](const Item&) { return true; });
  const std::size_t n = units.size();
  const Shares shares = shares_of(n, options);
  if (n < 3 || n < static_cast<std::size_t>(options.folds) || shares.test + shares.dev >= n)
    fail<DataError>("{}: {} {} are too few to keep apart in train, dev and test{}; {}",
                    place_of(corpus), n, what,
                    options.folds ? fmt::format(" of {} folds", options.folds) : "", remedy);
  deal(result.items, units, shares, random_for(options.seed, what), place_of(corpus), remedy);
}

bool has_own_split(const Corpus& corpus) {
  bool train = false, test = false;
  for (const Item& item : corpus.items) {
    train |= item.split == "train";
    test |= item.split == "test";
  }
  return train && test;
}

void split_as_corpus(const Corpus& corpus, SplitCorpus& result, const SplitOptions& options) {
  result.mode = SplitMode::corpus;
  const auto outside = std::erase_if(result.items, [](const Item& i) { return i.split.empty(); });
  if (outside)
    result.warnings.push_back(
        fmt::format("{} files are in neither train nor test: left out", outside));
  std::map<std::string, std::set<std::string>> splits_of;
  bool own_dev = false;
  for (const Item& item : result.items) {
    splits_of[item.person].insert(item.split);
    own_dev |= item.split == "dev";
  }
  result.shared_persons = persons_in_several_splits(result.items);
  if (!result.shared_persons.empty()) {
    const std::string what =
        fmt::format("{} of {} persons are in more than one part of the corpus's own split, e.g. {}",
                    result.shared_persons.size(), splits_of.size(), result.shared_persons[0]);
    if (options.strict_identity)
      fail<DataError>("{}: {}; leave out --strict-identity, or separate them", place_of(corpus),
                      what);
    result.warnings.push_back(what);
  }
  if (own_dev) return;
  const auto splits = [&](const Item& item) -> const auto& { return splits_of[item.person]; };
  const Units units = units_of(
      result.items, [](const Item& item) { return item.person; },
      [&](const Item& item) { return item.split == "train" && splits(item).size() == 1; });
  if (units.size() < 2)
    fail<DataError>("{}: {} persons of train are not in test, too few to cut dev from; {}",
                    place_of(corpus), units.size(), "name a dev part in the corpus");
  deal(result.items, units, {0, 0, share(units.size(), 0.10)},
       random_for(options.seed, "dev persons"), place_of(corpus), "name a dev part in the corpus");
}

void split_across_actresses(const Corpus& corpus, SplitCorpus& result,
                            const SplitOptions& options) {
  std::set<std::string> speakers;
  for (const Item& item : result.items) speakers.insert(item.person);
  if (speakers.size() != 2)
    fail<DataError>(
        "{}: --split cross-actress needs two speakers, there are {}; use --split speaker",
        place_of(corpus), speakers.size());
  if (options.folds != 0 && options.folds != 2)
    throw UsageError(fmt::format("[split] cross-actress has 2 folds, not {}", options.folds));
  const std::string test = options.fold == 0 ? *speakers.rbegin() : *speakers.begin();
  for (Item& item : result.items)
    if (item.person == test) item.split = "test";
  const Units words = units_of(
      result.items, [](const Item& item) { return item.text.empty() ? item.name : item.text; },
      [&](const Item& item) { return item.person != test; });
  if (words.size() < 2)
    fail<DataError>("{}: one word is too few to cut dev from; add clips", place_of(corpus));
  deal(result.items, words, {0, 0, share(words.size(), 0.15)},
       random_for(options.seed, "dev words"), place_of(corpus), "add clips");
}

}  // namespace

SplitMode parse_split_mode(std::string_view name) {
  std::string known;
  for (const auto& [word, mode] : mode_names) {
    if (name == word) return mode;
    known.append(known.empty() ? "" : ", ").append(word);
  }
  fail<UsageError>("[split] no split is named '{}'; there are {}", name, known);
}

const char* to_string(SplitMode mode) {
  for (const auto& [word, value] : mode_names)
    if (value == mode) return word;
  return "?";
}

std::vector<std::string> persons_in_several_splits(const std::vector<Item>& items) {
  std::map<std::string, std::set<std::string>> splits_of;
  for (const Item& item : items)
    if (!item.split.empty()) splits_of[item.person].insert(item.split);
  std::vector<std::string> shared;
  for (const auto& [person, splits] : splits_of)
    if (splits.size() > 1) shared.push_back(person);
  return shared;
}

SplitCorpus split_faces(const Corpus& corpus, const SplitOptions& options) {
  check_folds(options);
  SplitCorpus result{SplitMode::speaker, corpus.items, {}, {}};
  if (has_own_split(corpus)) {
    split_as_corpus(corpus, result, options);
  } else if (options.mode == SplitMode::leaky) {
    result.mode = SplitMode::leaky;
    deal_all(
        corpus, result, options, [](const Item& i) { return i.name; }, "pictures", "add pictures");
  } else {
    deal_all(
        corpus, result, options, [](const Item& i) { return i.person; }, "persons",
        "add persons, or use --split leaky");
  }
  return result;
}

SplitCorpus split_voices(const Corpus& corpus, const SplitOptions& options) {
  check_folds(options);
  SplitCorpus result{options.mode, corpus.items, {}, {}};
  if (result.mode == SplitMode::automatic) {
    std::set<std::string> speakers;
    for (const Item& item : corpus.items) speakers.insert(item.person);
    result.mode = has_own_split(corpus)                           ? SplitMode::corpus
                  : corpus.name == "TESS" && speakers.size() <= 2 ? SplitMode::random_word
                                                                  : SplitMode::speaker;
  }
  switch (result.mode) {
    case SplitMode::automatic:
    case SplitMode::corpus:
      if (!has_own_split(corpus))
        fail<DataError>("{}: it has no train and test of its own; use --split speaker",
                        place_of(corpus));
      split_as_corpus(corpus, result, options);
      break;
    case SplitMode::speaker:
      deal_all(
          corpus, result, options, [](const Item& i) { return i.person; }, "speakers",
          "use --split random-word where the words are known (TESS), or --split leaky");
      break;
    case SplitMode::random_word:
      for (const Item& item : corpus.items)
        if (item.text.empty())
          fail<DataError>(
              "{}: --split random-word needs to know the word, but {} does not say it; "
              "use --split speaker",
              place_of(corpus), item.path.string());
      deal_all(
          corpus, result, options, [](const Item& i) { return i.text; }, "words",
          "use --split speaker");
      break;
    case SplitMode::cross_actress: split_across_actresses(corpus, result, options); break;
    case SplitMode::leaky:
      deal_all(
          corpus, result, options, [](const Item& i) { return i.name; }, "clips", "add clips");
      break;
  }
  return result;
}

}  // namespace duet
