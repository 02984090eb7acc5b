#include "kernels/simt/graph.h"

#include <optional>
#include <utility>
#include <vector>

#include "kernels/base/error.h"

namespace duet::simt {
namespace {

thread_local std::optional<std::vector<std::function<void()>>> noted;

}  // namespace

bool capturing() { return noted.has_value(); }

void begin_capture() {
  refuse_while_capturing("beginning a second capture");
  noted.emplace();
}

std::unique_ptr<Graph> end_capture() {
  require(capturing(), "[simt] a capture ends that was not begun");
  auto graph = std::make_unique<Graph>(std::move(*noted));
  noted.reset();
  return graph;
}

void note_step(std::function<void()> step) { noted->push_back(std::move(step)); }

void refuse_while_capturing(const char* what) {
  require(!capturing(), "[simt] {} while a graph is captured: nothing has run yet", what);
}

Graph::Graph(std::vector<std::function<void()>> steps) : steps_(std::move(steps)) {}

void Graph::launch() {
  refuse_while_capturing("launching a graph");
  for (const auto& step : steps_) step();
}

}  // namespace duet::simt
