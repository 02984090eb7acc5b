#pragma once
/// Elementwise kernels. Part of the dialect (simt.h).

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernels/simt/launch.h"
#include "kernels/simt/packet.h"

namespace duet::simt {

inline constexpr int elementwise_threads = 256;

/// Of the packet, `packet_width<T>` wide, that a thread of an elementwise kernel takes.
template <class T>
__device__ __forceinline__ std::int64_t first_element() {
  return packet_width<T> * (blockIdx.x * std::int64_t{elementwise_threads} + threadIdx.x);
}

/// Launches an elementwise kernel for `count` elements that are stored as T.
template <class T, class... Parameters, class... Arguments>
void launch_elementwise(LaunchStream at, void (*kernel)(Parameters...), std::int64_t count,
                        Arguments&&... arguments) {
  launch(at, kernel, blocks_for(count, elementwise_threads * packet_width<T>), elementwise_threads,
         0, std::forward<Arguments>(arguments)...);
}

/// The packets of arrays of several types are those of the one whose elements are largest: of bf16
/// and float, so that none is more than one access.
template <class... T>
inline constexpr int common_packet_width = std::min({packet_width<T>...});

template <class F, class T, class... X>
__global__ void map_kernel(std::int64_t count, F f, T* y, const X*... x) {
  constexpr int width = common_packet_width<T, X...>;
  const std::int64_t i = width * (blockIdx.x * std::int64_t{elementwise_threads} + threadIdx.x);
  const auto map_packet = [f](const auto&... in) {
    Packet<Wide<T>, width> out;
#pragma unroll
    for (int k = 0; k < width; ++k) out.at[k] = f(in.at[k]...);
    return out;
  };
  store<width>(y, i, count, map_packet(load<width>(x, i, count)...));
}

/// y[i] = f(x[i]…) for 0 … count − 1: f, a struct with a __device__ operator(), is given numbers of
/// type Wide<T> and returns one.
template <class F, class T, class... X>
void map(LaunchStream at, std::int64_t count, F f, T* y, const X*... x) {
  launch(at, map_kernel<F, T, X...>,
         blocks_for(count, elementwise_threads * common_packet_width<T, X...>), elementwise_threads,
         0, count, f, y, x...);
}

template <class Body>
__global__ void for_each_kernel(std::int64_t count, Body body) {
  const std::int64_t i = blockIdx.x * std::int64_t{elementwise_threads} + threadIdx.x;
  if (i < count) body(i);
}
/// body(i) for 0 … count − 1, a thread each: for a struct with a DUET_HOST_DEVICE operator() that
/// serves the CPU too.
template <class Body>
void for_each(LaunchStream at, std::int64_t count, Body body) {
  launch(at, for_each_kernel<Body>, blocks_for(count, elementwise_threads), elementwise_threads, 0,
         count, body);
}

}  // namespace duet::simt
