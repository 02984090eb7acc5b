#include "engine/tensor.h"

#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/ops/unary.h"

using namespace duet;

TEST_CASE("tensor: making one") {
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.dim(-1) == 3);
  CHECK(x.numel() == 6);
  CHECK(x.dtype() == DType::f32);
  CHECK(x.span<float>()[4] == 5);
  for (const DType dtype : {DType::f32, DType::f64, DType::i32, DType::u8}) {
    CHECK(Tensor::zeros({1}, dtype).item() == 0);
    CHECK(Tensor::full({}, 7, dtype).item() == 7);
    CHECK(Tensor::full({3}, 7, dtype).dtype() == dtype);
  }
  CHECK(Tensor::empty({2, 0, 3}).numel() == 0);
  CHECK_FALSE(Tensor());
  CHECK_FALSE(Tensor().requires_grad());
  CHECK(Tensor().view().data == nullptr);
}

TEST_CASE("tensor: memory is aligned for vector loads") {
  for (const std::int64_t count : {0, 1, 17, 1000, 1 << 20})
    CHECK(reinterpret_cast<std::uintptr_t>(Tensor::empty({count}).view().data) % 64 == 0);
}

TEST_CASE("tensor: a copied handle and an alias share elements, a clone does not") {
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4}, {4});
  const Tensor same = x, seen = x.alias({2, 2}), own = x.clone();
  x.data<float>()[3] = 9;
  CHECK(same.span<float>()[3] == 9);
  CHECK(seen.shape() == Shape{2, 2});
  CHECK(seen.span<float>()[3] == 9);
  CHECK(own.span<float>()[3] == 4);
}

TEST_CASE("tensor: conversion") {
  const Tensor x = Tensor::from(std::vector<float>{0.5f, -1.25f, 200}, {3});
  CHECK(x.to(DType::f32).view().data == x.view().data);
  const Tensor wide = x.to(DType::f64);
  CHECK(wide.dtype() == DType::f64);
  CHECK(wide.span<double>()[1] == -1.25);
  CHECK(x.to(DType::i32).span<std::int32_t>()[2] == 200);
  CHECK(Tensor::full({2}, 250, DType::u8).to(DType::f64).span<double>()[1] == 250);
}

TEST_CASE("tensor: bf16 is rounded to nearest, ties to even") {
  // 8 bits of significand: steps of 1/128 above 1, so that 1/256 and 3/256 lie half-way.
  const Tensor x =
      Tensor::from(std::vector<double>{-2.5, 1 + 1.0 / 256, 1 + 3.0 / 256, 3e38, 0}, {5});
  const Tensor back = x.to(DType::bf16).to(DType::f64);
  const std::vector<double> expected{-2.5, 1, 1 + 4.0 / 256, 3e38, 0};
  for (int i = 0; i < 5; ++i)
    CHECK(back.data<double>()[i] == doctest::Approx(expected[i]).epsilon(1.0 / 256));
  CHECK(back.data<double>()[1] == 1);
  CHECK(back.data<double>()[2] == 1 + 4.0 / 256);
  CHECK(x.to(DType::bf16).to(DType::i32).data<std::int32_t>()[0] == -2);
}

TEST_CASE("tensor: copying and filling in place") {
  const Tensor x = Tensor::zeros({2, 2}, DType::f64);
  x.fill(0.1);
  CHECK(x.span<double>()[3] == 0.1);
  x.copy_from(Tensor::from(std::vector<double>{1, 2, 3, 4}, {2, 2}));
  CHECK(x.span<double>()[2] == 3);
}

TEST_CASE("tensor: errors name the values at fault") {
  const Tensor x = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(x.alias({4}), "[tensor] shape (2, 3) cannot be seen as (4)", Error);
  CHECK_THROWS_WITH_AS(x.item(), "[tensor] item() is for one element, this has 6", Error);
  CHECK_THROWS_AS(Tensor().item(), Error);
  CHECK_THROWS_WITH_AS(x.data<double>(), "[view] elements are f32, not f64", Error);
  CHECK_THROWS_WITH_AS(x.copy_from(Tensor::zeros({2, 3}, DType::f64)),
                       "[tensor] cannot copy f64 (2, 3) into f32 (2, 3)", Error);
  CHECK_THROWS_AS(x.copy_from(Tensor::zeros({3, 2})), Error);
  CHECK_THROWS_WITH_AS(Tensor::from(std::vector<float>{1, 2}, {3}),
                       "[tensor] 2 values do not fill shape (3)", Error);
  CHECK_THROWS_WITH_AS(Tensor::empty({2, -1}), "[shape] extent 1 is negative: -1", Error);
  CHECK_THROWS_WITH_AS(Tensor::empty({1, 1, 1, 1, 1, 1, 1}),
                       "[shape] 7 dimensions, at most 6 are supported", Error);
}

TEST_CASE("tensor: what was computed cannot be marked as a leaf, its detached twin can") {
  Tensor x = Tensor::zeros({2});
  x.set_requires_grad();
  Tensor y = square(x);
  CHECK(y.requires_grad());
  CHECK_THROWS_AS(y.set_requires_grad(), Error);
  Tensor z = y.detach();
  CHECK_FALSE(z.requires_grad());
  CHECK(z.view().data == y.view().data);
  z.set_requires_grad();
  CHECK(z.requires_grad());
}

TEST_CASE("tensor: a product is multiplied once, by whoever looks at its elements first") {
  int multiplied = 0;
  const auto product = [&] {
    multiplied = 0;
    return Tensor::product_of(Tensor::full({2, 3}, 1), Tensor::full({2, 4}, 1),
                              [&multiplied](const Tensor& p) {
                                ++multiplied;
                                p.fill(2);
                              });
  };
  const Tensor x = product(), same = x;
  CHECK(x.shape() == Shape{3, 4});
  CHECK(x.dtype() == DType::f32);
  CHECK(x.device() == Device{});
  CHECK(x.numel() == 12);
  REQUIRE(x.factors());
  CHECK(x.factors()->left.shape() == Shape{2, 3});
  CHECK(x.factors()->right.shape() == Shape{2, 4});
  CHECK(multiplied == 0);
  CHECK(same.data<float>()[11] == 2);
  CHECK(x.data<float>()[0] == 2);
  CHECK(multiplied == 1);
  CHECK_FALSE(x.factors());
  CHECK_FALSE(Tensor::full({2}, 1).factors());
  CHECK_FALSE(Tensor().factors());

  const Tensor original = product(), seen = original.alias({12});
  CHECK(seen.data<float>()[5] == 2);
  CHECK(original.data<float>() == seen.data<float>());
  CHECK(product().clone().data<float>()[5] == 2);
  CHECK(multiplied == 1);
  CHECK(product().to(DType::f64).data<double>()[5] == 2);
  const Tensor taken = Tensor::full({3, 4}, 1);
  taken.share(product());
  CHECK(taken.data<float>()[5] == 2);
  const Tensor given = product();
  given.share(Tensor::full({3, 4}, 7));
  CHECK(given.data<float>()[5] == 7);
  CHECK(multiplied == 0);

  // A product that could not be made can be asked for again.
  bool fails = true;
  const Tensor late = Tensor::product_of(Tensor::full({2, 3}, 1), Tensor::full({2, 4}, 1),
                                         [&fails](const Tensor& p) {
                                           if (fails) throw Error("not now");
                                           p.fill(2);
                                         });
  CHECK_THROWS_AS(late.view(), Error);
  CHECK(late.device() == Device{});
  fails = false;
  CHECK(late.data<float>()[11] == 2);
  for (const Tensor& wrong : {Tensor::full({3, 4}, 1), Tensor::full({2, 4}, 1, DType::f64),
                              Tensor::full({2, 4, 1}, 1), Tensor::full({2}, 1)})
    CHECK_THROWS_WITH_AS(Tensor::product_of(Tensor::full({2, 3}, 1), wrong, {}),
                         doctest::Contains("[tensor] leftᵀ · right of f32 (2, 3) and"), Error);
}
