#include "layers/two_stream.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/ops/softmax.h"
#include "engine/row_times.h"
#include "tests/temporary_folder.h"
#include "tests/test_rows.h"

using namespace duet;

namespace {

TwoStreamOptions small_options() {
  TwoStreamOptions options;
  options.size = 32;
  options.stream.widths = {2, 3, 4, 5};
  options.head = {8, 6, 4};
  return options;
}

/// Parameters by the paper's table: two streams of eight convolutions without bias, each followed
/// by batch norm's weight and bias, and four fully connected layers on both maps side by side.
std::int64_t count_by_hand(const TwoStreamOptions& o) {
  std::int64_t count = 0;
  for (std::int64_t in : {o.face_channels, o.voice_channels})
    for (const std::int64_t width : o.stream.widths) {
      count += 9 * in * width + 9 * width * width + 4 * width;
      in = width;
    }
  std::int64_t in = 2 * o.stream.widths[3] * (o.size / 16) * (o.size / 16);
  for (const std::int64_t width : o.head) count += (in + 1) * width, in = width;
  return count + (in + 1) * o.classes;
}

std::int64_t count(const Module& module) {
  std::int64_t all = 0;
  for (const Parameter& p : module.parameters()) all += p.tensor.numel();
  return all;
}

}  // namespace

TEST_CASE("two_stream: the tensors of a model file have the documented names and shapes") {
  RandomState random;
  Build build{.random = random};
  const TwoStream network(build, small_options());
  std::map<std::string, Shape> expected;
  const std::vector<std::int64_t> widths = {2, 3, 4, 5};
  for (const std::string stream : {"face", "voice"}) {
    std::int64_t in = stream == "face" ? 3 : 1;
    for (int block = 1; block <= 4; ++block) {
      const std::int64_t width = widths[block - 1];
      for (int k = 1; k <= 2; ++k) {
        const std::string at = fmt::format("{}.block{}.", stream, block);
        expected[fmt::format("{}conv{}.weight", at, k)] = {width, k == 1 ? in : width, 3, 3};
        for (const char* name : {"weight", "bias", "running_mean", "running_var"})
          expected[fmt::format("{}norm{}.{}", at, k, name)] = {width};
      }
      in = width;
    }
  }
  std::int64_t in = 2 * 5 * 2 * 2;
  for (int layer = 1; layer <= 4; ++layer) {
    const std::int64_t out = std::vector<std::int64_t>{8, 6, 4, 3}[layer - 1];
    expected[fmt::format("head.fc{}.weight", layer)] = {out, in};
    expected[fmt::format("head.fc{}.bias", layer)] = {out};
    in = out;
  }
  const auto state = network.state();
  for (const auto& [name, shape] : expected) {
    REQUIRE_MESSAGE(state.contains(name), name);
    CHECK_MESSAGE(state.at(name).shape() == shape, name);
  }
  CHECK(state.size() == expected.size());
  // The L2 term is about the convolutions, all of them and nothing else.
  for (const Parameter& p : network.parameters())
    CHECK(p.conv_kernel == (p.name.find(".conv") != std::string::npos));
}

TEST_CASE("two_stream: a single stream has its own tensors and the head's, under the same names") {
  RandomState random;
  Build build{.random = random};
  TwoStreamOptions options = small_options();
  const auto names = [&](Streams streams) {
    options.streams = streams;
    std::set<std::string> all;
    for (const auto& [name, tensor] : TwoStream(build, options).state()) all.insert(name);
    return all;
  };
  const auto both = names(Streams::both), face = names(Streams::face),
             voice = names(Streams::voice);
  CHECK(std::includes(both.begin(), both.end(), face.begin(), face.end()));
  CHECK(std::includes(both.begin(), both.end(), voice.begin(), voice.end()));
  CHECK(face.size() == 48);  // 8 × 5 and 4 × 2
  for (const std::string& name : face) CHECK_FALSE(name.starts_with("voice."));
  for (const std::string& name : voice) CHECK_FALSE(name.starts_with("face."));
}

TEST_CASE("two_stream: parameter counts, and the paper's at three sizes") {
  RandomState random;
  Build build{.random = random};
  // The formula is held against networks that are small enough to build …
  TwoStreamOptions options = small_options();
  CHECK(count(TwoStream(build, options)) == count_by_hand(options));
  options.size = 64;
  options.stream.widths = {32, 64, 128, 256};
  options.head = {512, 256, 128};
  CHECK(count(TwoStream(build, options)) == count_by_hand(options));
  // … and the paper's network against the formula.
  options = {};
  for (const auto& [size, millions] : {std::pair(64, 87), {128, 288}, {224, 842}}) {
    options.size = size;
    CHECK(std::llround(count_by_hand(options) / 1e6) == millions);
  }
}

TEST_CASE("two_stream: every fusion and stream gives logits, the same for the same seed") {
  const Tensor face = Tensor::full({2, 32, 32, 3}, 0.25), voice = Tensor::full({2, 32, 32, 1}, 0.5);
  const auto logits = [&](TwoStreamOptions options, std::uint64_t seed) {
    RandomState random{.seed = seed};
    Build build{.random = random};
    TwoStream network(build, options);
    network.set_mode(Mode::evaluation);
    const Tensor y = network.forward(options.streams == Streams::voice ? Tensor() : face,
                                     options.streams == Streams::face ? Tensor() : voice);
    REQUIRE(y.shape() == Shape{2, 3});
    CHECK(count_nonfinite(y) == 0);
    return std::vector<float>(y.span<float>().begin(), y.span<float>().end());
  };
  std::vector<TwoStreamOptions> all;
  for (const std::string& name : fusion_names()) {
    all.push_back(small_options());
    all.back().fusion = name;
  }
  for (const Streams streams : {Streams::face, Streams::voice}) {
    all.push_back(small_options());
    all.back().streams = streams;
  }
  for (const TwoStreamOptions& options : all) {
    CHECK(logits(options, 1) == logits(options, 1));
    CHECK(logits(options, 1) != logits(options, 2));
  }
}

TEST_CASE("two_stream: a pair without a stream has the answer of the other stream alone") {
  RandomSequence numbers(1, 3);
  const auto noise = [&](const Shape& shape) {
    const Tensor x = Tensor::empty(shape, DType::f64);
    for (double& v : x.span<double>()) v = numbers.normal();
    return x;
  };
  const auto values = [](const Tensor& y) {
    return std::vector<double>(y.span<double>().begin(), y.span<double>().end());
  };
  for (const std::string& fusion : fusion_names()) {
    CAPTURE(fusion);
    RandomState random;
    Build build{.dtype = DType::f64, .random = random};
    TwoStreamOptions options = small_options();
    options.fusion = fusion;
    TwoStream network(build, options);
    const NoGradScope no_grad;
    network.forward(noise({4, 32, 32, 3}), noise({4, 32, 32, 1}));  // statistics off 0 and 1
    network.set_mode(Mode::evaluation);
    const Tensor face = noise({3, 32, 32, 3}), voice = noise({3, 32, 32, 1});
    const auto present = [](const std::vector<double>& pairs) { return Tensor::from(pairs, {3}); };
    const std::vector<double> both = values(network.forward(face, voice)),
                              faces = values(network.forward(face, {})),
                              voices = values(network.forward({}, voice));
    CHECK(values(network.forward(face, voice, {present({1, 1, 1}), {}})) == both);
    // The first pair has both, the second a face, the third a voice.
    const std::vector<double> mixed =
        values(network.forward(face, voice, {present({1, 1, 0}), present({1, 0, 1})}));
    for (int k = 0; k < 9; ++k) {
      CHECK(mixed[k] == (k < 3 ? both : k < 6 ? faces : voices)[k]);
      CHECK(faces[k] != both[k]);
      CHECK(voices[k] != both[k]);
    }
    CHECK_THROWS_WITH_AS(network.forward({}, {}), "[network] none of its streams has an input",
                         Error);
  }
}

TEST_CASE("two_stream: in evaluation a pair's logits do not depend on its neighbours") {
  RandomState random;
  Build build{.dtype = DType::f64, .random = random};
  TwoStreamOptions options = small_options();
  options.stream.dropout = 0.3;
  TwoStream network(build, options);
  network.set_mode(Mode::evaluation);
  const Tensor face = Tensor::empty({3, 32, 32, 3}, DType::f64),
               voice = Tensor::empty({3, 32, 32, 1}, DType::f64);
  RandomSequence numbers(1, 2);
  for (double& v : face.span<double>()) v = numbers.normal();
  for (double& v : voice.span<double>()) v = numbers.normal();
  const auto row = [](const Tensor& x, std::int64_t i) {
    const std::int64_t length = x.numel() / x.dim(0);
    const std::vector<double> elements(x.span<double>().begin() + i * length,
                                       x.span<double>().begin() + (i + 1) * length);
    return Tensor::from(elements, {1, x.dim(1), x.dim(2), x.dim(3)});
  };
  const NoGradScope no_grad;
  const Tensor together = softmax(network.forward(face, voice));
  for (int i = 0; i < 3; ++i) {
    const Tensor alone = softmax(network.forward(row(face, i), row(voice, i)));
    // Another batch size may sum in another order: hundreds of roundings of numbers near 1.
    for (int k = 0; k < 3; ++k)
      CHECK(std::abs(alone.span<double>()[k] - together.span<double>()[3 * i + k]) < 1e-12);
  }
}

TEST_CASE("two_stream: frozen, it gives the same logits without batch norm") {
  std::vector<TwoStreamOptions> all;
  for (const bool batch_norm : {true, false})
    for (const std::int64_t size : {16, 32, 48}) {
      for (const std::string& fusion : fusion_names()) {
        all.push_back(small_options());
        all.back().fusion = fusion;
      }
      for (const Streams streams : {Streams::face, Streams::voice}) {
        all.push_back(small_options());
        all.back().streams = streams;
      }
      for (TwoStreamOptions& options : std::span(all).last(fusion_names().size() + 2)) {
        options.size = size;
        options.stream.widths = {8, 12, 16, 20};
        options.head = {32, 24, 16};
        options.voice_channels = size == 48 ? 3 : 1;
        options.stream.batch_norm = batch_norm;
        options.stream.dropout = 0.3;
      }
    }
  const NoGradScope no_grad;
  for (const TwoStreamOptions& options : all)
    for (const DType dtype : {DType::f64, DType::f32})
      for (const Device device : {Device{}, Device{DeviceType::simt, 0}}) {
        // The emulator takes its time: one network with batch norm and one without.
        if (device != Device{} && (options.size != 16 || options.fusion != "concat")) continue;
        CAPTURE(options.fusion);
        CAPTURE(options.size);
        CAPTURE(static_cast<int>(options.streams));
        CAPTURE(to_string(dtype));
        CAPTURE(to_string(device.type));
        RandomState random;
        Build build{.dtype = dtype, .device = device, .random = random};
        TwoStream network(build, options);
        // Every parameter and statistic away from where it starts; variances stay positive.
        RandomSequence numbers(5, 6);
        auto state = network.state();
        for (auto& [name, tensor] : state) {
          Tensor moved = tensor.to(DType::f64).clone();
          for (double& v : moved.span<double>())
            v = tensor.shape().rank() > 1 || name.ends_with("running_var")
                    ? v * numbers.uniform(0.5, 1.5)
                    : v + 0.2 * numbers.normal();
          tensor = moved.to(dtype);
        }
        network.load_state(state, "test");
        Tensor face = Tensor::empty({3, options.size, options.size, 3}, DType::f64),
               voice = Tensor::empty({3, options.size, options.size, options.voice_channels},
                                     DType::f64);
        for (const Tensor& x : {face, voice})
          for (double& v : x.span<double>()) v = numbers.normal();
        face = face.to(dtype).to(device), voice = voice.to(dtype).to(device);
        const auto answer = [&] {
          return network.forward(face, voice).to(Device{}).to(DType::f64);
        };
        network.set_mode(Mode::evaluation);
        const Tensor before = answer();
        network.freeze();
        const Tensor after = answer();
        // From input to logits some 12 layers of at most 200 additions each, rounded in another
        // place.
        double largest = 0;
        for (const double logit : before.span<double>())
          largest = std::max(largest, std::abs(logit));
        const double bound = largest * (dtype == DType::f64 ? 1e-12 : 12 * 200 * 0x1p-24);
        for (std::int64_t i = 0; i < before.numel(); ++i)
          CHECK(std::abs(before.span<double>()[i] - after.span<double>()[i]) < bound);
        CHECK(std::abs(before.span<double>()[0] - before.span<double>()[3]) > 1e-6 * largest);
        // Nothing of the norms is left, and every convolution has a bias instead.
        CHECK(network.buffers().empty());
        std::size_t norms = 0, convolutions = 0, biases = 0;
        for (const Parameter& p : network.parameters()) {
          norms += p.name.find(".norm") != std::string::npos;
          convolutions += p.name.find("conv") != std::string::npos && p.name.ends_with("weight");
          biases += p.name.find("conv") != std::string::npos && p.name.ends_with("bias");
        }
        CHECK(norms == 0);
        CHECK(convolutions == (options.streams == Streams::both ? 16 : 8));
        CHECK(biases == convolutions);
        network.freeze();  // once is enough
        const Tensor again = answer();
        for (std::int64_t i = 0; i < after.numel(); ++i)
          CHECK(again.span<double>()[i] == after.span<double>()[i]);
      }
}

TEST_CASE("two_stream: frozen, two cores give the bits of one, by the rows that are asked for") {
  // With two threads, few pairs have a stream computed by each.
  TwoStreamOptions options = small_options();
  RandomState random;
  Build build{.random = random};
  TwoStream network(build, options);
  network.set_mode(Mode::evaluation);
  network.freeze();
  const NoGradScope no_grad;
  for (const char* rows : {"handwritten", "ref"})
    for (const std::int64_t n : {1, 8, 9}) {
      CAPTURE(rows);
      CAPTURE(n);
      RandomSequence numbers(7, 8);
      const Tensor face = Tensor::empty({n, 32, 32, 3}), voice = Tensor::empty({n, 32, 32, 1});
      for (const Tensor& x : {face, voice})
        for (float& v : x.span<float>()) v = static_cast<float>(numbers.normal());
      const ImplScope scope(rows);
      const auto answer = [&](int threads) {
        const test::Threads cores(threads);
        const Tensor logits = network.forward(face, voice);
        return std::vector<float>(logits.span<float>().begin(), logits.span<float>().end());
      };
      const std::vector<float> expected = answer(1);
      const RowTimes times;
      CHECK(answer(2) == expected);
      int convolutions = 0;
      for (const auto& [row, entry] : times.entries()) {
        if (!row.starts_with("conv2d ")) continue;
        CHECK((row == "conv2d ref") == (std::string(rows) == "ref"));
        CHECK(row != "conv2d onednn");
        convolutions += static_cast<int>(entry.calls);
      }
      CHECK(convolutions == 16);
    }
}

TEST_CASE("two_stream: frozen in bf16, batch norm stays, and so does every bit of the answer") {
  const Device simt{DeviceType::simt, 0};
  RandomState random;
  Build build{.device = simt, .random = random, .precision = Precision::bf16};
  TwoStreamOptions options = small_options();
  options.size = 16;
  options.stream.widths = {8, 8, 16, 16};
  options.head = {16, 8};
  TwoStream network(build, options);
  network.set_mode(Mode::evaluation);
  const Tensor face = Tensor::full({2, 16, 16, 3}, 0.25, DType::f32, simt),
               voice = Tensor::full({2, 16, 16, 1}, 0.5, DType::f32, simt);
  const NoGradScope no_grad;
  const Tensor before = network.forward(face, voice).to(Device{});
  network.freeze();
  const Tensor after = network.forward(face, voice).to(Device{});
  CHECK_FALSE(network.buffers().empty());
  for (std::int64_t i = 0; i < before.numel(); ++i)
    CHECK(before.span<float>()[i] == after.span<float>()[i]);
}

TEST_CASE("two_stream: a non-finite weight is found in the forward pass, with its place") {
  RandomState random;
  Build build{.random = random};
  TwoStream network(build, small_options());
  auto state = network.state();
  state["voice.block2.conv1.weight"] = Tensor::full({3, 2, 3, 3}, INFINITY);
  network.load_state(state, "test");
  const FiniteCheckScope checked;
  const std::string message = message_of<Error>([&] {
    network.forward(Tensor::full({2, 32, 32, 3}, 0.5), Tensor::full({2, 32, 32, 1}, 0.5));
  });
  CHECK(message.find("the output of conv2d in voice.block2.conv1 has ") == 0);
}

TEST_CASE("two_stream: sizes that the four pools cannot halve are usage errors") {
  RandomState random;
  Build build{.random = random};
  for (const std::int64_t size : {0, 8, 24, 100, -16}) {
    TwoStreamOptions options = small_options();
    options.size = size;
    CHECK_THROWS_WITH_AS(TwoStream(build, options),
                         doctest::Contains("the input size is a multiple of 16, not"), UsageError);
  }
}

TEST_CASE("fusion: the registered names, and an error that lists them") {
  const std::vector<std::string> names = fusion_names();
  for (const char* name : {"add", "concat", "gated"})
    CHECK(std::find(names.begin(), names.end(), name) != names.end());
  CHECK(std::is_sorted(names.begin(), names.end()));
  RandomState random;
  Build build{.random = random};
  CHECK_THROWS_WITH_AS(
      make_fusion("sum", build, {4, 2, 2}),
      fmt::format("[fusion] no fusion is called 'sum'; known are {}", fmt::join(names, ", "))
          .c_str(),
      UsageError);
  CHECK_THROWS_WITH_AS(FusionRegistration("add", nullptr), "[fusion] 'add' is registered twice",
                       Error);
}

TEST_CASE("fusion: what each makes of two maps") {
  RandomState random;
  Build build{.dtype = DType::f64, .random = random};
  const Tensor face = Tensor::from(std::vector<double>{1, 2, 3, 4}, {1, 1, 2, 2}),
               voice = Tensor::from(std::vector<double>{10, 20, 30, 40}, {1, 1, 2, 2});
  const auto fused = [&](const char* name) {
    const auto fusion = make_fusion(name, build, {2, 1, 2});
    const Tensor y = fusion->forward(face, voice);
    CHECK(y.dim(-1) == fusion->out_channels());
    return std::vector<double>(y.span<double>().begin(), y.span<double>().end());
  };
  CHECK(fused("add") == std::vector<double>{11, 22, 33, 44});
  CHECK(fused("concat") == std::vector<double>{1, 2, 10, 20, 3, 4, 30, 40});
  // A gate without weights is half open.
  const auto gated = make_fusion("gated", build, {2, 1, 2});
  for (const Parameter& p : gated->parameters()) {
    CHECK(p.name.starts_with("gate."));
    p.tensor.fill(0);
  }
  const Tensor y = gated->forward(face, voice);
  for (int i = 0; i < 4; ++i)
    CHECK(y.span<double>()[i] == (face.span<double>()[i] + voice.span<double>()[i]) / 2);
}
