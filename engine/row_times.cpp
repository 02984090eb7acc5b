#include "engine/row_times.h"

#include <atomic>

namespace duet {
namespace {

std::atomic<RowTimes*> living = nullptr;

}  // namespace

RowTimes::RowTimes() { living = this; }
RowTimes::~RowTimes() { living = nullptr; }
RowTimes* RowTimes::active() { return living; }

void RowTimes::add(const RowInfo& row, std::chrono::steady_clock::duration time) {
  const std::scoped_lock lock(mutex_);
  Entry& entry = entries_[std::string(row.op) + " " + row.name];
  entry.seconds += std::chrono::duration<double>(time).count();
  ++entry.calls;
}

std::map<std::string, RowTimes::Entry> RowTimes::entries() const {
  const std::scoped_lock lock(mutex_);
  return entries_;
}

void RowTimes::clear() {
  const std::scoped_lock lock(mutex_);
  entries_.clear();
}

}  // namespace duet
