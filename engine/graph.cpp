#include "engine/graph.h"

namespace duet {

Graph::Graph(Device device, const std::function<void()>& work)
    : device_(device), api_(device_api(device.type)), memory_(device) {
  const Stream stream = device_stream(device_);
  check_device_call("beginning a graph", device_, api_.begin_capture(stream));
  memory_.open();
  try {
    work();
  } catch (...) {
    // What was noted so far is nothing; the error that ended it is the one to tell.
    if (!api_.end_capture(stream, &handle_)) api_.destroy_graph(device_.index, handle_);
    throw;
  }
  memory_.close();
  check_device_call("ending a graph", device_, api_.end_capture(stream, &handle_));
}

Graph::~Graph() {
  try {
    api_.synchronize(device_stream(device_));  // it may be under way
  } catch (const Error&) {  // the device is broken, and an earlier call has said so
  }
  api_.destroy_graph(device_.index, handle_);
}

void Graph::launch() {
  check_device_call("launching a graph", device_,
                    api_.launch_graph(device_stream(device_), handle_));
}

}  // namespace duet
