#include "apps/train/train_step.h"

#include <doctest/doctest.h>

#include "apps/cli/config.h"
#include "apps/train/batches.h"
#include "kernels/base/philox.h"

using namespace duet;

namespace {

Tensor uniform(const Shape& shape, std::uint64_t stream) {
  RandomSequence numbers(1, stream);
  const Tensor tensor = Tensor::empty(shape);
  for (float& x : tensor.span<float>()) x = static_cast<float>(numbers.uniform(0, 1));
  return tensor;
}

/// How many of a part's parameters a step changes, when the probabilities of the true class, face
/// alone and voice alone, were these, and how many there are.
struct Moved {
  std::map<std::string, int> changed, all;
};
Moved step_after(double face, double voice) {
  const Config config = resolve({}, {{"preset", "tiny"},
                                     {"size", "16"},
                                     {"widths", "8,8,8,8"},
                                     {"head", "32"},
                                     {"modality_dropout", "0.5"},
                                     {"stream_balance", "100"}});
  Model model(config);
  const auto adam = make_adam(model);
  TrainStep step(model, *adam, {});
  step.balance().set_state({face, voice, 1, 1, face, voice, 1, 1});
  Batch batch;
  batch.raw = {uniform({3, 16, 16, 3}, 0),
               uniform({3, model.front_end().clip_samples()}, 1),
               {Tensor::full({3}, 1), Tensor::full({3}, 1)}};
  batch.labels = Tensor::from(std::vector<std::int32_t>{0, 0, 1}, {3});
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

}  // namespace

TEST_CASE("train step: the stream that is far ahead stands still, and only that one") {
  for (const bool face_leads : {true, false}) {
    const Moved moved = face_leads ? step_after(0.9, 0.3) : step_after(0.3, 0.9);
    const char *ahead = face_leads ? "face" : "voice", *behind = face_leads ? "voice" : "face";
    CHECK(moved.changed.at(ahead) == 0);
    CHECK(moved.changed.at(behind) > moved.all.at(behind) / 2);
    CHECK(moved.changed.at("joint") > moved.all.at("joint") / 2);
  }
}
