#pragma once
/// Graphs of the emulated device. While a thread captures, its launches, copies and fills are noted
/// with their arguments by value instead of being done; a launch of the graph does them, in order,
/// at the addresses that they were noted with. As in CUDA, what needs a result meanwhile (a copy to
/// or from the host, waiting) is refused, here by name.

#include <functional>
#include <memory>
#include <vector>

namespace duet::simt {

class Graph;

/// Whether the calling thread captures.
bool capturing();
/// Throws Error where the thread captures already.
void begin_capture();
/// Throws Error where the thread does not capture.
std::unique_ptr<Graph> end_capture();

/// Adds to the graph under way.
void note_step(std::function<void()> step);
/// Throws Error, which names `what`, while the calling thread captures.
void refuse_while_capturing(const char* what);

class Graph {
 public:
  explicit Graph(std::vector<std::function<void()>> steps);
  void launch();

 private:
  std::vector<std::function<void()>> steps_;
};

}  // namespace duet::simt
