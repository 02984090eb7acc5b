#pragma once
/// Packets: a few neighbours of an array in a thread's registers, moved by accesses of 16 bytes
/// where their address allows. What is stored as bf16 is float in registers. Part of the dialect
/// (simt.h).

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/base/bf16.h"
#include "kernels/base/host_device.h"

namespace duet::simt {

template <class T, int width>
struct alignas(sizeof(T) * width < 16 ? sizeof(T) * width : 16) Packet {
  T at[width];
};

/// How many elements make a packet where nothing else decides: 16 bytes of bf16 or float; four
/// doubles, so that the indices of all packets are multiples of four.
template <class T>
inline constexpr int packet_width = sizeof(T) == 2 ? 8 : 4;

/// Whether packets can be loaded from and stored to an address as a whole.
template <int width, class T>
DUET_HOST_DEVICE bool is_packed(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % alignof(Packet<T, width>) == 0;
}

/// p[0], …, p[width − 1], where `is_packed<width>(p)`.
template <int width, class T>
__device__ __forceinline__ Packet<Wide<T>, width> load(const T* p) {
  if constexpr (!std::is_same_v<T, bf16>) {
    return *reinterpret_cast<const Packet<T, width>*>(p);
  } else if constexpr (width == 1) {
    return {widen(*p)};
  } else {
    const auto pairs = *reinterpret_cast<const Packet<unsigned, width / 2>*>(p);
    Packet<float, width> packet;
#pragma unroll
    for (int k = 0; k < width / 2; ++k) {
      packet.at[2 * k] = __uint_as_float(pairs.at[k] << 16);
      packet.at[2 * k + 1] = __uint_as_float(pairs.at[k] & 0xffff0000u);
    }
    return packet;
  }
}
template <int width, class T>
__device__ __forceinline__ void store(T* p, const Packet<Wide<T>, width>& packet) {
  if constexpr (!std::is_same_v<T, bf16>) {
    *reinterpret_cast<Packet<T, width>*>(p) = packet;
  } else if constexpr (width == 1) {
    *p = bf16(packet.at[0]);
  } else {
    Packet<unsigned, width / 2> pairs;
#pragma unroll
    for (int k = 0; k < width / 2; ++k)
      pairs.at[k] = pack_bf16(packet.at[2 * k], packet.at[2 * k + 1]);
    *reinterpret_cast<Packet<unsigned, width / 2>*>(p) = pairs;
  }
}

/// Elements i, …, i + width − 1 of an array of `count` at any address; zeros stand for those past
/// its end.
template <int width, class T>
__device__ __forceinline__ Packet<Wide<T>, width> load(const T* x, std::int64_t i,
                                                       std::int64_t count) {
  if (i + width <= count && is_packed<width>(x + i)) return load<width>(x + i);
  Packet<Wide<T>, width> packet;
#pragma unroll
  for (int k = 0; k < width; ++k) packet.at[k] = i + k < count ? widen(x[i + k]) : Wide<T>(0);
  return packet;
}
/// Elements past the array's end are not stored.
template <int width, class T>
__device__ __forceinline__ void store(T* y, std::int64_t i, std::int64_t count,
                                      const Packet<Wide<T>, width>& packet) {
  if (i + width <= count && is_packed<width>(y + i)) return store<width>(y + i, packet);
#pragma unroll
  for (int k = 0; k < width; ++k)
    if (i + k < count) y[i + k] = static_cast<T>(packet.at[k]);
}

/// Calls `f` with the width of the packets into which the rows, of `columns` elements, of all these
/// arrays can be cut: the largest of their `packet_width`s as a `std::integral_constant`, or 1.
template <class F, class... T>
void with_row_packets(std::int64_t columns, F&& f, const T*... arrays) {
  constexpr int width = std::max({packet_width<T>...});
  if (columns % width == 0 && (is_packed<width>(arrays) && ...))
    f(std::integral_constant<int, width>{});
  else
    f(std::integral_constant<int, 1>{});
}

/// Blocks that take `per_block` of `count` each.
inline unsigned blocks_for(std::int64_t count, std::int64_t per_block) {
  const std::int64_t blocks = (count + per_block - 1) / per_block;
  require(blocks <= 0x7fffffff, "[simt] {} blocks, a grid has at most 2147483647", blocks);
  return static_cast<unsigned>(blocks);
}

}  // namespace duet::simt
