#include "apps/train/train_step.h"

#include <doctest/doctest.h>

#include "apps/cli/config.h"
#include "apps/train/batches.h"
#include "kernels/base/philox.h"
#include "tests/rows_under_test.h"

using namespace duet;

namespace {

/// In [0, 1), the same numbers in f32 and f64.
Tensor uniform(const Shape& shape, std::uint64_t stream, DType dtype) {
  RandomSequence numbers(1, stream);
  const Tensor tensor = Tensor::empty(shape, dtype);
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    const auto x = static_cast<float>(numbers.uniform(0, 1));
    if (dtype == DType::f32)
      tensor.data<float>()[i] = x;
    else
      tensor.data<double>()[i] = x;
  }
  return tensor;
}

/// A small network of both streams.
Config small(const Settings& more) {
  Settings settings = {{"preset", "tiny"}, {"size", "16"}, {"widths", "8,8,8,8"}, {"head", "32"}};
  settings.insert(more.begin(), more.end());
  return resolve({}, settings);
}

Batch batch_of(std::int64_t pairs, const Model& model, std::uint64_t stream) {
  Batch batch;
  batch.raw = {uniform({pairs, 16, 16, 3}, stream, model.dtype()),
               uniform({pairs, model.front_end().clip_samples()}, stream + 1, model.dtype()),
               {Tensor::full({pairs}, 1, model.dtype()), Tensor::full({pairs}, 1, model.dtype())}};
  batch.labels = Tensor::empty({pairs}, DType::i32);
  for (std::int64_t i = 0; i < pairs; ++i) batch.labels.span<std::int32_t>()[i] = i % 2;
  return batch;
}

/// How many of a part's parameters a step changes, when the probabilities of the true class, face
/// alone and voice alone, were these, and how many there are.
struct Moved {
  std::map<std::string, int> changed, all;
};
Moved step_after(double face, double voice) {
  const Config config = small({{"modality_dropout", "0.5"}, {"stream_balance", "100"}});
  Model model(config);
  const auto adam = make_adam(model);
  TrainStep step(model, *adam, {});
  step.balance().set_state({face, voice, 1, 1, face, voice, 1, 1});
  const Batch batch = batch_of(3, model, 0);
  std::vector<Tensor> before;
  for (const Parameter& p : model.network().parameters()) before.push_back(p.tensor.clone());
  step.stage(batch);
  step.start();
  step.finish();
  Moved moved;
  std::size_t i = 0;
  for (const Parameter& p : model.network().parameters()) {
    const std::string stream = p.name.substr(0, p.name.find('.'));
    const std::string part = stream == "face" || stream == "voice" ? stream : "joint";
    const auto now = p.tensor.span<float>(), then = before[i++].span<float>();
    ++moved.all[part];
    moved.changed[part] += !std::equal(now.begin(), now.end(), then.begin());
  }
  return moved;
}

/// Losses and gradient norms of six steps; the last batch is smaller.
std::vector<double> six_steps(Device device, bool graph, DType dtype) {
  const Config config =
      small({{"precision", to_string(dtype)}, {"cuda_graph", graph ? "true" : "false"}});
  Model model(config, device, precision_of(config, device));
  const auto adam = make_adam(model);
  TrainStep step(model, *adam, {});
  std::vector<double> all;
  for (std::uint64_t i = 0; i < 6; ++i) {
    step.stage(batch_of(i < 5 ? 4 : 2, model, 2 * (i % 2)));
    step.start();
    const TrainStep::Result result = step.finish();
    all.push_back(result.loss);
    all.push_back(result.norm);
  }
  return all;
}

}  // namespace

TEST_CASE("train step: on every device, captured as a graph or not") {
  const std::vector<double> cpu = six_steps({}, false, DType::f64);
  for (const Device device : test::accelerators()) {
    CAPTURE(describe(device));
    // With dropout: each launch of the graph must draw the masks that come next.
    const std::vector<double> eager = six_steps(device, false, DType::f32);
    CHECK((eager == six_steps(device, true, DType::f32)));
    CHECK((eager == six_steps(device, false, DType::f32)));
    CHECK(eager[0] != eager[4]);
    const std::vector<double> f64 = six_steps(device, false, DType::f64);
    for (std::size_t i = 0; i < cpu.size(); ++i)
      CHECK(f64[i] == doctest::Approx(cpu[i]).epsilon(1e-9));
  }
}

TEST_CASE("train step: the stream that is far ahead stands still, and only that one") {
  for (const bool face_leads : {true, false}) {
    const Moved moved = face_leads ? step_after(0.9, 0.3) : step_after(0.3, 0.9);
    const char *ahead = face_leads ? "face" : "voice", *behind = face_leads ? "voice" : "face";
    CHECK(moved.changed.at(ahead) == 0);
    CHECK(moved.changed.at(behind) > moved.all.at(behind) / 2);
    CHECK(moved.changed.at("joint") > moved.all.at("joint") / 2);
  }
}
