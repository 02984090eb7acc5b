#include "apps/train/batches.h"

#include <doctest/doctest.h>

#include <cmath>

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

TEST_CASE("batches: without modality dropout nothing is said of it") {
  const std::vector<Pair> pairs(3, Pair{.label = 0, .split = "train"});
  BatchPlan plan{&pairs, {0, 1, 2}};
  plan.faces = plan.voices = false;
  Samples samples(16, {}, 0);
  const std::optional<Batch> batch = Batches(samples, plan, 1).next();
  REQUIRE(batch.has_value());
  CHECK_FALSE(batch->raw.presence.face);
  CHECK_FALSE(batch->raw.presence.voice);
}
