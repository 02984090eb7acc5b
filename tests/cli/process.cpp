#include "tests/cli/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

namespace duet::test {
namespace {

int status_of(int waited) { return WIFSIGNALED(waited) ? -WTERMSIG(waited) : WEXITSTATUS(waited); }

std::string contents(std::FILE* file) {
  std::string text;
  std::rewind(file);
  for (int c; (c = std::fgetc(file)) != EOF;) text += static_cast<char>(c);
  return text;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

}  // namespace

Process::Process(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                 const Options& options)
    : out_(std::tmpfile()), err_(std::tmpfile()) {
  if (!out_ || !err_) throw std::runtime_error("no temporary file for a program's output");
  // All memory is had before the fork: after it, only what is async-signal-safe may be called.
  std::vector<std::string> words = {program.string()}, settings;
  words.insert(words.end(), arguments.begin(), arguments.end());
  for (char** variable = environ; *variable; ++variable) {
    const std::string text = *variable;
    if (!options.environment.contains(text.substr(0, text.find('=')))) settings.push_back(text);
  }
  for (const auto& [name, value] : options.environment) settings.push_back(name + "=" + value);
  const std::vector<char*> argv = pointers(words), envp = pointers(settings);
  const int out = fileno(out_), err = fileno(err_);

  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ > 0) return;
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(options.out.empty() ? out : open(options.out.c_str(), O_WRONLY), STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  if (options.largest_file) {
    const rlimit limit{*options.largest_file, *options.largest_file};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, SIG_IGN);
  }
  execvpe(argv[0], argv.data(), envp.data());
  _exit(127);
}

Process::~Process() {
  if (!status_) {
    signal(SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::fclose(out_);
  std::fclose(err_);
}

void Process::signal(int number) const {
  if (!status_) ::kill(pid_, number);
}

bool Process::running() {
  int waited = 0;
  if (!status_ && waitpid(pid_, &waited, WNOHANG) == pid_) status_ = status_of(waited);
  return !status_;
}

Ended Process::wait() {
  int waited = 0;
  if (!status_ && waitpid(pid_, &waited, 0) == pid_) status_ = status_of(waited);
  return {status_.value_or(127), contents(out_), contents(err_)};
}

std::string to_string(const Ended& ended) {
  return fmt::format("status {}\n{}{}", ended.status, ended.out, ended.err);
}

}  // namespace duet::test
