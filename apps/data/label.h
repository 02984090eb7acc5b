#pragma once
/// The three classes, and the emotion codes of the corpora that map to them.

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace duet {

/// Class ids are the positions in this list, everywhere: in models, tables and files.
inline constexpr std::array<const char*, 3> class_names{"negative", "neutral", "positive"};
inline constexpr int class_count = static_cast<int>(class_names.size());
inline constexpr int negative = 0, neutral = 1, positive = 2;
inline constexpr int no_label = -1;

/// An emotion as a corpus knows it. `label` is `no_label` when it belongs to none of the three
/// classes (sad, fear, …): such files are counted and left alone.
struct Emotion {
  std::string name;
  int label = no_label;
};

/// Words as folders and tables use them, in any case: class names, angry/anger, happy/happiness,
/// CREMA-D's three letters, TESS's "ps", and the other emotions. Nothing when the word is unknown.
std::optional<Emotion> emotion_of_word(std::string_view word);

/// RAVDESS's third field, "01" … "08".
std::optional<Emotion> emotion_of_ravdess_code(std::string_view code);

/// The class that a word names, or `no_label`.
int label_of_word(std::string_view word);

/// "negative, neutral, positive (or angry, …)": the words a message offers.
std::string known_label_words();

}  // namespace duet
