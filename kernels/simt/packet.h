#pragma once
/// Packets: a few neighbours of an array in a thread's registers, moved by accesses of 16 bytes
/// where their address allows. For kernels whose limit is memory.

#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/base/host_device.h"
#include "kernels/simt/simt.h"

namespace duet::simt {

template <class T, int width>
struct alignas(sizeof(T) * width < 16 ? sizeof(T) * width : 16) Packet {
  T at[width];
};

/// Whether packets can be loaded from and stored to an address as a whole.
template <int width, class T>
DUET_HOST_DEVICE bool is_packed(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % alignof(Packet<T, width>) == 0;
}

/// p[0], …, p[width − 1], where `is_packed<width>(p)`.
template <int width, class T>
__device__ __forceinline__ Packet<T, width> load(const T* p) {
  return *reinterpret_cast<const Packet<T, width>*>(p);
}
template <int width, class T>
__device__ __forceinline__ void store(T* p, const Packet<T, width>& packet) {
  *reinterpret_cast<Packet<T, width>*>(p) = packet;
}

/// Elements i, …, i + width − 1 of an array of `count` at any address; zeros stand for those past
/// its end.
template <int width, class T>
__device__ __forceinline__ Packet<T, width> load(const T* x, std::int64_t i, std::int64_t count) {
  if (i + width <= count && is_packed<width>(x + i)) return load<width>(x + i);
  Packet<T, width> packet;
#pragma unroll
  for (int k = 0; k < width; ++k) packet.at[k] = i + k < count ? x[i + k] : T(0);
  return packet;
}
/// Elements past the array's end are not stored.
template <int width, class T>
__device__ __forceinline__ void store(T* y, std::int64_t i, std::int64_t count,
                                      const Packet<T, width>& packet) {
  if (i + width <= count && is_packed<width>(y + i)) return store<width>(y + i, packet);
#pragma unroll
  for (int k = 0; k < width; ++k)
    if (i + k < count) y[i + k] = packet.at[k];
}

/// Calls `f` with the width of the packets into which the rows, of `columns` elements, of all these
/// arrays can be cut: `std::integral_constant<int, 4>`, or 1.
template <class F, class... T>
void with_row_packets(std::int64_t columns, F&& f, const T*... arrays) {
  if (columns % 4 == 0 && (is_packed<4>(arrays) && ...))
    f(std::integral_constant<int, 4>{});
  else
    f(std::integral_constant<int, 1>{});
}

/// Blocks that take `per_block` of `count` each.
inline unsigned blocks_for(std::int64_t count, std::int64_t per_block) {
  const std::int64_t blocks = (count + per_block - 1) / per_block;
  require(blocks <= 0x7fffffff, "[simt] {} blocks, a grid has at most 2147483647", blocks);
  return static_cast<unsigned>(blocks);
}

// ---- Elementwise kernels: a thread takes one packet of `elements_per_thread`.

inline constexpr int elementwise_threads = 256;
inline constexpr int elements_per_thread = 4;

__device__ __forceinline__ std::int64_t first_element() {
  return elements_per_thread * (blockIdx.x * std::int64_t{elementwise_threads} + threadIdx.x);
}

/// Queues an elementwise kernel for `count` elements; nothing where there are none.
template <class... Parameters, class... Arguments>
void launch_elementwise(LaunchStream at, void (*kernel)(Parameters...), std::int64_t count,
                        Arguments&&... arguments) {
  if (count == 0) return;
  launch(at, kernel, blocks_for(count, elementwise_threads * elements_per_thread),
         elementwise_threads, 0, std::forward<Arguments>(arguments)...);
}

}  // namespace duet::simt
