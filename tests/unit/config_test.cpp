#include "apps/cli/config.h"

#include <algorithm>
#include <set>

#include "tests/temporary_folder.h"

using namespace duet;

namespace {

/// The message of the UsageError for one setting of the command line; "" when it is taken.
std::string refusal(const std::string& key, const std::string& value) {
  return message_of<UsageError>([&] { resolve({}, {{key, value}}); });
}

std::string toml_refusal(std::string_view text) {
  return message_of<UsageError>([&] { read_toml(text, "run/config.toml"); });
}

}  // namespace

TEST_CASE("config: without settings the defaults hold, and are the preset's that they name") {
  const Config config = resolve({}, {});
  CHECK(config.preset == "small");
  CHECK(to_toml(config) == to_toml(Config{}));
  CHECK(to_toml(config) == to_toml(resolve({}, {{"preset", "small"}})));
}

TEST_CASE("config: the presets") {
  CHECK(preset_names() ==
        std::vector<std::string>{"tiny", "small", "paper-64", "paper", "paper-224"});
  const Config paper = resolve({}, {{"preset", "paper"}});
  CHECK(paper.size == 128);
  CHECK(paper.widths == std::vector<std::int64_t>{64, 128, 256, 512});
  CHECK(paper.head == std::vector<std::int64_t>{4096, 2048, 1024});
  CHECK(paper.dropout == 0.3);
  CHECK(paper.block_dropout == 0.3);
  CHECK(resolve({}, {{"preset", "paper-224"}}).size == 224);
  CHECK(resolve({}, {{"preset", "tiny"}}).block_dropout == 0);
  for (const std::string& name : preset_names()) CHECK(refusal("preset", name) == "");
}

TEST_CASE("config: what is stronger than what") {
  // The command line over the file over the preset over the defaults.
  CHECK(resolve({{"lr", "0.5"}}, {}).lr == 0.5);
  CHECK(resolve({{"lr", "0.5"}}, {{"lr", "0.25"}}).lr == 0.25);
  CHECK(resolve({{"preset", "tiny"}}, {}).size == 48);
  CHECK(resolve({{"preset", "tiny"}, {"size", "32"}}, {}).size == 32);
  CHECK(resolve({{"preset", "tiny"}}, {{"size", "80"}}).size == 80);
  // A preset on the command line replaces the file's sizes, but not its other settings …
  const Config config =
      resolve({{"preset", "tiny"}, {"size", "32"}, {"lr", "0.5"}}, {{"preset", "paper"}});
  CHECK(config.preset == "paper");
  CHECK(config.size == 128);
  CHECK(config.lr == 0.5);
  // … and sizes on the command line beside it are stronger still.
  CHECK(resolve({{"size", "32"}}, {{"preset", "paper"}, {"size", "64"}}).size == 64);
}

TEST_CASE("config: what is written as TOML is read again") {
  Config config = resolve({}, {{"preset", "paper-64"},
                               {"faces", "/data/faces \"quoted\" \\ tab\t ümlaut"},
                               {"voices", ""},
                               {"lr", "1e-05"},
                               {"adam_eps", "1.2345678901234567e-08"},
                               {"l2", "0"},
                               {"seed", "123456789012345"},
                               {"bn_reestimate", "false"},
                               {"widths", "8,16,24,32"},
                               {"head", ""},
                               {"impl", "conv2d=ref,linear=ref"}});
  const std::string text = to_toml(config);
  const Settings read = read_toml(text, "config.toml");
  CHECK(read.size() == options().size());
  const Config again = resolve(read, {});
  CHECK(to_toml(again) == text);
  CHECK(again.faces == config.faces);
  CHECK(again.lr == 1e-5);
  CHECK(again.adam_eps == 1.2345678901234567e-08);
  CHECK(again.seed == 123456789012345);
  CHECK_FALSE(again.bn_reestimate);
  CHECK(again.widths == std::vector<std::int64_t>{8, 16, 24, 32});
  CHECK(again.head.empty());
  CHECK(again.impl == config.impl);
}

TEST_CASE("config: a file may give some options, in any order, with comments") {
  const Settings settings = read_toml(
      "# mine\n[training]\nlr = 1e-3 # fast\nepochs = 5\n\n[network]\nwidths = [1, 2,\n 3, 4]\n"
      "batch_norm = false\nfusion = 'add'\n",
      "mine.toml");
  CHECK(settings == Settings{{"lr", "0.001"},
                             {"epochs", "5"},
                             {"widths", "1,2,3,4"},
                             {"batch_norm", "false"},
                             {"fusion", "add"}});
  CHECK(resolve(settings, {}).epochs == 5);
  CHECK(read_toml("", "empty.toml").empty());
}

TEST_CASE("config: faults of a file are named with their line") {
  const auto says = [](std::string_view text, const char* words) {
    const std::string message = toml_refusal(text);
    CHECK_MESSAGE(message.find(words) == 0, message);
  };
  says("[network]\nsize = 64\n[trainig]\nlr = 1\n",
       "run/config.toml, line 3: unknown section 'trainig'; the sections are data, network, "
       "front_end, training, run");
  says("[training]\nepochs = 3\n\nlearning_rate = 1\n",
       "run/config.toml, line 4: unknown key 'learning_rate' in [training]; its keys are epochs, ");
  says("[network]\nlr = 1\n", "run/config.toml, line 2: unknown key 'lr' in [network]");
  says("epochs = 3\n", "run/config.toml, line 1: unknown section 'epochs'");
  says("[training]\nlr = \n", "run/config.toml, line 2: ");
  says("[training]\nlr = 1\nlr = 2\n", "run/config.toml, line 3: ");
  says("[training\n", "run/config.toml, line 1: ");
  says("[network]\nsize = 1979-05-27\n", "run/config.toml, line 2: the value of 'size' is neither");
  says("[network]\nwidths = [[1], [2]]\n",
       "run/config.toml, line 2: the value of 'widths' is neither");
  says("[network]\n[network.size]\nx = 1\n", "run/config.toml, line 2: the value of 'size'");
}

TEST_CASE(
    "config: malformed values are usage errors that name the option, the value and the rule") {
  CHECK(refusal("batch_size", "many") == "--batch-size: 'many' is not a whole number");
  CHECK(refusal("batch_size", "0") == "--batch-size: '0' is not between 1 and 65536");
  CHECK(refusal("lr", "-1") == "--lr: '-1' is not at least 0");
  CHECK(refusal("dropout", "1") == "--dropout: '1' is not between 0 and 0.99");
  CHECK(refusal("split", "random") ==
        "--split: 'random' is not one of auto, corpus, speaker, random-word, cross-actress, leaky");
  CHECK(refusal("batch_norm", "yes") == "--batch-norm: 'yes' is not true or false");
  for (const std::string text :
       {"", " ", "1.5", "1e3", "32 ", " 32", "+32", "0x20", "32,32", "nan", "99999999999999999999"})
    CHECK_MESSAGE(refusal("batch_size", text) != "", text);
  for (const std::string text : {"", "fast", "1..2", "0,1", "nan", "inf", "-inf", "1e999"})
    CHECK_MESSAGE(refusal("lr", text) != "", text);
  for (const std::string text :
       {"1,2,3", "1,2,3,4,5", "", "1,,2,3", "1,2,3,x", "1;2;3;4", "0,1,2,3", "8,16,24,32,"})
    CHECK_MESSAGE(refusal("widths", text) != "", text);
  CHECK(refusal("faces", "/data/caf\xe9").find("--faces: ") == 0);
}

TEST_CASE("config: options that contradict each other") {
  const auto says = [](const Settings& settings, const char* words) {
    const std::string message = message_of<UsageError>([&] { resolve({}, settings); });
    CHECK_MESSAGE(message.find(words) == 0, message);
  };
  says({{"size", "100"}}, "--size: 100 is not a multiple of 16");
  says({{"folds", "1"}}, "--folds: ");
  says({{"folds", "5"}, {"fold", "5"}}, "--fold: the parts of 5 folds are 0 to 4");
  says({{"sample_rate", "8000"}}, "--fmax: 8000 Hz is above half the sample rate");
  says({{"fmin", "8000"}}, "--fmin: ");
  says({{"n_fft", "513"}}, "--n-fft: 513 is odd");
  says({{"stream", "voice"}, {"pretrain_face", "3"}},
       "--pretrain-face: with --stream voice there is nothing");
  says({{"voice_speed", "0.1"}, {"augment_voices", "false"}}, "--voice-speed: ");
  says({{"stream_balance", "1"}}, "--stream-balance: needs --modality-dropout");
  says({{"stream", "voice"}, {"modality_dropout", "0.1"}},
       "--modality-dropout: with --stream voice there is no other");
  says({{"fusion", "sum"}}, "--fusion: 'sum' is not one of add, ");
  says({{"preset", "huge"}}, "--preset: 'huge' is not one of tiny, small, ");
}

TEST_CASE("config: the table names each option once, with a flag and a section together") {
  std::set<std::string> keys;
  std::vector<std::string> sections;
  for (const Option& option : options()) {
    CHECK_MESSAGE(keys.insert(option.key).second, option.key);
    if (sections.empty() || sections.back() != option.section) sections.push_back(option.section);
    CHECK(std::string(option.help).size() > 5);
  }
  CHECK(sections.size() == std::set(sections.begin(), sections.end()).size());
  CHECK(options().front().flag() == "--faces");
  CHECK(std::any_of(options().begin(), options().end(),
                    [](const Option& o) { return o.flag() == "--batch-size"; }));
}
