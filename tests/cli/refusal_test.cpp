/// What the programs refuse: with which exit status, naming the file and what to do, and leaving
/// everything as it was.

#include <bit>
#include <cmath>
#include <limits>

#include "apps/data/picture_write.h"
#include "apps/data/wave_write.h"
#include "engine/safetensors.h"
#include "tests/cli/tiny_run.h"
#include "tests/test_data.h"

using namespace duet;
using namespace duet::test;
namespace fs = std::filesystem;

namespace {

/// Ends with this status and says all of this, on the error channel alone.
void check_refused(const Ended& ended, int status, const Words& parts) {
  INFO(to_string(ended));
  CHECK(ended.status == status);
  for (const std::string& part : parts) CHECK_MESSAGE(holds(ended.err, {part}), part);
}

struct Corpus {
  TemporaryFolder folder;
  TinyCorpus paths{folder / "faces", folder / "voices"};
  Corpus() { write_tiny_corpus(folder.path()); }
};

void write_lfs_pointer(const fs::path& path) {
  write_text(path,
             "version https://git-lfs.github.com/spec/v1\n"
             "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
             "size 12345\n");
}

void write_truncated_jpeg(const fs::path& path) {
  const std::string whole = read_text(test::test_data("pictures/rgb.jpg"));
  write_text(path, std::string_view(whole).substr(0, whole.size() / 2));
}

void write_tiny_picture(const fs::path& path) {
  write_png(path, 1, 1, 3, std::vector<std::uint8_t>{1, 2, 3});
}

/// A picture whose header claims 20,000 × 20,000 pixels.
void write_huge_picture(const fs::path& path) {
  write_png(path, 4, 4, 1, std::vector<std::uint8_t>(16));
  std::string bytes = read_text(path);
  // Width and height follow the signature and the chunk's length and type, big-endian.
  for (const std::size_t at : {16, 20}) bytes.replace(at, 4, std::string("\x00\x00\x4e\x20", 4));
  write_text(path, bytes);
}

void write_silence(const fs::path& path) {
  write_wave(path, 16000, std::vector<std::int16_t>(8000));
}

/// One sample of float32 mono WAV after another, one of them no number.
void write_nan_wave(const fs::path& path) {
  const auto number = [](std::uint32_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
    return text;
  };
  std::string data;
  for (int i = 0; i < 8000; ++i)
    data += number(std::bit_cast<std::uint32_t>(i == 4000 ? std::numeric_limits<float>::quiet_NaN()
                                                          : std::sin(0.1f * i)),
                   4);
  const auto size = static_cast<std::uint32_t>(data.size());
  write_text(path, "RIFF" + number(36 + size, 4) + "WAVEfmt " + number(16, 4) + number(3, 2) +
                       number(1, 2) + number(16000, 4) + number(64000, 4) + number(4, 2) +
                       number(32, 2) + "data" + number(size, 4) + data);
}

struct Bad {
  const char* name;    ///< stands for a file of the tiny corpus
  const char* reason;  ///< a word of the message
  void (*write)(const fs::path& path);
};

const Bad bad_faces[] = {
    {"negative/Person_A_0000.png", "git-LFS", write_lfs_pointer},
    {"negative/Person_B_0000.jpg", "truncated", write_truncated_jpeg},
    {"neutral/Person_C_0002.png", "1×1", write_tiny_picture},
    {"positive/Person_D_0004.png", "20000×20000", write_huge_picture},
};
const Bad bad_voices[] = {
    {"03-01-05-01-01-01-01.wav", "no samples", [](const fs::path& p) { write_wave(p, 16000, {}); }},
    {"03-01-05-01-01-01-02.wav", "silen", write_silence},
    {"03-01-05-01-01-01-03.wav", "NaN", write_nan_wave},
    {"03-01-05-01-01-01-04.wav", "not a sound",
     [](const fs::path& p) { write_text(p, "these are but words\n"); }},
    {"03-01-05-01-01-01-05.wav", "git-LFS", write_lfs_pointer},
};

void spoil(const fs::path& folder, const Bad& bad) {
  fs::remove((folder / bad.name).replace_extension(".png"));
  bad.write(folder / bad.name);
}

std::string model() { return (tiny_run() / "model.safetensors").string(); }

}  // namespace

TEST_CASE("refused: files that are no faces and no voices") {
  Corpus corpus;
  Words reasons = {"mend them", "9 of the files"};
  for (const Bad& bad : bad_faces) spoil(corpus.paths.faces, bad);
  for (const Bad& bad : bad_voices) spoil(corpus.paths.voices, bad);

  // Alone.
  for (const Bad& bad : bad_faces) {
    const std::string path = (corpus.paths.faces / bad.name).string();
    check_refused(infer_mm({model(), "--voice", a_voice().string(), "--face", path}), 3,
                  {path, bad.reason});
    reasons = reasons + Words{path, bad.reason};
  }
  for (const Bad& bad : bad_voices) {
    const std::string path = (corpus.paths.voices / bad.name).string();
    check_refused(infer_mm({model(), "--face", a_face().string(), "--voice", path}), 3,
                  {path, bad.reason});
    reasons = reasons + Words{path, bad.reason};
  }
  // All of them before a training begins.
  const fs::path run = corpus.folder / "run";
  check_refused(train_mm(begin_on(corpus.paths, run)), 3, reasons);
  CHECK(!fs::exists(run / "last.safetensors"));
  // In an inspection, which goes on.
  const Ended inspected =
      train_mm({"inspect", corpus.paths.faces.string(), corpus.paths.voices.string()});
  CHECK(inspected.status == 0);
  for (const Bad& bad : bad_faces) CHECK_MESSAGE(holds(inspected.out, {bad.name}), bad.name);
  for (const Bad& bad : bad_voices)
    CHECK_MESSAGE(holds(inspected.out, {bad.name, bad.reason}), bad.name);

  // Nothing is left of a run that has trained nothing: mended, the same command begins it.
  CHECK(fs::is_empty(run));
  fs::remove(corpus.paths.faces / "negative" / "Person_B_0000.jpg");
  fs::rename(corpus.paths.faces, corpus.folder / "spoilt");
  fs::remove_all(corpus.paths.voices);
  write_tiny_corpus(corpus.folder.path());
  fs::copy_file(test::test_data("pictures/rgb.jpg"),
                corpus.paths.faces / "negative" / "Person_B_0000.jpg");
  const Ended begun = train_mm(begin_on(corpus.paths, run));
  CHECK_MESSAGE(begun.status == 0, to_string(begun));
}

TEST_CASE("refused: folders without what a training needs") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run", nowhere = folder / "nowhere", empty = folder / "empty";
  fs::create_directories(empty);
  const TinyCorpus good = tiny_corpus();
  // A run that has trained nothing has not begun: its folder may be named again.
  const auto attempt = [&](const TinyCorpus& corpus) { return train_mm(begin_on(corpus, run)); };
  check_refused(attempt({nowhere, good.voices}), 3, {nowhere.string(), "check the path"});
  check_refused(attempt({good.faces, nowhere}), 3, {nowhere.string(), "check the path"});
  check_refused(attempt({a_face(), good.voices}), 3, {a_face().string(), "not a folder"});
  check_refused(attempt({empty, good.voices}), 3, {empty.string()});
  check_refused(attempt({good.faces, empty}), 3, {empty.string()});
  CHECK(fs::is_empty(run));
  check_refused(train_mm({"inspect", nowhere.string()}), 3, {nowhere.string()});
  check_refused(train_mm({"inspect", empty.string()}), 3, {empty.string()});

  SUBCASE("a class is missing") {
    Corpus corpus;
    fs::remove_all(corpus.paths.faces / "neutral");
    check_refused(attempt({corpus.paths.faces, good.voices}), 3,
                  {corpus.paths.faces.string(), "neutral"});
    for (const char* file :
         {"03-01-03-01-01-01-01.wav", "03-01-03-01-01-01-02.wav", "03-01-03-01-01-01-03.wav",
          "03-01-03-01-01-01-04.wav", "03-01-03-01-01-01-05.wav", "03-01-03-01-01-01-06.wav"})
      fs::remove(corpus.paths.voices / file);
    check_refused(attempt({good.faces, corpus.paths.voices}), 3,
                  {corpus.paths.voices.string(), "positive"});
  }
  SUBCASE("too few speakers") {
    fs::create_directories(folder / "two");
    for (const char* code : {"05", "01", "03"})
      for (int actor = 1; actor <= 2; ++actor) {
        const std::string name = fmt::format("03-01-{}-01-01-01-{:02}.wav", code, actor);
        fs::copy_file(good.voices / name, folder / "two" / name);
      }
    check_refused(attempt({good.faces, folder / "two"}), 3,
                  {(folder / "two").string(), "too few", "--split leaky"});
  }
  SUBCASE("no pairs") {
    fs::copy_file(tiny_run() / "config.toml", run / "config.toml");
    write_text(run / "pairs.csv", "face,voice,label,split\n");
    check_refused(train_mm(resume(run)), 3, {(run / "pairs.csv").string()});
    check_refused(infer_mm({model(), "--pairs", (run / "pairs.csv").string(), "--json"}), 3,
                  {(run / "pairs.csv").string()});
    check_refused(infer_mm({model(), "--pairs", (run / "none.csv").string()}), 3,
                  {(run / "none.csv").string()});
    // A table of voices alone says of each line that the model needs a face.
    write_text(run / "pairs.csv", "picture of,voice\na.png,b.wav\n");
    const Ended faceless = infer_mm({model(), "--pairs", (run / "pairs.csv").string(), "--json"});
    CHECK(faceless.status == 3);
    CHECK(holds(faceless.out, {"b.wav", "\"error\"", "no face"}));
  }
}

TEST_CASE("refused: model files that are damaged or lie") {
  const TemporaryFolder folder;
  const fs::path path = folder / "m.safetensors";
  const std::string sound = read_text(tiny_run() / "model.safetensors");
  std::uint64_t header = 0;
  std::memcpy(&header, sound.data(), 8);
  const Words question = {path.string(),     "--json",  "--face",
                          a_face().string(), "--voice", a_voice().string()};

  check_refused(infer_mm(question), 3, {path.string(), "no such file"});
  write_text(path, sound);
  CHECK(infer_mm(question).status == 0);

  const auto check_damaged = [&](const std::string& bytes) {
    write_text(path, bytes);
    check_refused(infer_mm(question), 3, {path.string(), "not a sound model file"});
  };
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{header / 2},
        std::size_t{8 + header}, sound.size() / 2 + header / 2, sound.size() - 1})
    check_damaged(sound.substr(0, length));
  check_damaged(sound + "x");
  const auto flipped = [&](std::size_t at) {
    std::string bytes = sound;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    return bytes;
  };
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{5}, std::size_t{8}, std::size_t{8 + header / 2},
        std::size_t{8 + header}, (8 + header + sound.size()) / 2, sound.size() - 1})
    check_damaged(flipped(at));
  const auto replaced = [&](const std::string& old, const std::string& by) {
    std::string bytes = sound;
    const std::size_t at = bytes.find(old);
    REQUIRE(at != std::string::npos);
    REQUIRE(old.size() == by.size());
    return bytes.replace(at, old.size(), by);
  };
  check_damaged(replaced("[2,3,3,3]", "[9,9,9,9]"));
  check_damaged(replaced("\"F32\"", "\"F16\""));
  check_damaged(replaced("\"shape\":[8]", "\"shape\":8  "));
  std::string huge = sound;
  huge.replace(0, 8, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8));
  check_damaged(huge);
  check_damaged("these are but words\n");

  write_lfs_pointer(path);
  check_refused(infer_mm(question), 3, {path.string()});
  check_refused(infer_mm({tiny_run().string(), "--describe"}), 3,
                {tiny_run().string(), "model.safetensors"});

  // Sound as a file, but no model: no description, or a tensor too few.
  Safetensors file = read_safetensors(tiny_run() / "model.safetensors");
  write_safetensors(path, file.tensors, {});
  check_refused(infer_mm(question), 3, {path.string(), "no Duet model"});
  file.tensors.erase("head.fc1.weight");
  write_safetensors(path, file.tensors, file.metadata);
  check_refused(infer_mm(question), 3, {path.string(), "head.fc1.weight"});
}

TEST_CASE("refused: options and configurations that are wrong") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run", config = folder / "my.toml";
  const auto attempt = [&](const Words& options) { return train_mm(begin(run, options)); };
  check_refused(attempt({"--fusion", "telepathy"}), 2, {"telepathy", "add, concat, "});
  check_refused(attempt({"--colour", "red"}), 2, {"--colour"});
  check_refused(attempt({"--batch-size", "0"}), 2, {"--batch-size", "between 1 and"});
  check_refused(attempt({"--batch-size", "4x"}), 2, {"--batch-size", "4x"});
  check_refused(attempt({"--size", "20"}), 2, {"--size", "16"});
  check_refused(attempt({"--widths", "2,2"}), 2, {"--widths", "four"});
  check_refused(attempt({"--preset", "huge"}), 2, {"huge", "tiny", "paper"});
  check_refused(attempt({"--split", "half"}), 2, {"half", "speaker"});
  check_refused(attempt({"--impl", "conv2d=nonsense"}), 2, {"nonsense", "conv2d", "ref"});
  check_refused(attempt({"--impl", "telepathy=ref"}), 2, {"telepathy"});
  check_refused(attempt({"--precision", "f8"}), 2, {"--precision", "f32"});
  check_refused(attempt({"--precision", "tf32", "--device", "cpu"}), 2,
                {"tf32", "conv2d", "on cpu", "simt.tensor_core does"});
  check_refused(attempt({"--precision", "bf16", "--device", "cpu"}), 2,
                {"bf16", "conv2d", "on cpu", "simt.tensor_core does"});
  check_refused(attempt({"--device", "abacus"}), 2, {"abacus", "cuda:N"});
  check_refused(train_mm({"--out", run.string()}), 2, {"--faces", "--demo"});
  check_refused(train_mm({}), 2, {"--out", "--resume"});
  check_refused(train_mm({"inspect"}), 2, {"DIR"});
  check_refused(train_mm({"--seed", "7", "inspect", folder.path().string()}), 2,
                {"--seed", "inspect"});
  check_refused(train_mm({"--resume", run.string(), "reproduce", "--out", (folder / "s").string()}),
                2, {"--resume", "reproduce"});
  check_refused(attempt({"--resume", run.string()}), 2, {"--out", "--resume"});

  write_text(config, "[training]\nepochs = 2\nlearning_speed = 3\n");
  check_refused(attempt({"--config", config.string()}), 2, {config.string(), "learning_speed"});
  write_text(config, "[train]\nepochs = 2\n");
  check_refused(attempt({"--config", config.string()}), 2, {config.string(), "train"});
  write_text(config, "[training]\nepochs = = 2\n");
  check_refused(attempt({"--config", config.string()}), 2, {config.string(), "2"});
  check_refused(attempt({"--config", (folder / "none.toml").string()}), 3,
                {(folder / "none.toml").string()});
  CHECK_MESSAGE(!fs::exists(run / "config.toml"), "a refused command has begun a run");

  write_text(folder / "file", "in the way");
  const fs::path below = folder / "file" / "run";
  check_refused(train_mm(begin(below)), 3, {below.string()});

  check_refused(infer_mm({model(), "--colour"}), 2, {"--colour"});
  check_refused(infer_mm({}), 2, {"MODEL"});
  check_refused(infer_mm({model(), "--face", a_face().string()}), 2, {"--voice"});
  check_refused(infer_mm({model(), "--voice", a_voice().string()}), 2, {"--face"});
  for (const char* option : {"--spectrogram", "--dump-inputs", "--explain", "--face", "--voice"}) {
    check_refused(infer_mm({model(), "--pairs", "pairs.csv", option, "x.png"}), 2,
                  {"--pairs goes without", option});
    check_refused(infer_mm({model(), "--describe", option, "x.png"}), 2,
                  {"--describe goes without", option});
  }
  check_refused(infer_mm({model(), "--describe", "--impl", "conv2d=nonsense"}), 2, {"nonsense"});
}

TEST_CASE("refused: a run where one is, none where one should be, another run's options") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  fs::copy(tiny_run(), run, fs::copy_options::recursive);
  const std::string before = read_text(run / "last.safetensors");
  check_refused(train_mm(begin(run)), 2, {run.string(), "--resume " + run.string()});
  check_refused(train_mm(resume(run, {"--lr", "0.1"})), 2, {"'lr'", "epochs", "threads"});
  check_refused(train_mm(resume(run, {"--config", (run / "config.toml").string()})), 2,
                {"--config"});
  check_refused(train_mm(resume(folder / "none")), 2, {(folder / "none").string(), "--out"});
  CHECK(read_text(run / "last.safetensors") == before);
  CHECK(!fs::exists(folder / "none"));

  // Other pairs than those that it was trained on.
  std::string pairs = read_text(run / "pairs.csv");
  write_text(run / "pairs.csv", pairs.substr(0, pairs.rfind('\n', pairs.size() - 2) + 1));
  check_refused(train_mm(resume(run, {"--epochs", "9"})), 3,
                {(run / "pairs.csv").string(), "other pairs"});
  write_text(run / "pairs.csv", pairs);
  // A damaged checkpoint is refused and left as it is.
  std::string damaged = before;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  write_text(run / "last.safetensors", damaged);
  check_refused(train_mm(resume(run, {"--epochs", "9"})), 3,
                {(run / "last.safetensors").string(), "checksum"});
  CHECK(read_text(run / "last.safetensors") == damaged);
}

TEST_CASE("training: --impl chooses the rows") {
  const TemporaryFolder folder;
  const Ended ended =
      train_mm(begin(folder / "run", {"--epochs", "1", "--impl", "conv2d=ref,linear=ref"}));
  REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
  CHECK(holds(ended.out + ended.err, {"conv2d=ref", "linear=ref"}));
}

TEST_CASE("disk full: the checkpoint before survives, and the run goes on from it") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run", straight = folder / "straight";
  REQUIRE(train_mm(begin(run, {"--epochs", "1"})).status == 0);
  const std::string before = read_text(run / "last.safetensors");
  const std::uint64_t size = before.size();
  // Too small for the last file only, for models too, and for a metrics file of two epochs.
  for (const std::uint64_t room : {size - 100, size / 4, std::uint64_t{600}}) {
    CAPTURE(room);
    Process::Options full;
    full.largest_file = room;
    const Ended ended = train_mm(resume(run, {"--epochs", "3", "--quiet"}), full);
    check_refused(ended, 3, {run.string(), "File too large", "free space"});
    CHECK(read_text(run / "last.safetensors") == before);
    CHECK(temporary_files(run).empty());
  }
  const Ended resumed = train_mm(resume(run, {"--epochs", "3"}));
  REQUIRE_MESSAGE(resumed.status == 0, to_string(resumed));
  REQUIRE(train_mm(begin(straight, {"--epochs", "3"})).status == 0);
  for (const char* name : {"evaluation.json", "pairs.csv"})
    CHECK_MESSAGE(read_text(run / name) == read_text(straight / name), name);

  // No room for the first file of a run: nothing is begun.
  Process::Options full;
  full.largest_file = 100;
  const fs::path none = folder / "none";
  // What it says of it is cut short as well.
  CHECK(train_mm(begin(none), full).status == 3);
  CHECK((!fs::exists(none) || fs::is_empty(none)));
  // No room for pairs.csv: not begun either.
  full.largest_file = fs::file_size(run / "config.toml") + 100;
  REQUIRE(fs::file_size(run / "pairs.csv") > *full.largest_file);
  check_refused(train_mm(begin(none, {"--quiet"}), full), 3, {none.string(), "free space"});
  CHECK(fs::is_empty(none));
  const Ended begun = train_mm(begin(none, {"--epochs", "1"}));
  CHECK_MESSAGE(begun.status == 0, to_string(begun));
}

TEST_CASE("disk full: an answer that is lost is an error, a lost log is none") {
  const TemporaryFolder folder;
  Process::Options full;
  full.out = "/dev/full";
  const Ended answer = infer_mm(
      {model(), "--json", "--face", a_face().string(), "--voice", a_voice().string()}, full);
  check_refused(answer, 1, {"output"});
  const Ended trained = train_mm(begin(folder / "run", {"--epochs", "1"}), full);
  CHECK_MESSAGE(trained.status == 0, to_string(trained));
  CHECK(fs::exists(folder / "run" / "evaluation.json"));
}

TEST_CASE("not a number: the run ends and names a tensor") {
  const TemporaryFolder folder;
  // In a step, and where no further step would come upon it.
  for (const Words& steps : {Words{}, Words{"--max-steps", "1"}}) {
    CAPTURE(steps.size());
    const fs::path run = folder / fmt::format("run{}", steps.size());
    const Ended ended = train_mm(begin(run, Words{"--lr", "1e30", "--epochs", "2"} + steps));
    // Which tensor is the first depends on the rows; all of them are of one of these.
    check_refused(ended, 1, {"training stopped at", "epoch 1", "NaN or infinit", "--lr"});
    CHECK((holds(ended.err, {"face."}) || holds(ended.err, {"voice."}) ||
           holds(ended.err, {"fusion"}) || holds(ended.err, {"head"})));
    CHECK(temporary_files(run).empty());
    CHECK(!fs::exists(run / "evaluation.json"));
    CHECK(!fs::exists(run / "model.safetensors"));
  }
}
