#pragma once
/// How a run shows where it is: a bar that redraws itself on a terminal, plain lines elsewhere.

#include <chrono>
#include <string>

namespace duet {

struct ProgressState {
  std::int64_t epoch = 0, epochs = 0, step = 0, steps = 0;
  double loss = 0, accuracy = 0;
  double pairs_per_second = 0, data_wait = 0;  ///< wait: share of the time
  double seconds_left = 0;
};

class Progress {
 public:
  /// quiet: shows nothing.
  explicit Progress(bool quiet);
  ~Progress();

  void step(const ProgressState& state);
  /// A line of its own, above the bar.
  void line(const std::string& text);

 private:
  void erase();

  bool quiet_, terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

/// "1:02:03", "4:05"
std::string clock_text(double seconds);

}  // namespace duet
