#pragma once

namespace duet {

/// Where a figure lies: from `low` to `high`.
struct Interval {
  double low = 0, high = 0;
};

}  // namespace duet
