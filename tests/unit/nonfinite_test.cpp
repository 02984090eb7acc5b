#include "kernels/nonfinite/nonfinite.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "tests/row_memory.h"
#include "tests/rows_under_test.h"

using namespace duet;

TEST_CASE_TEMPLATE("nonfinite: every row counts NaN and both infinities, nothing else", T, float,
                   double, bf16) {
  // Of bf16 the largest number is 2^128 − 2^120; those of float round to infinity.
  using W = Wide<T>;
  using Limits = std::numeric_limits<W>;
  const W largest = std::is_same_v<T, bf16> ? W(0x1.fep127) : Limits::max();
  const T odd[] = {T(Limits::quiet_NaN()), T(Limits::infinity()), T(-Limits::infinity())};
  const T fine[] = {T(largest), T(-largest), T(Limits::min()), T(W(-0.0)), T(W(1))};
  int tried = 0;
  for (const NonfiniteRow& row : nonfinite_rows().rows()) {
    if (!row.supports({}, dtype_of<T>)) continue;
    ++tried;
    test::compared("nonfinite", row, dtype_of<T>);
    CAPTURE(row.name);
    for (const std::int64_t count : {0, 1, 7, 1000, 20'001})
      for (const std::int64_t start : {0, 1}) {  // aligned to vectors, and not
        // The elements before and behind those that count are NaN, too.
        std::vector<T> x(start + count + 8, odd[0]);
        std::int32_t expected = 0;
        for (std::int64_t i = 0; i < count; ++i) {
          const bool bad = i % 5 == 3 || i + 1 == count;
          expected += bad;
          x[start + i] = bad ? odd[i % 3] : fine[i % 5];
        }
        RowMemory memory(row);
        Exec exec = memory.exec();
        auto* y = memory.allocate_array<std::int32_t>(1);
        row.forward(exec, {count}, {memory.put(x) + start, {count}, dtype_of<T>},
                    {y, {}, DType::i32});
        CHECK(memory.get(y, 1)[0] == expected);
      }
  }
  CHECK(tried >= 2);
}
