#include "apps/model/model.h"

#include <cmath>

#include "tests/temporary_folder.h"

using namespace duet;

namespace {

Config tiny(const std::string& stream) {
  return resolve({}, {{"preset", "tiny"}, {"stream", stream}});
}

RawInputs noise(const Model& model, std::int64_t n) {
  const std::int64_t size = model.config().size;
  RawInputs raw;
  if (model.sees_faces()) raw.faces = Tensor::empty({n, size, size, 3});
  if (model.hears_voices()) raw.waves = Tensor::empty({n, model.front_end().clip_samples()});
  RandomSequence numbers(1, 2);
  for (const Tensor& x : {raw.faces, raw.waves})
    if (x)
      for (float& v : x.span<float>()) v = static_cast<float>(numbers.uniform(0, 1));
  return raw;
}

std::vector<float> values(const Tensor& x) {
  return {x.span<float>().begin(), x.span<float>().end()};
}

}  // namespace

TEST_CASE("model: of two streams one may be absent, for all pairs or for some") {
  Config config = tiny("both");
  CHECK_FALSE(Model(config).may_lack_a_stream());
  config.modality_dropout = 0.5;
  Model model(config);
  CHECK(model.may_lack_a_stream());
  model.network().freeze();
  const RawInputs raw = noise(model, 2);
  const std::vector<float> both = values(model.probabilities(raw)),
                           face = values(model.probabilities(RawInputs{raw.faces, {}, {}})),
                           voice = values(model.probabilities(RawInputs{{}, raw.waves, {}}));
  const Tensor all = Tensor::full({2}, 1), none = Tensor::zeros({2});
  CHECK(values(model.probabilities(RawInputs{raw.faces, raw.waves, {all, all}})) == both);
  CHECK(values(model.probabilities(RawInputs{raw.faces, raw.waves, {all, none}})) == face);
  CHECK(values(model.probabilities(RawInputs{raw.faces, raw.waves, {none, all}})) == voice);
  CHECK(face != both);
  CHECK(voice != both);
  CHECK(face != voice);
}

TEST_CASE("model: loaded it answers as it did when it was saved, and frozen too, to rounding") {
  const TemporaryFolder folder;
  for (const char* stream : {"both", "face", "voice"}) {
    CAPTURE(stream);
    const auto path = folder / stream;
    Model model(tiny(stream));
    for (const Parameter& p : model.network().buffers()) {  // statistics off 0 and 1
      RandomSequence numbers(3, 4);
      for (float& v : p.tensor.span<float>()) v += static_cast<float>(numbers.uniform(0, 0.5));
    }
    const RawInputs raw = noise(model, 3);
    const std::vector<float> expected = values(model.probabilities(raw));
    model.save(path);

    const std::unique_ptr<Model> loaded = Model::load(path);
    std::filesystem::remove(path);
    CHECK(values(loaded->probabilities(raw)) == expected);
    const std::size_t before = memory_statistics({}).in_use;
    loaded->network().freeze();
    CHECK(memory_statistics({}).in_use < before + before / 100);  // the biases alone are new
    const std::vector<float> frozen = values(loaded->probabilities(raw));
    REQUIRE(frozen.size() == expected.size());
    // 12 layers of some hundred additions, rounded in another place.
    for (std::size_t i = 0; i < frozen.size(); ++i)
      CHECK(std::abs(frozen[i] - expected[i]) < 12 * 100 * 0x1p-24);
  }
}
