#pragma once
/// CUDA's vector types, with CUDA's alignments, for the emulator: a machine without the toolkit has
/// no header to take them from.

// Their names are CUDA's, so they stand in no namespace.
#define DUET_SIMT_VECTOR2(T, name, align) \
  struct alignas(align) name {            \
    T x, y;                               \
  };                                      \
  inline constexpr name make_##name(T x, T y) { return {x, y}; }
#define DUET_SIMT_VECTOR3(T, name) \
  struct name {                    \
    T x, y, z;                     \
  };                               \
  inline constexpr name make_##name(T x, T y, T z) { return {x, y, z}; }
#define DUET_SIMT_VECTOR4(T, name, align) \
  struct alignas(align) name {            \
    T x, y, z, w;                         \
  };                                      \
  inline constexpr name make_##name(T x, T y, T z, T w) { return {x, y, z, w}; }

DUET_SIMT_VECTOR2(float, float2, 8)
DUET_SIMT_VECTOR2(double, double2, 16)
DUET_SIMT_VECTOR2(int, int2, 8)
DUET_SIMT_VECTOR2(unsigned, uint2, 8)
DUET_SIMT_VECTOR2(unsigned char, uchar2, 2)
DUET_SIMT_VECTOR3(float, float3)
DUET_SIMT_VECTOR3(int, int3)
DUET_SIMT_VECTOR3(unsigned, uint3)
DUET_SIMT_VECTOR3(unsigned char, uchar3)
DUET_SIMT_VECTOR4(float, float4, 16)
DUET_SIMT_VECTOR4(int, int4, 16)
DUET_SIMT_VECTOR4(unsigned, uint4, 16)
DUET_SIMT_VECTOR4(unsigned char, uchar4, 4)

#undef DUET_SIMT_VECTOR2
#undef DUET_SIMT_VECTOR3
#undef DUET_SIMT_VECTOR4

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};
