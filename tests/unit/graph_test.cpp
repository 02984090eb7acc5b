/// Work that is captured and done again: on the emulated device, whose strictness some cases are
/// about, and on a GPU where there is one.

#include "engine/graph.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "engine/adam.h"
#include "engine/ops/binary.h"
#include "engine/ops/dropout.h"
#include "engine/ops/relu.h"
#include "engine/ops/unary.h"
#include "engine/random.h"
#include "engine/staging.h"
#include "kernels/relu/relu.h"
#include "tests/rows_under_test.h"

using namespace duet;

namespace {

constexpr Device simt_device{DeviceType::simt, 0};

Tensor on(Device device, const std::vector<float>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())}, device);
}

std::vector<float> values_of(const Tensor& t) {
  const Tensor host = t.to(Device{});
  const std::span<const float> values = host.span<float>();
  return {values.begin(), values.end()};
}

/// `value` in the device's memory.
template <class T>
Tensor struct_on(Device device, const T& value) {
  const Tensor bytes = Tensor::empty({sizeof value}, DType::u8);
  std::memcpy(bytes.view().data, &value, sizeof value);
  return bytes.to(device);
}

}  // namespace

TEST_CASE("graph: nothing runs at capture, and each launch takes what the memory then holds") {
  for (const Device device : test::accelerators()) {
    CAPTURE(to_string(device.type));
    const Tensor x = on(device, {1, 2, 3});
    const Tensor y = Tensor::zeros({3}, DType::f32, device);
    Graph graph(device, [&] { y.copy_from(add(affine(x, 2, 0), y)); });
    CHECK(values_of(y) == std::vector<float>{0, 0, 0});
    graph.launch();
    CHECK(values_of(y) == std::vector<float>{2, 4, 6});
    x.copy_from(on(device, {10, 0, -1}));
    graph.launch();
    CHECK(values_of(y) == std::vector<float>{22, 4, 4});
  }
}

TEST_CASE("graph: what a kernel was launched with is kept, though the host's copies are gone") {
  for (const Device device : test::accelerators()) {
    CAPTURE(to_string(device.type));
    const Tensor sum = Tensor::empty({}, DType::f64, device), x = on(device, {3, 4});
    // The table of arrays, which ends with the call, travels as a kernel's argument.
    Graph graph(device, [&] { sum.copy_from(sum_of_squares({x})); });
    graph.launch();
    CHECK(sum.item() == 25);
    x.copy_from(on(device, {1, 1}));
    graph.launch();
    CHECK(sum.item() == 2);
  }
}

TEST_CASE("graph: what needs a result is refused while it is captured, and the device goes on") {
  const Tensor x = on(simt_device, {1, 2});
  Event event(simt_device);
  Readback gathered({x});
  const std::vector<std::pair<const char*, std::function<void()>>> refused = {
      {"a copy to or from the host", [&] { x.to(Device{}); }},
      {"a copy to or from the host", [&] { x.copy_from(Tensor::zeros({2})); }},
      {"a copy to or from the host", [&] { gathered.read(); }},
      {"waiting for a stream",
       [&] { device_api(DeviceType::simt).synchronize(device_stream(simt_device)); }},
      {"recording an event", [&] { event.record(StreamKind::compute); }},
      {"waiting for an event", [&] { event.hold_up(StreamKind::compute); }},
      {"waiting for an event", [&] { event.synchronize(); }},
      {"beginning a second capture", [&] { Graph inner(simt_device, [] {}); }},
  };
  for (const auto& [what, work] : refused) {
    CAPTURE(what);
    CHECK_THROWS_WITH_AS(Graph(simt_device, work), doctest::Contains(what), Error);
    CHECK(values_of(affine(x, 3, 0)) == std::vector<float>{3, 6});
  }
}

TEST_CASE("graph: its memory is nobody else's until it ends") {
  // A size that no other test asks for.
  const Shape shape{12'347};
  const Tensor x = Tensor::zeros(shape, DType::f32, simt_device);
  const auto address_of_new = [&] {
    return Tensor::empty(shape, DType::f32, simt_device).view().data;
  };
  const void* const idle = address_of_new();
  const void* inside = nullptr;
  Tensor result;
  {
    Graph graph(simt_device, [&] {
      const Tensor between = affine(x, 1, 1);  // given back during the capture
      inside = between.view().data;
      result = affine(between, 2, 0);
    });
    CHECK(inside == idle);
    const void* const held = result.view().data;
    const Tensor a = Tensor::empty(shape, DType::f32, simt_device);
    CHECK(a.view().data != inside);
    graph.launch();
    CHECK(values_of(result)[0] == 2);
    result = {};  // given back while the graph lives
    CHECK(address_of_new() != held);
    CHECK(address_of_new() != inside);
  }
  const Tensor a = Tensor::empty(shape, DType::f32, simt_device),
               b = Tensor::empty(shape, DType::f32, simt_device),
               c = Tensor::empty(shape, DType::f32, simt_device);
  CHECK((a.view().data == inside || b.view().data == inside || c.view().data == inside));
}

TEST_CASE("graph: each launch draws the dropout mask that a run without graph draws") {
  for (const Device device : test::accelerators()) {
    CAPTURE(to_string(device.type));
    const Tensor x = Tensor::full({1000}, 1, DType::f32, device);
    RandomState eager{.seed = 9}, counted{.seed = 9};
    eager.masks_drawn = counted.masks_drawn = 40;
    std::uint64_t count = counted.masks_drawn;
    const Tensor counter = struct_on(device, count);
    const auto* memory = static_cast<const std::uint64_t*>(counter.view().data);

    Tensor first, second;
    Graph graph(device, [&] {
      counted.count_masks_in(memory);
      first = dropout(x, 0.5, counted.next_mask());
      second = dropout(x, 0.5, counted.next_mask());
      counted.count_masks_in(nullptr);
    });
    CHECK(counted.masks_drawn == 42);
    std::vector<float> before;
    for (int step = 0; step < 3; ++step) {
      counter.copy_from(struct_on(device, count));
      graph.launch();
      count += 2;
      CHECK(values_of(first) == values_of(dropout(x, 0.5, eager.next_mask())));
      CHECK(values_of(second) == values_of(dropout(x, 0.5, eager.next_mask())));
      CHECK(values_of(first) != before);
      before = values_of(first);
    }
    CHECK(values_of(dropout(x, 0.5, counted.next_mask())) ==
          values_of(dropout(x, 0.5, RandomState{.seed = 9, .masks_drawn = 42}.next_mask())));
  }
}

TEST_CASE("adam: rates that lie in the device's memory give the same bits as lr and step") {
  for (const Device device : test::devices()) {
    const auto make = [&] { return Tensor::from(std::vector<float>{1, -2, 3}, {3}, device); };
    const Tensor a = make(), b = make();
    Adam by_value({{"w", a, 1e-3}}, {}), by_memory({{"w", b, 1e-3}}, {});
    for (int step = 0; step < 4; ++step) {
      const double lr = 0.01 / (step + 1);
      by_value.set_lr(lr);
      by_memory.set_lr(lr);
      const Tensor grad = Tensor::from(
          std::vector<float>{0.1f, 0.2f * static_cast<float>(step), -0.3f}, {3}, device);
      a.set_grad(grad);
      b.set_grad(grad);
      by_value.step();
      const Tensor rates = struct_on(device, by_memory.next_rates());
      by_memory.step(static_cast<const AdamRates*>(rates.view().data), sum_of_squares({grad}));
      by_memory.set_steps(by_memory.steps() + 1);
      CHECK(values_of(a) == values_of(b));
      for (std::size_t i = 0; i < 2; ++i)
        CHECK(values_of(by_value.state()[i].second) == values_of(by_memory.state()[i].second));
    }
  }
}

TEST_CASE("adam: gradients whose squares are not finite change nothing, in every row") {
  int tried = 0;
  for (const AdamRow& row : adam_rows().rows()) {
    const ImplScope forced(fmt::format("adam={}", row.name));
    const Device device{row.device, 0};
    for (const double bad : {std::nan(""), static_cast<double>(INFINITY)}) {
      const Tensor w = Tensor::full({5}, 2, DType::f32, device);
      Adam adam({{"w", w}}, {});
      w.set_grad(Tensor::full({5}, 1, DType::f32, device));
      const Tensor rates = struct_on(device, adam.next_rates());
      const auto* memory = static_cast<const AdamRates*>(rates.view().data);
      adam.step(memory, Tensor::full({}, bad, DType::f64, device));
      CHECK(values_of(w) == std::vector<float>(5, 2));
      CHECK(values_of(adam.state()[0].second) == std::vector<float>(5, 0));
      w.set_grad(Tensor::full({5}, 1, DType::f32, device));
      adam.step(memory, Tensor::full({}, 5, DType::f64, device));
      CHECK(values_of(w)[4] < 2);
      ++tried;
    }
  }
  CHECK(tried >= 6);
}

TEST_CASE("a row that fails is named by what called it") {
  for (const ReluRow& row : relu_rows().rows()) {
    if (row.device != DeviceType::simt) continue;
    const Tensor host = Tensor::zeros({8});
    OpExec exec(row, simt_device);
    CHECK_THROWS_WITH_AS(row.forward(exec, {8}, host, host),
                         doctest::Contains(fmt::format("by relu {}", row.name).c_str()), Error);
    return;
  }
  FAIL("relu has no simt row");
}
