#include "kernels/simt/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "kernels/base/error.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
// Under ThreadSanitizer this file is compiled without it (cmake/simt.cmake), hence a name of ours.
#if defined(DUET_SIMT_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

#if !defined(DUET_SIMT_USES_UCONTEXT)
extern "C" void duet_simt_switch(void** save, void* load);
// Saves what the System V ABI lets a callee change, and continues on the other stack. All else is
// the caller's to save. ucontext makes a system call for each switch and is ten times slower.
asm(R"(
.text
.globl duet_simt_switch
.hidden duet_simt_switch
.type duet_simt_switch, @function
duet_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size duet_simt_switch, . - duet_simt_switch
)");
#endif

namespace duet::simt {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(DUET_SIMT_TSAN)
constexpr std::size_t stack_bytes = 256 << 10;
#else
constexpr std::size_t stack_bytes = 64 << 10;
#endif

/// The fiber that was left last.
Fiber* left = nullptr;

}  // namespace

void Fiber::adopt_caller() {
#if defined(DUET_SIMT_TSAN)
  tsan_fiber_ = __tsan_get_current_fiber();
#endif
}

void Fiber::restart(void (*main)()) {
  if (!stack_) {
    const std::size_t guard = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* memory = mmap(nullptr, guard + stack_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(memory != MAP_FAILED, "[simt] no memory for the stack of a thread: {}",
            std::strerror(errno));
    mprotect(memory, guard, PROT_NONE);
    stack_ = static_cast<char*>(memory) + guard;
    size_ = stack_bytes;
  }
#if defined(__SANITIZE_ADDRESS__)
  // Frames that never returned have left their red zones.
  __asan_unpoison_memory_region(stack_, size_);
  fake_stack_ = nullptr;
#endif
#if defined(DUET_SIMT_TSAN)
  if (tsan_fiber_) {
    // What it did happened before whatever the caller does from now on.
    static char cell;
    void* caller = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(tsan_fiber_, __tsan_switch_to_fiber_no_sync);
    __tsan_release(&cell);
    __tsan_switch_to_fiber(caller, __tsan_switch_to_fiber_no_sync);
    __tsan_acquire(&cell);
    __tsan_destroy_fiber(tsan_fiber_);
  }
  tsan_fiber_ = __tsan_create_fiber(0);
#endif
#if defined(DUET_SIMT_USES_UCONTEXT)
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = size_;
  context_.uc_link = nullptr;
  makecontext(&context_, main, 0);
#else
  // Six registers, the address to continue at, and a null return address where unwinders stop. At
  // the entry of a function the stack pointer is 8 off a multiple of 16.
  void** top = reinterpret_cast<void**>(stack_ + size_) - 8;
  std::memset(top, 0, 8 * sizeof(void*));
  top[6] = reinterpret_cast<void*>(main);
  stack_pointer_ = top;
#endif
}

void Fiber::switch_to(Fiber& to) {
  left = this;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fake_stack_, to.stack_, to.size_);
#endif
#if defined(DUET_SIMT_TSAN)
  __tsan_switch_to_fiber(to.tsan_fiber_, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(DUET_SIMT_USES_UCONTEXT)
  swapcontext(&context_, &to.context_);
#else
  duet_simt_switch(&stack_pointer_, to.stack_pointer_);
#endif
  finish_switch();
}

void Fiber::arrive() { finish_switch(); }

void Fiber::finish_switch() {
#if defined(__SANITIZE_ADDRESS__)
  // The bounds of the stack that was left come back: so those of the host's stack are learnt.
  const void* bottom = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &size);
  left->stack_ = static_cast<char*>(const_cast<void*>(bottom));
  left->size_ = size;
#endif
}

}  // namespace duet::simt
