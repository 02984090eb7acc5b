#include "kernels/base/kept_rows.h"

#include <fmt/format.h>

#include <atomic>

namespace duet {
namespace {

std::atomic<KeptRows*> living = nullptr;

}  // namespace

std::string to_string(const KeptCall& call) {
  return fmt::format("{} {} {} on {}", call.op, call.params, call.dtype, call.device);
}

KeptRows::KeptRows() { living = this; }
KeptRows::~KeptRows() { living = nullptr; }
KeptRows* KeptRows::active() { return living; }

void KeptRows::keep(const KeptCall& call, const std::string& row) {
  const std::scoped_lock lock(mutex_);
  rows_[call] = row;
}

std::string KeptRows::row_of(const KeptCall& call) const {
  const std::scoped_lock lock(mutex_);
  const auto found = rows_.find(call);
  return found == rows_.end() ? "" : found->second;
}

std::map<KeptCall, std::string> KeptRows::all() const {
  const std::scoped_lock lock(mutex_);
  return rows_;
}

}  // namespace duet
