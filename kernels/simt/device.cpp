#include "kernels/simt/device.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/simt/graph.h"
#include "kernels/simt/memory.h"

namespace duet {
namespace {

using Clock = std::chrono::steady_clock;

/// The emulator reports by exceptions, which name more than a reason could: they pass through.
template <class F>
const char* done(F&& f) {
  f();
  return nullptr;
}

struct Event {
  bool recorded = false, passed = false;
  Clock::time_point time;
  /// How many uses of buffers by the compute stream come before it.
  std::uint64_t uses = 0;

  void pass() {
    passed = true;
    time = Clock::now();
  }
};

/// The stream of copies: what is queued in it is done when somebody waits for it.
class CopyStream {
 public:
  void copy(void* to, const void* from, std::size_t bytes) {
    const std::scoped_lock lock(mutex_);
    require(simt::last_use(to) <= uses_seen_,
            "[simt] a copy of {} bytes is queued to {}, which the compute stream may be using "
            "still: the stream of copies has waited for no event behind that",
            bytes, to);
    simt::fill(to, 0xff, bytes);
    queue_.push_back({to, from, bytes, nullptr});
  }

  void record(Event& event) {
    const std::scoped_lock lock(mutex_);
    event.passed = false;
    queue_.push_back({nullptr, nullptr, 0, &event});
  }

  /// Of an event of the compute stream's, which has always come to it.
  void wait(const Event& event) {
    const std::scoped_lock lock(mutex_);
    uses_seen_ = std::max(uses_seen_, event.uses);
  }

  /// Works until `event` is passed; all that there is where it is null.
  void work(const Event* event) {
    const std::scoped_lock lock(mutex_);
    while (!queue_.empty() && !(event && event->passed)) {
      const Step step = queue_.front();
      queue_.pop_front();
      if (step.event)
        step.event->pass();
      else
        simt::copy(step.to, step.from, step.bytes);
    }
  }

 private:
  struct Step {
    void* to;
    const void* from;
    std::size_t bytes;
    Event* event;  ///< recorded here, where this is no copy
  };

  std::mutex mutex_;
  std::deque<Step> queue_;
  std::uint64_t uses_seen_ = 0;
};

CopyStream& copy_stream() {
  static CopyStream& stream = *new CopyStream;
  return stream;
}

bool is_copy_stream(const Stream& stream) { return stream.handle == &copy_stream(); }

const char* copy(const Stream& stream, void* to, const void* from, std::size_t bytes) {
  const bool on_device = (simt::contains(to) && simt::contains(from)) || bytes == 0;
  if (!on_device) simt::refuse_while_capturing("a copy to or from the host");
  if (is_copy_stream(stream)) {
    copy_stream().copy(to, from, bytes);
    copy_stream().work(nullptr);
  } else if (simt::capturing()) {
    simt::note_step([=] { copy(stream, to, from, bytes); });
  } else {
    simt::copy(to, from, bytes);
    simt::note_use(to);
    simt::note_use(from);
  }
  return nullptr;
}

const char* copy_later(const Stream& stream, void* to, const void* from, std::size_t bytes) {
  if (!is_copy_stream(stream)) return copy(stream, to, from, bytes);
  simt::refuse_while_capturing("a copy on another stream");
  copy_stream().copy(to, from, bytes);
  return nullptr;
}

const char* fill(const Stream& stream, void* to, unsigned char value, std::size_t bytes) {
  if (simt::capturing()) {
    simt::note_step([=] { fill(stream, to, value, bytes); });
  } else {
    simt::fill(to, value, bytes);
    simt::note_use(to);
  }
  return nullptr;
}

const char* synchronize(const Stream& stream) {
  simt::refuse_while_capturing("waiting for a stream");
  if (is_copy_stream(stream)) copy_stream().work(nullptr);
  return nullptr;
}

const char* record_event(const Stream& stream, void* event) {
  simt::refuse_while_capturing("recording an event");
  Event& e = *static_cast<Event*>(event);
  e.recorded = true;
  e.uses = is_copy_stream(stream) ? 0 : simt::use_count();
  if (is_copy_stream(stream))
    copy_stream().record(e);
  else
    e.pass();
  return nullptr;
}

/// As in CUDA, an event that was never recorded holds up nobody.
const char* wait_event(const Stream& stream, void* event) {
  simt::refuse_while_capturing("waiting for an event");
  const Event& e = *static_cast<Event*>(event);
  if (!e.recorded) return nullptr;
  if (is_copy_stream(stream))
    copy_stream().wait(e);
  else
    copy_stream().work(&e);
  return nullptr;
}

const char* synchronize_event(int, void* event) {
  simt::refuse_while_capturing("waiting for an event");
  const Event& e = *static_cast<Event*>(event);
  if (e.recorded) copy_stream().work(&e);
  return nullptr;
}

const char* elapsed(int, void* begin, void* end, float* milliseconds) {
  const Event &b = *static_cast<Event*>(begin), &e = *static_cast<Event*>(end);
  if (!b.passed || !e.passed) return "an event has not been passed yet";
  *milliseconds = std::chrono::duration<float, std::milli>(e.time - b.time).count();
  return nullptr;
}

thread_local std::vector<std::string> ranges;

}  // namespace

namespace simt {

const char* open_ranges() {
  thread_local std::string text;
  text.clear();
  for (const std::string& range : ranges) text += (text.empty() ? "" : " > ") + range;
  return text.c_str();
}

}  // namespace simt

const DeviceApi simt_device_api = {
    .version = DeviceApi::current_version,
    .type = DeviceType::simt,
    .count = [](const char**) { return 1; },
    .name = [](int) { return "CUDA kernels emulated on the CPU"; },
    .allocate = [](int, std::size_t bytes,
                   void** block) { return done([&] { *block = simt::allocate(bytes); }); },
    .release = [](int, void* block) { return done([&] { simt::deallocate(block); }); },
    .stream = [](int, StreamKind kind, Stream* stream) -> const char* {
      *stream = {{DeviceType::simt, 0}, kind == StreamKind::copies ? &copy_stream() : nullptr};
      return nullptr;
    },
    .copy = copy,
    .fill = fill,
    .synchronize = synchronize,
    // Its rows are compiled into the program.
    .rows = [](void*, void (*)(void*, const char*, const RowInfo*)) {},
    .allocate_host = [](int, std::size_t bytes, void** block) -> const char* {
      *block = std::malloc(bytes);
      return *block ? nullptr : "the system has no more memory";
    },
    .release_host = [](int, void* block) -> const char* {
      std::free(block);
      return nullptr;
    },
    .copy_later = copy_later,
    .create_event = [](int, void** event) -> const char* {
      *event = new Event;
      return nullptr;
    },
    .destroy_event = [](int, void* event) -> const char* {
      auto* e = static_cast<Event*>(event);
      if (e->recorded) copy_stream().work(e);
      delete e;
      return nullptr;
    },
    .record_event = record_event,
    .wait_event = wait_event,
    .synchronize_event = synchronize_event,
    .elapsed = elapsed,
    .begin_capture = [](const Stream&) { return done([] { simt::begin_capture(); }); },
    .end_capture =
        [](const Stream&, void** graph) {
          return done([&] { *graph = simt::end_capture().release(); });
        },
    .launch_graph =
        [](const Stream&, void* graph) {
          return done([&] { static_cast<simt::Graph*>(graph)->launch(); });
        },
    .destroy_graph = [](int, void* graph) -> const char* {
      delete static_cast<simt::Graph*>(graph);
      return nullptr;
    },
    .push_range = [](const char* name) { ranges.emplace_back(name); },
    .pop_range = [] { ranges.pop_back(); },
};

}  // namespace duet
