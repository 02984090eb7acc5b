#include "apps/explain/occlusion.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "apps/explain/explanation_files.h"
#include "tests/temporary_folder.h"

using namespace duet;

namespace {

constexpr std::int64_t size = 48, patch = 8;

Tensor ones(std::int64_t channels) { return Tensor::full({1, size, size, channels}, 1); }

/// The mean of a square of each sample's channels.
std::vector<float> square_means(const Tensor& x, std::int64_t row, std::int64_t column,
                                std::int64_t side) {
  std::vector<float> means;
  const std::int64_t channels = x.dim(3);
  for (std::int64_t n = 0; n < x.dim(0); ++n) {
    float sum = 0;
    for (std::int64_t y = row; y < row + side; ++y)
      for (std::int64_t c = column * channels; c < (column + side) * channels; ++c)
        sum += x.data<float>()[(n * size + y) * size * channels + c];
    means.push_back(sum / static_cast<float>(side * side * channels));
  }
  return means;
}

/// Sure of "positive" as far as two squares hold ones: rows 20 … 27, columns 32 … 39 of the face,
/// and bands 4 … 11, times 12 … 19 of the voice, which counts half as much.
struct SquareReader {
  std::vector<std::int64_t> batches;

  Tensor operator()(const Inputs& inputs) {
    const std::int64_t n = (inputs.face ? inputs.face : inputs.voice).dim(0);
    batches.push_back(n);
    const Tensor out = Tensor::empty({n, class_count});
    std::vector<float> face(n, 1), voice(n, 1);
    if (inputs.face) face = square_means(inputs.face, 20, 32, patch);
    if (inputs.voice) voice = square_means(inputs.voice, 4, 12, patch);
    for (std::int64_t i = 0; i < n; ++i) {
      const float p = 0.1f + 0.6f * face[i] + 0.3f * voice[i];
      float* row = out.data<float>() + i * class_count;
      row[positive] = p;
      row[negative] = row[neutral] = (1 - p) / 2;
    }
    return out;
  }
};

struct Place {
  std::int64_t row, column;
  float drop;
};
Place strongest(const OcclusionMap& map) {
  const auto most = std::max_element(map.drops.begin(), map.drops.end());
  const auto at = static_cast<std::size_t>(most - map.drops.begin());
  return {map.starts[at / map.starts.size()], map.starts[at % map.starts.size()], *most};
}

// Few additions of numbers up to 1 before a difference.
constexpr double rounding = 64 * 0x1p-24;

}  // namespace

TEST_CASE("occlusion: the map is highest where the answer comes from, and flat elsewhere") {
  SquareReader reader;
  const Inputs inputs{ones(3), ones(1)};
  const Explanation e = explain(inputs, std::ref(reader), false);
  CHECK(e.answer == positive);
  CHECK(e.probabilities[positive] == doctest::Approx(1).epsilon(rounding));
  REQUIRE(e.face);
  REQUIRE(e.voice);
  for (const StreamExplanation* stream : {&*e.face, &*e.voice}) {
    const OcclusionMap& map = stream->map;
    CHECK(map.size == size);
    CHECK(map.patch == patch);
    CHECK(map.starts.front() == 0);
    CHECK(map.starts[1] == patch / 2);
    CHECK(map.starts.back() == size - patch);
    REQUIRE(map.drops.size() == map.starts.size() * map.starts.size());
  }
  const Place face = strongest(e.face->map), voice = strongest(e.voice->map);
  CHECK(face.row == 20);
  CHECK(face.column == 32);
  CHECK(face.drop == doctest::Approx(0.6).epsilon(rounding));
  CHECK(voice.row == 4);
  CHECK(voice.column == 12);
  CHECK(voice.drop == doctest::Approx(0.3).epsilon(rounding));
  // Half covered, half lost; a patch that does not touch the square changes nothing.
  CHECK(e.face->map.drop(4, 8) == doctest::Approx(0.3).epsilon(rounding));
  CHECK(e.face->map.drop(0, 0) == 0);
  CHECK(e.face->map.drop(5, 4) == 0);

  const std::vector<float> pixels = e.face->map.by_pixel();
  REQUIRE(pixels.size() == size * size);
  const auto most = std::max_element(pixels.begin(), pixels.end()) - pixels.begin();
  CHECK(most / size >= 20);
  CHECK(most / size < 28);
  CHECK(most % size >= 32);
  CHECK(most % size < 40);
  CHECK(pixels[0] == 0);

  CHECK(e.without == Without::zero);
  CHECK(e.face->without[positive] == doctest::Approx(0.4).epsilon(rounding));
  CHECK(e.voice->without[positive] == doctest::Approx(0.7).epsilon(rounding));
  // One sample for the answer and for each missing stream, else batches of at most 32.
  CHECK(*std::max_element(reader.batches.begin(), reader.batches.end()) == 32);
  CHECK(std::accumulate(reader.batches.begin(), reader.batches.end(), std::int64_t{0}) ==
        3 + 2 * static_cast<std::int64_t>(e.face->map.drops.size()));
  // The caller's inputs are as they were.
  for (const Tensor& x : {inputs.face, inputs.voice})
    CHECK(std::all_of(x.span<float>().begin(), x.span<float>().end(),
                      [](float v) { return v == 1; }));
}

TEST_CASE("occlusion: what may lack a stream is asked without it, but not without both") {
  SquareReader reader;
  const Explanation e = explain({ones(3), ones(1)}, std::ref(reader), true);
  CHECK(e.without == Without::absence);
  // A stream that is absent counts as one of ones to the reader, zeros would not.
  CHECK(e.face->without[positive] == doctest::Approx(1).epsilon(rounding));
  CHECK(e.voice->without[positive] == doctest::Approx(1).epsilon(rounding));
  // The map covers a part all the same.
  CHECK(strongest(e.face->map).drop == doctest::Approx(0.6).epsilon(rounding));

  const Explanation alone = explain({Tensor(), ones(1)}, std::ref(reader), true);
  CHECK(alone.without == Without::zero);
  CHECK(alone.voice->without[positive] == doctest::Approx(0.7).epsilon(rounding));
}

TEST_CASE("occlusion: a single stream, and sides that patches do not divide") {
  SquareReader reader;
  const Explanation e = explain({Tensor(), ones(1)}, std::ref(reader), false);
  CHECK(!e.face);
  REQUIRE(e.voice);
  CHECK(strongest(e.voice->map).row == 4);

  for (const std::int64_t side : {16, 50, 64, 128, 224}) {
    CAPTURE(side);
    const Explanation flat = explain(
        {Tensor::zeros({1, side, side, 3}), Tensor()},
        [](const Inputs& inputs) {
          return Tensor::full({inputs.face.dim(0), class_count}, 1.0 / class_count);
        },
        false);
    const OcclusionMap& map = flat.face->map;
    CHECK(map.patch == (side + 3) / 6);
    CHECK(map.starts.back() + map.patch == side);
    for (const float value : map.by_pixel()) CHECK(value == 0);
  }
}

TEST_CASE("occlusion: the page and the picture of an explained answer") {
  SquareReader reader;
  const Explanation e = explain({ones(3), ones(1)}, std::ref(reader), false);
  Asked asked;
  asked.face_name = "<face>.png";
  asked.voice_name = "voice.wav";
  for (Picture* picture : {&asked.face, &asked.spectrogram}) {
    picture->height = picture->width = 8;
    picture->rgb.assign(8 * 8 * 3, 128);
  }
  const TemporaryFolder folder;
  write_explanation(folder / "e.html", e, asked);
  const std::string html = read_text(folder / "e.html");
  for (const char* part :
       {"Why positive?", "&lt;face&gt;.png", "rests most on the patch 75 % from the left and 50 %",
        // Rows of the voice are counted from below.
        "rests most on the patch 33 % from the left and 83 % from the top",
        "data-metric=\"without_face.positive\""})
    CHECK_MESSAGE(html.find(part) != std::string::npos, part);

  if (!pictures_supported()) return;
  write_explanation(folder / "e.png", e, asked);
  const Picture all = read_picture(folder / "e.png");
  constexpr int side = 256, gap = 8;
  REQUIRE(all.height == side);
  REQUIRE(all.width == 4 * side + 3 * gap);
  // Orange in the middle of the face's square, and of the voice's, which is drawn upside down.
  const auto is_orange = [&](int map, int row, int column) {
    const int x = map * (side + gap) + column * side / static_cast<int>(size),
              y = row * side / static_cast<int>(size);
    const std::uint8_t* rgb = all.rgb.data() + (y * all.width + x) * 3;
    return rgb[0] > rgb[2] + 50;
  };
  CHECK(is_orange(1, 24, 36));
  CHECK(!is_orange(1, 4, 4));
  CHECK(is_orange(3, 48 - 8, 16));
  CHECK(!is_orange(3, 8, 16));
  CHECK(!is_orange(0, 24, 36));

  CHECK_THROWS_AS(write_explanation(folder / "e.txt", e, asked), UsageError);
}
