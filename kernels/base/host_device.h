#pragma once
/// For functions that kernels call and the host too; nothing where there is no nvcc.

#if defined(__CUDACC__)
#define DUET_HOST_DEVICE __host__ __device__
#else
#define DUET_HOST_DEVICE
#endif
