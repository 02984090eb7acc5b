#include "engine/row_times.h"

#include <doctest/doctest.h>

#include "engine/ops/relu.h"

using namespace duet;

TEST_CASE("row times: each call of a row counts while they live, and none after") {
  const Tensor x = Tensor::full({64}, -1);
  CHECK(RowTimes::active() == nullptr);
  {
    RowTimes times;
    CHECK(RowTimes::active() == &times);
    relu(x);
    relu(x);
    std::int64_t calls = 0;
    double seconds = 0;
    for (const auto& [name, entry] : times.entries()) {
      if (!name.starts_with("relu ")) continue;
      calls += entry.calls;
      seconds += entry.seconds;
    }
    CHECK(calls == 2);
    CHECK(seconds > 0);
    times.clear();
    CHECK(times.entries().empty());
  }
  CHECK(RowTimes::active() == nullptr);
  relu(x);
}
