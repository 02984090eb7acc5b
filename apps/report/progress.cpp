#include "apps/report/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace duet {
namespace {

constexpr int bar_width = 24;
constexpr std::chrono::milliseconds redraw{200};
constexpr std::chrono::seconds between_lines{30};

std::string describe(const ProgressState& s) {
  return fmt::format("loss {:.4f}  acc {:.3f}  {:.1f} pairs/s  data wait {:.0f} %  left {}", s.loss,
                     s.accuracy, s.pairs_per_second, 100 * s.data_wait, clock_text(s.seconds_left));
}

/// Past stdio, which would keep what cannot be written: a log on a full disk must not end a
/// training, nor make its end a failure.
void put(const std::string& text) {
  [[maybe_unused]] const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
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
    put(fmt::format("epoch {}/{} step {}/{}  {}\n", s.epoch, s.epochs, s.step, s.steps,
                    describe(s)));
    return;
  }
  const auto filled = static_cast<std::size_t>(s.steps > 0 ? bar_width * s.step / s.steps : 0);
  std::string bar;
  for (std::size_t i = 0; i < bar_width; ++i) bar += i < filled ? "█" : "░";
  put(fmt::format("\r\033[Kepoch {}/{} {} {}/{}  {}", s.epoch, s.epochs, bar, s.step, s.steps,
                  describe(s)));
  drawn_ = true;
}

void Progress::line(const std::string& text) {
  if (quiet_) return;
  erase();
  put(text + "\n");
}

void Progress::erase() {
  if (drawn_) put("\r\033[K");
  drawn_ = false;
}

}  // namespace duet
