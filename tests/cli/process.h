#pragma once
/// Programs as child processes, with what they print and how they end.

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace duet::test {

struct Ended {
  /// The exit status; minus the signal's number when a signal ended the process.
  int status = 0;
  std::string out, err;
};

class Process {
 public:
  struct Options {
    /// What is added to the environment.
    std::map<std::string, std::string> environment;
    /// No file may grow beyond so many bytes: a write past it fails, as on a full disk.
    std::optional<std::uint64_t> largest_file;
    /// Where standard output goes instead of Ended::out.
    std::string out;
  };

  /// `program` is a path, or a name that is looked up. One that cannot be run ends with status 127.
  Process(const std::filesystem::path& program, const std::vector<std::string>& arguments,
          const Options& options);
  Process(const std::filesystem::path& program, const std::vector<std::string>& arguments)
      : Process(program, arguments, Options{}) {}
  /// Kills a process that is still running.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) const;
  bool running();
  Ended wait();

 private:
  pid_t pid_ = -1;
  std::FILE *out_, *err_;
  std::optional<int> status_;
};

/// Text as the program that wrote it left it, for messages of failed checks.
std::string to_string(const Ended& ended);

}  // namespace duet::test
