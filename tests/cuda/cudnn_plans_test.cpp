/// cuDNN finds plans for every convolution of the network on an H100, which need not be there.

#include <doctest/doctest.h>

#include "apps/cli/config.h"
#include "kernels/base/precision.h"
#include "kernels/conv2d/conv2d.h"
#include "tests/plugin.h"
#include "tests/skip.h"

using namespace duet;
using namespace duet::test;

namespace {

/// The convolutions of a training with a preset: two 3 × 3 in each of the four blocks, of colour
/// pictures and of spectrograms.
std::vector<Conv2dParams> convolutions(const std::string& preset) {
  const Config config = resolve({}, {{"preset", preset}});
  std::vector<Conv2dParams> all;
  for (const std::int64_t first : {3, 1})
    for (std::size_t block = 0; block < config.widths.size(); ++block) {
      const std::int64_t side = config.size >> block, out = config.widths[block];
      const std::int64_t in = block == 0 ? first : config.widths[block - 1];
      for (const std::int64_t channels : {in, out})
        all.push_back({config.batch_size, side, side, channels, out, 3, 3, 1, 1, 1, 1});
    }
  return all;
}

const Conv2dRow* cudnn_row() {
  for (const auto& [op, row] : plugin_rows())
    if (op == "conv2d" && row->kind == RowKind::library) return static_cast<const Conv2dRow*>(row);
  return nullptr;
}

}  // namespace

TEST_CASE("cuDNN: a plan on an H100 for every convolution of the presets, in every direction") {
  const Conv2dRow* const cudnn = cudnn_row();
  if (!cudnn) return skip("the CUDA plugin is not built, or without cuDNN");
  int planned = 0;
  with_absent_h100([&] {
    for (const char* preset : {"tiny", "small", "paper-64", "paper"})
      for (const Conv2dParams& p : convolutions(preset)) {
        // The row says yes when forward, with and without a bias, and both backwards have a plan.
        const Support support = cudnn->supports(p, DType::f32);
        CHECK_MESSAGE(support.supported, fmt::format("{}: {}", describe(p), support.reason));
        ++planned;
      }
    CHECK_FALSE(cudnn->supports(convolutions("tiny").front(), DType::f64).supported);
  });
  CHECK(planned == 4 * 2 * 8);
}

TEST_CASE("cuDNN: plans on an H100 in TF32 and bf16") {
  const Conv2dRow* const cudnn = cudnn_row();
  if (!cudnn) return skip("the CUDA plugin is not built, or without cuDNN");
  int planned = 0;
  with_absent_h100([&] {
    for (Conv2dParams p : convolutions("small"))
      for (const Precision precision : {Precision::tf32, Precision::bf16}) {
        p.tf32 = precision == Precision::tf32;
        const Support support =
            cudnn->supports(p, precision == Precision::bf16 ? DType::bf16 : DType::f32);
        CHECK_MESSAGE(support.supported,
                      fmt::format("{} {}: {}", describe(p), to_string(precision), support.reason));
        ++planned;
      }
  });
  CHECK(planned == 2 * 2 * 8);
}
