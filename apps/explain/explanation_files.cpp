#include "apps/explain/explanation_files.h"

#include <algorithm>
#include <cmath>

#include "apps/data/picture_write.h"
#include "apps/model/input_pictures.h"
#include "apps/report/chart.h"
#include "apps/report/html.h"
#include "apps/report/page.h"
#include "engine/atomic_file.h"

namespace duet {
namespace {

namespace fs = std::filesystem;

/// Side of a drawn picture, in pixels.
constexpr std::int64_t side = 256;

/// A stream, as both kinds of file show it.
struct Shown {
  const char* id;
  const char* title;
  const char* what;  ///< the picture in words
  std::string file;
  const Picture& picture;
  const StreamExplanation& explanation;
  /// The input's row 0 is at the bottom of the picture.
  bool upside_down;

  /// A row of the map, from the picture's top.
  std::size_t map_row(std::size_t from_top) const {
    const std::size_t rows = explanation.map.starts.size();
    return upside_down ? rows - 1 - from_top : from_top;
  }
  float largest() const {
    float most = 0;
    for (const float drop : explanation.map.drops) most = std::max(most, std::abs(drop));
    return most;
  }
};

std::vector<Shown> shown_streams(const Explanation& e, const Asked& asked) {
  std::vector<Shown> streams;
  if (e.face)
    streams.push_back({"face", "Face", "Face, scaled as for the network", asked.face_name,
                       asked.face, *e.face, false});
  if (e.voice)
    streams.push_back({"voice", "Voice", "Spectrogram of the voice", asked.voice_name,
                       asked.spectrogram, *e.voice, true});
  return streams;
}

Picture enlarged(const Picture& picture) {
  std::vector<float> pixels(side * side * 3);
  face_pixels(picture, side, pixels);
  return face_picture(pixels, side);
}

/// The change that full colour stands for: the map's largest, or a percentage point where nothing
/// comes near it, so that noise stays pale.
float full_colour(const std::vector<float>& map) {
  float most = 0.01f;
  for (const float value : map) most = std::max(most, std::abs(value));
  return most;
}

/// The picture in grey under the map: orange where covering takes from the answer, blue where it
/// adds to it.
Picture overlaid(const Shown& shown) {
  Picture out = enlarged(shown.picture);
  const std::int64_t size = shown.explanation.map.size;
  const std::vector<float> map = shown.explanation.map.by_pixel();
  const float most = full_colour(map);
  constexpr float orange[] = {255, 140, 0}, blue[] = {30, 120, 255};
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x) {
      const std::int64_t row = y * size / side;
      const float value = map[static_cast<std::size_t>(
          (shown.upside_down ? size - 1 - row : row) * size + x * size / side)];
      const float strength = 0.85f * std::abs(value) / most;
      std::uint8_t* rgb = out.rgb.data() + (y * side + x) * 3;
      // Luma of sRGB, ITU-R BT.709.
      const float grey = 0.2126f * rgb[0] + 0.7152f * rgb[1] + 0.0722f * rgb[2];
      for (int c = 0; c < 3; ++c)
        rgb[c] = static_cast<std::uint8_t>(
            std::lround(std::lerp(grey, (value > 0 ? orange : blue)[c], strength)));
    }
  return out;
}

/// Pictures of side × side in a row on white.
Picture side_by_side(const std::vector<Picture>& pictures) {
  constexpr std::int64_t gap = 8;
  const auto n = static_cast<std::int64_t>(pictures.size());
  Picture out;
  out.height = static_cast<int>(side);
  out.width = static_cast<int>(n * side + (n - 1) * gap);
  out.rgb.assign(static_cast<std::size_t>(3 * out.height) * out.width, 255);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t y = 0; y < side; ++y)
      std::copy_n(pictures[i].rgb.data() + y * side * 3, side * 3,
                  out.rgb.data() + (y * out.width + i * (side + gap)) * 3);
  return out;
}

std::string points_text(double change) { return fmt::format("{:+.1f}", 100 * change); }

/// Of a place along a side: "0 to 8".
std::string range_text(const OcclusionMap& map, std::size_t i) {
  return fmt::format("{} to {}", map.starts[i], map.starts[i] + map.patch);
}

std::string map_table(const Shown& shown) {
  const OcclusionMap& map = shown.explanation.map;
  std::vector<std::string> header = {shown.upside_down ? "band, time" : "row, column"};
  for (std::size_t c = 0; c < map.starts.size(); ++c) header.push_back(range_text(map, c));
  std::vector<std::vector<std::string>> rows;
  for (std::size_t top = 0; top < map.starts.size(); ++top) {
    const std::size_t r = shown.map_row(top);
    std::vector<std::string>& row = rows.emplace_back();
    row.push_back(range_text(map, r));
    for (std::size_t c = 0; c < map.starts.size(); ++c) row.push_back(points_text(map.drop(r, c)));
  }
  return html_table(fmt::format("{}: the map's values", shown.title), header, rows);
}

/// What the map's strongest place says.
std::string strongest(const Shown& shown, const char* answer) {
  const OcclusionMap& map = shown.explanation.map;
  const auto most = std::max_element(map.drops.begin(), map.drops.end());
  const float drop = *most;
  if (shown.largest() < 0.005f)
    return "No single patch changes the answer by half a percentage point: it does not rest on one "
           "place of this input.";
  if (drop < 0.005f)
    return fmt::format("No patch supports the answer {}; covering some makes it surer.", answer);
  const auto at = static_cast<std::size_t>(most - map.drops.begin());
  const double middle = static_cast<double>(map.patch) / 2, size = static_cast<double>(map.size);
  const double across = (static_cast<double>(map.starts[at % map.starts.size()]) + middle) / size;
  double down = (static_cast<double>(map.starts[at / map.starts.size()]) + middle) / size;
  if (shown.upside_down) down = 1 - down;
  return fmt::format(
      "The answer {} rests most on the patch {:.0f} % from the left and {:.0f} % from the top: "
      "covered, it costs {:.1f} percentage points.",
      answer, 100 * across, 100 * down, 100 * drop);
}

std::string answers_table(const Explanation& e) {
  std::vector<std::string> header = {""};
  for (const char* name : class_names) header.emplace_back(name);
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const char* name, const char* metric, const Probabilities& p) {
    std::vector<std::string>& row = rows.emplace_back();
    row.emplace_back(name);
    for (int c = 0; c < class_count; ++c)
      row.push_back(
          html_value(fmt::format("{}.{}", metric, class_names[c]), p[c], percent_text(p[c])));
  };
  add("as asked", "probability", e.probabilities);
  if (e.face) add("without the face", "without_face", e.face->without);
  if (e.voice) add("without the voice", "without_voice", e.voice->without);
  return html_table("Probabilities", header, rows);
}

/// What the table of answers means by "without".
const char* meaning(Without without) {
  return without == Without::absence
             ? "Without a stream means that the network gets none, as in --face F or --voice W "
               "alone: it was trained to answer then. A probability that hardly moves shows a "
               "stream that this answer does not need."
             : "Without a stream means that all of its input is zero, the mean of the training "
               "inputs. The network was not necessarily trained on that; a probability that "
               "hardly moves shows a stream that this answer does not need.";
}

std::string section(const Shown& shown, const char* answer) {
  const auto picture = [](const Picture& p, const std::string& alt, const std::string& caption) {
    return fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n",
                       html_picture(encode_png(p), alt, static_cast<int>(side)), escaped(caption));
  };
  const OcclusionMap& map = shown.explanation.map;
  const std::string summary = strongest(shown, answer);
  return fmt::format("<p>{}</p>\n<div class=\"pictures\">\n", escaped(summary)) +
         picture(enlarged(shown.picture), shown.what, shown.file) +
         picture(
             overlaid(shown), fmt::format("{} under its map. {}", shown.title, summary),
             fmt::format("Orange supports {0}, blue speaks against it. Full colour: covering "
                         "there changes its probability by {1:.1f} percentage points on average.",
                         answer, 100 * full_colour(map.by_pixel()))) +
         "</div>\n" +
         html_details(
             "The figures",
             fmt::format("<p>Percentage points that the probability of {} falls by when {} × {} of "
                         "the input's {} × {} pixels are covered. Rows run as in the picture.</p>",
                         answer, map.patch, map.patch, map.size, map.size) +
                 map_table(shown));
}

std::string to_page(const Explanation& e, const std::vector<Shown>& streams) {
  const char* answer = class_names[e.answer];
  Page page;
  page.title = fmt::format("Why {}?", answer);
  page.lead = fmt::format("<p>The network answers <strong>{}</strong> with {}.</p>\n", answer,
                          percent_text(e.probabilities[e.answer]));
  page.sections.push_back(
      {"answer", "The answer", fmt::format("<p>{}</p>\n", meaning(e.without)) + answers_table(e)});
  for (const Shown& shown : streams)
    page.sections.push_back({shown.id, shown.title, section(shown, answer)});
  return to_html(page);
}

}  // namespace

void check_explanation_path(const fs::path& path) {
  const fs::path ending = path.extension();
  if (ending != ".html" && ending != ".png")
    fail<UsageError>("--explain: {} ends neither in .html nor in .png", path.string());
}

void write_explanation(const fs::path& path, const Explanation& explanation, const Asked& asked) {
  check_explanation_path(path);
  const std::vector<Shown> streams = shown_streams(explanation, asked);
  if (path.extension() == ".html") {
    write_file_atomically(path, to_page(explanation, streams));
    return;
  }
  std::vector<Picture> pictures;
  for (const Shown& shown : streams) {
    pictures.push_back(enlarged(shown.picture));
    pictures.push_back(overlaid(shown));
  }
  const Picture all = side_by_side(pictures);
  write_png(path, all.height, all.width, 3, all.rgb);
}

}  // namespace duet
