/// train_mm: trains a two-stream network on folders of faces and voices.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <span>

#include "apps/cli/config.h"
#include "apps/cli/program.h"
#include "apps/data/inspect.h"
#include "apps/reproduce/reproduce.h"
#include "apps/train/evaluate_run.h"
#include "apps/train/run_lock.h"
#include "apps/train/single_stream.h"
#include "apps/train/trainer.h"
#include "engine/atomic_file.h"
#include "engine/device.h"
#include "kernels/base/parallel.h"
#include "kernels/base/rows.h"

namespace {

using namespace duet;
namespace fs = std::filesystem;

/// What may differ when a run goes on: how long, and on what.
constexpr const char* changeable[] = {"epochs", "max_steps",  "patience", "checkpoint_every",
                                      "keep",   "threads",    "workers",  "cache_mb",
                                      "device", "cuda_graph", "controls", "tensorboard"};

/// What may be said to `evaluate`.
constexpr const char* of_evaluation[] = {"controls", "threads", "workers", "cache_mb", "device"};

/// Help that does not say of a flag what CLI11 stores for its --no- form.
struct Help : CLI::Formatter {
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, positional);
    if (const auto at = name.find("{false}"); at != name.npos) name.erase(at);
    return name;
  }
};

/// What --demo chooses where nothing else was said: settings with which it ends within a minute on
/// two cores, and whose first steps are small enough that every device has the same losses, to
/// 1e-4.
const Settings demo_defaults = {
    {"preset", "tiny"}, {"epochs", "12"}, {"lr", "0.001"}, {"warmup_steps", "40"}};

struct CommandLine {
  std::string out, resume, evaluated, config_file;
  bool quiet = false;
  Settings settings;
  std::vector<std::string> inspected;
  StudyOptions study;
  std::string study_folder;
  std::vector<std::string> study_voices;
};

/// Ctrl-C, or being told to end: the first asks for an end after the step, the second ends at once.
void on_interrupt(int number) {
  request_stop();
  std::signal(number, SIG_DFL);
}

void listen_for_interrupts() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP})
    // A program that was started to ignore one (nohup) goes on ignoring it.
    if (std::signal(number, on_interrupt) == SIG_IGN) std::signal(number, SIG_IGN);
}

std::string absolute_text(const std::string& path) {
  return fs::absolute(path).lexically_normal().string();
}

void check_streams(const Config& config) {
  if (config.demo) return;
  if (config.stream != "voice" && config.faces.empty())
    fail<UsageError>(
        "--faces DIR is missing (or --demo to draw some, or --stream voice to do without)");
  if (config.stream != "face" && config.voices.empty())
    fail<UsageError>(
        "--voices DIR is missing (or --demo to draw some, or --stream face to do without)");
}

/// The run's device. UsageError where it cannot do what the configuration asks of it.
DeviceChoice device_of(const Config& config) {
  DeviceChoice choice = choose_device(config.device);
  if (config.cuda_graph && choice.device.type == DeviceType::cpu)
    fail<UsageError>(
        "--cuda-graph: the CPU has no kernels to launch, so there is nothing to capture{}; "
        "--no-cuda-graph trains on it",
        choice.note.empty() ? "" : fmt::format(" ({})", choice.note));
  if (config.autotune && choice.device.type == DeviceType::simt)
    fail<UsageError>(
        "--autotune: how long the emulator takes says nothing about a device; choose rows for it "
        "by --impl");
  return choice;
}

struct Begun {
  Config config;
  DeviceChoice device;
};

/// A new run: its folder with the resolved configuration in it.
Begun begin(const CommandLine& line, const RunFolder& folder) {
  if (folder.holds_run())
    fail<UsageError>(
        "{}: holds a run already; --resume {} continues it, another --out starts a new one",
        folder.path.string(), folder.path.string());
  Settings file = line.config_file.empty()
                      ? Settings{}
                      : read_toml(read_file(line.config_file), line.config_file);
  const auto demo = line.settings.find("demo");
  if (demo != line.settings.end() && demo->second == "true")
    file.insert(demo_defaults.begin(), demo_defaults.end());
  Config config = resolve(file, line.settings);
  for (std::string* path : {&config.faces, &config.voices})
    if (!path->empty()) *path = absolute_text(*path);
  check_streams(config);
  DeviceChoice device = device_of(config);
  set_impl(Impl::parse(config.impl));
  std::error_code error;
  fs::create_directories(folder.path, error);
  if (error) fail<DataError>("{}: cannot be made ({})", folder.path.string(), error.message());
  write_file_atomically(folder.config(), to_toml(config));
  return {config, device};
}

/// A run that is there: its own configuration, but for what may change. `asked` is what the command
/// line calls this.
Begun take_up(const CommandLine& line, const RunFolder& folder, const char* asked,
              std::span<const char* const> may_change) {
  if (!folder.holds_run())
    fail<UsageError>("{}: holds no run (no config.toml); --out {} starts one", folder.path.string(),
                     folder.path.string());
  for (const auto& [key, value] : line.settings)
    if (std::find(may_change.begin(), may_change.end(), key) == may_change.end())
      fail<UsageError>("{}: '{}' was fixed when the run began; what may change is {}", asked, key,
                       fmt::join(may_change, ", "));
  if (!line.config_file.empty())
    fail<UsageError>("{}: the run has a configuration of its own, --config does not go with it",
                     asked);
  Settings settings = read_toml(read_file(folder.config()), folder.config().string());
  for (const auto& [key, value] : line.settings) settings[key] = value;
  const Config config = resolve(settings, {});
  DeviceChoice device = device_of(config);
  set_impl(Impl::parse(config.impl));
  return {config, device};
}

/// Each stream alone beforehand, where that is wanted, then the run itself.
Trainer::Outcome train(const Config& config, Device device, const RunFolder& folder,
                       Progress& progress) {
  if (pretrain_streams(config, device, folder, progress) == Trainer::Outcome::interrupted)
    return Trainer::Outcome::interrupted;
  return Trainer(config, device, folder, progress).run();
}

/// Takes away what a run that has not begun has written.
void forget(const RunFolder& folder, bool pairs_were_given) {
  std::error_code ignored;
  fs::remove(folder.config(), ignored);
  fs::remove_all(folder.pretrained("face").parent_path(), ignored);
  if (!pairs_were_given) fs::remove(folder.pairs(), ignored);
}

void set_out(const Config& config, const DeviceChoice& device, const RunFolder& folder,
             Progress& progress) {
  set_thread_count(static_cast<int>(config.threads));
  listen_for_interrupts();
  if (!device.note.empty()) progress.line(device.note);
  progress.line(fmt::format("duet {}, device {}, {} thread{}, run {}", DUET_VERSION,
                            describe(device.device), thread_count(), thread_count() == 1 ? "" : "s",
                            folder.path.string()));
}

int evaluate(const CommandLine& line) {
  const RunFolder folder{line.evaluated};
  if (fs::is_regular_file(folder.path))
    fail<UsageError>("{}: is a file; RUN is the folder that it is in", folder.path.string());
  const auto [config, device] = take_up(line, folder, "evaluate", of_evaluation);
  const RunLock lock(folder.path);
  Progress progress(line.quiet);
  set_out(config, device, folder, progress);
  return evaluate_run(config, device.device, folder, folder.finished(), progress)
             ? 0
             : exit_interrupted;
}

int train(const CommandLine& line) {
  if (line.out.empty() == line.resume.empty())
    fail<UsageError>(
        "one of --out RUN (a new run) and --resume RUN (one that goes on) is needed; --help shows "
        "all options");
  const RunFolder folder{line.out.empty() ? line.resume : line.out};
  if (fs::is_regular_file(folder.path))
    fail<UsageError>("{}: is a file; a run is a folder", folder.path.string());
  const bool pairs_were_given = fs::exists(folder.pairs());
  const auto [config, device] =
      line.resume.empty() ? begin(line, folder) : take_up(line, folder, "--resume", changeable);
  const RunLock lock(folder.path);
  // What was changed on resuming is the run's from now on.
  if (!line.resume.empty() && !line.settings.empty())
    write_file_atomically(folder.config(), to_toml(config));
  Progress progress(line.quiet);
  set_out(config, device, folder, progress);
  try {
    if (train(config, device.device, folder, progress) == Trainer::Outcome::finished &&
        evaluate_run(config, device.device, folder, true, progress))
      return 0;
  } catch (const Error&) {
    // A folder that is not there, a file that is no picture, a leak: the same command may be given
    // again.
    if (line.resume.empty() && !folder.has_trained()) forget(folder, pairs_were_given);
    throw;
  }
  std::fputs(
      fmt::format("train_mm: stopped; --resume {} continues\n", folder.path.string()).c_str(),
      stderr);
  return exit_interrupted;
}

/// Which of the folders of voices is which: TESS by its names, any other is one of many speakers.
void sort_voices(const std::vector<std::string>& folders, StudyOptions& study) {
  for (const std::string& folder : folders) {
    const std::string name = read_voices(folder).name;
    const bool tess = name == "TESS";
    if (!tess) study.many_name = name;
    std::string& place = tess ? study.tess : study.many;
    if (!place.empty())
      fail<UsageError>("reproduce: both {} and {} are {}; give one of each kind", place, folder,
                       tess ? "TESS" : "corpora of many speakers");
    place = absolute_text(folder);
  }
}

int reproduce(const CommandLine& line) {
  StudyOptions study = line.study;
  if (!study.faces.empty()) study.faces = absolute_text(study.faces);
  sort_voices(line.study_voices, study);
  study.on_cpu = choose_device(study.device).device.type == DeviceType::cpu;
  listen_for_interrupts();
  Progress progress(line.quiet);
  if (reproduce(study, line.study_folder, stop_was_requested, progress) == StudyOutcome::finished)
    return 0;
  std::fputs("train_mm: stopped; the same command goes on\n", stderr);
  return exit_interrupted;
}

void add_reproduce(CLI::App& app, CommandLine& line) {
  app.add_option("--out", line.study_folder, "folder of the study; the same command goes on in it")
      ->required();
  app.add_option(
      "--plan", line.study.plan,
      "quick (small networks, within 2 hours on two cores) or full (the paper's network)");
  app.add_option("--faces", line.study.faces, "folder of faces");
  app.add_option("--voices", line.study_voices,
                 "folder of voices: TESS, a corpus of many speakers, or each once");
  app.add_option("--seeds", line.study.seeds, "runs of each experiment, or sets of folds")
      ->check(CLI::Range(1, 1000));
  app.add_option("--first-seed", line.study.first_seed,
                 "seed of the first of them: others than those that a recipe was chosen by")
      ->check(CLI::Range(0, 1000000));
  app.add_option("--folds", line.study.folds,
                 "parts of a cross-validation over speakers, all of them for each seed (0: none)")
      ->check(CLI::Range(0, 1000));
  app.add_option("--only", line.study.only, "these experiments alone");
  app.add_option("--epochs", line.study.epochs, "epochs of each run (0: the plan's)")
      ->check(CLI::Range(0, 1000000));
  app.add_option("--jobs", line.study.jobs, "runs at a time (0: the plan's)")
      ->check(CLI::Range(0, 4096));
  app.add_option("--threads", line.study.threads, "cores of each run (0: the plan's)")
      ->check(CLI::Range(0, 4096));
  app.add_option("--device", line.study.device, "auto, cpu, cuda, cuda:N");
  app.add_flag("--quiet", line.quiet, "print errors only");
}

int main_body(int argc, char** argv) {
  CLI::App app{"Trains a two-stream network: a masked face and a voice in, an emotion out."};
  app.set_version_flag("--version", std::string("duet ") + DUET_VERSION);
  app.formatter(std::make_shared<Help>());
  CommandLine line;
  app.add_option("--out", line.out, "folder of a new run");
  app.add_option("--resume", line.resume, "folder of a run to continue");
  app.add_option("--config", line.config_file, "settings in TOML, as a run's config.toml");
  app.add_flag("--quiet", line.quiet, "print errors only");

  std::map<std::string, std::string> texts;
  std::map<std::string, bool> switches;
  std::map<std::string, CLI::Option*> given;
  const Config defaults = resolve({}, {});
  for (const Option& option : options()) {
    std::string help = option.help;
    if (!option.choices.empty()) help += fmt::format(" [{}]", fmt::join(option.choices, "|"));
    CLI::Option*& added = given[option.key];
    if (std::holds_alternative<bool Config::*>(option.field)) {
      if (value_text(defaults, option) == "true") help += " (on by default)";
      added = app.add_flag(option.flag() + ",!--no-" + option.flag().substr(2),
                           switches[option.key], help);
    } else {
      added = app.add_option(option.flag(), texts[option.key], help)
                  ->default_str(value_text(defaults, option));
    }
    added->group(option.section);
  }
  CLI::App* inspection =
      app.add_subcommand("inspect", "says what folders hold, and which files would be refused");
  inspection->add_option("DIR", line.inspected, "folders, or CSV files")->required();
  CLI::App* evaluation = app.add_subcommand(
      "evaluate", "asks a run's best model for its test pairs again, and writes its report");
  evaluation->add_option("RUN", line.evaluated, "folder of the run")->required();
  evaluation->fallthrough();
  std::vector<std::string> changes;
  for (const char* key : of_evaluation) changes.push_back(flag_of(key));
  evaluation->footer(fmt::format("Of train_mm's options it takes {}.", fmt::join(changes, ", ")));
  CLI::App* reproduction = app.add_subcommand(
      "reproduce", "runs the paper's experiments and sets each of its figures beside ours");
  add_reproduce(*reproduction, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : exit_usage;
  }
  // An option of a training beside another command; of those of a run's settings `evaluate` speaks
  // itself.
  for (const CLI::App* command : app.get_subcommands())
    for (const CLI::Option* option : app.get_options()) {
      const bool setting = std::any_of(given.begin(), given.end(),
                                       [&](const auto& entry) { return entry.second == option; });
      if (option->count() > 0 && option->get_name() != "--quiet" &&
          !(command == evaluation && setting))
        fail<UsageError>("{}: is an option of a training; {} does not take it", option->get_name(),
                         command->get_name());
    }
  for (const auto& [key, option] : given)
    if (option->count() > 0)
      line.settings[key] = switches.contains(key) ? (switches[key] ? "true" : "false") : texts[key];
  if (reproduction->parsed()) return reproduce(line);
  if (evaluation->parsed()) return evaluate(line);
  if (!inspection->parsed()) return train(line);
  for (const std::string& folder : line.inspected) fmt::print("{}\n", to_string(inspect(folder)));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return duet::run_program("train_mm", [&] { return main_body(argc, argv); });
}
