#include "apps/train/report_pairs.h"

#include <algorithm>

#include "apps/model/input_pictures.h"
#include "apps/model/model.h"
#include "apps/report/html.h"
#include "apps/report/predictions.h"

namespace duet {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t shown_pairs = 12, shown_mistakes = 8;
/// Pixels, and CSS pixels.
constexpr std::int64_t largest_picture = 128;

bool right(const Answer& answer) { return answer.label() == answer.pair.label; }

/// Mistakes, surest first, then right answers, least sure first. Ties stay in the table's order.
Answers to_look_at(const Answers& all) {
  Answers mistakes, right_ones;
  for (const Answer& answer : all) (right(answer) ? right_ones : mistakes).push_back(answer);
  std::stable_sort(mistakes.begin(), mistakes.end(), [](const Answer& a, const Answer& b) {
    return a.confidence() > b.confidence();
  });
  std::stable_sort(right_ones.begin(), right_ones.end(), [](const Answer& a, const Answer& b) {
    return a.confidence() < b.confidence();
  });
  const std::size_t for_right = std::min(right_ones.size(), shown_pairs - shown_mistakes);
  mistakes.resize(std::min(mistakes.size(), shown_pairs - for_right));
  right_ones.resize(std::min(right_ones.size(), shown_pairs - mistakes.size()));
  mistakes.insert(mistakes.end(), right_ones.begin(), right_ones.end());
  return mistakes;
}

/// An error's message without the file's path, whose end stands below the picture already.
std::string reason(const Error& error, const fs::path& file) {
  const std::string message = error.what(), path = file.string() + ": ";
  const std::size_t at = message.find(path);
  return at == std::string::npos ? message : message.substr(at + path.size());
}

/// A file's picture below which its name stands, or why there is none.
template <class Draw>
std::string picture_of(const fs::path& file, const std::string& alt, Draw&& draw) {
  const std::string name = escaped(file.filename().string());
  std::string shown;
  try {
    shown = html_picture(encode_png(draw()), alt, static_cast<int>(largest_picture));
  } catch (const Error& error) {
    shown = fmt::format("<div class=\"placeholder\">{}</div>", escaped(reason(error, file)));
  }
  return fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n", shown, name);
}

/// The side that faces are drawn with, in pixels.
std::int64_t face_side(const Config& config) { return std::min(config.size, largest_picture); }

Picture draw_face(const fs::path& file, std::int64_t side) {
  std::vector<float> pixels(static_cast<std::size_t>(side * side * 3));
  face_pixels(read_picture(file), side, pixels);
  return face_picture(pixels, side);
}

/// What the pictures show of what the network gets.
std::string how_shown(const Config& config) {
  std::string text;
  if (config.stream != "voice")
    text += fmt::format(" Faces are scaled to {0} × {0} pixels here, to {1} × {1} for the network.",
                        face_side(config), config.size);
  if (config.stream != "face")
    text += fmt::format(
        " Sounds are log-mel spectrograms with the front end's {0} bands, which the network gets "
        "scaled to {1} × {1}: time runs to the right, low frequencies are at the bottom.",
        front_end_of(config).n_mels, config.size);
  return text;
}

std::string card(const Answer& answer, const Config& config) {
  const Pair& pair = answer.pair;
  std::string out = fmt::format(
      "<li>\n<p>Truth <strong>{}</strong>, answer <span class=\"{}\">{}</span> ({})</p>\n"
      "<div class=\"pictures\">\n",
      class_names[pair.label], right(answer) ? "right" : "wrong", class_names[answer.label()],
      right(answer) ? "right" : "wrong");
  if (!pair.face.empty())
    out += picture_of(pair.face, fmt::format("Face of class {}", class_names[pair.label]),
                      [&] { return draw_face(pair.face, face_side(config)); });
  if (!pair.voice.empty())
    out += picture_of(pair.voice,
                      fmt::format("Spectrogram of a voice of class {}", class_names[pair.label]),
                      [&] { return voice_picture(front_end_of(config), pair.voice); });
  out += "</div>\n<div class=\"shares\">";
  for (int c = 0; c < class_count; ++c)
    out += fmt::format(
        "<span>{}</span><div class=\"track\"><i style=\"width:{:.1f}%\"></i></div><span>{}</span>",
        class_names[c], 100 * answer.probabilities[c], percent_text(answer.probabilities[c]));
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
  const Answers all = read_predictions(folder.predictions());
  const auto right_ones = std::count_if(all.begin(), all.end(), right);
  std::string out = fmt::format(
      "<p>Wrong answers: {} of {}. The surest mistakes come first, then the right answers that "
      "were least sure.{}</p>\n<ul class=\"cards\">\n",
      static_cast<std::ptrdiff_t>(all.size()) - right_ones, all.size(), how_shown(config));
  for (const Answer& answer : to_look_at(all)) out += card(answer, config);
  return out + "</ul>\n";
}

}  // namespace duet
