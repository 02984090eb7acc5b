#pragma once
/// A call of an op that can be made again, without effect, while it is being made.

#include <optional>
#include <tuple>
#include <vector>

#include "engine/tensor.h"

namespace duet {

/// While it lives, `again()` makes once more, on copies, the call that this thread is in.
class RepeatScope {
 public:
  template <class Again>
  explicit RepeatScope(const Again& again)
      : again_(&again),
        call_([](const void* f) { (*static_cast<const Again*>(f))(); }),
        outer_(current_) {
    current_ = this;
  }
  ~RepeatScope() { current_ = outer_; }
  RepeatScope(const RepeatScope&) = delete;
  RepeatScope& operator=(const RepeatScope&) = delete;

  /// The innermost of this thread, or null.
  static const RepeatScope* current() { return current_; }
  void again() const { call_(again_); }

 private:
  const void* again_;
  void (*call_)(const void*);
  const RepeatScope* outer_;
  static inline thread_local const RepeatScope* current_ = nullptr;
};

inline Tensor copy_of(const Tensor& tensor) { return tensor ? tensor.clone() : tensor; }
inline std::vector<Tensor> copy_of(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> copies;
  for (const Tensor& tensor : tensors) copies.push_back(copy_of(tensor));
  return copies;
}
template <class T>
const T& copy_of(const T& value) {
  return value;
}

/// The arguments of a call, its tensors copied when they are first asked for.
template <class... Args>
class CopiedArguments {
 public:
  explicit CopiedArguments(const Args&... args) : originals_(args...) {}

  const std::tuple<Args...>& get() {
    if (!copies_)
      copies_.emplace(std::apply(
          [](const Args&... args) { return std::tuple<Args...>(copy_of(args)...); }, originals_));
    return *copies_;
  }

 private:
  std::tuple<const Args&...> originals_;
  std::optional<std::tuple<Args...>> copies_;
};

}  // namespace duet
