#include "kernels/simt/traffic.h"

#if defined(DUET_SIMT_TRAFFIC)

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

namespace duet::simt {
namespace {

constexpr int warp_size = 32;
constexpr std::size_t max_threads = 1024;
constexpr std::uintptr_t sector_bytes = 32, word_bytes = 4, banks = 32;

/// A set of numbers, many of them neighbours.
class NumberSet {
 public:
  void insert(std::uint64_t number) {
    std::uint64_t& word = pages_[number / 4096][number / 64 % 64];
    const std::uint64_t bit = std::uint64_t{1} << number % 64;
    count_ += (word & bit) == 0;
    word |= bit;
  }
  std::uint64_t size() const { return count_; }

 private:
  std::unordered_map<std::uint64_t, std::array<std::uint64_t, 64>> pages_;
  std::uint64_t count_ = 0;
};

struct Note {
  std::uint32_t place, meetings;
  std::uintptr_t address;
};

/// The lanes that come to one place together.
struct Request {
  int lanes = 0;
  std::array<unsigned char, warp_size> lane;
  std::array<std::uintptr_t, warp_size> address;
};

std::vector<Note> notes[max_threads];

// Of the launch under way.
std::vector<AccessPlace> places;
std::unordered_map<std::uintptr_t, std::vector<std::uint32_t>> places_at;
NumberSet loaded, stored;

std::vector<KernelTraffic> kernels;

bool same(const AccessPlace& a, const AccessPlace& b) {
  return a.code == b.code && a.space == b.space && a.access == b.access && a.bytes == b.bytes;
}

std::uint32_t number_of(const AccessPlace& place) {
  std::vector<std::uint32_t>& here = places_at[reinterpret_cast<std::uintptr_t>(place.code)];
  for (const std::uint32_t number : here)
    if (same(places[number], place)) return number;
  here.push_back(static_cast<std::uint32_t>(places.size()));
  places.push_back(place);
  return here.back();
}

void count_sectors(AccessPlace& place, const Request& request) {
  std::array<std::uintptr_t, warp_size> begins = request.address;
  std::sort(begins.begin(), begins.begin() + request.lanes);
  std::uintptr_t bytes_until = 0, sectors_until = 0, wanted = 0;
  for (int i = 0; i < request.lanes; ++i) {
    const std::uintptr_t end = begins[i] + place.bytes;
    wanted += end - std::clamp(bytes_until, begins[i], end);
    bytes_until = end;
    const std::uintptr_t last = (end - 1) / sector_bytes;
    for (std::uintptr_t s = std::max(begins[i] / sector_bytes, sectors_until); s <= last; ++s) {
      ++place.units;
      if (place.access != Access::store) loaded.insert(s);
      if (place.access != Access::load) stored.insert(s);
    }
    sectors_until = last + 1;
  }
  place.least_units += (wanted + sector_bytes - 1) / sector_bytes;
}

void count_turns(AccessPlace& place, const Request& request) {
  const int lanes_a_turn = place.bytes > 8 ? 8 : place.bytes > 4 ? 16 : 32;
  for (int first = 0; first < warp_size; first += lanes_a_turn) {
    std::array<std::uintptr_t, warp_size * 4> words;
    std::size_t count = 0;
    for (int i = 0; i < request.lanes; ++i)
      if (request.lane[i] >= first && request.lane[i] < first + lanes_a_turn)
        for (std::uintptr_t w = request.address[i] / word_bytes;
             w <= (request.address[i] + place.bytes - 1) / word_bytes; ++w)
          words[count++] = w;
    if (count == 0) continue;
    std::sort(words.begin(), words.begin() + count);
    const auto end = std::unique(words.begin(), words.begin() + count);
    std::array<unsigned, banks> in_bank{};
    std::for_each(words.begin(), end, [&](std::uintptr_t w) { ++in_bank[w % banks]; });
    place.units += *std::max_element(in_bank.begin(), in_bank.end());
    ++place.least_units;
  }
}

void count(std::uint32_t number, const Request& request) {
  AccessPlace& place = places[number];
  ++place.requests;
  place.lanes += static_cast<std::uint64_t>(request.lanes);
  place.space == Space::device ? count_sectors(place, request) : count_turns(place, request);
}

/// Joins what the lanes of a warp have noted, all between the same two meetings.
class Joined {
 public:
  void add(int lane, const Note* begin, const Note* end) {
    times_.assign(requests_.size(), 0);
    for (const Note* note = begin; note != end; ++note) {
      if (note->place >= requests_.size()) requests_.resize(note->place + 1);
      times_.resize(requests_.size());
      std::vector<Request>& here = requests_[note->place];
      const std::size_t time = times_[note->place]++;
      if (time == here.size()) here.emplace_back();
      Request& request = here[time];
      request.lane[request.lanes] = static_cast<unsigned char>(lane);
      request.address[request.lanes++] = note->address;
    }
  }
  void count_all() {
    for (std::size_t number = 0; number < requests_.size(); ++number) {
      for (const Request& request : requests_[number])
        count(static_cast<std::uint32_t>(number), request);
      requests_[number].clear();
    }
  }

 private:
  std::vector<std::vector<Request>> requests_;  ///< by place, in the order of time
  std::vector<std::size_t> times_;
};

}  // namespace

void note_access(int thread, unsigned meetings, const AccessPlace& place, const void* address) {
  notes[thread].push_back({number_of(place), meetings, reinterpret_cast<std::uintptr_t>(address)});
}

void count_requests() {
  static Joined joined;
  for (std::size_t warp = 0; warp < max_threads; warp += warp_size) {
    std::array<const Note*, warp_size> at, end;
    for (int lane = 0; lane < warp_size; ++lane) {
      at[lane] = notes[warp + lane].data();
      end[lane] = at[lane] + notes[warp + lane].size();
    }
    for (;;) {
      unsigned meetings = ~0u;
      for (int lane = 0; lane < warp_size; ++lane)
        if (at[lane] != end[lane]) meetings = std::min(meetings, at[lane]->meetings);
      if (meetings == ~0u) break;
      for (int lane = 0; lane < warp_size; ++lane) {
        const Note* const begin = at[lane];
        while (at[lane] != end[lane] && at[lane]->meetings == meetings) ++at[lane];
        if (begin != at[lane]) joined.add(lane, begin, at[lane]);
      }
      joined.count_all();
    }
    for (int lane = 0; lane < warp_size; ++lane) notes[warp + lane].clear();
  }
}

void count_launch(const void* kernel) {
  auto it = std::find_if(kernels.begin(), kernels.end(),
                         [&](const KernelTraffic& k) { return k.kernel == kernel; });
  if (it == kernels.end()) it = kernels.insert(it, {kernel, 0, 0, 0, {}});
  ++it->launches;
  it->loaded += loaded.size() * sector_bytes;
  it->stored += stored.size() * sector_bytes;
  for (const AccessPlace& place : places) {
    const auto known = std::find_if(it->places.begin(), it->places.end(),
                                    [&](const AccessPlace& p) { return same(p, place); });
    if (known == it->places.end()) {
      it->places.push_back(place);
      continue;
    }
    known->requests += place.requests;
    known->lanes += place.lanes;
    known->units += place.units;
    known->least_units += place.least_units;
  }
  places.clear();
  places_at.clear();
  loaded = stored = {};
}

std::vector<KernelTraffic> take_traffic() { return std::exchange(kernels, {}); }

}  // namespace duet::simt

// ---- What -fsanitize=thread calls. Its library is not linked.

using duet::simt::Access;

namespace {

void access_range(const void* code, const void* address, std::uintptr_t bytes, Access access) {
  const auto* p = static_cast<const char*>(address);
  for (std::uintptr_t i = 0; i < bytes; i += 16)
    duet::simt::access_memory(
        code, p + i, static_cast<unsigned>(std::min<std::uintptr_t>(bytes - i, 16)), access);
}

}  // namespace

// NOLINTBEGIN(bugprone-reserved-identifier): the compiler chose them
extern "C" {

#define DUET_SIMT_ACCESS(bytes)                                               \
  void __tsan_read##bytes(void* address) {                                    \
    access_range(__builtin_return_address(0), address, bytes, Access::load);  \
  }                                                                           \
  void __tsan_write##bytes(void* address) {                                   \
    access_range(__builtin_return_address(0), address, bytes, Access::store); \
  }                                                                           \
  void __tsan_unaligned_read##bytes(void* address) {                          \
    access_range(__builtin_return_address(0), address, bytes, Access::load);  \
  }                                                                           \
  void __tsan_unaligned_write##bytes(void* address) {                         \
    access_range(__builtin_return_address(0), address, bytes, Access::store); \
  }
DUET_SIMT_ACCESS(1)
DUET_SIMT_ACCESS(2)
DUET_SIMT_ACCESS(4)
DUET_SIMT_ACCESS(8)
DUET_SIMT_ACCESS(16)
#undef DUET_SIMT_ACCESS

void __tsan_read_range(void* address, std::uintptr_t bytes) {
  access_range(__builtin_return_address(0), address, bytes, Access::load);
}
void __tsan_write_range(void* address, std::uintptr_t bytes) {
  access_range(__builtin_return_address(0), address, bytes, Access::store);
}

#define DUET_SIMT_FETCH(bits, operation)                                                       \
  std::uint##bits##_t __tsan_atomic##bits##_##operation(volatile std::uint##bits##_t* address, \
                                                        std::uint##bits##_t value, int) {      \
    access_range(__builtin_return_address(0), const_cast<const std::uint##bits##_t*>(address), \
                 bits / 8, Access::atomic);                                                    \
    return __atomic_##operation(address, value, __ATOMIC_SEQ_CST);                             \
  }
#define DUET_SIMT_ATOMICS(bits)                                                                \
  DUET_SIMT_FETCH(bits, fetch_add)                                                             \
  DUET_SIMT_FETCH(bits, fetch_sub)                                                             \
  DUET_SIMT_FETCH(bits, fetch_and)                                                             \
  DUET_SIMT_FETCH(bits, fetch_or)                                                              \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile std::uint##bits##_t* address,     \
                                                    std::uint##bits##_t* expected,             \
                                                    std::uint##bits##_t value, int, int) {     \
    access_range(__builtin_return_address(0), const_cast<const std::uint##bits##_t*>(address), \
                 bits / 8, Access::atomic);                                                    \
    return __atomic_compare_exchange_n(address, expected, value, false, __ATOMIC_SEQ_CST,      \
                                       __ATOMIC_SEQ_CST);                                      \
  }
DUET_SIMT_ATOMICS(32)
DUET_SIMT_ATOMICS(64)
#undef DUET_SIMT_ATOMICS
#undef DUET_SIMT_FETCH

// Kernels have none of these (a load comes before a compare-and-exchange, and is no access of its
// own), but the host code beside them has.
#define DUET_SIMT_ATOMIC(bits)                                                                \
  std::uint##bits##_t __tsan_atomic##bits##_load(const volatile std::uint##bits##_t* address, \
                                                 int) {                                       \
    return __atomic_load_n(address, __ATOMIC_SEQ_CST);                                        \
  }                                                                                           \
  void __tsan_atomic##bits##_store(volatile std::uint##bits##_t* address,                     \
                                   std::uint##bits##_t value, int) {                          \
    __atomic_store_n(address, value, __ATOMIC_SEQ_CST);                                       \
  }
DUET_SIMT_ATOMIC(8)
DUET_SIMT_ATOMIC(32)
DUET_SIMT_ATOMIC(64)
#undef DUET_SIMT_ATOMIC

void __tsan_vptr_update(void**, void*) {}
void __tsan_init() {}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)

#endif
