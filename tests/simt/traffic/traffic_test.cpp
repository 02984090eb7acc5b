/// What the emulator counts of accesses whose pattern is known: the figures are those that the
/// rules of sectors and banks give by hand.
#include "kernels/simt/traffic.h"

#include <doctest/doctest.h>

#include <numeric>

#include "tests/simt/device_array.h"
#include "tests/simt/traffic/patterns.h"

using namespace duet;
using namespace duet::test;
using simt::Access;
using simt::AccessPlace;
using simt::KernelTraffic;
using simt::Space;

namespace {

template <class P>
KernelTraffic traffic_of(P pattern) {
  const DeviceArray<float> x(std::vector<float>(1024, 1.0f)), y(std::vector<float>(1024, 0.0f));
  simt::take_traffic();
  run(pattern, simt_stream, x.get(), y.get());
  const std::vector<KernelTraffic> all = simt::take_traffic();
  REQUIRE(all.size() == 1);
  CHECK(all[0].launches == 1);
  return all[0];
}

/// The sum over the places of one kind.
AccessPlace total(const KernelTraffic& traffic, Space space, Access access) {
  AccessPlace sum{nullptr, space, access, 0, 0, 0, 0, 0};
  for (const AccessPlace& place : traffic.places)
    if (place.space == space && place.access == access) {
      sum.bytes = std::max(sum.bytes, place.bytes);
      sum.requests += place.requests;
      sum.lanes += place.lanes;
      sum.units += place.units;
      sum.least_units += place.least_units;
    }
  return sum;
}

void check(const AccessPlace& place, unsigned bytes, std::uint64_t requests, std::uint64_t units,
           std::uint64_t least_units) {
  CHECK(place.bytes == bytes);
  CHECK(place.requests == requests);
  CHECK(place.units == units);
  CHECK(place.least_units == least_units);
}

AccessPlace loads(Pattern pattern) {
  return total(traffic_of(pattern), Space::device, Access::load);
}

/// Of the pattern alone: without the filling of the tile, which all have, and which is stores.
AccessPlace shared_loads(SharedPattern pattern) {
  return total(traffic_of(pattern), Space::shared, Access::load);
}

constexpr std::uint64_t warps = pattern_warps;

}  // namespace

TEST_CASE("traffic: sectors of device memory") {
  check(loads(Pattern::neighbours), 4, warps, 4 * warps, 4 * warps);
  check(loads(Pattern::stride_two), 4, warps, 8 * warps, 4 * warps);
  check(loads(Pattern::shifted), 4, warps, 5 * warps, 4 * warps);
  check(loads(Pattern::one_place), 4, warps, warps, warps);
  check(loads(Pattern::packets), 16, warps, 16 * warps, 16 * warps);
  // Each of the four requests touches all sixteen sectors.
  check(loads(Pattern::scalars), 4, 4 * warps, 64 * warps, 16 * warps);
}

TEST_CASE("traffic: bytes that a launch must move are counted once") {
  constexpr std::uint64_t bytes = pattern_blocks * pattern_threads * sizeof(float);
  const KernelTraffic twice = traffic_of(Pattern::twice);
  CHECK(twice.loaded == bytes);
  CHECK(twice.stored == bytes);
  check(total(twice, Space::device, Access::load), 4, 2 * warps, 8 * warps, 8 * warps);
  const KernelTraffic scalars = traffic_of(Pattern::scalars);
  CHECK(scalars.loaded == 4 * bytes);
  CHECK(scalars.stored == 4 * bytes);
}

TEST_CASE("traffic: rounds of a loop that lanes leave at different times") {
  const AccessPlace place = loads(Pattern::loops);
  CHECK(place.requests == 4 * warps);
  CHECK(place.lanes == warps * 8 * (1 + 2 + 3 + 4));
  // Lanes 3, 7, …, 31 alone are in the fourth round: still every sector.
  CHECK(place.units == 4 * 4 * warps);
  CHECK(place.least_units == (4 + 3 + 2 + 1) * warps);
}

TEST_CASE("traffic: atomics load and store") {
  const KernelTraffic traffic = traffic_of(Pattern::atomics);
  const AccessPlace place = total(traffic, Space::device, Access::atomic);
  CHECK(place.requests == warps);
  CHECK(place.lanes == 32 * warps);
  CHECK(traffic.loaded == 32);
  CHECK(traffic.stored == 32);
}

TEST_CASE("traffic: conflicts in the banks of shared memory") {
  check(shared_loads(SharedPattern::column), 4, warps, 32 * warps, warps);
  check(shared_loads(SharedPattern::padded_column), 4, warps, warps, warps);
  check(shared_loads(SharedPattern::pairs), 8, warps, 2 * warps, 2 * warps);
  check(shared_loads(SharedPattern::packets), 16, warps, 4 * warps, 4 * warps);
  check(shared_loads(SharedPattern::far_packets), 16, warps, 8 * warps, 4 * warps);
  // Eight rows of 16 bytes in a turn: 32 bytes apart they are in four banks' quarters, twice; 48
  // bytes apart (3 · 16, and 3 has no factor in common with 8) in all.
  check(shared_loads(SharedPattern::rows_of_32), 16, warps, 8 * warps, 4 * warps);
  check(shared_loads(SharedPattern::rows_of_48), 16, warps, 4 * warps, 4 * warps);
}

TEST_CASE("traffic: an asynchronous copy loads and stores 16 bytes") {
  const KernelTraffic traffic = traffic_of(SharedPattern::copies);
  check(total(traffic, Space::device, Access::load), 16, warps, 16 * warps, 16 * warps);
  int found = 0;
  for (const AccessPlace& place : traffic.places)
    if (place.space == Space::shared && place.access == Access::store && place.bytes == 16) {
      ++found;
      check(place, 16, warps, 4 * warps, 4 * warps);
    }
  CHECK(found == 1);
}
