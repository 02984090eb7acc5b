#pragma once
/// Kernels whose accesses to memory are known. All pointers are the device's.

#include "kernels/base/exec.h"

namespace duet::test {

constexpr int pattern_threads = 64, pattern_blocks = 2;
constexpr int pattern_warps = pattern_blocks * pattern_threads / 32;

enum class Pattern : unsigned char {
  neighbours,  ///< y[t] = x[t]
  stride_two,  ///< y[t] = x[2 t]
  shifted,     ///< y[t] = x[t + 1]
  one_place,   ///< y[t] = x[0]
  packets,     ///< four floats a thread, as one packet
  scalars,     ///< the same one by one
  loops,       ///< thread t reads t % 4 + 1 elements, with barriers nowhere
  twice,       ///< x[t], a barrier, and x[t] again
  atomics,     ///< y[0] += 1
};
void run(Pattern pattern, const Stream& stream, const float* x, float* y);

enum class SharedPattern : unsigned char {
  column,         ///< of float[32][32], by a warp
  padded_column,  ///< of float[32][33]
  pairs,          ///< float2 by each thread, side by side
  packets,        ///< float4, side by side
  far_packets,    ///< float4, 32 bytes apart
  rows_of_32,     ///< ldmatrix, rows 32 bytes apart
  rows_of_48,     ///< ldmatrix, rows 48 bytes apart
  copies,         ///< cp_async16 from x, side by side
};
void run(SharedPattern pattern, const Stream& stream, const float* x, float* y);

}  // namespace duet::test
