#include "apps/data/split.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/temporary_folder.h"

using namespace duet;

namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// `persons` speakers ("s00", …) with each class `each` times; odd ones are men.
Corpus many_speakers(int persons, int each = 2) {
  Corpus corpus;
  corpus.name = "RAVDESS";
  corpus.modality = Modality::voice;
  for (int p = 0; p < persons; ++p)
    for (int i = 0; i < 3 * each; ++i) {
      const std::string person = fmt::format("s{:02}", p);
      const std::string name = fmt::format("{}/{}.wav", person, i);
      corpus.items.push_back(
          {name, name, i % 3, person, fmt::format("{}", i / 3), p % 2 ? "men" : "women", ""});
    }
  return corpus;
}

/// TESS: two actresses, `words` words, three classes.
Corpus tess(int words) {
  Corpus corpus;
  corpus.name = "TESS";
  corpus.modality = Modality::voice;
  for (const char* person : {"OAF", "YAF"})
    for (int w = 0; w < words; ++w)
      for (int label = 0; label < 3; ++label) {
        const std::string word = fmt::format("w{:02}", w);
        const std::string name = fmt::format("{}_{}_{}.wav", person, word, class_names[label]);
        corpus.items.push_back({name, name, label, person, word, "women", ""});
      }
  return corpus;
}

/// The values of a field in each split.
std::map<std::string, std::set<std::string>> values(const SplitCorpus& split,
                                                    std::string Item::*field) {
  std::map<std::string, std::set<std::string>> result;
  for (const Item& item : split.items) result[item.split].insert(item.*field);
  return result;
}

bool disjoint(const std::set<std::string>& a, const std::set<std::string>& b) {
  return std::none_of(a.begin(), a.end(), [&](const std::string& x) { return b.contains(x); });
}

bool all_disjoint(std::map<std::string, std::set<std::string>> v) {
  return disjoint(v["train"], v["dev"]) && disjoint(v["train"], v["test"]) &&
         disjoint(v["dev"], v["test"]);
}

std::vector<std::string> assignment(const SplitCorpus& split) {
  std::vector<std::string> result;
  for (const Item& item : split.items) result.push_back(item.split);
  return result;
}

void check_every_class_everywhere(const SplitCorpus& split) {
  std::map<std::string, std::array<int, class_count>> counts;
  for (const Item& item : split.items) ++counts[item.split][item.label];
  CHECK(counts.size() == 3);
  for (const auto& [part, c] : counts)
    for (const int n : c) CHECK(n > 0);
}

}  // namespace

TEST_CASE("split: speakers are dealt 70/15/15, whole, women and men in proportion") {
  const Corpus corpus = many_speakers(20);
  std::set<std::vector<std::string>> distinct;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const SplitCorpus split = split_voices(corpus, {.seed = seed});
    CHECK(split.mode == SplitMode::speaker);
    auto speakers = values(split, &Item::person);
    CHECK(speakers["train"].size() == 14);
    CHECK(speakers["dev"].size() == 3);
    CHECK(speakers["test"].size() == 3);
    CHECK(all_disjoint(speakers));
    check_every_class_everywhere(split);
    CHECK(values(split, &Item::group)["test"].size() == 2);  // of 3, 1 or 2 are women
    CHECK(assignment(split) == assignment(split_voices(corpus, {.seed = seed})));
    distinct.insert(assignment(split));
  }
  CHECK(distinct.size() > 10);
}

TEST_CASE("split: each class comes to each part even when few speakers have it") {
  Corpus corpus = many_speakers(20);
  std::erase_if(corpus.items, [](const Item& item) {
    return item.label == negative && item.person != "s03" && item.person != "s08" &&
           item.person != "s11";
  });
  for (std::uint64_t seed = 1; seed <= 5; ++seed)
    check_every_class_everywhere(split_voices(corpus, {.seed = seed}));
  std::erase_if(corpus.items,
                [](const Item& item) { return item.label == negative && item.person == "s03"; });
  CHECK(has(message_of<DataError>([&] { split_voices(corpus, {}); }), "negative in"));
}

TEST_CASE("split: folds test every speaker once") {
  const Corpus corpus = many_speakers(11);
  std::map<std::string, int> tested;
  for (int fold = 0; fold < 4; ++fold) {
    const SplitCorpus split = split_voices(corpus, {.seed = 3, .folds = 4, .fold = fold});
    auto speakers = values(split, &Item::person);
    CHECK(all_disjoint(speakers));
    CHECK(speakers["dev"].size() == 2);
    CHECK(speakers["test"].size() >= 2);
    CHECK(speakers["test"].size() <= 3);
    for (const std::string& speaker : speakers["test"]) ++tested[speaker];
  }
  CHECK(tested.size() == 11);
  for (const auto& [speaker, count] : tested) CHECK(count == 1);
  CHECK(has(message_of<UsageError>([&] { split_voices(corpus, {.folds = 4, .fold = 4}); }),
            "folds are 0 to 3"));
  CHECK(has(message_of<UsageError>([&] { split_voices(corpus, {.folds = 1}); }), "at least 2"));
  CHECK(has(message_of<DataError>([&] { split_voices(corpus, {.folds = 12}); }), "too few"));
}

TEST_CASE("split: folds stay the same cut when few speakers have a class") {
  Corpus corpus = many_speakers(12);
  std::erase_if(corpus.items,
                [](const Item& item) { return item.label == negative && item.person >= "s07"; });
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    std::map<std::string, int> tested;
    for (int fold = 0; fold < 3; ++fold) {
      const SplitCorpus split = split_voices(corpus, {.seed = seed, .folds = 3, .fold = fold});
      check_every_class_everywhere(split);
      auto speakers = values(split, &Item::person);
      for (const std::string& speaker : speakers["test"]) ++tested[speaker];
    }
    CHECK(tested.size() == 12);
    for (const auto& [speaker, count] : tested) CHECK(count == 1);
  }
}

TEST_CASE("split: the parts hold their share of a rare class") {
  Corpus corpus = many_speakers(200, 1);
  int index = 0;
  std::erase_if(corpus.items,
                [&](const Item& item) { return item.label == negative && index++ % 5 != 0; });
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    std::map<std::string, int> negatives;
    const SplitCorpus split = split_voices(corpus, {.seed = seed});
    for (const Item& item : split.items) negatives[item.split] += item.label == negative;
    // 40 in all, so 6 each; a random cut gives 6 ± 2.2.
    CHECK(negatives["dev"] >= 5);
    CHECK(negatives["dev"] <= 7);
    CHECK(negatives["test"] >= 5);
    CHECK(negatives["test"] <= 7);
  }
}

TEST_CASE("split: TESS by word keeps words apart and both actresses everywhere") {
  const SplitCorpus split = split_voices(tess(40), {.seed = 5});
  CHECK(split.mode == SplitMode::random_word);
  auto words = values(split, &Item::text);
  CHECK(words["train"].size() == 28);
  CHECK(words["dev"].size() == 6);
  CHECK(words["test"].size() == 6);
  CHECK(all_disjoint(words));
  for (const auto& [part, speakers] : values(split, &Item::person)) CHECK(speakers.size() == 2);
  Corpus wordless = tess(40);
  wordless.items[0].text.clear();
  CHECK(has(message_of<DataError>([&] { split_voices(wordless, {}); }), "needs to know the word"));
}

TEST_CASE("split: across actresses, one is test, and dev shares no word with train") {
  std::set<std::string> tested;
  for (int fold = 0; fold < 2; ++fold) {
    const SplitCorpus split =
        split_voices(tess(40), {.mode = SplitMode::cross_actress, .folds = 2, .fold = fold});
    auto speakers = values(split, &Item::person);
    auto words = values(split, &Item::text);
    CHECK(speakers["test"].size() == 1);
    CHECK(speakers["train"] == speakers["dev"]);
    CHECK(disjoint(speakers["train"], speakers["test"]));
    CHECK(disjoint(words["train"], words["dev"]));
    CHECK(words["dev"].size() == 6);
    tested.merge(speakers["test"]);
  }
  CHECK(tested.size() == 2);
  CHECK(has(message_of<DataError>(
                [&] { split_voices(many_speakers(5), {.mode = SplitMode::cross_actress}); }),
            "needs two speakers, there are 5"));
}

TEST_CASE("split: leaky deals out clips") {
  const SplitCorpus split = split_voices(many_speakers(20), {.mode = SplitMode::leaky});
  CHECK(split.mode == SplitMode::leaky);
  auto speakers = values(split, &Item::person);
  CHECK(!disjoint(speakers["train"], speakers["test"]));
  const auto parts = assignment(split);
  CHECK(std::count(parts.begin(), parts.end(), "test") == 18);
}

TEST_CASE("split: too few speakers are refused with what to do") {
  for (int persons : {1, 2})
    CHECK(has(message_of<DataError>([&] { split_voices(many_speakers(persons), {}); }),
              "--split leaky"));
  CHECK_NOTHROW(split_voices(many_speakers(3), {}));
  CHECK(has(
      message_of<DataError>([&] { split_voices(many_speakers(9), {.mode = SplitMode::corpus}); }),
      "no train and test of its own"));
}

TEST_CASE("split: names of modes") {
  for (const char* name : {"auto", "corpus", "speaker", "random-word", "cross-actress", "leaky"})
    CHECK(std::string(to_string(parse_split_mode(name))) == name);
  CHECK(has(message_of<UsageError>([] { parse_split_mode("random"); }),
            "there are auto, corpus, speaker, random-word, cross-actress, leaky"));
}

TEST_CASE("split: faces follow the corpus, dev is a tenth of train's persons") {
  Corpus corpus = many_speakers(60, 1);
  corpus.modality = Modality::face;
  for (Item& item : corpus.items) item.split = item.person < "s40" ? "train" : "test";
  const SplitCorpus split = split_faces(corpus, {.seed = 2});
  CHECK(split.mode == SplitMode::corpus);
  CHECK(split.warnings.empty());
  auto persons = values(split, &Item::person);
  CHECK(persons["dev"].size() == 4);
  CHECK(persons["train"].size() == 36);
  CHECK(persons["test"].size() == 20);
  CHECK(all_disjoint(persons));
  check_every_class_everywhere(split);

  // Voices with a split of their own follow it too, unless told otherwise.
  CHECK(split_voices(corpus, {}).mode == SplitMode::corpus);
  CHECK(split_voices(corpus, {.mode = SplitMode::speaker}).mode == SplitMode::speaker);

  // A part named dev is kept; files outside the parts are left out.
  for (Item& item : corpus.items)
    if (item.person < "s10") item.split = item.person < "s05" ? "dev" : "";
  const SplitCorpus own = split_faces(corpus, {});
  CHECK(values(own, &Item::person)["dev"].size() == 5);
  CHECK(own.items.size() == corpus.items.size() - 15);
  CHECK(own.warnings.size() == 1);
}

TEST_CASE("split: persons shared by a corpus's own train and test: warned of, or refused") {
  Corpus corpus = many_speakers(30, 1);
  corpus.modality = Modality::face;
  for (Item& item : corpus.items) item.split = item.person < "s20" ? "train" : "test";
  corpus.items[0].split = "test";  // s00's negative
  const SplitCorpus split = split_faces(corpus, {});
  CHECK(split.shared_persons == std::vector<std::string>{"s00"});
  REQUIRE(split.warnings.size() == 1);
  CHECK(has(split.warnings[0], "1 of 30 persons"));
  CHECK(!values(split, &Item::person)["dev"].contains("s00"));
  CHECK(has(message_of<DataError>([&] { split_faces(corpus, {.strict_identity = true}); }),
            "--strict-identity"));
}

TEST_CASE("split: faces without a split are dealt out by person, or by picture if leaky") {
  Corpus corpus = many_speakers(20);
  corpus.modality = Modality::face;
  CHECK(all_disjoint(values(split_faces(corpus, {}), &Item::person)));
  CHECK(!all_disjoint(values(split_faces(corpus, {.mode = SplitMode::leaky}), &Item::person)));
}
