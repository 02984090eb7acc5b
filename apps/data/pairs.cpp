#include "apps/data/pairs.h"

#include <algorithm>
#include <array>
#include <map>

#include "apps/data/digest.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

constexpr std::array splits{"train", "dev", "test"};

/// Items of one split and class, in the order of the items.
std::vector<const Item*> pool(std::span<const Item> items, std::string_view split, int label) {
  std::vector<const Item*> result;
  for (const Item& item : items)
    if (item.split == split && item.label == label) result.push_back(&item);
  return result;
}

void require_files(std::size_t count, const char* what, const char* split, int label) {
  if (count == 0)
    fail<DataError>(
        "[pairs] no {} of class {} in {}; give the corpus more files of it, or split it "
        "otherwise (--split, --seed)",
        what, class_names[label], split);
}

/// The indices of `voices` for `count` faces: all of them in shuffled rounds, and how often each
/// had been drawn before.
struct Draw {
  std::size_t voice;
  std::uint32_t round;
};
std::vector<Draw> draw_rounds(std::size_t count, std::size_t voices, const char* split, int label,
                              std::uint64_t seed, std::uint64_t epoch) {
  const std::string purpose = fmt::format("pairs {} {} {}", split, class_names[label], epoch);
  RandomSequence random = random_for(seed, purpose);
  std::vector<Draw> draws;
  std::vector<std::size_t> order(voices);
  for (std::size_t i = 0; i < voices; ++i) order[i] = i;
  for (std::uint32_t round = 0; draws.size() < count; ++round) {
    random.shuffle(order);
    for (std::size_t i = 0; i < voices && draws.size() < count; ++i)
      draws.push_back({order[i], round});
  }
  // Else the first faces would always get the voices as recorded.
  random.shuffle(draws);
  return draws;
}

/// What is known of a face, a voice, or both.
struct Known {
  bool persons = true, speakers = true;
};

Pair pair_of(const Item* face, const Item* voice, const Known& known) {
  Pair pair;
  const Item& any = face ? *face : *voice;
  pair.label = any.label;
  pair.split = any.split;
  if (face) {
    pair.face = face->path;
    if (known.persons) pair.person = face->person;
  }
  if (voice) {
    pair.voice = voice->path;
    if (known.speakers) pair.speaker = voice->person;
    pair.text = voice->text;
  }
  return pair;
}

std::vector<Pair> single(const SplitCorpus& corpus, Modality modality) {
  std::vector<Pair> pairs;
  for (const char* split : splits) {
    std::array<std::size_t, class_count> counts{};
    for (const Item& item : corpus.items) {
      if (item.split != split) continue;
      ++counts[item.label];
      const Known known{corpus.persons_known, corpus.persons_known};
      pairs.push_back(modality == Modality::face ? pair_of(&item, nullptr, known)
                                                 : pair_of(nullptr, &item, known));
    }
    for (int label = 0; label < class_count; ++label)
      require_files(counts[label], modality == Modality::face ? "face" : "voice", split, label);
  }
  return pairs;
}

}  // namespace

std::vector<Pair> make_pairs(const SplitCorpus& faces, const SplitCorpus& voices,
                             std::uint64_t seed) {
  std::vector<Pair> pairs;
  for (const char* split : splits) {
    std::vector<std::pair<const Item*, Pair>> made;
    for (int label = 0; label < class_count; ++label) {
      const auto face_pool = pool(faces.items, split, label);
      const auto voice_pool = pool(voices.items, split, label);
      require_files(face_pool.size(), "face", split, label);
      require_files(voice_pool.size(), "voice", split, label);
      const auto draws = draw_rounds(face_pool.size(), voice_pool.size(), split, label, seed, 0);
      for (std::size_t i = 0; i < face_pool.size(); ++i) {
        Pair pair = pair_of(face_pool[i], voice_pool[draws[i].voice],
                            {faces.persons_known, voices.persons_known});
        if (pair.split == "train") pair.augment = draws[i].round;
        made.emplace_back(face_pool[i], std::move(pair));
      }
    }
    std::stable_sort(made.begin(), made.end(),
                     [](const auto& a, const auto& b) { return a.first->name < b.first->name; });
    for (auto& [face, pair] : made) pairs.push_back(std::move(pair));
  }
  return pairs;
}

std::vector<Pair> faces_only(const SplitCorpus& faces) { return single(faces, Modality::face); }
std::vector<Pair> voices_only(const SplitCorpus& voices) { return single(voices, Modality::voice); }

std::vector<Pair> pair_anew(std::vector<Pair> pairs, std::uint64_t seed, std::uint64_t epoch,
                            std::span<const Item> voices) {
  // The voices in the pairs themselves, each once, in an order that no pairing changes.
  std::map<std::string, Item> own;
  if (voices.empty())
    for (const Pair& p : pairs)
      if (p.split == "train")
        own.try_emplace(p.voice.generic_string(),
                        Item{p.voice, "", p.label, p.speaker, p.text, "", p.split});
  std::vector<Item> own_items;
  for (auto& [name, item] : own) own_items.push_back(std::move(item));
  const std::span<const Item> from = voices.empty() ? std::span<const Item>(own_items) : voices;

  for (int label = 0; label < class_count; ++label) {
    std::vector<Pair*> slots;
    for (Pair& pair : pairs)
      if (pair.split == "train" && pair.label == label) slots.push_back(&pair);
    if (slots.empty()) continue;
    const auto voice_pool = pool(from, "train", label);
    require_files(voice_pool.size(), "voice", "train", label);
    const auto draws = draw_rounds(slots.size(), voice_pool.size(), "train", label, seed, epoch);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      const Item& voice = *voice_pool[draws[i].voice];
      slots[i]->voice = voice.path;
      slots[i]->speaker = voice.person;
      slots[i]->text = voice.text;
      slots[i]->augment = draws[i].round;
    }
  }
  return pairs;
}

std::string split_fingerprint(std::span<const Pair> pairs) {
  std::vector<std::string> lines;
  for (const Pair& p : pairs)
    lines.push_back(fmt::format("{}\t{}\t{}\t{}\n", p.split, p.face.filename().string(),
                                p.voice.filename().string(),
                                p.label == no_label ? "" : class_names[p.label]));
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line;
  return digest_hex(text);
}

}  // namespace duet
