/// A whole run, and everything that its model is asked.

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/npy.h"
#include "tests/cli/tiny_run.h"

using namespace duet;
using namespace duet::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::string model() { return (tiny_run() / "model.safetensors").string(); }

void check_answer(const json& answer) {
  const json& p = answer.at("probabilities");
  REQUIRE(p.size() == 3);
  double sum = 0, most = 0;
  std::string label;
  for (const auto& [name, value] : p.items()) {
    CHECK(value.get<double>() >= 0);
    sum += value.get<double>();
    if (value.get<double>() > most) most = value, label = name;
  }
  // Three floats, each rounded to within 2^-24 of at most 1, through a softmax of as few
  // operations.
  CHECK(sum == doctest::Approx(1).epsilon(1e-6));
  CHECK(answer.at("label") == label);
}

std::set<std::string> keys_of(const json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

}  // namespace

TEST_CASE("run: its folder holds what it should") {
  const fs::path run = tiny_run();
  for (const char* name : {"config.toml", "pairs.csv", "metrics.jsonl", "model.safetensors",
                           "last.safetensors", "evaluation.json", "predictions.csv"})
    CHECK_MESSAGE(fs::file_size(run / name) > 0, name);
  CHECK(temporary_files(run).empty());

  const std::vector<std::string> epochs = lines_of(read_text(run / "metrics.jsonl"));
  REQUIRE(epochs.size() == 3);
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    const json epoch = json::parse(epochs[i]);
    CHECK(epoch.at("epoch") == i + 1);
    CHECK(epoch.at("steps") == tiny_steps * (i + 1));
    for (const char* key :
         {"loss", "l2_penalty", "train_accuracy", "gradient_norm", "gradient_norm_face",
          "gradient_norm_voice", "gradient_norm_joint", "dev_loss", "dev_accuracy", "dev_uar", "lr",
          "pairs_per_second", "data_wait"})
      CHECK_MESSAGE(epoch.at(key).is_number(), key);
  }

  const json evaluation = json::parse(read_text(run / "evaluation.json"));
  CHECK(evaluation.at("classes") == json{"negative", "neutral", "positive"});
  CHECK(evaluation.at("n") == 6);
  for (const char* key : {"accuracy", "uar", "macro_f1"}) {
    CHECK_MESSAGE(evaluation.at(key) >= 0, key);
    CHECK_MESSAGE(evaluation.at(key) <= 1, key);
  }
  CHECK(evaluation.at("unique_clips") == 3);
  CHECK(evaluation.at("unique_speakers") == 1);
  int right = 0, all = 0;
  for (int t = 0; t < 3; ++t)
    for (int a = 0; a < 3; ++a) {
      const int n = evaluation.at("confusion").at(t).at(a);
      all += n;
      right += t == a ? n : 0;
    }
  CHECK(all == 6);
  CHECK(evaluation.at("accuracy").get<double>() == doctest::Approx(right / 6.0));

  const std::string config = read_text(run / "config.toml");
  CHECK(holds(config, {"[data]", "[network]", "[front_end]", "[training]", "[run]",
                       "widths = [2, 2, 2, 2]", "epochs = 3", "dropout = 0.1"}));
}

TEST_CASE("run: config.toml alone makes the same run again") {
  const TemporaryFolder folder;
  const Ended ended = train_mm({"--config", (tiny_run() / "config.toml").string(), "--out",
                                (folder / "again").string(), "--quiet"});
  REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
  CHECK(ended.out.empty());
  CHECK(ended.err.empty());
  CHECK(read_text(folder / "again" / "pairs.csv") == read_text(tiny_run() / "pairs.csv"));
  CHECK(read_text(folder / "again" / "evaluation.json") ==
        read_text(tiny_run() / "evaluation.json"));
}

TEST_CASE("run: each stream alone, and every fusion") {
  const TemporaryFolder folder;
  for (const Words& kind : {Words{"--stream", "face"}, Words{"--stream", "voice"},
                            Words{"--fusion", "add"}, Words{"--fusion", "gated"}}) {
    CAPTURE(kind[1]);
    const fs::path run = folder / kind[1];
    const Ended ended = train_mm(begin(run, kind + Words{"--epochs", "1"}));
    REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
    Words question = {(run / "model.safetensors").string(), "--json"};
    if (kind[1] != "voice") question = question + Words{"--face", a_face().string()};
    if (kind[1] != "face") question = question + Words{"--voice", a_voice().string()};
    const Ended answer = infer_mm(question);
    REQUIRE_MESSAGE(answer.status == 0, to_string(answer));
    const json j = json::parse(answer.out);
    check_answer(j);
    CHECK(j.contains("face") == (kind[1] != "voice"));
    CHECK(j.contains("voice") == (kind[1] != "face"));
    CHECK(temporary_files(run).empty());
  }
}

TEST_CASE("run: the norms of the gradient's parts are those of one gradient") {
  // One step an epoch, so that the means are that step's norms.
  const Words options = {"--batch-size", "24", "--epochs", "1"};
  const TemporaryFolder folder;
  const auto train = [&](const char* stream) {
    const Ended ended = train_mm(begin(folder / stream, options + Words{"--stream", stream}));
    REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
    return json::parse(read_text(folder / stream / "metrics.jsonl"));
  };
  for (const char* stream : {"both", "face", "voice"}) {
    CAPTURE(stream);
    const json epoch = train(stream);
    double square = 0;
    for (const std::string part : {"face", "voice", "joint"}) {
      CAPTURE(part);
      const std::string key = "gradient_norm_" + part;
      const bool has = part == "joint" || stream == part || stream == std::string("both");
      REQUIRE(epoch.contains(key) == has);
      if (!has) continue;
      const double norm = epoch.at(key);
      CHECK(norm > 0);
      square += norm * norm;
    }
    // A few roundings of 2^-53.
    CHECK(std::sqrt(square) ==
          doctest::Approx(epoch.at("gradient_norm").get<double>()).epsilon(1e-14));
  }
}

TEST_CASE("infer: an answer for programs and one for people") {
  const Words question = {model(), "--face", a_face().string(), "--voice", a_voice().string()};
  const Ended answer = infer_mm(question + Words{"--json"});
  REQUIRE_MESSAGE(answer.status == 0, to_string(answer));
  REQUIRE(lines_of(answer.out).size() == 1);
  const json j = json::parse(answer.out);
  CHECK(keys_of(j) == std::set<std::string>{"face", "voice", "label", "probabilities"});
  CHECK(j.at("face") == a_face().string());
  CHECK(j.at("voice") == a_voice().string());
  check_answer(j);

  const Ended bars = infer_mm(question);
  REQUIRE_MESSAGE(bars.status == 0, to_string(bars));
  const std::vector<std::string> lines = lines_of(bars.out);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == j.at("label"));
  CHECK(holds(bars.out, {"negative", "neutral", "positive", "█", " %"}));
}

TEST_CASE("modality dropout: a stream has no gradient from a pair that lacks it") {
  // One pair in the only step of the epoch, which always lacks a stream.
  const TemporaryFolder folder;
  int faces = 0, voices = 0;
  for (int seed = 1; seed <= 6; ++seed) {
    const fs::path run = folder / std::to_string(seed);
    const Ended ended =
        train_mm(begin(run, {"--modality-dropout", "1", "--batch-size", "1", "--max-steps", "1",
                             "--head", "64", "--seed", std::to_string(seed)}));
    REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
    const json epoch = json::parse(read_text(run / "metrics.jsonl"));
    const double face = epoch.at("gradient_norm_face"), voice = epoch.at("gradient_norm_voice");
    CHECK((face == 0 || voice == 0));
    faces += face > 0;
    voices += voice > 0;
  }
  CHECK(faces > 0);
  CHECK(voices > 0);
}

TEST_CASE("infer: of a fused model that has learned it, one stream may be missing") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const Ended trained = train_mm(begin(run, {"--epochs", "2", "--modality-dropout", "0.5"}));
  REQUIRE_MESSAGE(trained.status == 0, to_string(trained));
  const std::string able = (run / "model.safetensors").string();
  const std::string face = a_face().string(), voice = a_voice().string();
  const auto ask = [&](const Words& question) {
    const Ended ended = infer_mm(Words{able, "--json"} + question);
    REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
    return json::parse(ended.out);
  };
  const json both = ask({"--face", face, "--voice", voice}), seen = ask({"--face", face}),
             heard = ask({"--voice", voice});
  CHECK(!both.contains("missing"));
  CHECK(keys_of(seen) == std::set<std::string>{"face", "missing", "label", "probabilities"});
  CHECK(seen.at("missing") == "voice");
  CHECK(keys_of(heard) == std::set<std::string>{"voice", "missing", "label", "probabilities"});
  CHECK(heard.at("missing") == "face");
  for (const json& answer : {both, seen, heard}) check_answer(answer);
  CHECK(seen.at("probabilities") != both.at("probabilities"));
  CHECK(heard.at("probabilities") != seen.at("probabilities"));

  const Ended bars = infer_mm({able, "--face", face});
  REQUIRE_MESSAGE(bars.status == 0, to_string(bars));
  CHECK(lines_of(bars.out).at(0) == seen.at("label").get<std::string>() + "  (voice missing)");

  // In a table, mixed; and where no row has the stream, nor the table the column.
  write_text(folder / "mixed.csv", fmt::format("face,voice\n{0},{1}\n{0},\n,{1}\n", face, voice));
  write_text(folder / "faces.csv", fmt::format("face\n{0}\n{0}\n", face));
  const auto rows = [&](const std::string& asked, const char* table, const Words& how) {
    return infer_mm(Words{asked, "--pairs", (folder / table).string()} + how);
  };
  const Ended mixed = rows(able, "mixed.csv", {"--json"}),
              alone = rows(able, "faces.csv", {"--json"});
  REQUIRE_MESSAGE(mixed.status == 0, to_string(mixed));
  REQUIRE_MESSAGE(alone.status == 0, to_string(alone));
  const std::vector<std::string> mixed_rows = lines_of(mixed.out);
  for (const auto& [line, single] :
       {std::pair(mixed_rows.at(0), both), std::pair(mixed_rows.at(1), seen),
        std::pair(mixed_rows.at(2), heard), std::pair(lines_of(alone.out).at(1), seen)}) {
    CAPTURE(line);
    const json row = json::parse(line);
    CHECK(row.value("missing", "") == single.value("missing", ""));
    for (const auto& [name, p] : single.at("probabilities").items())
      // A library may sum in another order in another batch: few roundings of 2^-24 each.
      CHECK(row.at("probabilities").at(name).get<double>() ==
            doctest::Approx(p.get<double>()).epsilon(1e-5));
  }
  const std::vector<std::string> lines = lines_of(rows(able, "mixed.csv", {}).out);
  CHECK(!holds(lines.at(0), {"missing"}));
  CHECK(lines.at(1).ends_with("  (voice missing)"));
  CHECK(lines.at(2).ends_with("  (face missing)"));

  // A model that has not learned it says so.
  const Ended unable = rows(model(), "mixed.csv", {"--json"});
  CHECK(unable.status == 3);
  const std::vector<std::string> answers = lines_of(unable.out);
  check_answer(json::parse(answers.at(0)));
  CHECK(holds(answers.at(1), {"this pair has no voice", "without --modality-dropout"}));
  CHECK(holds(answers.at(2), {"this pair has no face", "without --modality-dropout"}));
  const Ended refused = infer_mm({model(), "--face", face});
  CHECK(refused.status == 2);
  CHECK(holds(refused.err, {"--voice W is missing", "without --modality-dropout"}));
}

TEST_CASE("infer: a table of pairs, in order, past a bad file") {
  const TemporaryFolder folder;
  write_text(folder / "bad.wav", "this is no sound\n");
  fs::copy_file(a_voice(), folder / "good voice.wav");
  // More rows than a batch has, one of them bad, one without a voice, and a column of the user's.
  std::string table = "note,face,voice,label\n";
  const int rows = 40, bad = 3, absent = 36;
  for (int i = 0; i < rows; ++i)
    table += fmt::format("{},{},{},{}\n", i, a_face().string(),
                         i == bad      ? "bad.wav"
                         : i == absent ? "gone.wav"
                                       : "good voice.wav",
                         i % 2 ? "positive" : "");
  write_text(folder / "pairs.csv", table);
  const Ended ended = infer_mm({model(), "--pairs", (folder / "pairs.csv").string(), "--json"});
  CHECK(ended.status == 3);
  const std::vector<std::string> lines = lines_of(ended.out);
  REQUIRE_MESSAGE(lines.size() == rows, to_string(ended));
  for (int i = 0; i < rows; ++i) {
    CAPTURE(lines[i]);
    const json j = json::parse(lines[i]);
    CHECK(j.at("note") == std::to_string(i));
    CHECK(j.at("face") == a_face().string());
    if (i == bad || i == absent) {
      CHECK(holds(j.at("error"), {i == bad ? "bad.wav" : "gone.wav"}));
      CHECK(!j.contains("probabilities"));
    } else {
      CHECK(j.at("voice") == (folder / "good voice.wav").string());
      check_answer(j);
    }
  }

  // The run's own pairs are all good, and one answer is the same alone as in a batch.
  const Ended own = infer_mm({model(), "--pairs", (tiny_run() / "pairs.csv").string(), "--json"});
  REQUIRE_MESSAGE(own.status == 0, to_string(own));
  REQUIRE(lines_of(own.out).size() == 36);
  const json batched = json::parse(lines_of(own.out).at(20));
  const Ended alone =
      infer_mm({model(), "--json", "--face", batched.at("face"), "--voice", batched.at("voice")});
  REQUIRE_MESSAGE(alone.status == 0, to_string(alone));
  const json answer = json::parse(alone.out);
  for (const auto& [name, p] : answer.at("probabilities").items())
    // A library may sum in another order in another batch: few roundings of 2^-24 each.
    CHECK(p.get<double>() ==
          doctest::Approx(batched.at("probabilities").at(name).get<double>()).epsilon(1e-5));
}

TEST_CASE("infer: the spectrogram as numbers and as a picture") {
  const TemporaryFolder folder;
  const fs::path npy = folder / "mel.npy", png = folder / "mel.png";
  for (const fs::path& target : {npy, png}) {
    const Ended ended =
        infer_mm({model(), "--voice", a_voice().string(), "--spectrogram", target.string()});
    REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
  }
  const NpyArray db = read_npy(npy);
  // 8000 samples, centred frames each 128.
  REQUIRE(db.shape == Shape{16, 8000 / 128 + 1});
  REQUIRE(db.dtype == DType::f32);
  float most = -1000, least = 1000;
  for (std::int64_t i = 0; i < db.shape.numel(); ++i) {
    most = std::max(most, db.as<float>()[i]);
    least = std::min(least, db.as<float>()[i]);
  }
  CHECK(most == 0);
  CHECK(least >= -80);
  CHECK(least < -10);
  CHECK(read_text(png).starts_with("\x89PNG"));
  CHECK(temporary_files(folder.path()).empty());

  const Ended other =
      infer_mm({model(), "--voice", a_voice().string(), "--spectrogram", "mel.txt"});
  CHECK(other.status == 2);
  CHECK(holds(other.err, {"mel.txt", ".npy", ".png"}));
}

TEST_CASE("infer: the inputs as the network sees them") {
  const TemporaryFolder folder;
  const Ended ended = infer_mm({model(), "--face", a_face().string(), "--voice", a_voice().string(),
                                "--dump-inputs", (folder / "in").string()});
  REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
  const NpyArray face = read_npy(folder / "in" / "face.npy");
  const NpyArray voice = read_npy(folder / "in" / "voice.npy");
  CHECK(face.shape == Shape{3, 16, 16});
  CHECK(voice.shape == Shape{1, 16, 16});
  CHECK(face.dtype == DType::f32);
  CHECK(voice.dtype == DType::f32);
}

TEST_CASE("infer: a model describes itself") {
  const Ended ended = infer_mm({model(), "--describe"});
  REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
  for (const char* parameter : {"sample_rate = 16000",
                                "seconds = 0.5",
                                "fit = ",
                                "n_fft = 256",
                                "hop_length = 128",
                                "window = \"hann, periodic\"",
                                "center = true",
                                "pad_mode = \"constant\"",
                                "power = 2.0",
                                "n_mels = 16",
                                "fmin = 0",
                                "fmax = 8000",
                                "mel_scale = \"slaney\"",
                                "mel_norm = \"slaney\"",
                                "ref = \"max\"",
                                "amin = 1e-10",
                                "top_db = 80",
                                "scale = ",
                                "resize = ",
                                "style = \"log-mel\""})
    CHECK_MESSAGE(holds(ended.out, {parameter}), parameter);
  CHECK(holds(ended.out, {"negative, neutral, positive", "split fingerprint", "face mean",
                          "voice mean", "fusion = \"concat\"", "face.block1.conv1.weight (2",
                          "voice.block4.norm2.bias (2)", "head.fc4.weight (3, 8)"}));
}

TEST_CASE("programs: --version and --help") {
  const Ended train = train_mm({"--version"}), infer = infer_mm({"--version"});
  CHECK(train.status == 0);
  CHECK(infer.status == 0);
  CHECK(train.out == std::string("duet ") + DUET_VERSION + "\n");
  CHECK(infer.out == train.out);
  const Ended help = train_mm({"--help"});
  CHECK(help.status == 0);
  CHECK(holds(help.out, {"--faces", "--batch-size", "--resume", "inspect"}));
}

TEST_CASE("inspect: what a folder holds, and what of it would be refused") {
  const TemporaryFolder folder;
  write_tiny_corpus(folder.path());
  write_text(folder / "voices" / "03-01-05-01-02-01-01.wav", "not a sound");
  write_text(folder / "faces" / "neutral" / "Person_F_0009.png", "");
  const Ended ended =
      train_mm({"inspect", (folder / "faces").string(), (folder / "voices").string()});
  REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
  CHECK(holds(ended.out, {"37 pictures", "19 sounds", "M-LFW-FER", "RAVDESS", "24×24", "16000 Hz",
                          "0.50 to 0.50 s", "Actor_06", "03-01-05-01-02-01-01.wav",
                          "Person_F_0009.png", "empty"}));
}
