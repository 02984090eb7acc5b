#pragma once
/// A confusion matrix as people look at it.

#include <array>
#include <cstdint>

#include "apps/data/label.h"
#include "apps/data/picture.h"

namespace duet {

/// counts[truth][answer]: a row of cells for each class, as dark as the cell's share of its row,
/// with the counts in them.
Picture confusion_picture(
    const std::array<std::array<std::int64_t, class_count>, class_count>& counts);

}  // namespace duet
