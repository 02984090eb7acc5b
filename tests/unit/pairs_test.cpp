#include "apps/data/pairs.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "tests/temporary_folder.h"

using namespace duet;
namespace fs = std::filesystem;

namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// `count` files of each class in each split, each by a person of its own.
SplitCorpus corpus_of(const char* kind, std::array<int, 3> train, int others) {
  SplitCorpus corpus;
  for (const char* split : {"train", "dev", "test"})
    for (int label = 0; label < class_count; ++label)
      for (int i = 0; i < (split == std::string("train") ? train[label] : others); ++i) {
        const std::string name = fmt::format("{}/{}/{}_{:03}", split, class_names[label], kind, i);
        corpus.items.push_back({fs::path("/data") / name, name, label,
                                fmt::format("{} {} {} {}", kind, split, label, i), "", "", split});
      }
  return corpus;
}

}  // namespace

TEST_CASE("pairs: one for each face, voices in rounds, repeats of train augmented") {
  const SplitCorpus faces = corpus_of("face", {5, 20, 33}, 7),
                    voices = corpus_of("voice", {10, 10, 10}, 3);
  const auto pairs = make_pairs(faces, voices, 1);
  CHECK(pairs.size() == faces.items.size());
  std::map<fs::path, int> used;
  std::set<fs::path> seen_faces;
  std::map<fs::path, std::set<std::uint32_t>> copies;
  for (const Pair& p : pairs) {
    CHECK(seen_faces.insert(p.face).second);
    CHECK(p.face.parent_path() == p.voice.parent_path());  // the same split and class
    CHECK(p.face.parent_path() == fs::path("/data") / p.split / class_names[p.label]);
    CHECK(has(p.person, "face"));
    CHECK(has(p.speaker, "voice"));
    if (p.split == "train")
      CHECK(copies[p.voice].insert(p.augment).second);  // no copy twice
    else
      CHECK(p.augment == 0);
    ++used[p.voice];
  }
  for (const auto& [voice, numbers] : copies) CHECK(*numbers.rbegin() == numbers.size() - 1);
  // The voices as recorded are not all with the first faces of a class.
  std::vector<std::uint32_t> rounds;
  for (const Pair& p : pairs)
    if (p.split == "train" && p.label == positive) rounds.push_back(p.augment);
  CHECK(!std::is_sorted(rounds.begin(), rounds.end()));
  // 33 faces on 10 voices: each 3 or 4 times.
  for (const auto& [voice, count] : used)
    if (has(voice.string(), "train/positive")) {
      CHECK(count >= 3);
      CHECK(count <= 4);
    }
  CHECK(std::is_sorted(pairs.begin(), pairs.begin() + 58,
                       [](const Pair& a, const Pair& b) { return a.face < b.face; }));
  CHECK_NOTHROW(check_leaks(pairs, leak_rules(faces, voices)));
}

TEST_CASE("pairs: the seed decides, the folder does not") {
  const SplitCorpus faces = corpus_of("face", {9, 9, 9}, 9),
                    voices = corpus_of("voice", {9, 9, 9}, 9);
  const auto a = make_pairs(faces, voices, 1), b = make_pairs(faces, voices, 1),
             c = make_pairs(faces, voices, 2);
  CHECK(split_fingerprint(a) == split_fingerprint(b));
  CHECK(split_fingerprint(a) != split_fingerprint(c));
  auto moved = a;
  for (Pair& p : moved) p.face = "/elsewhere" / p.face.filename();
  std::reverse(moved.begin(), moved.end());
  CHECK(split_fingerprint(moved) == split_fingerprint(a));
  moved[0].split = moved[0].split == "train" ? "test" : "train";
  CHECK(split_fingerprint(moved) != split_fingerprint(a));
  CHECK(split_fingerprint(a).size() == 32);
  // XXH3-128 of no bytes, as xxhsum prints it.
  CHECK(split_fingerprint({}) == "99aa06d3014798d86001c324468d497f");
}

TEST_CASE("pairs: drawing again changes train's voices alone, and epoch 0 is the first pairing") {
  const SplitCorpus faces = corpus_of("face", {8, 8, 8}, 4),
                    voices = corpus_of("voice", {30, 5, 8}, 4);
  const auto first = make_pairs(faces, voices, 7);
  const auto zero = pair_anew(first, 7, 0, voices.items),
             again = pair_anew(first, 7, 3, voices.items);
  CHECK(split_fingerprint(zero) == split_fingerprint(first));
  CHECK(split_fingerprint(again) != split_fingerprint(first));
  CHECK(split_fingerprint(again) == split_fingerprint(pair_anew(zero, 7, 3, voices.items)));
  std::set<fs::path> negatives;
  for (std::size_t epoch = 0; epoch < 20; ++epoch) {
    const auto drawn = pair_anew(first, 7, epoch, voices.items);
    REQUIRE(drawn.size() == first.size());
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      CHECK(drawn[i].face == first[i].face);
      CHECK(drawn[i].voice.parent_path() == first[i].voice.parent_path());
      if (first[i].split != "train") CHECK(drawn[i].voice == first[i].voice);
      if (drawn[i].split == "train" && drawn[i].label == negative) negatives.insert(drawn[i].voice);
    }
  }
  CHECK(negatives.size() ==
        30);  // 8 of 30 an epoch: 20 epochs miss one with odds of 30·(22/30)^20 = 0.06
  // Without the voices, those in the pairs are drawn from; which pairing they come from is no
  // matter.
  CHECK(split_fingerprint(pair_anew(first, 7, 5)) ==
        split_fingerprint(pair_anew(pair_anew(first, 7, 4), 7, 5)));
}

TEST_CASE("pairs: a single stream has each file once") {
  const auto faces = faces_only(corpus_of("face", {5, 2, 3}, 1));
  CHECK(faces.size() == 16);
  CHECK(faces[0].voice.empty());
  CHECK(faces[0].split == "train");
  const auto voices = voices_only(corpus_of("voice", {5, 2, 3}, 1));
  CHECK(voices.size() == 16);
  CHECK(voices[0].face.empty());
  CHECK(!voices[0].speaker.empty());
}

TEST_CASE("pairs: a class that a split lacks is refused") {
  const SplitCorpus whole = corpus_of("face", {2, 2, 2}, 2),
                    without = corpus_of("voice", {2, 0, 2}, 2);
  CHECK(has(message_of<DataError>([&] { make_pairs(whole, without, 1); }),
            "no voice of class neutral in train"));
  CHECK(has(message_of<DataError>([&] { make_pairs(without, whole, 1); }),
            "no face of class neutral in train"));
  CHECK(has(message_of<DataError>([&] { make_pairs({}, {}, 1); }), "no face of class negative"));
  CHECK(has(message_of<DataError>([&] { voices_only(without); }), "no voice of class neutral"));
  CHECK(has(message_of<DataError>([&] { faces_only({}); }), "no face of class negative"));
}

TEST_CASE("leaks: files, speakers, persons and words on two sides are listed") {
  Pair a, b;
  a.face = "/d/f1.jpg", a.voice = "/d/v1.wav", a.speaker = "s1", a.person = "p1", a.text = "w1";
  a.label = 0, a.split = "train";
  b.face = "/d/f2.jpg", b.voice = "/d/v2.wav", b.speaker = "s2", b.person = "p2", b.text = "w2";
  b.label = 0, b.split = "test";
  const auto message = [&](const LeakRules& rules, auto change) {
    std::vector<Pair> pairs{a, b};
    change(pairs[1]);
    return message_of<DataError>([&] { check_leaks(pairs, rules); });
  };
  const LeakRules all{.words = true};
  CHECK(message(all, [](Pair&) {}).empty());
  CHECK(has(message(all, [](Pair& p) { p.voice = "/d/x/../v1.wav"; }),
            "clip /d/v1.wav (test, train)"));
  CHECK(has(message(all, [](Pair& p) { p.face = "/d/f1.jpg"; }), "face /d/f1.jpg"));
  CHECK(has(message(all, [](Pair& p) { p.speaker = "s1"; }), "speaker s1"));
  CHECK(has(message(all, [](Pair& p) { p.person = "p1"; }), "person p1"));
  CHECK(has(message(all, [](Pair& p) { p.text = "w1"; }), "word w1"));
  CHECK(message({}, [](Pair& p) { p.text = "w1"; }).empty());
  CHECK(message({.speakers = false}, [](Pair& p) { p.speaker = "s1"; }).empty());
  CHECK(message({.persons = false}, [](Pair& p) { p.person = "p1"; }).empty());
  CHECK(message({.allowed_persons = {"p1"}}, [](Pair& p) { p.person = "p1"; }).empty());
  const LeakRules cross{.train_dev_speakers = false};
  CHECK(has(message(cross, [](Pair& p) { p.speaker = "s1"; }), "speaker s1"));
  CHECK(message(cross, [](Pair& p) { p.speaker = "s1", p.split = "dev"; }).empty());
  CHECK(message(all, [](Pair& p) { p.speaker = "s1", p.split = ""; }).empty());

  // The recorded clip in test, an augmented copy of it in train.
  a.augment = 2;
  CHECK(has(message({}, [](Pair& p) { p.voice = "/d/v1.wav"; }), "clip with augmented copies"));

  std::vector<Pair> many;
  for (int i = 0; i < 24; ++i) {
    Pair p = i % 2 ? a : b;
    p.face = p.voice = fs::path("/d") / fmt::format("{}", i);
    p.person.clear();
    p.speaker = fmt::format("s{:02}", i / 2);
    many.push_back(p);
  }
  const std::string text = message_of<DataError>([&] { check_leaks(many, {}); });
  CHECK(has(text, "12 in more than one split"));
  CHECK(has(text, "speaker s09"));
  CHECK(!has(text, "speaker s10"));
  CHECK(has(text, "and 2 more"));
}

TEST_CASE("leaks: a copy under another name is the same file") {
  const TemporaryFolder folder;
  std::vector<Pair> pairs(3);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].voice = folder / fmt::format("{}.wav", i);
    pairs[i].label = 0;
    pairs[i].split = i == 0 ? "train" : "test";
    write_text(pairs[i].voice, fmt::format("sound {}", i));
  }
  CHECK_NOTHROW(check_copies(pairs));
  write_text(pairs[2].voice, "sound 0");
  const std::string text = message_of<DataError>([&] { check_copies(pairs); });
  CHECK(has(text, fmt::format("identical files {} = {} (test, train)", pairs[0].voice.string(),
                              pairs[2].voice.string())));
  pairs[2].split = "train";
  CHECK_NOTHROW(check_copies(pairs));
}

TEST_CASE("leaks: each split mode promises what it can keep") {
  SplitCorpus faces, voices;
  faces.mode = SplitMode::corpus;
  faces.shared_persons = {"p"};
  CHECK(leak_rules(faces, voices).allowed_persons.contains("p"));
  voices.mode = SplitMode::speaker;
  CHECK(leak_rules(faces, voices).speakers);
  CHECK(!leak_rules(faces, voices).words);
  voices.mode = SplitMode::random_word;
  CHECK(!leak_rules(faces, voices).speakers);
  CHECK(leak_rules(faces, voices).words);
  voices.mode = SplitMode::cross_actress;
  CHECK(leak_rules(voices, Modality::voice).speakers);
  CHECK(!leak_rules(voices, Modality::voice).train_dev_speakers);
  voices.mode = SplitMode::leaky;
  CHECK(!leak_rules(faces, voices).speakers);
  CHECK(leak_rules(faces, voices).persons);
}

TEST_CASE("pairs.csv: what is written is read, and it moves with its folder") {
  const TemporaryFolder folder;
  Pair a, b;
  a.face = folder / "run/faces/a, b.png", a.voice = "/far/away/v.wav", a.label = positive;
  a.split = "train", a.augment = 3, a.speaker = "s \"1\"", a.person = "p", a.text = "back";
  a.other = {{"mask", "cloth"}, {"note", "two\nlines"}};
  b.voice = folder / "run/v2.wav", b.other = {{"note", "x"}};
  fs::create_directories(folder / "run");
  write_pairs(folder / "run/pairs.csv", std::vector{a, b});
  const std::string text = read_text(folder / "run/pairs.csv");
  CHECK(text.starts_with(
      "face,voice,label,split,augment,speaker,person,text,mask,note\n"
      "\"faces/a, b.png\",/far/away/v.wav,positive,train,3,\"s \"\"1\"\"\",p,back,"));
  CHECK(!fs::exists(folder / "run/pairs.csv.tmp"));

  fs::rename(folder / "run", folder / "moved");
  const auto pairs = read_pairs(folder / "moved/pairs.csv");
  REQUIRE(pairs.size() == 2);
  CHECK(pairs[0].face == folder / "moved/faces/a, b.png");
  CHECK(pairs[0].voice == a.voice);
  CHECK(pairs[0].label == positive);
  CHECK(pairs[0].split == "train");
  CHECK(pairs[0].augment == 3);
  CHECK(pairs[0].speaker == a.speaker);
  CHECK(pairs[0].person == "p");
  CHECK(pairs[0].text == "back");
  CHECK(pairs[0].other == a.other);
  CHECK(pairs[1].face.empty());
  CHECK(pairs[1].label == no_label);
  CHECK(pairs[1].other == decltype(a.other){{"mask", ""}, {"note", "x"}});

  write_text(folder / "few.csv", "Voice,extra\nv.wav,1\n");
  CHECK(read_pairs(folder / "few.csv")[0].voice == folder / "v.wav");
  CHECK(has(message_of<Error>([&] { write_pairs(folder / "no/such/pairs.csv", {}); }),
            "cannot create"));
}

TEST_CASE("pairs.csv: refusals name the line") {
  const TemporaryFolder folder;
  const auto message = [&](std::string_view text) {
    write_text(folder / "p.csv", text);
    return message_of<DataError>([&] { read_pairs(folder / "p.csv"); });
  };
  CHECK(has(message("label,split\nangry,train\n"), "neither a column 'face' nor 'voice'"));
  CHECK(has(message("face,voice\na,b\n,\n"), "p.csv:3: neither a face nor a voice"));
  CHECK(has(message("face,label\na,angry\nb,cross\n"), "p.csv:3: label 'cross'"));
  CHECK(has(message("face,label\na,sad\n"), "p.csv:2: label 'sad'"));
  CHECK(has(message("face,split\na,hold\n"), "p.csv:2: split 'hold'"));
  CHECK(has(message("face,split,augment\na,train,x\n"), "p.csv:2: augment 'x'"));
  CHECK(has(message("face,split,augment\na,train,-1\n"), "p.csv:2: augment '-1'"));
  CHECK(has(message("face,split,augment\na,test,1\n"), "p.csv:2: augment 1 outside train"));
  CHECK(has(message("face,voice\na\n"), "p.csv:2: 1 fields, but the header has 2"));
  CHECK(has(message("face,voice\n"), "no pairs"));
  CHECK(has(message_of<DataError>([&] { read_pairs(folder / "none.csv"); }), "no such file"));
}
