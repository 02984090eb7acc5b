/// Copies beside the computation: what arrives, and that what is forgotten shows on the emulated
/// device.

#include "engine/staging.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "engine/ops/unary.h"
#include "kernels/simt/memory.h"
#include "tests/rows_under_test.h"

using namespace duet;

namespace {

constexpr Device simt_device{DeviceType::simt, 0};

Tensor counting(const Shape& shape, float first) {
  const Tensor t = Tensor::empty(shape);
  for (std::int64_t i = 0; i < t.numel(); ++i) t.data<float>()[i] = first + static_cast<float>(i);
  return t;
}

bool same(const Tensor& a, const Tensor& b) {
  const Tensor x = a.to(Device{}), y = b.to(Device{});
  return x.shape() == y.shape() && x.dtype() == y.dtype() &&
         std::memcmp(x.view().data, y.view().data, x.numel() * size_of(x.dtype())) == 0;
}

/// A copy of eight floats on its way, without the care that Staging takes.
struct Copy {
  static constexpr std::size_t bytes = 8 * sizeof(float);

  Copy() {
    check_device_call("", simt_device, api.allocate_host(0, bytes, &pinned));
    std::memcpy(pinned, counting({8}, 1).view().data, bytes);
  }
  ~Copy() {
    landed.synchronize();
    api.release_host(0, pinned);
  }
  void queue() {
    check_device_call("copy", simt_device,
                      api.copy_later(device_stream(simt_device, StreamKind::copies),
                                     target.view().data, pinned, bytes));
    landed.record(StreamKind::copies);
  }
  double first_doubled() const { return affine(target, 2, 0).to(Device{}).data<float>()[0]; }

  const DeviceApi& api = device_api(DeviceType::simt);
  void* pinned = nullptr;
  // From the system, not from the pool, where another test may have used it.
  Tensor target = Tensor::empty({8}, DType::f32, simt_device);
  Event landed{simt_device}, used{simt_device};
};

}  // namespace

TEST_CASE("staging: what is put arrives, at the same addresses for the same shapes") {
  for (const Device device : test::devices()) {
    CAPTURE(to_string(device.type));
    Staging staging(device);
    const void* first_address = nullptr;
    for (int round = 0; round < 4; ++round) {
      const float base = 100.0f * static_cast<float>(round);
      // The third is smaller, as the last batch of an epoch.
      const std::int64_t n = round == 2 ? 3 : 5;
      const std::vector<Tensor> batch = {
          counting({n, 7}, base), {}, Tensor::full({n}, round, DType::i32), counting({n}, -base)};
      staging.put(batch);
      const std::vector<Tensor> there = staging.take();
      REQUIRE(there.size() == 4);
      for (const std::size_t i : {0, 2, 3}) {
        CHECK(there[i].device() == device);
        CHECK(same(there[i], batch[i]));
      }
      CHECK(!there[1]);
      if (device == Device{}) continue;
      if (round == 0) first_address = there[0].view().data;
      CHECK((there[0].view().data == first_address) == (n == 5));
    }
  }
}

TEST_CASE("staging: the next batch may be put while the one before is in use") {
  for (const Device device : test::accelerators()) {
    CAPTURE(to_string(device.type));
    Staging staging(device);
    staging.put({counting({6}, 1)});
    const Tensor one = staging.take()[0];
    staging.put({counting({6}, 50)});
    CHECK(same(one, counting({6}, 1)));
    CHECK(same(affine(one, 2, 0), affine(counting({6}, 1), 2, 0)));
    CHECK(same(staging.take()[0], counting({6}, 50)));
  }
}

TEST_CASE("staging: a batch larger than those before") {
  for (const Device device : test::accelerators()) {
    CAPTURE(to_string(device.type));
    Staging staging(device);
    for (const std::int64_t n : {2, 3000, 5}) {
      staging.put({counting({n}, 1)});
      CHECK(same(staging.take()[0], counting({n}, 1)));
    }
  }
}

TEST_CASE("simt: a copy that was not waited for reads as NaN") {
  Copy copy;
  copy.used.record(StreamKind::compute);
  copy.used.hold_up(StreamKind::copies);
  copy.queue();
  CHECK(std::isnan(copy.first_doubled()));
  copy.landed.hold_up(StreamKind::compute);
  CHECK(copy.first_doubled() == 2);
}

TEST_CASE("simt: a copy brings what pinned memory holds when it is made") {
  Copy copy;
  copy.used.record(StreamKind::compute);
  copy.used.hold_up(StreamKind::copies);
  copy.queue();
  static_cast<float*>(copy.pinned)[0] = 7;  // too early
  copy.landed.hold_up(StreamKind::compute);
  CHECK(copy.first_doubled() == 14);
}

TEST_CASE("simt: a copy over what a kernel may be reading is refused") {
  Copy copy;
  copy.target.fill(1);
  CHECK(copy.first_doubled() == 2);
  CHECK_THROWS_WITH_AS(copy.queue(), doctest::Contains("which the compute stream may be using"),
                       Error);
  // An event from before the use is not enough.
  copy.used.record(StreamKind::compute);
  CHECK(copy.first_doubled() == 2);
  copy.used.hold_up(StreamKind::copies);
  CHECK_THROWS_AS(copy.queue(), Error);
  copy.used.record(StreamKind::compute);
  copy.used.hold_up(StreamKind::copies);
  copy.queue();
  copy.landed.hold_up(StreamKind::compute);
  CHECK(copy.first_doubled() == 2);
}

TEST_CASE("event: time passes between two") {
  for (const Device device : test::accelerators()) {
    CAPTURE(to_string(device.type));
    Event begin(device), end(device);
    begin.record(StreamKind::compute);
    affine(Tensor::zeros({1000}, DType::f32, device), 2, 1);
    end.record(StreamKind::compute);
    end.synchronize();
    CHECK(end.milliseconds_since(begin) > 0);
    CHECK(begin.milliseconds_since(end) < 0);
  }
}

TEST_CASE("readback: tensors of several types come back together") {
  const std::vector<Tensor> tensors = {counting({3, 2}, 1), Tensor::full({}, 0.5, DType::f64),
                                       Tensor::full({5}, 3, DType::u8)};
  for (const Device device : test::devices()) {
    std::vector<Tensor> there;
    for (const Tensor& t : tensors) there.push_back(t.to(device));
    const std::vector<Tensor> back = Readback(there).read();
    REQUIRE(back.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(back[i].device() == Device{});
      CHECK(same(back[i], tensors[i]));
    }
  }
}
