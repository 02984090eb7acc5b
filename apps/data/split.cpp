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

/// One entry for each fold, or a single one.
std::vector<Shares> shares_of(std::size_t n, const SplitOptions& options) {
  if (options.folds == 0) return {{0, share(n, 0.15), share(n, 0.15)}};
  const std::size_t k = static_cast<std::size_t>(options.folds);
  std::vector<Shares> result;
  for (std::size_t f = 0; f < k; ++f) {
    const std::size_t begin = f * n / k, end = (f + 1) * n / k;
    result.push_back({begin, end - begin, share(n, 0.15)});
  }
  return result;
}

constexpr const char* part_names[] = {"train", "dev", "test"};

/// The part (0 train, 1 dev, 2 test) of each place in an order of `n` units.
std::vector<int> parts_of(std::size_t n, const Shares& shares) {
  std::vector<int> parts(n, 0);
  for (std::size_t i = 0; i < shares.test + shares.dev; ++i)
    parts[(shares.test_begin + i) % n] = i < shares.test ? 2 : 1;
  return parts;
}

/// How far the parts are from holding their share of every class: the largest difference, or what
/// is missing.
struct Balance {
  double worst = 0;
  std::string missing;
};

Balance balance_of(const Order& order, const Shares& shares) {
  std::array<std::array<double, class_count>, 3> counts{};
  std::array<double, class_count> all{};
  std::array<double, 3> units{};
  const std::vector<int> parts = parts_of(order.size(), shares);
  for (std::size_t i = 0; i < order.size(); ++i) {
    ++units[parts[i]];
    for (int label = 0; label < class_count; ++label) {
      counts[parts[i]][label] += order[i]->counts[label];
      all[label] += order[i]->counts[label];
    }
  }
  Balance balance;
  for (int part = 0; part < 3; ++part)
    for (int label = 0; label < class_count; ++label) {
      if (units[part] > 0 && counts[part][label] == 0)
        balance.missing = fmt::format("{} in {}", class_names[label], part_names[part]);
      const double wanted = units[part] / static_cast<double>(order.size());
      balance.worst = std::max(balance.worst, std::abs(counts[part][label] / all[label] - wanted));
    }
  return balance;
}

/// Deals the units out: of 64 random orders the one is taken whose parts come closest to their
/// share of each class. All folds are cut from the same order, so it is judged by all of them.
void deal(std::vector<Item>& items, const Units& units, const std::vector<Shares>& folds,
          std::size_t fold, RandomSequence random, const std::string& place, const char* remedy) {
  Order best;
  double least = 0;
  std::string missing;
  for (int attempt = 0; attempt < 64; ++attempt) {
    Order order = mixed_order(units, random);
    Balance worst;
    for (const Shares& shares : folds) {
      const Balance balance = balance_of(order, shares);
      worst.worst = std::max(worst.worst, balance.worst);
      if (!balance.missing.empty()) worst.missing = balance.missing;
    }
    if (!worst.missing.empty()) {
      missing = worst.missing;
    } else if (best.empty() || worst.worst < least) {
      best = std::move(order);
      least = worst.worst;
    }
  }
  if (best.empty())
    fail<DataError>(
        "{}: no split of {} was found that has each class in each part (at last no {}); {}", place,
        units.size(), missing, remedy);
  const std::vector<int> parts = parts_of(best.size(), folds[fold]);
  for (std::size_t i = 0; i < best.size(); ++i)
    for (const std::size_t item : best[i]->items) items[item].split = part_names[parts[i]];
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
  const std::vector<Shares> folds = shares_of(n, options);
  const bool room = std::all_of(folds.begin(), folds.end(), [&](const Shares& shares) {
    return shares.test > 0 && shares.test + shares.dev < n;
  });
  if (!room)
    fail<DataError>("{}: {} {} are too few to keep apart in train, dev and test{}; {}",
                    place_of(corpus), n, what,
                    options.folds ? fmt::format(" of {} folds", options.folds) : "", remedy);
  deal(result.items, units, folds, static_cast<std::size_t>(options.fold),
       random_for(options.seed, what), place_of(corpus), remedy);
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
  deal(result.items, units, {{0, 0, share(units.size(), 0.10)}}, 0,
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
  deal(result.items, words, {{0, 0, share(words.size(), 0.15)}}, 0,
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
  SplitCorpus result{SplitMode::speaker, corpus.items, {}, {}, corpus.persons_known};
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
  SplitCorpus result{options.mode, corpus.items, {}, {}, corpus.persons_known};
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
