#include "kernels/base/philox.h"

#include <doctest/doctest.h>

#include "kernels/base/philox_vec.h"

using namespace duet;

// The known answers of the authors' own test (Random123, kat_vectors, philox4x32 with 10 rounds).
TEST_CASE("philox: known answers") {
  const Philox zero{0, 0};
  const auto a = zero.block(0);
  CHECK(a.word[0] == 0x6627e8d5u);
  CHECK(a.word[1] == 0xe169c58du);
  CHECK(a.word[2] == 0xbc57ac4cu);
  CHECK(a.word[3] == 0x9b00dbd8u);
  const Philox ones{~0ull, ~0ull};
  const auto b = ones.block(~0ull);
  CHECK(b.word[0] == 0x408f276du);
  CHECK(b.word[1] == 0x41c83b0eu);
  CHECK(b.word[2] == 0xa20bc7c6u);
  CHECK(b.word[3] == 0x6d5451fdu);
}

TEST_CASE("philox: drawn in vectors, the words are the same") {
  for (const Philox philox : {Philox{0, 0}, Philox{~0ull, ~0ull}, Philox{0x123456789abcdef, 77}})
    for (const std::uint64_t first : {0ull, (1ull << 32) - philox_vec_blocks, 5ull << 40}) {
      std::uint32_t words[philox_vec_words];
      philox_words(philox, first, words);
      for (std::uint64_t i = 0; i < philox_vec_words; ++i)
        CHECK(words[i] == philox.word(4 * first + i));
    }
}

TEST_CASE("philox: uniform numbers fill the unit interval and streams differ") {
  const Philox first{7, 1}, second{7, 2};
  double sum = 0;
  int same = 0;
  for (int i = 0; i < 4096; ++i) {
    const float u = first.uniform(i);
    CHECK(u >= 0.0f);
    CHECK(u < 1.0f);
    sum += u;
    same += u == second.uniform(i);
  }
  CHECK(std::abs(sum / 4096 - 0.5) < 0.02);  // four standard deviations: 4 / sqrt(12 · 4096)
  CHECK(same < 4);
}
