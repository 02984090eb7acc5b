#pragma once
/// Marks functions that kernels call as well as the host's code.

#if defined(__CUDACC__)
#define DUET_HOST_DEVICE __host__ __device__
#else
#define DUET_HOST_DEVICE
#endif
