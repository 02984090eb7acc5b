#include "engine/ops/permute.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "kernels/base/rows.h"

using namespace duet;

TEST_CASE("permute: on the CPU every order of dimensions moves the very elements that ref moves") {
  // The last two are cut into several pieces, unequal ones too.
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{3, 4}, Shape{2, 3, 1, 5}, Shape{0, 3, 2},
                             Shape{41, 30, 53}, Shape{3, 70'001}}) {
    const Tensor x = Tensor::empty(shape);
    std::iota(x.span<float>().begin(), x.span<float>().end(), 0.0f);
    std::vector<int> axes(shape.rank());
    std::iota(axes.begin(), axes.end(), 0);
    do {
      const auto run = [&](const char* row) {
        const ImplScope forced(row);
        return permute(x, axes);
      };
      const Tensor expected = run("permute=ref"), actual = run("permute=cpu");
      REQUIRE(actual.shape() == expected.shape());
      CHECK(std::equal(expected.span<float>().begin(), expected.span<float>().end(),
                       actual.span<float>().begin()));
    } while (std::next_permutation(axes.begin(), axes.end()));
  }
}
