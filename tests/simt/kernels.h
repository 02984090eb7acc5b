#pragma once
/// The kernels that the emulator is tested with, by the functions that launch them. Each can be had
/// with a fault planted in it. All pointers are the device's.

#include "kernels/base/exec.h"
#include "kernels/simt/simt.h"

namespace duet::test {

enum class Fault : unsigned char {
  none,
  no_barrier,           ///< a barrier between writing and reading shared memory is missing
  no_trailing_barrier,  ///< … between reading shared memory and writing it again
  no_wait,              ///< a cp_async_wait is missing
};

constexpr int sum_threads = 128;
/// sums[r] = the sum of row r of x (rows, columns), in one pass by shuffles; averages[r] the mean
/// of (x - shift) where the shift is sums[r] / columns, from a second pass.
template <Fault fault>
void sum_rows(const Stream& stream, const float* x, float* sums, float* residues, int rows,
              int columns);

/// c (m, n) = a (m, k) b (k, n). m and n are multiples of 32, k is one of 8.
template <Fault fault>
void sgemm(const Stream& stream, const float* a, const float* b, float* c, int m, int n, int k);

/// The same in tf32; m and n are multiples of 32, k is one of 16.
template <Fault fault>
void gemm_tf32(const Stream& stream, const float* a, const float* b, float* c, int m, int n, int k);

/// c (m, n) = a (m, k) bt (n, k)ᵀ in bf16; m, k are multiples of 16, n is one of 8.
void gemm_bf16(const Stream& stream, const simt::bf16* a, const simt::bf16* bt, float* c, int m,
               int n, int k);

}  // namespace duet::test
