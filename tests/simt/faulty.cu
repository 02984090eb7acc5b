#include "tests/simt/faulty.h"

#include "kernels/simt/simt.h"

namespace duet::test {
namespace {

__global__ void correct(float* y) { y[threadIdx.x] = 1; }

__global__ void divergent_barrier(float* y) {
  if (threadIdx.x < 16) {
    __syncthreads();  // one barrier …
  } else {
    y[threadIdx.x] = 1;
    __syncthreads();  // … is not the other
  }
}

__global__ void early_return(float* y) {
  if (threadIdx.x == 5) return;
  __syncthreads();
  y[threadIdx.x] = 1;
}

__global__ void half_a_shuffle(float* y) {
  float value = 1;
  if (threadIdx.x < 16) value = __shfl_xor_sync(0xffffffffu, value, 1);
  __syncthreads();
  y[threadIdx.x] = value;
}

__global__ void outside_its_mask(float* y) { y[threadIdx.x] = __shfl_sync(0xffffu, 1.0f, 0); }

__global__ void half_a_matrix_product(float* y) {
  if (threadIdx.x >= 16) return;
  float d[4] = {};
  const unsigned a[4] = {}, b[2] = {};
  simt::mma_m16n8k8_tf32(d, a, b);
  y[threadIdx.x] = d[0];
}

#if !defined(__CUDACC__)  // which refuses to compile it
__global__ void large_static(float* y) {
  SIMT_SHARED(small, float[1024]);
  SIMT_SHARED(large, float[11265]);
  small[threadIdx.x] = large[threadIdx.x] = 1;
  y[threadIdx.x] = small[threadIdx.x] + large[threadIdx.x];
}
#endif

__global__ void shared_overrun(float* y) {
  SIMT_SHARED(table, float[32]);
  float* first = table;
  first[threadIdx.x + 1] = 1;
  __syncthreads();
  y[threadIdx.x] = table[threadIdx.x];
}

__global__ void dynamic_overrun(float* y) {
  SIMT_DYNAMIC_SHARED(float, table);
  table[threadIdx.x + 1] = 1;
  __syncthreads();
  y[threadIdx.x] = table[threadIdx.x];
}

__global__ void global_overrun(float* y) { y[threadIdx.x + 1] = 1; }

__global__ void global_overread(float* y) { y[threadIdx.x] = y[threadIdx.x + 1]; }

__global__ void misaligned(float* y) {
  *reinterpret_cast<float4*>(y + 1 + 8 * threadIdx.x) = make_float4(1, 2, 3, 4);
}

__global__ void misaligned_copy(float* y) {
  SIMT_SHARED(tile, float[36]);
  simt::cp_async16(tile + 1, y);
}

__global__ void misaligned_row(float* y) {
  SIMT_SHARED(tile, unsigned[32][6]);
  unsigned r[4];
  simt::ldmatrix_x4(r, &tile[threadIdx.x % 32]);
  y[threadIdx.x] = static_cast<float>(r[0]);
}

__global__ void row_in_global(float* y) {
  unsigned r[4];
  simt::ldmatrix_x4(r, y);
  y[threadIdx.x] = static_cast<float>(r[0]);
}

__global__ void copy_to_global(float* y) { simt::cp_async16(y, y + 32); }

__global__ void unwritten(float* y) {
  SIMT_SHARED(table, float[64]);
  if (threadIdx.x < 8) table[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = table[threadIdx.x];
}

/// Lanes exchange values through shared memory; a shuffle between is no barrier.
template <bool synchronised>
__device__ float exchanged(float value) {
  SIMT_SHARED(table, float[32]);
  table[threadIdx.x] = value;
  value = __shfl_sync(0xffffffffu, value, 0);
  if (synchronised) __syncwarp();
  return value + table[31 - threadIdx.x];
}
__global__ void warp_exchange(float* y) { y[threadIdx.x] = exchanged<true>(1); }
__global__ void unsynchronised_warp(float* y) { y[threadIdx.x] = exchanged<false>(1); }

__global__ void race_of_blocks(float* y) { y[threadIdx.x] = static_cast<float>(blockIdx.x); }

/// The last block to finish adds up what the others left: right, with both fences.
__global__ void last_block(float* y) {
  SIMT_SHARED(last, int);
  y[1 + blockIdx.x] = 1;
  __threadfence();
  if (threadIdx.x == 0) last = atomicAdd(reinterpret_cast<unsigned*>(y) + 63, 1u) == gridDim.x - 1;
  __syncthreads();
  if (!last || threadIdx.x != 0) return;
  __threadfence();
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum += y[1 + i];
  y[0] = sum;
}

struct Holder {
  float* pointer;
};
__global__ void through_a_struct(Holder holder) { holder.pointer[threadIdx.x] = 1; }

}  // namespace

void launch_faulty(const Stream& stream, std::string_view name, float* y) {
  struct Case {
    std::string_view name;
    void (*kernel)(float*);
    dim3 grid, block;
    std::size_t dynamic_shared_bytes;
  };
  const Case cases[] = {
    {"correct", correct, 1, 64, 0},
    {"divergent_barrier", divergent_barrier, 1, 64, 0},
    {"early_return", early_return, 1, 64, 0},
    {"half_a_shuffle", half_a_shuffle, 1, 32, 0},
    {"outside_its_mask", outside_its_mask, 1, 32, 0},
    {"half_a_matrix_product", half_a_matrix_product, 1, 32, 0},
#if !defined(__CUDACC__)
    {"large_static", large_static, 1, 64, 0},
#endif
    {"shared_overrun", shared_overrun, 1, 32, 0},
    {"dynamic_overrun", dynamic_overrun, 1, 32, 32 * sizeof(float)},
    {"global_overrun", global_overrun, 1, 64, 0},
    {"global_overread", global_overread, 1, 64, 0},
    {"misaligned", misaligned, 1, 1, 0},
    {"misaligned_copy", misaligned_copy, 1, 1, 0},
    {"copy_to_global", copy_to_global, 1, 1, 0},
    {"misaligned_row", misaligned_row, 1, 32, 0},
    {"row_in_global", row_in_global, 1, 32, 0},
    {"unwritten", unwritten, 1, 64, 0},
    {"warp_exchange", warp_exchange, 1, 32, 0},
    {"unsynchronised_warp", unsynchronised_warp, 1, 32, 0},
    {"race_of_blocks", race_of_blocks, 3, 32, 0},
    {"last_block", last_block, 5, 1, 0},
    {"large_block", correct, 1, 1025, 0},
    {"large_grid", correct, dim3(1, 65536), 32, 0},
    {"empty_grid", correct, 0, 32, 0},
    {"large_dynamic", correct, 1, 32, 227 * 1024 + 1},
  };
  if (name == "through_a_struct")
    return simt::launch(stream, through_a_struct, 1, 64, 0, Holder{y});
  for (const Case& c : cases)
    if (c.name == name)
      return simt::launch(stream, c.kernel, c.grid, c.block, c.dynamic_shared_bytes, y);
  fail("[test] no kernel {}", name);
}

}  // namespace duet::test
