#pragma once
/// Sixteen bytes of elements, which one instruction loads or stores. Part of the dialect (simt.h).

#include <cstdint>

namespace duet::simt {

template <class T>
struct alignas(16) Pack {
  static constexpr int count = 16 / static_cast<int>(sizeof(T));
  T at[count];
};

/// Whether packs can be read from and written to `pointer`.
inline bool takes_packs(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
}

template <class T>
__device__ __forceinline__ Pack<T> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T>*>(from);
}

template <class T>
__device__ __forceinline__ void store_pack(T* to, const Pack<T>& pack) {
  *reinterpret_cast<Pack<T>*>(to) = pack;
}

}  // namespace duet::simt
