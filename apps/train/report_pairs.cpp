#include "apps/train/report_pairs.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "apps/data/pairs.h"
#include "apps/model/input_pictures.h"
#include "apps/model/model.h"
#include "apps/report/html.h"

namespace duet {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t shown_pairs = 12, shown_mistakes = 8;
/// Pixels, and CSS pixels.
constexpr std::int64_t largest_picture = 128;

struct Answered {
  Pair pair;
  int answer = no_label;
  std::array<double, class_count> probabilities{};

  bool right() const { return answer == pair.label; }
  double sureness() const { return probabilities[answer]; }
};

std::vector<Answered> read_predictions(const fs::path& csv) {
  std::vector<Answered> all;
  for (Pair& pair : read_pairs(csv)) {
    Answered answered;
    const auto cell = [&](const std::string& column) -> const std::string& {
      for (const auto& [name, value] : pair.other)
        if (name == column) return value;
      fail<DataError>("{}: no column '{}'", csv.string(), column);
    };
    answered.answer = label_of_word(cell("answer"));
    if (answered.answer == no_label || pair.label == no_label)
      fail<DataError>("{}: answer '{}', which is no class, or a pair without a label", csv.string(),
                      cell("answer"));
    for (int c = 0; c < class_count; ++c) {
      const std::string& text = cell(std::string("p_") + class_names[c]);
      const char* end = text.data() + text.size();
      const auto [stop, error] = std::from_chars(text.data(), end, answered.probabilities[c]);
      if (error != std::errc() || stop != end)
        fail<DataError>("{}: probability '{}' is not a number", csv.string(), text);
    }
    answered.pair = std::move(pair);
    all.push_back(std::move(answered));
  }
  return all;
}

/// Mistakes, surest first, then right answers, least sure first. Ties stay in the table's order.
std::vector<Answered> to_look_at(const std::vector<Answered>& all) {
  std::vector<Answered> mistakes, right;
  for (const Answered& answered : all) (answered.right() ? right : mistakes).push_back(answered);
  std::stable_sort(mistakes.begin(), mistakes.end(), [](const Answered& a, const Answered& b) {
    return a.sureness() > b.sureness();
  });
  std::stable_sort(right.begin(), right.end(), [](const Answered& a, const Answered& b) {
    return a.sureness() < b.sureness();
  });
  const std::size_t for_right = std::min(right.size(), shown_pairs - shown_mistakes);
  mistakes.resize(std::min(mistakes.size(), shown_pairs - for_right));
  right.resize(std::min(right.size(), shown_pairs - mistakes.size()));
  mistakes.insert(mistakes.end(), right.begin(), right.end());
  return mistakes;
}

/// A file's picture below which its name stands, or the name alone where it cannot be had.
template <class Draw>
std::string picture_of(const fs::path& file, const std::string& alt, Draw&& draw) {
  const std::string name = escaped(file.filename().string());
  std::string shown;
  try {
    shown = html_picture(encode_png(draw()), alt, static_cast<int>(largest_picture));
  } catch (const Error&) {
    shown = "<div class=\"placeholder\">cannot be read any more</div>";
  }
  return fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n", shown, name);
}

Picture draw_face(const fs::path& file, std::int64_t side) {
  std::vector<float> pixels(static_cast<std::size_t>(side * side * 3));
  face_pixels(read_picture(file), side, pixels);
  return face_picture(pixels, side);
}

Picture draw_voice(const fs::path& file, const FrontEnd& front_end) {
  const Sound sound = read_sound(file, static_cast<int>(front_end.sample_rate));
  return spectrogram_picture(front_end, log_mel(front_end, sound));
}

std::string card(const Answered& answered, const Config& config) {
  const Pair& pair = answered.pair;
  std::string out = fmt::format(
      "<li>\n<p>Truth <strong>{}</strong>, answer <span class=\"{}\">{}</span> ({})</p>\n"
      "<div class=\"pictures\">\n",
      class_names[pair.label], answered.right() ? "right" : "wrong", class_names[answered.answer],
      answered.right() ? "right" : "wrong");
  if (!pair.face.empty())
    out += picture_of(pair.face, fmt::format("Face of class {}", class_names[pair.label]),
                      [&] { return draw_face(pair.face, std::min(config.size, largest_picture)); });
  if (!pair.voice.empty())
    out += picture_of(pair.voice,
                      fmt::format("Spectrogram of a voice of class {}", class_names[pair.label]),
                      [&] { return draw_voice(pair.voice, front_end_of(config)); });
  out += "</div>\n<div class=\"shares\">";
  for (int c = 0; c < class_count; ++c)
    out += fmt::format(
        "<span>{}</span><div class=\"track\"><i style=\"width:{:.1f}%\"></i></div><span>{}</span>",
        class_names[c], 100 * answered.probabilities[c], percent_text(answered.probabilities[c]));
  out += "</div>\n";
  std::string who;
  if (!pair.person.empty()) who += "person " + pair.person;
  if (!pair.speaker.empty())
    who += fmt::format("{}speaker {}", who.empty() ? "" : ", ", pair.speaker);
  if (!who.empty()) out += "<p class=\"quiet\">" + escaped(who) + "</p>\n";
  return out + "</li>\n";
}

}  // namespace

std::string report_pairs(const Config& config, const RunFolder& folder) {
  if (!exists(folder.predictions()))
    return "<p class=\"absent\">There is no predictions.csv, which has the answers to single "
           "pairs.</p>\n";
  const std::vector<Answered> all = read_predictions(folder.predictions());
  const auto mistakes = std::count_if(all.begin(), all.end(),
                                      [](const Answered& answered) { return !answered.right(); });
  std::string out = fmt::format(
      "<p>Wrong answers: {} of {}. The surest mistakes come first, then the right answers that "
      "were least sure. Faces are shown as the network gets them, sounds as log-mel spectrograms: "
      "time runs to the right, low frequencies are at the bottom.</p>\n<ul class=\"cards\">\n",
      mistakes, all.size());
  for (const Answered& answered : to_look_at(all)) out += card(answered, config);
  return out + "</ul>\n";
}

}  // namespace duet
