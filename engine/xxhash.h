#pragma once
/// xxHash, compiled into whoever includes this.

#if defined(__AVX512F__)
// GCC 12 warns of its own AVX-512 intrinsics; files are read no faster with them.
#define XXH_VECTOR XXH_AVX2
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>
