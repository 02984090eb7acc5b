#include "kernels/simt/emulator.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/simt/device.h"
#include "kernels/simt/fiber.h"
#include "kernels/simt/graph.h"
#include "kernels/simt/kernel_name.h"
#include "kernels/simt/memory.h"
#include "kernels/simt/mma.h"
#include "kernels/simt/traffic.h"

// Under ThreadSanitizer the kernels are compiled with it and this file is not: its tables belong to
// all fibers, on purpose. What orders the kernels' accesses is told by `acquire` and `release`.
// Code that runs on a fiber must not call memcpy or memset on memory that other fibers use: they
// are intercepted and would be reported.
#if defined(DUET_SIMT_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
#endif

namespace duet::simt {

const uint3* current_thread = nullptr;
uint3 current_block;
dim3 current_block_extent;
dim3 current_grid_extent;

namespace {

#if defined(DUET_SIMT_TSAN)
constexpr bool tsan = true;
#else
constexpr bool tsan = false;
#endif

#if defined(DUET_SIMT_TRAFFIC)
constexpr bool traffic = true;
#else
constexpr bool traffic = false;
#endif

// The limits of an H100 (compute capability 9.0).
constexpr unsigned max_threads = 1024;
constexpr unsigned max_block_z = 64;
constexpr unsigned max_grid_yz = 65535, max_grid_x = 0x7fffffff;
constexpr std::size_t max_static_shared = 48 << 10;
constexpr std::size_t max_shared = 227 << 10;

constexpr int warp_size = 32;
constexpr int max_warps = max_threads / warp_size;
constexpr int max_shared_objects = 64;
constexpr int max_async_copies = 256;

enum class State : unsigned char { ready, in_barrier, in_warp_operation, returned };
enum class WarpOperation : unsigned char { barrier, shuffle, ballot, mma_tf32, mma_bf16, ldmatrix };

const char* name_of(WarpOperation operation) {
  switch (operation) {
    case WarpOperation::barrier: return "__syncwarp";
    case WarpOperation::shuffle: return "a shuffle";
    case WarpOperation::ballot: return "a vote";
    case WarpOperation::mma_tf32: return "mma_m16n8k8_tf32";
    case WarpOperation::mma_bf16: return "mma_m16n8k16_bf16";
    case WarpOperation::ldmatrix: return "ldmatrix_x4";
  }
  return "?";
}

struct Thread {
  uint3 index;
  Fiber* fiber;  ///< null until it has started
  State state;
  Site site;  ///< where it waits
  // What it brings to a warp operation; `value` is also what it takes away.
  WarpOperation operation;
  unsigned mask;
  int source;
  std::uint64_t value;
  MatrixFragment fragment;
  const void** matrix_rows;
  unsigned warp_cell;
  // Its copies under way are those from `first_copy` to `copies`.
  int copies, first_copy, groups;
  unsigned meetings;  ///< barriers and warp operations so far
};

struct Warp {
  unsigned ready;    ///< lanes that can go on
  unsigned waiting;  ///< lanes in a warp operation
  unsigned alive;    ///< lanes that have not returned
};

struct PendingCopy {
  AsyncCopy copy;
  int group;
};

/// An object in shared memory, with a margin behind it.
struct SharedObject {
  const SharedSlot* slot;
  const char* name;
  Site site;
  void* memory;
  std::size_t bytes;
  bool used;  ///< by the running block
};
constexpr std::size_t shared_margin = 64;

struct Settings {
  std::uint64_t seed = 1;
  std::uint64_t launches = 0;  ///< since the seed was set
  Schedule schedule = Schedule::mixed;

  Settings() {
    if (const char* text = std::getenv("DUET_SIMT_SEED")) seed = std::strtoull(text, nullptr, 10);
  }
};
Settings& settings() {
  static Settings instance;
  return instance;
}

Statistics counts;

// ---- The launch under way

std::mutex launch_mutex;
/// Whether this host thread is inside a launch.
thread_local bool launching = false;
const GridLaunch* grid_launch = nullptr;
std::string failure;

Fiber host;
Fiber* fibers = nullptr;  ///< max_threads of them
int fibers_started = 0;
Fiber* idle_fibers[max_threads];
int idle_count = 0;

Thread threads[max_threads];
Warp warps[max_warps];
PendingCopy* pending_copies = nullptr;  ///< max_async_copies for each thread
Thread* running = nullptr;

// ---- The running block

std::uint64_t block_number = 0;  ///< never the same again
int thread_count = 0;
int warp_count = 0;
int returned_count = 0;
int arrived_count = 0;  ///< at the barrier
int predicate_count = 0;
int barrier_result = 0;
Site barrier_site;
unsigned barrier_cell = 0;
/// For the race detector.
int fibers_in_use = 0, fiber_rotation = 0;

unsigned runnable_warps = 0;
int active_warp = 0;
unsigned leave_chance = 0;  ///< of 256, at each turn

SharedObject shared_objects[max_shared_objects];
int shared_object_count = 0;
std::size_t static_shared_bytes = 0;
SharedObject dynamic_object{};

// ---- Random numbers

std::uint64_t random_state = 1;

/// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016).
unsigned random_bits() {
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return static_cast<unsigned>((random_state * 0x2545f4914f6cdd1dull) >> 32);
}

/// In 0 … n-1.
unsigned random_below(unsigned n) {
  return static_cast<unsigned>((std::uint64_t{random_bits()} * n) >> 32);
}

/// The number of a set bit: the first one from a random place on, which is cheap, and random
/// enough.
int random_bit_of(unsigned mask, unsigned random) {
  const int from = static_cast<int>(random % 32);
  return (std::countr_zero(std::rotr(mask, from)) + from) % 32;
}

// ---- What the race detector is told

/// Addresses that stand for the barriers of all blocks. They are used in turn, so that no barrier
/// of one block orders it after another block.
constexpr unsigned cell_count = 1 << 16;
struct Cells {
  std::uint64_t launch_begin, launch_end, fence;
  std::uint64_t barriers[tsan ? cell_count : 1];
} cells;
unsigned next_cell = 0;

unsigned new_cell() { return tsan ? next_cell++ % cell_count : 0; }

void acquire([[maybe_unused]] std::uint64_t& cell) {
#if defined(DUET_SIMT_TSAN)
  __tsan_acquire(&cell);
#endif
}
void release([[maybe_unused]] std::uint64_t& cell) {
#if defined(DUET_SIMT_TSAN)
  __tsan_release(&cell);
#endif
}

// ---- Errors

std::string place(Site site) {
  const char* slash = std::strrchr(site.file, '/');
  return fmt::format("{}:{}", slash ? slash + 1 : site.file, site.line);
}

std::string launch_text(const GridLaunch& launch) {
  const std::string_view ranges = open_ranges();
  return fmt::format("[simt] {}, launched at {}{}{} with seed {} (launch {})",
                     kernel_name(launch.kernel), place(launch.site), ranges.empty() ? "" : " by ",
                     ranges, settings().seed, settings().launches);
}

std::string block_text() {
  return fmt::format("{}, block ({}, {}, {})", launch_text(*grid_launch), current_block.x,
                     current_block.y, current_block.z);
}

/// "(3, 0, 0)"
std::string thread_text(const Thread& thread) {
  return fmt::format("({}, {}, {})", thread.index.x, thread.index.y, thread.index.z);
}

/// Ends the launch from one of its threads: `run_threads` catches it.
template <class... Args>
[[noreturn]] void fail_launch(fmt::format_string<Args...> message, Args&&... args) {
  throw Error(fmt::format(message, std::forward<Args>(args)...));
}

// ---- Turns

int number_of(const Thread& thread) { return static_cast<int>(&thread - threads); }
Warp& warp_of(const Thread& thread) { return warps[number_of(thread) / warp_size]; }
int lane_of(const Thread& thread) { return number_of(thread) % warp_size; }

void make_ready(int warp, unsigned lanes) {
  if (!lanes) return;
  warps[warp].ready |= lanes;
  runnable_warps |= 1u << warp;
  for (; lanes; lanes &= lanes - 1)
    threads[warp * warp_size + std::countr_zero(lanes)].state = State::ready;
}

/// Takes the thread that goes on from the ready ones; null when there is none.
Thread* take_turn() {
  if (!runnable_warps) return nullptr;
  const unsigned random = random_bits();
  if (!(runnable_warps >> active_warp & 1) || (random >> 24) < leave_chance)
    active_warp = random_bit_of(runnable_warps, random >> 8);
  Warp& warp = warps[active_warp];
  const int lane = random_bit_of(warp.ready, random);
  warp.ready &= ~(1u << lane);
  if (!warp.ready) runnable_warps &= ~(1u << active_warp);
  return &threads[active_warp * warp_size + lane];
}

/// What the threads of the block wait for, when none can go on.
std::string deadlock_text() {
  std::string text;
  int groups = 0;
  for (int i = 0; i < thread_count;) {
    const Thread& first = threads[i];
    int end = i + 1;
    while (end < thread_count && threads[end].state == first.state &&
           (first.state == State::returned || threads[end].site == first.site))
      ++end;
    if (first.state != State::returned && ++groups <= 4) {
      text +=
          fmt::format("; {} thread{} from {} on wait{} in {} at {}", end - i,
                      end - i == 1 ? "" : "s", thread_text(first), end - i == 1 ? "s" : "",
                      first.state == State::in_barrier ? "__syncthreads" : name_of(first.operation),
                      place(first.site));
      if (first.state == State::in_warp_operation)
        text += fmt::format(" for the lanes {:#010x}", first.mask);
    }
    i = end;
  }
  return text;
}

void start_fiber(Fiber& fiber);

/// The fiber on which a thread that has not started will run.
Fiber* take_fiber(const Thread& thread) {
  if constexpr (tsan) {
    // The race detector takes a fiber for one thread with one history, so no two threads of a block
    // share one. Rotating them from block to block shows races between equal threads of two blocks.
    return &fibers[(number_of(thread) + fiber_rotation) % fibers_in_use];
  }
  if (idle_count > 0) return idle_fibers[--idle_count];
  start_fiber(fibers[fibers_started]);
  return &fibers[fibers_started++];
}

void set_running(Thread* thread) {
  running = thread;
  current_thread = &thread->index;
}

void start(Thread& thread, Fiber* fiber) {
  thread.fiber = fiber;
  thread.copies = thread.first_copy = thread.groups = 0;
  thread.meetings = 0;
}

/// Leaves `from` for a thread that is ready.
void go_on_with(Thread& thread, Fiber& from) {
  if (!thread.fiber) start(thread, take_fiber(thread));
  set_running(&thread);
  counts.switches++;
  if (thread.fiber != &from) from.switch_to(*thread.fiber);
}

/// The thread that goes on now; null when all have returned.
Thread* next_thread() {
  Thread* next = take_turn();
  if (!next && returned_count < thread_count)
    fail_launch(
        "deadlock: no thread of the block can go on{}. Every lane named in a mask must reach the "
        "operation, with the same mask",
        deadlock_text());
  return next;
}

/// Lets other threads run until the running one is ready again.
void yield() {
  Thread& self = *running;
  Thread* next = next_thread();
  if (next != &self) go_on_with(*next, *self.fiber);
}

/// Carries out the warp operation that `leader` waits in if all lanes have come, and makes them
/// ready.
bool complete_warp_operation(int warp_number, const Thread& leader) {
  Warp& warp = warps[warp_number];
  const unsigned lanes = leader.mask & warp.alive;
  if ((warp.waiting & lanes) != lanes) return false;
  Thread* const first = &threads[warp_number * warp_size];
  for (unsigned rest = lanes; rest; rest &= rest - 1) {
    const Thread& other = first[std::countr_zero(rest)];
    if (other.mask != leader.mask || other.operation != leader.operation ||
        !(other.site == leader.site))
      return false;
  }
  switch (leader.operation) {
    case WarpOperation::barrier: break;
    case WarpOperation::shuffle: {
      std::uint64_t values[warp_size];
      for (int lane = 0; lane < warp_size; ++lane)
        values[lane] = lanes >> lane & 1 ? first[lane].value : ~std::uint64_t{0};
      for (unsigned rest = lanes; rest; rest &= rest - 1) {
        Thread& other = first[std::countr_zero(rest)];
        other.value = values[other.source & (warp_size - 1)];
      }
      break;
    }
    case WarpOperation::ballot: {
      unsigned votes = 0;
      for (unsigned rest = lanes; rest; rest &= rest - 1) {
        const int lane = std::countr_zero(rest);
        votes |= static_cast<unsigned>(first[lane].value) << lane;
      }
      for (unsigned rest = lanes; rest; rest &= rest - 1)
        first[std::countr_zero(rest)].value = votes;
      break;
    }
    case WarpOperation::mma_tf32:
    case WarpOperation::mma_bf16:
    case WarpOperation::ldmatrix: {
      if (lanes != 0xffffffffu)
        fail_launch("{} at {} needs all 32 lanes of warp {}, which has {:#010x} left",
                    name_of(leader.operation), place(leader.site), warp_number, lanes);
      if (leader.operation == WarpOperation::ldmatrix) {
        for (int lane = 0; lane < warp_size; ++lane)
          for (int i = 0; i < warp_size; ++i)
            first[lane].matrix_rows[i] = reinterpret_cast<const void*>(first[i].value);
        break;
      }
      MatrixFragment fragments[warp_size];
      for (int lane = 0; lane < warp_size; ++lane) fragments[lane] = first[lane].fragment;
      leader.operation == WarpOperation::mma_tf32 ? mma_tf32(fragments) : mma_bf16(fragments);
      break;
    }
  }
  counts.warp_operations++;
  warp.waiting &= ~lanes;
  make_ready(warp_number, lanes);
  return true;
}

/// Brings the running thread, whose value, source or fragment is set, to a warp operation.
void join_warp_operation(WarpOperation operation, unsigned mask, Site site) {
  Thread& self = *running;
  Warp& warp = warp_of(self);
  const int warp_number = number_of(self) / warp_size;
  const unsigned own_lane = 1u << lane_of(self);
  if (!(mask & own_lane))
    fail_launch("lane {} of warp {}, thread {}, is in {} at {} but not in its mask {:#010x}",
                lane_of(self), warp_number, thread_text(self), name_of(operation), place(site),
                mask);
  self.operation = operation;
  self.mask = mask;
  ++self.meetings;
  self.site = site;
  unsigned cell = 0;
  if constexpr (tsan) {
    // Lanes that come to the same operation meet at the same address.
    cell = new_cell();
    for (unsigned rest = warp.waiting & mask; rest; rest &= rest - 1) {
      const Thread& other = threads[warp_number * warp_size + std::countr_zero(rest)];
      if (other.mask == mask && other.site == site) cell = other.warp_cell;
    }
    self.warp_cell = cell;
    // CUDA gives no other warp operation an effect on memory.
    if (operation == WarpOperation::barrier) release(cells.barriers[cell]);
  }
  self.state = State::in_warp_operation;
  warp.waiting |= own_lane;
  if (complete_warp_operation(warp_number, self)) {
    // The last to come goes on at once: which one that is, is random.
    self.state = State::ready;
    warp.ready &= ~own_lane;
    if (!warp.ready) runnable_warps &= ~(1u << warp_number);
  } else {
    yield();
  }
  if (operation == WarpOperation::barrier) acquire(cells.barriers[tsan ? cell : 0]);
}

/// Takes a thread whose kernel has returned out of the block.
void retire(Thread& thread) {
  thread.state = State::returned;
  ++returned_count;
  if (arrived_count > 0)
    fail_launch(
        "thread {} has returned while {} of the block's {} threads wait in __syncthreads at "
        "{}; every thread of a block must reach it",
        thread_text(thread), arrived_count, thread_count, place(barrier_site));
  const int warp_number = number_of(thread) / warp_size;
  Warp& warp = warps[warp_number];
  warp.alive &= ~(1u << lane_of(thread));
  // Those who waited for the others only need not wait for this one.
  for (unsigned rest = warp.waiting; rest; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    if (warp.waiting >> lane & 1)
      complete_warp_operation(warp_number, threads[warp_number * warp_size + lane]);
  }
}

/// Runs the running thread to its end and returns the one that goes on.
Thread* run_thread() {
  acquire(cells.launch_begin);
  grid_launch->body(grid_launch->arguments);
  release(cells.launch_end);
  retire(*running);
  return next_thread();
}

/// What a fiber does all its life: runs one thread of a block after another.
void run_threads() {
  running->fiber->arrive();
  for (;;) {
    Thread* next = nullptr;
    try {
      next = run_thread();
    } catch (const std::exception& error) {
      failure = error.what();
    }
    Fiber& fiber = *running->fiber;
    if (!failure.empty()) {
      // What the other fibers were at is never gone on with.
      fiber.switch_to(host);
      std::abort();
    }
    if (next && !next->fiber && !tsan) {
      start(*next, &fiber);
      set_running(next);
      continue;
    }
    if (!tsan) idle_fibers[idle_count++] = &fiber;
    // Whoever switches here next has given this fiber a thread to run.
    next ? go_on_with(*next, fiber) : fiber.switch_to(host);
  }
}

void start_fiber(Fiber& fiber) { fiber.restart(run_threads); }

// ---- Shared memory

/// Fills without memset, which the race detector would take for accesses of this thread.
void fill_with_nan(void* memory, std::size_t bytes) {
  auto* p = static_cast<volatile unsigned char*>(memory);
  if constexpr (tsan)
    for (std::size_t i = 0; i < bytes; ++i) p[i] = 0xff;
  else
    std::memset(memory, 0xff, bytes);
}

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kept_margin = 0;  // AddressSanitizer guards what lies behind
#else
constexpr std::size_t kept_margin = shared_margin;
#endif

void* new_shared_memory(std::size_t bytes) {
  bytes += kept_margin;
#if defined(DUET_SIMT_TSAN)
  // A new mapping has no history of accesses by the block before; while ignored, making it is no
  // access of this thread.
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  if (memory == MAP_FAILED) throw std::bad_alloc();
#else
  void* memory = nullptr;
  if (posix_memalign(&memory, 128, bytes) != 0) throw std::bad_alloc();
#endif
  return memory;
}

void free_shared_memory(SharedObject& object) {
#if defined(DUET_SIMT_TSAN)
  munmap(object.memory, object.bytes + kept_margin);
#else
  std::free(object.memory);
#endif
  object.memory = nullptr;
}

/// Gives the running block an object full of NaN.
void renew(SharedObject& object) {
  if (!object.memory) object.memory = new_shared_memory(object.bytes);
  fill_with_nan(object.memory, object.bytes + kept_margin);
  object.used = true;
}

/// Ends an object's use by a block; false if somebody has written behind its end.
bool end_use(SharedObject& object) {
  if (!object.used) return true;
  object.used = false;
  const auto* margin = static_cast<const unsigned char*>(object.memory) + object.bytes;
  const bool intact =
      std::all_of(margin, margin + kept_margin, [](unsigned char byte) { return byte == 0xff; });
  if (tsan) free_shared_memory(object);
  return intact;
}

bool is_shared(const void* pointer, std::size_t bytes) {
  const char* p = static_cast<const char*>(pointer);
  const auto holds = [&](const SharedObject& object) {
    const char* begin = static_cast<const char*>(object.memory);
    return object.used && p >= begin && p + bytes <= begin + object.bytes;
  };
  return holds(dynamic_object) ||
         std::any_of(shared_objects, shared_objects + shared_object_count, holds);
}

// ---- Blocks

void prepare_block(const GridLaunch& launch, std::uint64_t index) {
  const dim3 grid = launch.grid;
  current_block = {static_cast<unsigned>(index % grid.x),
                   static_cast<unsigned>(index / grid.x % grid.y),
                   static_cast<unsigned>(index / grid.x / grid.y)};
  ++block_number;
  returned_count = arrived_count = predicate_count = 0;
  barrier_cell = new_cell();
  static_shared_bytes = 0;
  if (dynamic_object.bytes) renew(dynamic_object);
  fiber_rotation = tsan ? static_cast<int>(random_below(static_cast<unsigned>(fibers_in_use))) : 0;

  for (int i = 0; i < thread_count; ++i) {
    threads[i].fiber = nullptr;
    threads[i].state = State::ready;
  }
  runnable_warps = 0;
  for (int w = 0; w < warp_count; ++w) {
    const int lanes = std::min(thread_count - w * warp_size, warp_size);
    const unsigned all = 0xffffffffu >> (warp_size - lanes);
    warps[w] = {all, 0, all};
    runnable_warps |= 1u << w;
  }
  active_warp = random_bit_of(runnable_warps, random_bits());
  constexpr unsigned always = 256, seldom = 16, never = 0;
  switch (settings().schedule) {
    case Schedule::sticky: leave_chance = never; break;
    case Schedule::uniform: leave_chance = always; break;
    case Schedule::mixed: {
      constexpr unsigned chances[4] = {never, never, seldom, always};
      leave_chance = chances[random_below(4)];
    }
  }
}

/// Runs one block. `failure` says what went wrong, if anything.
void run_block() {
  Thread* first = take_turn();
  start(*first, take_fiber(*first));
  set_running(first);
  counts.switches++;
  host.switch_to(*first->fiber);
  if constexpr (traffic) count_requests();

  const auto finish = [](SharedObject& object) {
    if (!end_use(object) && failure.empty())
      failure = fmt::format(
          "a thread has written behind the end of {} ({} bytes of shared memory{})", object.name,
          object.bytes, object.slot ? ", declared at " + place(object.site) : "");
  };
  finish(dynamic_object);
  std::for_each(shared_objects, shared_objects + shared_object_count, finish);
}

/// Throws with the kernel's name, which is looked up only then.
template <class... Args>
[[noreturn]] void refuse(const GridLaunch& launch, fmt::format_string<Args...> message,
                         Args&&... args) {
  fail("{}: {}", launch_text(launch), fmt::format(message, std::forward<Args>(args)...));
}

void check_limits(const GridLaunch& launch) {
  const dim3 g = launch.grid, b = launch.block;
  const std::uint64_t size = std::uint64_t{b.x} * b.y * b.z;
  if (size < 1 || size > max_threads || b.x > max_threads || b.y > max_threads || b.z > max_block_z)
    refuse(launch, "a block of ({}, {}, {}) threads; 1 to {} are possible, at most {} in z", b.x,
           b.y, b.z, max_threads, max_block_z);
  if (g.x > max_grid_x || g.y > max_grid_yz || g.z > max_grid_yz)
    refuse(launch, "a grid of ({}, {}, {}) blocks; {} are possible in x, {} in y and z", g.x, g.y,
           g.z, max_grid_x, max_grid_yz);
  if (launch.dynamic_shared_bytes > max_shared)
    refuse(launch, "{} bytes of dynamic shared memory; an H100 gives a block {} at most",
           launch.dynamic_shared_bytes, max_shared);
  for (int i = 0; i < launch.pointer_count; ++i) {
    if (!launch.pointers[i]) continue;
    const PointerKind kind = classify(launch.pointers[i]);
    if (kind == PointerKind::freed)
      refuse(launch, "argument {} ({}) points into device memory that has been freed", i + 1,
             launch.pointers[i]);
    if (kind == PointerKind::host)
      refuse(launch, "argument {} ({}) is a host pointer; a kernel reaches device memory only",
             i + 1, launch.pointers[i]);
  }
}

void prepare_launch(const GridLaunch& launch) {
  grid_launch = &launch;
  const dim3 block = launch.block;
  current_block_extent = block;
  current_grid_extent = launch.grid;
  thread_count = static_cast<int>(block.x * block.y * block.z);
  warp_count = (thread_count + warp_size - 1) / warp_size;
  for (int i = 0; i < thread_count; ++i) {
    const auto n = static_cast<unsigned>(i);
    threads[i].index = {n % block.x, n / block.x % block.y, n / block.x / block.y};
  }
  // SplitMix64's finaliser, so that neighbouring seeds have nothing in common.
  std::uint64_t z = settings().seed * 0x9e3779b97f4a7c15ull + settings().launches;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  random_state = (z ^ z >> 31) | 1;

  if (!fibers) {
    // Never destroyed: they hold stacks that nothing returns from.
    fibers = new Fiber[max_threads];
    void* copies = mmap(nullptr, sizeof(PendingCopy) * max_async_copies * max_threads,
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(copies != MAP_FAILED, "[simt] no memory for the copies under way");
    pending_copies = static_cast<PendingCopy*>(copies);
  }
  if constexpr (tsan) {
    fibers_in_use = std::min(thread_count + 2 * warp_size, static_cast<int>(max_threads));
    for (; fibers_started < fibers_in_use; ++fibers_started) start_fiber(fibers[fibers_started]);
  }
  host.adopt_caller();
  shared_object_count = 0;
  dynamic_object = {nullptr, "dynamic shared memory",     {},
                    nullptr, launch.dynamic_shared_bytes, false};
  failure.clear();
}

void run_blocks(const GridLaunch& launch) {
  const std::uint64_t blocks = std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  // A random progression visits each block once if its step has no factor in common with their
  // number. It needs no table of them.
  const auto draw = [&] { return (std::uint64_t{random_bits()} << 32 | random_bits()) % blocks; };
  std::uint64_t block = draw(), step = draw();
  while (std::gcd(step, blocks) != 1) step = draw();
  for (std::uint64_t i = 0; i < blocks && failure.empty(); ++i) {
    prepare_block(launch, block);
    run_block();
    block = (block + step) % blocks;
  }
  counts.blocks += blocks;
  counts.threads += blocks * static_cast<std::uint64_t>(thread_count);
}

void finish_launch(const GridLaunch& launch) {
  acquire(cells.launch_end);
  if constexpr (traffic) count_launch(launch.kernel);
  if (dynamic_object.memory) free_shared_memory(dynamic_object);
  for (int i = 0; i < shared_object_count; ++i)
    if (shared_objects[i].memory) free_shared_memory(shared_objects[i]);
  if (!failure.empty()) {
    // What the fibers were at is given up.
    for (int i = 0; i < fibers_started; ++i) start_fiber(fibers[i]);
    idle_count = 0;
    if (!tsan)
      for (int i = 0; i < fibers_started; ++i) idle_fibers[idle_count++] = &fibers[i];
    const std::string message = fmt::format("{}: {}", block_text(), failure);
    throw Error(message);
  }
  for (int i = 0; i < launch.pointer_count; ++i)
    if (launch.pointers[i] && !gap_is_intact(launch.pointers[i]))
      refuse(launch, "a thread has written behind the end of the buffer of argument {}", i + 1);
}

}  // namespace

void set_seed(std::uint64_t seed) {
  const std::lock_guard lock(launch_mutex);
  settings().seed = seed;
  settings().launches = 0;
}

void set_schedule(Schedule schedule) {
  const std::lock_guard lock(launch_mutex);
  settings().schedule = schedule;
}

Statistics statistics() {
  const std::lock_guard lock(launch_mutex);
  return counts;
}

unsigned lane() { return static_cast<unsigned>(lane_of(*running)); }

void* shared_object(SharedSlot& slot, std::size_t bytes, const char* name, Site site) {
  if (slot.block == block_number) return slot.object;
  static_shared_bytes += bytes;
  if (static_shared_bytes > max_static_shared)
    fail_launch(
        "with {} ({} bytes, at {}) the block has {} bytes of SIMT_SHARED memory; {} are "
        "possible, more only as dynamic shared memory",
        name, bytes, place(site), static_shared_bytes, max_static_shared);
  if (static_shared_bytes + dynamic_object.bytes > max_shared)
    fail_launch(
        "with {} ({} bytes, at {}) the block has {} bytes of shared memory, dynamic and "
        "not; an H100 gives {}",
        name, bytes, place(site), static_shared_bytes + dynamic_object.bytes, max_shared);
  SharedObject* object = shared_objects;
  SharedObject* const end = shared_objects + shared_object_count;
  while (object < end && object->slot != &slot) ++object;
  if (object == end) {
    if (shared_object_count == max_shared_objects)
      fail_launch("{} at {} is one object more than the {} that a block can have in shared memory",
                  name, place(site), max_shared_objects);
    ++shared_object_count;
    *object = {&slot, name, site, nullptr, bytes, false};
  }
  renew(*object);
  slot.block = block_number;
  slot.object = object->memory;
  return slot.object;
}

void* dynamic_shared() { return dynamic_object.memory; }

int block_barrier(bool predicate, Site site) {
  Thread& self = *running;
  if (returned_count > 0)
    fail_launch(
        "thread {} has reached __syncthreads at {} after {} of the block's {} threads "
        "returned; every thread of a block must reach it",
        thread_text(self), place(site), returned_count, thread_count);
  if (arrived_count == 0)
    barrier_site = site;
  else if (!(site == barrier_site))
    fail_launch(
        "barrier divergence: thread {} is in __syncthreads at {} while {} of the block's "
        "threads wait in the one at {}; all must reach the same one",
        thread_text(self), place(site), arrived_count, place(barrier_site));
  self.state = State::in_barrier;
  self.site = site;
  predicate_count += predicate;
  ++arrived_count;
  ++self.meetings;
  const unsigned cell = barrier_cell;
  release(cells.barriers[cell]);
  if (arrived_count == thread_count) {
    barrier_result = predicate_count;
    arrived_count = predicate_count = 0;
    barrier_cell = new_cell();
    counts.barriers++;
    if constexpr (traffic) {
      count_requests();
      std::for_each(threads, threads + thread_count, [](Thread& t) { t.meetings = 0; });
    }
    for (int w = 0; w < warp_count; ++w) make_ready(w, warps[w].alive);
    active_warp = random_bit_of(runnable_warps, random_bits());
  }
  yield();
  acquire(cells.barriers[cell]);
  return barrier_result;
}

void warp_barrier(unsigned mask, Site site) {
  join_warp_operation(WarpOperation::barrier, mask, site);
}

std::uint64_t warp_shuffle(unsigned mask, std::uint64_t value, int source, Site site) {
  Thread& self = *running;
  self.value = value;
  self.source = source;
  join_warp_operation(WarpOperation::shuffle, mask, site);
  return self.value;
}

unsigned warp_ballot(unsigned mask, bool predicate, Site site) {
  Thread& self = *running;
  self.value = predicate;
  join_warp_operation(WarpOperation::ballot, mask, site);
  return static_cast<unsigned>(self.value);
}

void warp_mma_tf32(float* d, const unsigned* a, const unsigned* b, Site site) {
  running->fragment = {d, a, b};
  join_warp_operation(WarpOperation::mma_tf32, 0xffffffffu, site);
}

void warp_mma_bf16(float* d, const unsigned* a, const unsigned* b, Site site) {
  running->fragment = {d, a, b};
  join_warp_operation(WarpOperation::mma_bf16, 0xffffffffu, site);
}

void warp_matrix_rows(const void* row, const void* (&rows)[32], Site site) {
  Thread& self = *running;
  if (reinterpret_cast<std::uintptr_t>(row) % 16)
    fail_launch("ldmatrix at {} by thread {}: the row at {} must start at a multiple of 16",
                place(site), thread_text(self), row);
  if (!is_shared(row, 16))
    fail_launch("ldmatrix at {} by thread {}: the row at {} is not in the block's shared memory",
                place(site), thread_text(self), row);
  if constexpr (traffic) access_memory(__builtin_return_address(0), row, 16, Access::load);
  self.value = reinterpret_cast<std::uintptr_t>(row);
  self.matrix_rows = rows;
  join_warp_operation(WarpOperation::ldmatrix, 0xffffffffu, site);
}

#if defined(DUET_SIMT_TRAFFIC)
void access_memory(const void* code, const void* address, unsigned bytes, Access access) {
  if (!launching) return;
  const bool shared = is_shared(address, bytes);
  if (!shared && !in_device_range(address)) return;  // a local variable
  note_access(number_of(*running), running->meetings,
              {code, shared ? Space::shared : Space::device, access, bytes, 0, 0, 0, 0}, address);
}
#endif

void memory_fence() {
  acquire(cells.fence);
  release(cells.fence);
}

void async_issue(void* to, const void* from, bool predicate, Site site) {
  Thread& self = *running;
  if (reinterpret_cast<std::uintptr_t>(to) % 16 || reinterpret_cast<std::uintptr_t>(from) % 16)
    fail_launch("cp_async16 at {} by thread {}, from {} to {}: both must be multiples of 16",
                place(site), thread_text(self), from, to);
  if (!is_shared(to, 16))
    fail_launch("cp_async16 at {} by thread {}: the target {} is not in the block's shared memory",
                place(site), thread_text(self), to);
  if constexpr (traffic) {
    const void* const code = __builtin_return_address(0);
    if (predicate) access_memory(code, from, 16, Access::load);
    access_memory(code, to, 16, Access::store);
  }
  PendingCopy* copies = pending_copies + number_of(self) * max_async_copies;
  if (self.first_copy == self.copies) self.first_copy = self.copies = 0;
  if (self.copies == max_async_copies && self.first_copy > 0) {
    for (int i = self.first_copy; i < self.copies; ++i) copies[i - self.first_copy] = copies[i];
    self.copies -= self.first_copy;
    self.first_copy = 0;
  }
  if (self.copies == max_async_copies)
    fail_launch("cp_async16 at {}: thread {} has {} copies under way, more than the emulator keeps",
                place(site), thread_text(self), max_async_copies);
  copies[self.copies++] = {{to, predicate ? from : nullptr}, self.groups};
}

void async_commit() { running->groups++; }

AsyncCopy async_deliver(int groups_under_way) {
  Thread& self = *running;
  if (self.first_copy == self.copies) return {};
  const PendingCopy& next = pending_copies[number_of(self) * max_async_copies + self.first_copy];
  if (next.group >= self.groups - groups_under_way) return {};
  ++self.first_copy;
  return next.copy;
}

void run_grid(const GridLaunch& launch) {
  if (launching)
    fail_launch("the kernel launches another at {}, which the emulator does not do",
                place(launch.site));
  if (capturing()) {
    const std::shared_ptr<const void> arguments = launch.keep(launch.arguments);
    const std::vector<const void*> pointers(launch.pointers,
                                            launch.pointers + launch.pointer_count);
    note_step([again = launch, arguments, pointers]() mutable {
      again.arguments = arguments.get();
      again.pointers = pointers.data();
      run_grid(again);
    });
    return;
  }
  for (int i = 0; i < launch.pointer_count; ++i) note_use(launch.pointers[i]);
  const std::lock_guard lock(launch_mutex);
  settings().launches++;
  counts.launches++;
  check_limits(launch);
  struct Flag {
    Flag() { launching = true; }
    ~Flag() { launching = false; }
  } const flag;
  const HostAccess access;
  prepare_launch(launch);
  release(cells.launch_begin);
  run_blocks(launch);
  finish_launch(launch);
}

}  // namespace duet::simt
