#include "tests/simt/vocabulary.h"

#include "kernels/simt/simt.h"

namespace duet::test {
namespace {

constexpr unsigned all = 0xffffffffu;

/// Row i of the table, one column a lane.
__global__ void warp_kernel(int* table) {
  const int lane = threadIdx.x;
  int row = 0;
  const auto put = [&](int value) { table[32 * row++ + lane] = value; };
  put(__shfl_sync(all, lane, 5));
  put(__shfl_sync(all, lane, lane + 1));  // modulo the width
  put(__shfl_sync(all, lane, 1, 8));
  put(__shfl_up_sync(all, lane, 3));
  put(__shfl_up_sync(all, lane, 3, 16));
  put(__shfl_down_sync(all, lane, 3));
  put(__shfl_down_sync(all, lane, 3, 16));
  put(__shfl_xor_sync(all, lane, 9));
  put(__shfl_xor_sync(all, lane, 9, 8));
  put(static_cast<int>(__ballot_sync(all, lane % 3 == 0)));
  put(__any_sync(all, lane == 31) + 2 * __any_sync(all, 0));
  put(__all_sync(all, lane < 31) + 2 * __all_sync(all, 1));
  put(static_cast<int>(__activemask() >> lane & 1));
  const double wide = __shfl_xor_sync(all, lane + 0.5, 1);
  put(static_cast<int>(2 * wide));
  // The halves of the warp, each by itself.
  const unsigned half = lane < 16 ? 0xffffu : 0xffff0000u;
  int sum = lane;
  for (int step = 8; step > 0; step /= 2) sum += __shfl_xor_sync(half, sum, step);
  put(sum);
  __syncwarp(half);
}

/// A partial warp at the end, votes of the whole block.
__global__ void block_kernel(int* out) {
  const int t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  int sum = t;
  // Lanes that do not exist are not waited for.
  for (int step = 1; step < 4; step *= 2) sum += __shfl_xor_sync(all, sum, step);
  const int count = __syncthreads_count(t % 5 == 0);
  const int some = __syncthreads_or(t == 39);
  const int none = __syncthreads_or(0);
  const int every = __syncthreads_and(t < 40);
  const int not_every = __syncthreads_and(t < 39);
  out[t] = sum;
  if (t == 0) {
    out[40] = count;
    out[41] = (some != 0) + 2 * (none != 0) + 4 * (every != 0) + 8 * (not_every != 0);
  }
}

__global__ void grid_kernel(unsigned* seen) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  atomicAdd(seen + block, threadIdx.x + 1);
}

/// Lanes leave one after the other; those that stay need not wait for them.
__global__ void leaving_kernel(int* out) {
  for (int i = 0; i < 32; ++i) {
    if (static_cast<int>(threadIdx.x) == i) return;
    const unsigned votes = __ballot_sync(all, 1);
    out[threadIdx.x] = __popc(votes);
  }
}

/// Who comes when: tickets are drawn before and after a barrier.
__global__ void tickets_kernel(unsigned* counter, unsigned* tickets) {
  unsigned* mine = tickets + 2 * (blockIdx.x * blockDim.x + threadIdx.x);
  mine[0] = atomicAdd(counter, 1u);
  __syncthreads();
  mine[1] = atomicAdd(counter, 1u);
}

__global__ void atomics_kernel(float* f, double* d, unsigned long long* wide, int* i, unsigned* u) {
  const int t = static_cast<int>(threadIdx.x);
  atomicAdd(f, 0.5f);
  atomicAdd(d, 0.25);
  atomicAdd(wide, 1ull << 33);
  atomicAdd(i, -1);
  atomicMax(i + 1, t);
  atomicMin(i + 2, t);
  atomicSub(i + 3, 2);
  atomicOr(u, 1u << t % 32);
  atomicAnd(u + 1, ~(1u << t % 32));
  atomicExch(i + 4, 7);
  // A lock-free maximum of floats, as kernels write it.
  unsigned old = atomicOr(u + 2, 0u);
  for (;;) {
    const float larger = fmaxf(__uint_as_float(old), static_cast<float>(t));
    const unsigned seen = atomicCAS(u + 2, old, __float_as_uint(larger));
    if (seen == old) break;
    old = seen;
  }
}

__global__ void arithmetic_kernel(float* out) {
  int i = 0;
  out[i++] = rsqrtf(4.0f);
  out[i++] = __fmaf_rn(2.0f, 3.0f, 4.0f);
  out[i++] = static_cast<float>(__popc(0xf0f0u));
  out[i++] = static_cast<float>(__clz(1));
  out[i++] = static_cast<float>(__ffs(8));
  out[i++] = static_cast<float>(min(3, 4) + max(3u, 4u));
  out[i++] = fminf(1.0f, 2.0f) + fmaxf(1.0f, 2.0f);
  out[i++] = __saturatef(1.5f);
  out[i++] = static_cast<float>(__umulhi(0x80000000u, 6u));
  const float4 v = make_float4(1, 2, 3, 4);
  out[i++] = __ldg(&v.w);
  float sine, cosine;
  sincospif(0.5f, &sine, &cosine);
  out[i++] = sine + cosine;
  out[i++] = static_cast<float>(simt::bf16(1.00390625f));     // a tie, to even
  out[i++] = static_cast<float>(simt::bf16(1.01171875f));     // a tie, to even
  out[i++] = __uint_as_float(simt::to_tf32(1.00048828125f));  // a tie, away from zero
  out[i++] = static_cast<float>(simt::pack_bf16(1.0f, -2.0f) == 0xc0003f80u);
}

__global__ void matrices_kernel(unsigned* registers) {
  SIMT_SHARED(matrices, unsigned short[32][8]);
  const int lane = threadIdx.x;
  for (int column = 0; column < 8; ++column)
    matrices[lane][column] = static_cast<unsigned short>(8 * lane + column);
  __syncwarp();
  unsigned plain[4], transposed[4];
  simt::ldmatrix_x4(plain, &matrices[lane]);
  simt::ldmatrix_x4_trans(transposed, &matrices[lane]);
  for (int i = 0; i < 4; ++i) {
    registers[32 * i + lane] = plain[i];
    registers[32 * (4 + i) + lane] = transposed[i];
  }
}

/// Zeros where the predicate is false; groups of several copies.
__global__ void copies_kernel(const float* from, float* to) {
  SIMT_SHARED(tile, float[3][4 * 32]);
  const int at = 4 * static_cast<int>(threadIdx.x);
  simt::cp_async16(&tile[0][at], from + at, threadIdx.x % 2 == 0);
  simt::cp_async_commit();
  simt::cp_async16(&tile[1][at], from + 128 + at);
  simt::cp_async_commit();
  simt::cp_async16(&tile[2][at], from + 256 + at);
  simt::cp_async_commit();
  simt::cp_async_wait<2>();
  to[threadIdx.x] = tile[0][at];
  to[32 + threadIdx.x] = tile[1][at];  // under way
  simt::cp_async_wait<0>();
  to[64 + threadIdx.x] = tile[2][at + 3];
}

}  // namespace

void warp_operations(const Stream& stream, int* table) {
  simt::launch(stream, warp_kernel, 1, 32, 0, table);
}
void block_operations(const Stream& stream, int* out) {
  simt::launch(stream, block_kernel, 1, dim3(5, 4, 2), 0, out);
}
void visit_blocks(const Stream& stream, unsigned* seen, int x, int y, int z) {
  simt::launch(stream, grid_kernel, dim3(x, y, z), 3, 0, seen);
}
void draw_tickets(const Stream& stream, unsigned* counter, unsigned* tickets) {
  simt::launch(stream, tickets_kernel, 3, 64, 0, counter, tickets);
}
void leave_one_by_one(const Stream& stream, int* out) {
  simt::launch(stream, leaving_kernel, 1, 32, 0, out);
}
void atomics(const Stream& stream, float* f, double* d, unsigned long long* wide, int* i,
             unsigned* u) {
  simt::launch(stream, atomics_kernel, 2, 48, 0, f, d, wide, i, u);
}
void arithmetic(const Stream& stream, float* out) {
  simt::launch(stream, arithmetic_kernel, 1, 1, 0, out);
}
void matrices(const Stream& stream, unsigned* registers) {
  simt::launch(stream, matrices_kernel, 1, 32, 0, registers);
}
void copies(const Stream& stream, const float* from, float* to) {
  simt::launch(stream, copies_kernel, 1, 32, 0, from, to);
}

const char* row_name() { return SIMT_ROW("naive"); }
DeviceType row_device() { return simt::device_type; }

}  // namespace duet::test
