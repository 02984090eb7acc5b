#pragma once
/// The dialect (simt.h) under nvcc: thin names over CUDA and PTX.

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <map>
#include <mutex>
#include <utility>

#include "kernels/base/bf16.h"
#include "kernels/simt/launch.h"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#error "the kernels use mma.sync on tf32 and cp.async: compile for sm_80 or later"
#endif

#define SIMT_SHARED(name, ...) __shared__ __align__(16)::duet::simt::Same<__VA_ARGS__> name
#define SIMT_DYNAMIC_SHARED(T, name)                                        \
  extern __shared__ __align__(16) unsigned char duet_simt_dynamic_shared[]; \
  T* name = reinterpret_cast<T*>(duet_simt_dynamic_shared)

namespace duet::simt {

template <class T>
struct Identity {
  using type = T;
};
/// An alias, so that no `typename` is needed where T depends on a template's parameters.
template <class T>
using Same = typename Identity<T>::type;

using duet::bf16;

/// Lets a kernel have so much dynamic shared memory on a device, the current one. 48 KB, less the
/// kernel's SIMT_SHARED memory, need not be asked for.
inline cudaError_t grant_dynamic_shared(const void* kernel, int device, std::size_t bytes) {
  static std::mutex mutex;
  static std::map<std::pair<const void*, int>, std::size_t> granted;
  const std::lock_guard lock(mutex);
  const auto [entry, is_new] = granted.try_emplace({kernel, device}, 0);
  if (is_new) {
    cudaFuncAttributes attributes{};
    const cudaError_t status = cudaFuncGetAttributes(&attributes, kernel);
    if (status != cudaSuccess) return status;
    entry->second = static_cast<std::size_t>(attributes.maxDynamicSharedSizeBytes);
  }
  if (bytes <= entry->second) return cudaSuccess;
  const cudaError_t status = cudaFuncSetAttribute(
      kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  if (status == cudaSuccess) entry->second = bytes;
  return status;
}

template <class... Parameters, class... Arguments>
void launch_grid(const LaunchStream& at, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                 std::size_t dynamic_shared_bytes, Arguments&&... arguments) {
  const auto* function = reinterpret_cast<const void*>(kernel);
  const auto check = [&](cudaError_t status) {
    if (status == cudaSuccess) return;
    const char* name = "?";
    if (cudaFuncGetName(&name, function) != cudaSuccess) name = "?";
    cudaGetLastError();  // lest what is called next be blamed
    fail(
        "[cuda] kernel {}, launched at {}:{} with grid ({}, {}, {}), block ({}, {}, {}) and {} "
        "bytes of dynamic shared memory: {} ({})",
        name, at.site.file, at.site.line, grid.x, grid.y, grid.z, block.x, block.y, block.z,
        dynamic_shared_bytes, cudaGetErrorString(status), cudaGetErrorName(status));
  };
  if (dynamic_shared_bytes > 0)
    check(grant_dynamic_shared(function, at.stream.device.index, dynamic_shared_bytes));
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = dynamic_shared_bytes;
  config.stream = static_cast<cudaStream_t>(at.stream.handle);
  check(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...));
}

__device__ __forceinline__ unsigned pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return static_cast<unsigned>(__bfloat16_as_ushort(pair.x)) |
         static_cast<unsigned>(__bfloat16_as_ushort(pair.y)) << 16;
}

__device__ __forceinline__ unsigned to_tf32(float f) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(f));
  return bits;
}

__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4],
                                                 const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4],
                                                  const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void ldmatrix_x4(unsigned (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
               : "memory");
}
__device__ __forceinline__ void ldmatrix_x4_trans(unsigned (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
               : "memory");
}

__device__ __forceinline__ void cp_async16(void* to, const void* from, bool predicate = true) {
  const unsigned shared = static_cast<unsigned>(__cvta_generic_to_shared(to));
  const int bytes_read = predicate ? 16 : 0;  // the rest of the 16 becomes zero
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(shared), "l"(from), "r"(bytes_read)
               : "memory");
}

__device__ __forceinline__ void cp_async_commit() {
  asm volatile("cp.async.commit_group;" : : : "memory");
}

template <int groups_under_way>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" : : "n"(groups_under_way) : "memory");
}

}  // namespace duet::simt
