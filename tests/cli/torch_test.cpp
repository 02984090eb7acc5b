/// Model files are what they claim to be: PyTorch computes the same from them.

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/safetensors.h"
#include "tests/cli/python.h"
#include "tests/cli/tiny_run.h"
#include "tests/skip.h"

using namespace duet;
using namespace duet::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

struct Question {
  const char* face;
  const char* voice;
};
const Question questions[] = {
    {"negative/Person_A_0000.png", "03-01-05-01-01-01-02.wav"},
    {"neutral/Person_C_0003.png", "03-01-01-01-01-01-03.wav"},
    {"positive/Person_F_0005.png", "03-01-03-01-01-01-06.wav"},
};

}  // namespace

TEST_CASE("torch: the same probabilities from a model file") {
  if (const std::string why = python_lacks({"tomllib", "numpy", "torch"}); !why.empty())
    return skip(why);
  const TemporaryFolder folder;
  Words command = {DUET_TORCH_MODULE};
  std::vector<json> answers;
  // Both streams and each alone, without batch norm, and with spectrograms of three channels.
  for (const Words& kind :
       {Words{"--size", "48", "--widths", "8,16,32,64", "--head", "128,64,32"},
        Words{"--stream", "face"}, Words{"--stream", "voice"}, Words{"--no-batch-norm"},
        Words{"--spectrogram-style", "rgb", "--size", "32"}}) {
    CAPTURE(kind.back());
    const fs::path run = folder / kind.back();
    const Ended trained = train_mm(begin(run, Words{"--epochs", "3"} + kind));
    REQUIRE_MESSAGE(trained.status == 0, to_string(trained));
    const std::string model = (run / "model.safetensors").string();

    for (const Question& question : questions) {
      const std::string inputs = (run / fmt::format("inputs{}", answers.size())).string();
      Words ask = {model, "--json", "--dump-inputs", inputs};
      if (kind.back() != "voice")
        ask = ask + Words{"--face", (tiny_corpus().faces / question.face).string()};
      if (kind.back() != "face")
        ask = ask + Words{"--voice", (tiny_corpus().voices / question.voice).string()};
      const Ended answer = infer_mm(ask);
      REQUIRE_MESSAGE(answer.status == 0, to_string(answer));
      answers.push_back(json::parse(answer.out));
      command = command + Words{model, inputs};
    }
    // The comparison would show nothing of batch norm if its statistics were still 0 and 1.
    if (kind.back() != "--no-batch-norm") {
      const Safetensors file = read_safetensors(model);
      const std::string stream = kind.back() == "voice" ? "voice" : "face";
      // Zero and one in none of the channels of a norm whose inputs are not centred.
      const Tensor mean = file.at(stream + ".block2.norm1.running_mean"),
                   var = file.at(stream + ".block2.norm1.running_var");
      for (std::int64_t c = 0; c < mean.numel(); ++c) {
        CHECK(mean.data<float>()[c] != 0);
        CHECK(var.data<float>()[c] != 1);
      }
    }
  }
  // One Python for all, since it takes seconds to come up.
  const Ended torch = Process(python(), command).wait();
  REQUIRE_MESSAGE(torch.status == 0, to_string(torch));
  std::istringstream numbers(torch.out);
  double largest = 0;
  for (const json& answer : answers) {
    CAPTURE(answer.dump());
    for (const char* name : {"negative", "neutral", "positive"}) {
      double expected = 0;
      REQUIRE_MESSAGE(static_cast<bool>(numbers >> expected), torch.out);
      const double p = answer.at("probabilities").at(name);
      largest = std::max(largest, std::abs(p - expected));
      // Both compute in float32 and sum in different orders, which makes about 1e-7; 1e-4 is what
      // the model file's description promises.
      CHECK(std::abs(p - expected) <= 1e-4);
    }
  }
  MESSAGE("largest difference between " << answers.size() << " answers: " << largest);
}
