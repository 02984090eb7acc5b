#pragma once
/// The dialect (simt.h) under an ordinary C++ compiler: CUDA's vocabulary, by the emulator. What is
/// CUDA's own stands in no namespace, as it does in CUDA.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/base/bf16.h"
#include "kernels/simt/emulator.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

// What the emulator itself reads and writes is no access of the kernel's (traffic.h).
#if defined(DUET_SIMT_TRAFFIC)
#define DUET_SIMT_UNSEEN __attribute__((noinline, no_sanitize("thread")))
#else
#define DUET_SIMT_UNSEEN
#endif

#define threadIdx (*::duet::simt::current_thread)
#define blockIdx (::duet::simt::current_block)
#define blockDim (::duet::simt::current_block_extent)
#define gridDim (::duet::simt::current_grid_extent)
inline constexpr int warpSize = 32;

// The lambda gives each instance of a template a slot of its own, as CUDA gives it memory.
#define SIMT_SHARED(name, ...)                                                             \
  auto& name = *static_cast<::duet::simt::Same<__VA_ARGS__>*>(::duet::simt::shared_object( \
      []() -> ::duet::simt::SharedSlot& {                                                  \
        static constinit ::duet::simt::SharedSlot slot;                                    \
        return slot;                                                                       \
      }(),                                                                                 \
      sizeof(::duet::simt::Same<__VA_ARGS__>), #name, ::duet::simt::Site::here()))
#define SIMT_DYNAMIC_SHARED(T, name) T* name = static_cast<T*>(::duet::simt::dynamic_shared())

namespace duet::simt {

template <class T>
struct Identity {
  using type = T;
};
/// An alias, so that no `typename` is needed where T depends on a template's parameters.
template <class T>
using Same = typename Identity<T>::type;

using duet::bf16;

inline unsigned pack_bf16(float low, float high) {
  return bf16(low).bits() | static_cast<unsigned>(bf16(high).bits()) << 16;
}

inline unsigned to_tf32(float f) {
  auto bits = std::bit_cast<std::uint32_t>(f);
  if ((bits & 0x7f800000u) != 0x7f800000u) bits += 0x1000u;
  return bits & 0xffffe000u;
}

inline void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                             Site site = Site::here()) {
  warp_mma_tf32(d, a, b, site);
}
inline void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                              Site site = Site::here()) {
  warp_mma_bf16(d, a, b, site);
}

/// An access in the kernel's own object file, for the sanitizers to see.
template <class T>
DUET_SIMT_UNSEEN T emulated_load(const void* from) {
  return *static_cast<const T*>(from);
}
template <class T>
DUET_SIMT_UNSEEN void emulated_store(void* to, T value) {
  *static_cast<T*>(to) = value;
}

__forceinline__ void ldmatrix_x4(unsigned (&r)[4], const void* row, Site site = Site::here()) {
  const void* rows[32];
  warp_matrix_rows(row, rows, site);
  const unsigned g = lane() / 4, t = lane() % 4;
  for (unsigned i = 0; i < 4; ++i)
    r[i] = emulated_load<unsigned>(static_cast<const unsigned*>(rows[8 * i + g]) + t);
}
__forceinline__ void ldmatrix_x4_trans(unsigned (&r)[4], const void* row,
                                       Site site = Site::here()) {
  const void* rows[32];
  warp_matrix_rows(row, rows, site);
  const unsigned g = lane() / 4, t = lane() % 4;
  const auto at = [&](unsigned i) {
    return unsigned{emulated_load<std::uint16_t>(static_cast<const std::uint16_t*>(rows[i]) + g)};
  };
  for (unsigned i = 0; i < 4; ++i) r[i] = at(8 * i + 2 * t) | at(8 * i + 2 * t + 1) << 16;
}

// Until the wait the target is NaN, so that reading it too early shows.
__forceinline__ void cp_async16(void* to, const void* from, bool predicate = true,
                                Site site = Site::here()) {
  async_issue(to, from, predicate, site);
  emulated_store(to, uint4{~0u, ~0u, ~0u, ~0u});
}
inline void cp_async_commit() { async_commit(); }
template <int groups_under_way>
void cp_async_wait() {
  for (AsyncCopy copy; (copy = async_deliver(groups_under_way)).to;)
    emulated_store(copy.to, copy.from ? emulated_load<uint4>(copy.from) : uint4{0, 0, 0, 0});
}

template <class T>
T shuffle(unsigned mask, T value, int source, Site site) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = warp_shuffle(mask, bits, source, site);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// `f` of the old value replaces it; returns the old one.
template <class T, class F>
__forceinline__ T atomic_update(T* address, F f) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  auto* place = reinterpret_cast<Bits*>(address);
  Bits old = __atomic_load_n(place, __ATOMIC_RELAXED);
  for (;;) {
    const T before = std::bit_cast<T>(old);
    const Bits after = std::bit_cast<Bits>(static_cast<T>(f(before)));
    if (__atomic_compare_exchange_n(place, &old, after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
      return before;
  }
}

/// The types that CUDA's integer atomics take.
template <class T>
concept AtomicInteger = std::is_integral_v<T> &&(sizeof(T) == 4 || sizeof(T) == 8);

}  // namespace duet::simt

// ---- Barriers and fences

inline void __syncthreads(duet::simt::Site site = duet::simt::Site::here()) {
  duet::simt::block_barrier(false, site);
}
inline int __syncthreads_count(int predicate, duet::simt::Site site = duet::simt::Site::here()) {
  return duet::simt::block_barrier(predicate != 0, site);
}
inline int __syncthreads_or(int predicate, duet::simt::Site site = duet::simt::Site::here()) {
  return duet::simt::block_barrier(predicate != 0, site) > 0;
}
inline int __syncthreads_and(int predicate, duet::simt::Site site = duet::simt::Site::here()) {
  return duet::simt::block_barrier(predicate == 0, site) == 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffu,
                       duet::simt::Site site = duet::simt::Site::here()) {
  duet::simt::warp_barrier(mask, site);
}
inline void __threadfence() { duet::simt::memory_fence(); }
inline void __threadfence_block() {}

// ---- Warp operations

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              duet::simt::Site site = duet::simt::Site::here()) {
  const int lane = static_cast<int>(duet::simt::lane());
  return duet::simt::shuffle(mask, value, (lane & ~(width - 1)) | (source & (width - 1)), site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 duet::simt::Site site = duet::simt::Site::here()) {
  const int lane = static_cast<int>(duet::simt::lane());
  const int source = lane - static_cast<int>(delta);
  return duet::simt::shuffle(mask, value, source < (lane & ~(width - 1)) ? lane : source, site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   duet::simt::Site site = duet::simt::Site::here()) {
  const int lane = static_cast<int>(duet::simt::lane());
  const int source = lane + static_cast<int>(delta);
  return duet::simt::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32,
                  duet::simt::Site site = duet::simt::Site::here()) {
  const int lane = static_cast<int>(duet::simt::lane());
  const int source = lane ^ lanes;
  return duet::simt::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, site);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              duet::simt::Site site = duet::simt::Site::here()) {
  return duet::simt::warp_ballot(mask, predicate != 0, site);
}
inline int __any_sync(unsigned mask, int predicate,
                      duet::simt::Site site = duet::simt::Site::here()) {
  return duet::simt::warp_ballot(mask, predicate != 0, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      duet::simt::Site site = duet::simt::Site::here()) {
  return duet::simt::warp_ballot(mask, predicate == 0, site) == 0;
}
/// CUDA promises no more than that the caller is among the lanes; here it is alone.
inline unsigned __activemask() { return 1u << duet::simt::lane(); }

// ---- Atomics: relaxed, as CUDA's are. They and the loads below are inlined, so that an access has
// its place in the kernel.

template <duet::simt::AtomicInteger T>
__forceinline__ T atomicAdd(T* address, std::type_identity_t<T> value) {
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}
template <std::floating_point T>
__forceinline__ T atomicAdd(T* address, std::type_identity_t<T> value) {
  return duet::simt::atomic_update(address, [value](T old) { return old + value; });
}
template <duet::simt::AtomicInteger T>
__forceinline__ T atomicSub(T* address, std::type_identity_t<T> value) {
  return __atomic_fetch_sub(address, value, __ATOMIC_RELAXED);
}
template <duet::simt::AtomicInteger T>
__forceinline__ T atomicMin(T* address, std::type_identity_t<T> value) {
  return duet::simt::atomic_update(address, [value](T old) { return std::min(old, value); });
}
template <duet::simt::AtomicInteger T>
__forceinline__ T atomicMax(T* address, std::type_identity_t<T> value) {
  return duet::simt::atomic_update(address, [value](T old) { return std::max(old, value); });
}
template <duet::simt::AtomicInteger T>
__forceinline__ T atomicAnd(T* address, std::type_identity_t<T> value) {
  return __atomic_fetch_and(address, value, __ATOMIC_RELAXED);
}
template <duet::simt::AtomicInteger T>
__forceinline__ T atomicOr(T* address, std::type_identity_t<T> value) {
  return __atomic_fetch_or(address, value, __ATOMIC_RELAXED);
}
template <duet::simt::AtomicInteger T>
__forceinline__ T atomicCAS(T* address, std::type_identity_t<T> expected,
                            std::type_identity_t<T> value) {
  __atomic_compare_exchange_n(address, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
template <class T>
requires duet::simt::AtomicInteger<T> || std::same_as<T, float> __forceinline__ T
atomicExch(T* address, std::type_identity_t<T> value) {
  return duet::simt::atomic_update(address, [value](T) { return value; });
}

// ---- Loads, bits and arithmetic

template <class T>
__forceinline__ T __ldg(const T* address) {
  return *address;
}
template <class T>
__forceinline__ T __ldcs(const T* address) {
  return *address;
}
template <class T>
__forceinline__ T __ldcg(const T* address) {
  return *address;
}
template <class T>
__forceinline__ void __stcs(T* address, std::type_identity_t<T> value) {
  *address = value;
}

inline unsigned __float_as_uint(float f) { return std::bit_cast<unsigned>(f); }
inline int __float_as_int(float f) { return std::bit_cast<int>(f); }
inline float __uint_as_float(unsigned u) { return std::bit_cast<float>(u); }
inline float __int_as_float(int i) { return std::bit_cast<float>(i); }
inline long long __double_as_longlong(double d) { return std::bit_cast<long long>(d); }
inline double __longlong_as_double(long long i) { return std::bit_cast<double>(i); }
inline int __popc(unsigned u) { return std::popcount(u); }
inline int __popcll(unsigned long long u) { return std::popcount(u); }
inline int __clz(int i) { return std::countl_zero(static_cast<unsigned>(i)); }
inline int __ffs(int i) { return i == 0 ? 0 : std::countr_zero(static_cast<unsigned>(i)) + 1; }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<std::uint64_t>(a) * b) >> 32);
}

inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
inline void sincospi(double x, double* sine, double* cosine) {
  *sine = std::sin(x * 3.14159265358979323846);
  *cosine = std::cos(x * 3.14159265358979323846);
}
inline void sincospif(float x, float* sine, float* cosine) {
  double s = 0, c = 0;
  sincospi(x, &s, &c);
  *sine = static_cast<float>(s);
  *cosine = static_cast<float>(c);
}

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a < b ? b : a; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a < b ? b : a; }
inline long min(long a, long b) { return a < b ? a : b; }
inline long max(long a, long b) { return a < b ? b : a; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
inline long long max(long long a, long long b) { return a < b ? b : a; }
inline unsigned long min(unsigned long a, unsigned long b) { return a < b ? a : b; }
inline unsigned long max(unsigned long a, unsigned long b) { return a < b ? b : a; }
inline unsigned long long min(unsigned long long a, unsigned long long b) { return a < b ? a : b; }
inline unsigned long long max(unsigned long long a, unsigned long long b) { return a < b ? b : a; }
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }
