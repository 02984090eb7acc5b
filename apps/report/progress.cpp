#include "apps/report/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace duet {
namespace {

constexpr int bar_width = 24;
constexpr std::chrono::milliseconds redraw{200};
constexpr std::chrono::seconds between_lines{30};

std::string describe(const ProgressState& s) {
  return fmt::format("loss {:.4f}  acc {:.3f}  {:.1f} pairs/s  data wait {:.0f} %  left {}", s.loss,
                     s.accuracy, s.pairs_per_second, 100 * s.data_wait, clock_text(s.seconds_left));
}

}  // namespace

std::string clock_text(double seconds) {
  const auto s = static_cast<std::int64_t>(std::llround(std::max(0.0, seconds)));
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

Progress::Progress(bool quiet)
    : quiet_(quiet),
      terminal_(isatty(STDOUT_FILENO) == 1),
      last_(std::chrono::steady_clock::now()) {}

Progress::~Progress() { erase(); }

void Progress::step(const ProgressState& s) {
  if (quiet_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ <
      (terminal_ ? redraw : std::chrono::duration_cast<std::chrono::milliseconds>(between_lines)))
    return;
  last_ = now;
  if (!terminal_) {
    fmt::print("epoch {}/{} step {}/{}  {}\n", s.epoch, s.epochs, s.step, s.steps, describe(s));
    std::fflush(stdout);
    return;
  }
  const auto filled = static_cast<std::size_t>(s.steps > 0 ? bar_width * s.step / s.steps : 0);
  std::string bar;
  for (std::size_t i = 0; i < bar_width; ++i) bar += i < filled ? "█" : "░";
  fmt::print("\r\033[Kepoch {}/{} {} {}/{}  {}", s.epoch, s.epochs, bar, s.step, s.steps,
             describe(s));
  std::fflush(stdout);
  drawn_ = true;
}

void Progress::line(const std::string& text) {
  if (quiet_) return;
  erase();
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

void Progress::erase() {
  if (drawn_) fmt::print("\r\033[K");
  drawn_ = false;
}

}  // namespace duet
