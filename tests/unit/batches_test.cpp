#include "apps/train/batches.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "apps/data/picture_write.h"
#include "apps/data/wave_write.h"
#include "engine/ops/augment.h"
#include "tests/temporary_folder.h"

using namespace duet;

namespace {

struct Drawn {
  std::vector<double> face, voice;
  bool operator==(const Drawn&) const = default;
};

constexpr std::int64_t pairs_count = 1000;

/// Which streams the pairs of a table have, in its order, when they are read in this order or
/// backwards.
Drawn presence(double modality_dropout, std::uint64_t seed, std::uint64_t epoch, int workers = 1,
               bool backwards = false) {
  const std::vector<Pair> pairs(pairs_count, Pair{.label = 0, .split = "train"});
  BatchPlan plan{&pairs, {}};
  for (std::int64_t i = 0; i < pairs_count; ++i)
    plan.order.push_back(backwards ? pairs_count - 1 - i : i);
  plan.batch_size = 64;
  plan.faces = plan.voices = false;  // there are no files
  plan.modality_dropout = modality_dropout;
  plan.seed = seed;
  plan.epoch = epoch;
  Samples samples(16, {}, 0);
  Batches batches(samples, plan, workers);
  Drawn drawn{std::vector<double>(pairs_count), std::vector<double>(pairs_count)};
  while (const std::optional<Batch> batch = batches.next())
    for (std::size_t i = 0; i < batch->pairs.size(); ++i) {
      drawn.face[batch->pairs[i]] = batch->raw.presence.face.data<float>()[i];
      drawn.voice[batch->pairs[i]] = batch->raw.presence.voice.data<float>()[i];
    }
  return drawn;
}

}  // namespace

TEST_CASE("batches: which stream a pair lacks depends on seed, epoch and pair alone") {
  const Drawn drawn = presence(0.3, 1, 1);
  CHECK(presence(0.3, 1, 1, 3) == drawn);
  CHECK(presence(0.3, 1, 1, 1, true) == drawn);
  CHECK_FALSE(presence(0.3, 2, 1) == drawn);
  CHECK_FALSE(presence(0.3, 1, 2) == drawn);
}

TEST_CASE("batches: a pair lacks a stream with the probability given, never both") {
  for (const double p : {0.3, 1.0}) {
    const Drawn drawn = presence(p, 1, 1);
    int faces = 0, voices = 0;
    for (std::int64_t i = 0; i < pairs_count; ++i) {
      for (const double x : {drawn.face[i], drawn.voice[i]}) CHECK((x == 0 || x == 1));
      faces += drawn.face[i] == 0;
      voices += drawn.voice[i] == 0;
      CHECK(drawn.face[i] + drawn.voice[i] >= 1);
      if (p == 1) CHECK(drawn.face[i] + drawn.voice[i] == 1);
    }
    // Binomial, each stream with half the probability: within five deviations.
    for (const int absent : {faces, voices})
      CHECK(std::abs(absent - p / 2 * pairs_count) <
            5 * std::sqrt(pairs_count * p / 2 * (1 - p / 2)));
  }
}

TEST_CASE("batches: masks hide bands of frequency and of time, drawn for each pair and epoch") {
  constexpr std::int64_t size = 24, count = 200;
  const std::vector<Pair> pairs(count, Pair{.label = 0, .split = "train"});
  const auto masks = [&](std::uint64_t epoch, int workers) {
    BatchPlan plan{&pairs, {}};
    for (std::int64_t i = 0; i < count; ++i) plan.order.push_back(i);
    plan.batch_size = count;
    plan.faces = plan.voices = false;
    plan.voice_masks = 1;
    plan.epoch = epoch;
    Samples samples(size, {}, 0);
    const Tensor mask = Batches(samples, plan, workers).next()->voice_masks;
    return std::vector<float>(mask.data<float>(), mask.data<float>() + mask.numel());
  };
  const std::vector<float> drawn = masks(1, 1);
  CHECK(masks(1, 2) == drawn);
  CHECK(masks(2, 1) != drawn);
  double hidden = 0;
  for (std::int64_t n = 0; n < count; ++n) {
    const auto shown = [&](std::int64_t y, std::int64_t x) {
      return drawn[(n * size + y) * size + x] == 1;
    };
    // A pixel is hidden where its row or its column is: both are bands of at most a sixth.
    int rows = 0, columns = 0;
    for (std::int64_t i = 0; i < size; ++i) {
      bool row = true, column = true;
      for (std::int64_t j = 0; j < size; ++j) row &= !shown(i, j), column &= !shown(j, i);
      rows += row, columns += column;
    }
    CHECK(rows <= size / 6);
    CHECK(columns <= size / 6);
    int dark = 0;
    for (std::int64_t y = 0; y < size; ++y)
      for (std::int64_t x = 0; x < size; ++x) dark += !shown(y, x);
    CHECK(dark == rows * size + columns * size - rows * columns);
    hidden += dark;
  }
  // Each band is 2 of 24 wide on average, so 1 - (22/24)² is hidden; widths 0 … 4 have a deviation
  // of √2, which makes that of a mask's share at most 0.1.
  CHECK(std::abs(hidden / (count * size * size) - (1 - 22.0 * 22 / 24 / 24)) <
        5 * 0.1 / std::sqrt(count));
}

TEST_CASE("batches: without modality dropout nothing is said of it") {
  const std::vector<Pair> pairs(3, Pair{.label = 0, .split = "train"});
  BatchPlan plan{&pairs, {0, 1, 2}};
  plan.faces = plan.voices = false;
  Samples samples(16, {}, 0);
  const std::optional<Batch> batch = Batches(samples, plan, 1).next();
  REQUIRE(batch.has_value());
  CHECK_FALSE(batch->raw.presence.face);
  CHECK_FALSE(batch->raw.presence.voice);
  CHECK_FALSE(batch->voice_masks);
}

TEST_CASE("batches: repeated voices are faster or slower by up to the share asked, both alike") {
  const TemporaryFolder folder;
  const std::filesystem::path clip = folder / "clip.wav";
  write_wave(clip, 16000, std::vector<std::int16_t>(1600, 1000));
  constexpr std::int64_t count = 400;
  const auto speeds = [&](double share, std::uint32_t augment) {
    const std::vector<Pair> pairs(
        count, Pair{.voice = clip, .label = 0, .split = "train", .augment = augment});
    BatchPlan plan{&pairs, {}};
    for (std::int64_t i = 0; i < count; ++i) plan.order.push_back(i);
    plan.batch_size = count;
    plan.faces = false;
    plan.augment_voices = true;
    plan.voice_speed = share;
    plan.device = Device{DeviceType::simt};  // which would augment, so that the batch says how
    Samples samples(16, {}, 1 << 20);
    Batches batches(samples, plan, 1);
    const Tensor bytes = batches.next()->voice_augmentations;
    std::vector<WaveAugmentation> all(count);
    std::memcpy(all.data(), bytes.view().data, count * sizeof(WaveAugmentation));
    std::vector<double> found;
    for (const WaveAugmentation& a : all) found.push_back(a.speed);
    return found;
  };
  for (const double speed : speeds(0, 1)) CHECK(speed == 1);
  for (const double speed : speeds(0.2, 0)) CHECK(speed == 1);  // as recorded
  double slowest = 2, fastest = 0;
  int faster = 0;
  for (const double speed : speeds(0.2, 1)) {
    slowest = std::min(slowest, speed), fastest = std::max(fastest, speed);
    faster += speed > 1;
  }
  // Of 400 none lies in an outermost twentieth once in 10^8 times.
  CHECK(slowest >= 1 / 1.2);
  CHECK(slowest < std::pow(1.2, -0.9));
  CHECK(fastest <= 1.2);
  CHECK(fastest > std::pow(1.2, 0.9));
  CHECK(std::abs(faster - count / 2) < 5 * std::sqrt(count / 4.0));
}

TEST_CASE("batches: a device gets faces as they are, or resized where that is less") {
  const TemporaryFolder folder;
  const std::int64_t size = 16;
  const auto write = [&](const char* name, int h, int w) {
    std::vector<std::uint8_t> rgb(std::size_t{3} * h * w);
    for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<std::uint8_t>(37 * i);
    write_png(folder / name, h, w, 3, rgb);
    return folder / name;
  };
  std::vector<Pair> pairs(3, Pair{.label = 0, .split = "train"});
  pairs[0].face = write("small.png", 20, 12);
  pairs[1].face = write("just.png", 32, 32);
  pairs[2].face = write("large.png", 33, 32);
  const auto read = [&](Samples::Faces faces, std::size_t cache) {
    BatchPlan plan{&pairs, {0, 1, 2}};
    plan.voices = false;
    plan.device = Device{DeviceType::simt};
    plan.augment_faces = true;
    Samples samples(size, {}, cache, faces);
    return *Batches(samples, plan, 1).next();
  };
  const Batch resized = read(Samples::Faces::resized, 0);
  CHECK_FALSE(resized.face_slots);
  for (const std::size_t cache : {0, 1 << 20}) {
    const Batch slots = read(Samples::Faces::slots, cache);
    CHECK_FALSE(slots.raw.faces);
    const auto* pictures = reinterpret_cast<const SlotPicture*>(slots.face_pictures.view().data);
    CHECK(pictures[0].h == 20);
    CHECK(pictures[0].w == 12);
    CHECK(pictures[1].h == 32);
    CHECK(pictures[2].h == 0);
    // The emulator's kernels make of either the same picture, to rounding: a few operations on
    // numbers of at most 1.
    for (const Device device : {Device{}, Device{DeviceType::simt}}) {
      const Tensor expected = raw_inputs(resized, 1, device).faces.to(Device{});
      const Tensor actual = raw_inputs(slots, 1, device).faces.to(Device{});
      REQUIRE(actual.shape() == Shape{3, size, size, 3});
      for (std::int64_t i = 0; i < actual.numel(); ++i)
        CHECK(std::abs(actual.data<float>()[i] - expected.data<float>()[i]) <= 64 * 0x1p-24);
    }
  }
  // Alone, a face is the same either way.
  Samples whole(size, {}, 0), slots(size, {}, 0, Samples::Faces::slots);
  for (const Pair& pair : pairs) CHECK(*slots.face(pair.face) == *whole.face(pair.face));
}
