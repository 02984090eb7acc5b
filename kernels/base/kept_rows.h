#pragma once
/// Rows that are kept for calls: a choice by measurement (engine/autotune.h), made once and then
/// held to.

#include <compare>
#include <map>
#include <mutex>
#include <string>

namespace duet {

/// A call as rows are kept for it.
struct KeptCall {
  std::string op;
  std::string params;  ///< as `describe` prints them
  std::string dtype, device;
  auto operator<=>(const KeptCall&) const = default;
};
/// "conv2d (32,64,64,3) * (64,3,3,3) stride 1,1 pad 1,1 f32 on cpu"
std::string to_string(const KeptCall& call);

/// While it lives, a call runs by the row that is kept for it, if any, instead of the first that
/// fits; what `--impl` or a scope asks for is stronger. One at a time.
class KeptRows {
 public:
  KeptRows();
  ~KeptRows();
  KeptRows(const KeptRows&) = delete;
  KeptRows& operator=(const KeptRows&) = delete;

  /// The one that lives, or null.
  static KeptRows* active();

  /// In place of what was kept for the call.
  void keep(const KeptCall& call, const std::string& row);
  /// The name of a call's row; "" when none is kept.
  std::string row_of(const KeptCall& call) const;
  std::map<KeptCall, std::string> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<KeptCall, std::string> rows_;
};

}  // namespace duet
