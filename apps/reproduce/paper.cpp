#include "apps/reproduce/paper.h"

#include <cmath>

namespace duet {

bool is_share_of(const Printed& printed, std::int64_t n) {
  const double scale = std::pow(10.0, printed.decimals);
  const auto wanted = std::llround(printed.percent * scale);
  const auto near = static_cast<std::int64_t>(printed.percent / 100 * static_cast<double>(n));
  for (std::int64_t k = std::max<std::int64_t>(0, near - 1); k <= std::min(n, near + 2); ++k)
    if (std::llround(100.0 * static_cast<double>(k) / static_cast<double>(n) * scale) == wanted)
      return true;
  return false;
}

const std::vector<PaperCell>& paper_cells() {
  static const std::string another_network = "another network";
  static const std::vector<PaperCell> cells = {
      {"Table 2", "faces alone, VGG-16", {55.6, 1}, paper_test, "", "paper-face"},
      {"Table 2",
       "faces alone, ResNet-50",
       {56.8, 1},
       paper_test,
       "",
       "paper-face",
       "accuracy",
       another_network},
      {"Table 2",
       "faces alone, EfficientNetV2M",
       {49, 0},
       paper_test,
       "",
       "paper-face",
       "accuracy",
       another_network},
      {"Table 3",
       "voices alone, TESS",
       {97.15, 2},
       0,
       "TESS",
       "paper-voice-tess",
       "accuracy",
       "quoted from another work, with all seven emotions of TESS"},
      {"Table 3",
       "voices alone, CREMA-D",
       {55.01, 2},
       0,
       "CREMA-D",
       "paper-voice-many",
       "accuracy",
       "quoted from another work, with all six emotions of CREMA-D"},
      {"Table 4", "fused with TESS", {99.92, 2}, paper_test, "TESS", "paper-tess"},
      {"Table 4", "fused with CREMA-D", {75.67, 2}, paper_test, "CREMA-D", "paper-both"},
      {"Figure 6", "neither L2 nor dropout", {68.48, 2}, paper_test, "CREMA-D", "paper-none"},
      {"Figure 6", "L2", {71.34, 2}, paper_test, "CREMA-D", "paper-l2"},
      {"Figure 6", "dropout", {71.60, 2}, paper_test, "CREMA-D", "paper-dropout"},
      {"Figure 6", "L2 and dropout", {75.67, 2}, paper_test, "CREMA-D", "paper-both"},
      {"Per class",
       "positive, fused",
       {81.64, 2},
       paper_test_positive,
       "CREMA-D",
       "paper-both",
       "positive"},
      {"Per class",
       "neutral, fused",
       {70.78, 2},
       paper_test_neutral,
       "CREMA-D",
       "paper-both",
       "neutral"},
      {"Per class",
       "negative, fused",
       {63.79, 2},
       paper_test_negative,
       "CREMA-D",
       "paper-both",
       "negative"},
  };
  return cells;
}

}  // namespace duet
