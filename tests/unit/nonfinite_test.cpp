#include "kernels/nonfinite/nonfinite.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "tests/row_memory.h"
#include "tests/rows_under_test.h"

using namespace duet;

TEST_CASE_TEMPLATE("nonfinite: every row counts NaN and both infinities, nothing else", T, float,
                   double) {
  using Limits = std::numeric_limits<T>;
  const T odd[] = {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()};
  const T fine[] = {Limits::max(), Limits::lowest(), Limits::denorm_min(), T(-0.0), T(1)};
  int tried = 0;
  for (const NonfiniteRow& row : nonfinite_rows().rows()) {
    if (!row.supports({}, dtype_of<T>)) continue;
    ++tried;
    test::compared("nonfinite", row, dtype_of<T>);
    CAPTURE(row.name);
    for (const std::int64_t count : {0, 1, 7, 1000, 20'001})
      for (const std::int64_t start : {0, 1}) {  // aligned to vectors, and not
        // The elements before and behind those that count are NaN, too.
        std::vector<T> x(start + count + 8, Limits::quiet_NaN());
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
