#pragma once
/// The extents of a dense row-major array, at most six dimensions.

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "kernels/base/error.h"

namespace duet {

class Shape {
 public:
  static constexpr int max_rank = 6;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents)
      : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}
  explicit Shape(std::span<const std::int64_t> extents) : rank_(static_cast<int>(extents.size())) {
    require(rank_ <= max_rank, "[shape] {} dimensions, at most {} are supported", rank_, max_rank);
    for (int i = 0; i < rank_; ++i) {
      require(extents[i] >= 0, "[shape] extent {} is negative: {}", i, extents[i]);
      extents_[i] = extents[i];
    }
  }

  int rank() const { return rank_; }
  /// Extent of a dimension; negative indices count from the back.
  std::int64_t operator[](int i) const { return extents_[i < 0 ? i + rank_ : i]; }
  std::int64_t numel() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= extents_[i];
    return n;
  }
  const std::int64_t* begin() const { return extents_.data(); }
  const std::int64_t* end() const { return extents_.data() + rank_; }
  bool operator==(const Shape& other) const {
    return rank_ == other.rank_ && std::equal(begin(), end(), other.begin());
  }

  /// This shape with one extent replaced.
  Shape with(int i, std::int64_t extent) const {
    Shape result = *this;
    result.extents_[i < 0 ? i + rank_ : i] = extent;
    return result;
  }

 private:
  std::array<std::int64_t, max_rank> extents_{};
  int rank_ = 0;
};

/// "(32, 64, 64, 3)"
inline std::string to_string(const Shape& shape) {
  return fmt::format("({})", fmt::join(shape.begin(), shape.end(), ", "));
}

}  // namespace duet
