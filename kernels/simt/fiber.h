#pragma once
/// Stacks between which one host thread switches.

#include <cstddef>

#if !defined(__x86_64__) || defined(DUET_SIMT_UCONTEXT)
#include <ucontext.h>
#define DUET_SIMT_USES_UCONTEXT 1
#endif

namespace duet::simt {

class Fiber {
 public:
  Fiber() = default;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Makes this the fiber of the stack that the caller runs on.
  void adopt_caller();
  /// Gives this fiber a stack of its own (kept once made, with a guard page below it) on which the
  /// next switch to it enters `main`. What ran there before is forgotten. `main` calls `arrive`
  /// first, and never returns.
  void restart(void (*main)());
  void arrive();
  /// Leaves this fiber, which must be the running one, for another.
  void switch_to(Fiber& to);

 private:
  void finish_switch();

  char* stack_ = nullptr;
  std::size_t size_ = 0;
#if defined(DUET_SIMT_USES_UCONTEXT)
  ucontext_t context_{};
#else
  void* stack_pointer_ = nullptr;
#endif
  // What the sanitizers know of it.
  void* fake_stack_ = nullptr;
  void* tsan_fiber_ = nullptr;
};

}  // namespace duet::simt
