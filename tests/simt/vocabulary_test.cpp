/// The words of the dialect do what CUDA's do.
#include "tests/simt/vocabulary.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <thread>

#include "kernels/simt/emulator.h"
#include "tests/simt/device_array.h"
#include "tests/simt/faulty.h"
#include "tests/simt/flavour.h"

using namespace duet;
using namespace duet::test;

TEST_CASE("warp operations") {
  const DeviceArray<int> table(15 * 32);
  warp_operations(simt_stream, table.get());
  const auto values = table.host();
  for (int lane = 0; lane < 32; ++lane) {
    INFO("lane " << lane);
    const auto row = [&](int i) { return values[32 * i + lane]; };
    CHECK(row(0) == 5);
    CHECK(row(1) == (lane + 1) % 32);
    CHECK(row(2) == lane / 8 * 8 + 1);
    CHECK(row(3) == (lane < 3 ? lane : lane - 3));
    CHECK(row(4) == (lane % 16 < 3 ? lane : lane - 3));
    CHECK(row(5) == (lane > 28 ? lane : lane + 3));
    CHECK(row(6) == (lane % 16 > 12 ? lane : lane + 3));
    CHECK(row(7) == (lane ^ 9));
    // A segment reads from the ones below it, not from those above.
    CHECK(row(8) == ((lane ^ 9) / 8 > lane / 8 ? lane : lane ^ 9));
    CHECK(row(9) == 0x49249249);
    CHECK(row(10) == 1);
    CHECK(row(11) == 2);
    CHECK(row(12) == 1);
    CHECK(row(13) == 2 * (lane ^ 1) + 1);
    CHECK(row(14) == (lane < 16 ? 120 : 376));
  }
}

TEST_CASE("votes of a block with a partial warp, in three dimensions") {
  const DeviceArray<int> out(42);
  block_operations(simt_stream, out.get());
  const auto values = out.host();
  for (int t = 0; t < 40; ++t) CHECK(values[t] == t / 4 * 16 + 6);
  CHECK(values[40] == 8);
  CHECK(values[41] == 1 + 4);
}

TEST_CASE("each block of a grid runs once") {
  for (const auto [x, y, z] : {std::array{1, 1, 1}, {7, 1, 1}, {5, 4, 3}, {64, 2, 1}}) {
    const auto blocks = static_cast<std::size_t>(x * y * z);
    const DeviceArray<unsigned> seen(std::vector<unsigned>(blocks, 0));
    visit_blocks(simt_stream, seen.get(), x, y, z);
    CHECK(seen.host() == std::vector<unsigned>(blocks, 6));
  }
}

TEST_CASE("lanes that have returned are not waited for") {
  const DeviceArray<int> out(32);
  leave_one_by_one(simt_stream, out.get());
  const auto values = out.host();
  // The last vote of lane i is taken when lanes 0 … i-1 have gone.
  for (int lane = 1; lane < 32; ++lane) CHECK(values[lane] == 32 - lane);
}

TEST_CASE("atomics") {
  const DeviceArray<float> f(std::vector<float>{0});
  const DeviceArray<double> d(std::vector<double>{0});
  const DeviceArray<unsigned long long> wide(std::vector<unsigned long long>{1});
  const DeviceArray<int> i(std::vector<int>{10, -1, 1000, 0, 0});
  const DeviceArray<unsigned> u(std::vector<unsigned>{0, ~0u, 0});
  atomics(simt_stream, f.get(), d.get(), wide.get(), i.get(), u.get());
  CHECK(f.host()[0] == 48.0f);
  CHECK(d.host()[0] == 24.0);
  CHECK(wide.host()[0] == 1 + (96ull << 33));
  CHECK(i.host() == std::vector<int>{-86, 47, 0, -192, 7});
  CHECK(u.host() == std::vector<unsigned>{~0u, 0, 0x423c0000u});  // 47.0f
}

TEST_CASE("bits and arithmetic") {
  const DeviceArray<float> out(15);
  arithmetic(simt_stream, out.get());
  CHECK(out.host() ==
        std::vector<float>{0.5f, 10, 8, 31, 4, 7, 3, 1, 3, 4, 1, 1, 1.015625f, 1.0009765625f, 1});
}

TEST_CASE("ldmatrix hands out the fragments of the matrix instructions") {
  const DeviceArray<unsigned> registers(256);
  matrices(simt_stream, registers.get());
  const auto got = registers.host();
  for (unsigned i = 0; i < 4; ++i)
    for (unsigned lane = 0; lane < 32; ++lane) {
      const unsigned g = lane / 4, t = lane % 4;
      const auto at = [&](unsigned row, unsigned column) { return 64 * i + 8 * row + column; };
      CHECK(got[32 * i + lane] == (at(g, 2 * t) | at(g, 2 * t + 1) << 16));
      CHECK(got[32 * (4 + i) + lane] == (at(2 * t, g) | at(2 * t + 1, g) << 16));
    }
}

TEST_CASE("copies by cp.async arrive at their wait") {
  auto values = std::vector<float>(384);
  std::iota(values.begin(), values.end(), 1.0f);
  const DeviceArray<float> from(values), to(96);
  copies(simt_stream, from.get(), to.get());
  const auto got = to.host();
  for (int t = 0; t < 32; ++t) {
    CHECK(got[t] == (t % 2 == 0 ? values[4 * t] : 0));
    CHECK(std::isnan(got[32 + t]));
    CHECK(got[64 + t] == values[256 + 4 * t + 3]);
  }
}

TEST_CASE("a row's name and device") {
  CHECK(std::string(row_name()) == "simt.naive");
  CHECK(row_device() == DeviceType::simt);
  CHECK(std::string(to_string(row_device())) == "simt");
}

TEST_CASE("one seed gives one order, another seed another") {
  const auto order_of = [](std::uint64_t seed) {
    const DeviceArray<unsigned> counter(std::vector<unsigned>{0}), tickets(3 * 64 * 2);
    simt::set_seed(seed);
    draw_tickets(simt_stream, counter.get(), tickets.get());
    return tickets.host();
  };
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    CHECK(order_of(seed) == order_of(seed));
    CHECK(order_of(seed) != order_of(seed + 1));
  }
  // Two launches under one seed differ too.
  const DeviceArray<unsigned> counter(std::vector<unsigned>{0}), tickets(3 * 64 * 2);
  simt::set_seed(1);
  draw_tickets(simt_stream, counter.get(), tickets.get());
  const auto first = tickets.host();
  simt::fill(counter.get(), 0, sizeof(unsigned));
  draw_tickets(simt_stream, counter.get(), tickets.get());
  CHECK(first != tickets.host());
}

TEST_CASE("several threads of the host may launch") {
  constexpr int launches = 20;
  const DeviceArray<unsigned> a(std::vector<unsigned>(4, 0)), b(std::vector<unsigned>(4, 0));
  std::thread other([&] {
    for (int i = 0; i < launches; ++i) visit_blocks(simt_stream, a.get(), 4, 1, 1);
  });
  for (int i = 0; i < launches; ++i) visit_blocks(simt_stream, b.get(), 4, 1, 1);
  other.join();
  CHECK(a.host() == std::vector<unsigned>(4, 6 * launches));
  CHECK(b.host() == std::vector<unsigned>(4, 6 * launches));
}
