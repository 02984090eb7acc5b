#include "apps/reproduce/runner.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <deque>
#include <fstream>
#include <thread>

#include "apps/train/run_folder.h"
#include "kernels/base/error.h"

extern "C" char** environ;

namespace duet {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds glance{200};
constexpr std::chrono::seconds between_lines{60};

struct Run {
  const Experiment* experiment;
  std::int64_t seed, fold;
  RunFolder folder;

  std::string name() const { return folder.path.filename().string(); }
};

/// Epochs that have ended, of the run and of each stream alone before it.
std::int64_t epochs_of(const Run& run) {
  std::int64_t count = 0;
  for (const fs::path& path :
       {run.folder.path, run.folder.pretrained("face"), run.folder.pretrained("voice")}) {
    std::ifstream file(RunFolder{path}.metrics());
    for (std::string line; std::getline(file, line);) ++count;
  }
  return count;
}

std::vector<std::string> command_of(const Plan& plan, const Run& run) {
  std::vector<std::string> words = {"train_mm", run.folder.holds_run() ? "--resume" : "--out",
                                    run.folder.path.string(), "--threads",
                                    std::to_string(plan.threads)};
  if (run.folder.holds_run()) return words;
  Settings settings = run.experiment->settings;
  settings["seed"] = std::to_string(run.seed);
  if (run.experiment->folds > 0) {
    settings["folds"] = std::to_string(run.experiment->folds);
    settings["fold"] = std::to_string(run.fold);
  }
  for (const auto& [key, value] : settings) {
    const std::string flag = flag_of(key);
    if (value == "true") {
      words.push_back(flag);
    } else if (value == "false") {
      words.push_back("--no-" + flag.substr(2));
    } else {
      words.insert(words.end(), {flag, value});
    }
  }
  return words;
}

/// A child in a process group of its own: Ctrl-C at the terminal reaches this program alone, which
/// passes it on once.
pid_t start(const Plan& plan, const Run& run) {
  fs::create_directories(run.folder.path);
  std::vector<std::string> words = command_of(plan, run);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string log = (run.folder.path / "log.txt").string();
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = -1;
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  // By its own path, so that lists of processes have its name.
  const std::string program = fs::read_symlink("/proc/self/exe").string();
  const int error =
      posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail("{}: cannot be started ({})", run.name(), std::strerror(error));
  return pid;
}

/// The runs under way; those that are left when something went wrong here are stopped.
struct Children : std::map<pid_t, const Run*> {
  Children() = default;
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;
  ~Children() {
    for (const auto& [pid, run] : *this) kill(pid, SIGINT);
    for (const auto& [pid, run] : *this) waitpid(pid, nullptr, 0);
  }
};

std::string last_line(const fs::path& log) {
  std::ifstream file(log);
  std::string last;
  for (std::string line; std::getline(file, line);)
    if (!line.empty()) last = line;
  return last;
}

/// How long the rest will take, by what was done since the program began.
class Estimate {
 public:
  explicit Estimate(const std::vector<Run>& runs) : runs_(runs), done_before_(done()) {}

  std::string text() const {
    const double now = done(), since = now - done_before_;
    if (since <= 0) return "no estimate before an epoch ends";
    double all = 0;
    for (const Run& run : runs_) all += cost_of(run);
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    return fmt::format("about {} left", clock_text(seconds / since * (all - now)));
  }

 private:
  /// Of a whole run; its evaluation takes about as long as an epoch.
  static double cost_of(const Run& run) {
    return run.experiment->cost * static_cast<double>(run.experiment->epochs + 1);
  }
  double done() const {
    double sum = 0;
    for (const Run& run : runs_)
      sum += run.folder.finished() ? cost_of(run)
                                   : run.experiment->cost * static_cast<double>(epochs_of(run));
    return sum;
  }

  const std::vector<Run>& runs_;
  Clock::time_point start_ = Clock::now();
  double done_before_;
};

}  // namespace

StudyOutcome run_study(const Plan& plan, const fs::path& study, const std::function<bool()>& stop,
                       Progress& progress) {
  std::vector<Run> runs;
  // Seed by seed, so that an interrupted study has whole seeds.
  for (const std::int64_t seed : plan.seeds)
    for (const Experiment& experiment : plan.experiments)
      for (std::int64_t fold = 0; fold < experiment.runs_of_seed(); ++fold)
        runs.push_back({&experiment, seed, fold, {run_path(study, experiment, seed, fold)}});
  std::deque<const Run*> waiting;
  for (const Run& run : runs)
    if (!run.folder.finished()) waiting.push_back(&run);
  const Estimate estimate(runs);
  std::size_t done = runs.size() - waiting.size();
  progress.line(fmt::format("{} runs ({}), {} done before; {} at a time, threads each: {}",
                            runs.size(), plan.summary, done, plan.jobs, plan.threads));

  Children running;
  std::vector<std::string> failed;
  Clock::time_point said = Clock::now();
  const auto say = [&](const std::string& text) {
    said = Clock::now();
    progress.line(fmt::format("{}/{}  {}  {}", done, runs.size(), text, estimate.text()));
  };
  bool stopped = false;
  while (!running.empty() || (!waiting.empty() && !stopped)) {
    if (!stopped && stop()) {
      stopped = true;
      for (const auto& [pid, run] : running) kill(pid, SIGINT);
    }
    while (!stopped && !waiting.empty() && running.size() < static_cast<std::size_t>(plan.jobs)) {
      const Run& run = *waiting.front();
      waiting.pop_front();
      try {
        running[start(plan, run)] = &run;
      } catch (const std::exception& e) {
        failed.push_back(fmt::format("{}: {}", run.name(), e.what()));
      }
    }
    int status = 0;
    if (const pid_t ended = waitpid(-1, &status, WNOHANG); ended > 0) {
      const Run& run = *running.at(ended);
      running.erase(ended);
      if (run.folder.finished()) {
        ++done;
        say(run.name());
      } else if (!stopped) {
        failed.push_back(fmt::format("{}: {}", run.name(), last_line(run.folder.path / "log.txt")));
        say(run.name() + " failed");
      }
      continue;
    }
    if (Clock::now() - said > between_lines) {
      std::vector<std::string> names;
      for (const auto& [pid, run] : running) names.push_back(run->name());
      say(fmt::format("{} …", fmt::join(names, ", ")));
    }
    std::this_thread::sleep_for(glance);
  }
  if (stopped) return StudyOutcome::interrupted;
  if (!failed.empty())
    fail("{} of {} runs failed:\n  {}\nthe same command tries them again", failed.size(),
         runs.size(), fmt::join(failed, "\n  "));
  return StudyOutcome::finished;
}

}  // namespace duet
