#include "apps/data/label.h"

#include "apps/data/media_files.h"

namespace duet {
namespace {

struct Word {
  const char* word;
  const char* emotion;
  int label;
};

constexpr Word words[] = {
    {"negative", "negative", negative},
    {"neg", "negative", negative},
    {"angry", "angry", negative},
    {"anger", "angry", negative},
    {"ang", "angry", negative},
    {"neutral", "neutral", neutral},
    {"neu", "neutral", neutral},
    {"positive", "positive", positive},
    {"pos", "positive", positive},
    {"happy", "happy", positive},
    {"happiness", "happy", positive},
    {"hap", "happy", positive},
    {"calm", "calm", no_label},
    {"contempt", "contempt", no_label},
    {"disgust", "disgust", no_label},
    {"disgusted", "disgust", no_label},
    {"dis", "disgust", no_label},
    {"fear", "fear", no_label},
    {"fearful", "fear", no_label},
    {"fea", "fear", no_label},
    {"sad", "sad", no_label},
    {"sadness", "sad", no_label},
    {"surprise", "surprise", no_label},
    {"surprised", "surprise", no_label},
    {"sur", "surprise", no_label},
    {"ps", "pleasant surprise", no_label},
    {"pleasantsurprise", "pleasant surprise", no_label},
    {"pleasantsurprised", "pleasant surprise", no_label},
};

constexpr Word ravdess_codes[] = {
    {"01", "neutral", neutral},  {"02", "calm", no_label},     {"03", "happy", positive},
    {"04", "sad", no_label},     {"05", "angry", negative},    {"06", "fear", no_label},
    {"07", "disgust", no_label}, {"08", "surprise", no_label},
};

}  // namespace

std::optional<Emotion> emotion_of_word(std::string_view text) {
  std::string key;
  for (const char c : lower_case(text))
    if (c != '_' && c != '-' && c != ' ') key += c;
  for (const Word& w : words)
    if (key == w.word) return Emotion{w.emotion, w.label};
  return std::nullopt;
}

std::optional<Emotion> emotion_of_ravdess_code(std::string_view code) {
  for (const Word& w : ravdess_codes)
    if (code == w.word) return Emotion{w.emotion, w.label};
  return std::nullopt;
}

int label_of_word(std::string_view word) {
  const auto emotion = emotion_of_word(word);
  return emotion ? emotion->label : no_label;
}

std::string known_label_words() {
  return "negative, neutral, positive, or angry, happy and codes such as ANG, NEU, HAP";
}

}  // namespace duet
