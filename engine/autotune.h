#pragma once
/// Rows chosen by measuring instead of by their order, and kept in a file.

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/repeat.h"
#include "kernels/base/kept_rows.h"
#include "kernels/base/rows.h"

namespace duet {

/// Which of `count` rows is the fastest, where `seconds(i)` runs row i once and says how long it
/// took. A row is run once to warm up and then at least three times, for short calls more often;
/// the least counts. A row that takes twice as long as the best before it is given up. The first of
/// equals wins.
std::size_t fastest(std::size_t count, const std::function<double(std::size_t)>& seconds);

/// While it lives, whenever a call occurs for which no row is kept, and which several rows could
/// run, each of them runs it on copies of its tensors, forward and, where the call is recorded,
/// backward; the fastest is kept for all calls of those parameters, dtype and kind of device. The
/// choice is in the file before anything is computed by it. A call that is captured for a graph
/// must have occurred before: nothing can be measured then. One at a time.
///
/// The file has a line of JSON for each call:
///   {"op":"linear","params":"(32,128) * (64,128)T","dtype":"f32","device":"cpu","row":"onednn"}
class Autotune {
 public:
  /// Takes up the choices of the file, where there is one. DataError, naming path and line, where a
  /// line is malformed, or names an op or row that does not exist.
  explicit Autotune(std::filesystem::path file);
  ~Autotune();
  Autotune(const Autotune&) = delete;
  Autotune& operator=(const Autotune&) = delete;

  /// The one that lives, or null.
  static Autotune* active();

  /// Takes up the choices of a file's text too, in place of what was kept for their calls, and
  /// writes all into the file. DataError, naming `source`, as above.
  void take(std::string_view text, const std::string& source);
  /// All choices as the text of a file.
  std::string text() const;

  /// Keeps the fastest of `rows` for a call on a device, unless a row is kept for it. `again` makes
  /// the call once more.
  void choose(const KeptCall& call, const std::vector<std::string>& rows, Device device,
              const RepeatScope& again);

  /// How many calls were measured, and how long that took.
  std::size_t measured() const { return measured_; }
  double seconds() const { return seconds_; }

 private:
  std::filesystem::path file_;
  KeptRows kept_;
  std::size_t measured_ = 0;
  double seconds_ = 0;
};

/// Has a choice made for the call that this thread is in, where somebody tunes.
template <class Row>
void autotune(const RowList<Row>& rows, const typename Row::Params& params, const Tensor& x) {
  Autotune* const tuning = Autotune::active();
  const RepeatScope* const again = RepeatScope::current();
  if (!tuning || !again) return;
  const std::vector<std::string> names = rows.contenders(params, x.dtype(), x.device().type);
  if (names.size() > 1)
    tuning->choose({rows.op(), describe(params), to_string(x.dtype()), to_string(x.device().type)},
                   names, x.device(), *again);
}

}  // namespace duet
