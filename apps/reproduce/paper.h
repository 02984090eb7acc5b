#pragma once
/// What the paper reports (Shahzad et al. 2023), cell by cell.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace duet {

/// A percentage as it is printed.
struct Printed {
  double percent = 0;
  int decimals = 2;
};

/// Whether some count of `n` gives this percentage: 100 k / n, rounded to the printed decimals.
bool is_share_of(const Printed& printed, std::int64_t n);

struct PaperCell {
  std::string table;  ///< "Table 4"
  std::string what;
  Printed printed;
  /// How many of the 1155 test faces the figure is a share of; 0 where the paper does not say.
  std::int64_t n = 0;
  /// The voices beside the faces: "TESS", "CREMA-D" or none.
  std::string voices;
  /// Our experiment, and what of it: "accuracy", or the class whose recall it is.
  std::string experiment, figure = "accuracy";
  /// Why the figure is not about the same question as ours; empty where it is.
  std::string incomparable = {};
};

/// Test faces of the paper's M-LFW-FER (its Table 1), in all and of each class.
inline constexpr std::int64_t paper_test = 1155, paper_test_negative = 95, paper_test_neutral = 416,
                              paper_test_positive = 644;

const std::vector<PaperCell>& paper_cells();

}  // namespace duet
