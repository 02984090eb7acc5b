#pragma once
/// The dialect in which the kernels are written: ordinary CUDA C++ and the few names below. nvcc
/// makes the `cuda.*` rows of it; any other compiler makes the `simt.*` rows, which the emulator
/// (emulator.h) runs on the CPU. A kernel file includes this header and no other of this folder.
///
///   SIMT_SHARED(tile, float[2][8][68]);    // shared memory of the block; starts at 16 bytes
///   SIMT_DYNAMIC_SHARED(float, scratch);   // the launch's dynamic shared memory, a `float*`
///   simt::launch(exec.stream, kernel, grid, block, dynamic_shared_bytes, arguments...);
///   simt::bf16                             // static_cast to and from float
///   simt::pack_bf16(low, high)             // two floats, rounded, in one register
///   simt::to_tf32(f)                       // rounded to nearest, ties away; as a register
///   simt::mma_m16n8k8_tf32(d, a, b)        // d += a b by one warp; the layouts are in mma.h
///   simt::mma_m16n8k16_bf16(d, a, b)
///   simt::ldmatrix_x4(r, row)              // four 8 x 8 matrices of 16-bit elements (mma.h) from
///   simt::ldmatrix_x4_trans(r, row)        // shared memory; row l % 8 of matrix l / 8 by lane l
///   simt::cp_async16(to, from, predicate)  // 16 bytes, global to shared; zeros if not predicate
///   simt::cp_async_commit()
///   simt::cp_async_wait<N>()               // until N of this thread's groups are under way
///   simt::map(stream, count, f, y, x...)   // y[i] = f(x[i]...), by packets
///   simt::first_element<T>(), simt::launch_elementwise<T>(…)    // such kernels that do more
///   simt::for_each(stream, count, body)    // body(i) for 0 … count-1; a struct with a
///                                          // DUET_HOST_DEVICE operator() serves the CPU too
///   simt::upload(exec, values)             // a span or vector of the host's, in workspace memory
///   simt::load<width>(p), simt::store<width>(p, packet)    // neighbours by accesses of 16 bytes:
///                                          // a Packet<Wide<T>, width>, elements in `at`
///   simt::load<width>(x, i, count), …      // at any address, up to the array's end
///   simt::with_row_packets(columns, f, arrays...)    // the width that fits the rows of matrices
///   simt::warp_sum(value), simt::warp_max(value), simt::warp_reduce(value, combine)
///   simt::block_sum(value), simt::block_max(value), simt::block_reduce(value, combine)
///   simt::blocks_for(count, per_block)     // a grid
///   simt::entry_of_block(table, count)     // many arrays in one launch: the block's own
///   SIMT_ROW("naive")                      // "cuda.naive" or "simt.naive"
///   simt::device_type                      // of such a row
///
/// There is no <<<>>>, no texture, no cooperative group, no wgmma and no TMA.

#include "kernels/base/host_device.h"
#if defined(__CUDACC__)
#include "kernels/simt/nvcc.h"
#define SIMT_ROW(name) "cuda." name
#else
#include "kernels/simt/dialect.h"
#define SIMT_ROW(name) "simt." name
#endif
#include "kernels/simt/block_table.h"
#include "kernels/simt/elementwise.h"
#include "kernels/simt/packet.h"
#include "kernels/simt/reduce.h"
#include "kernels/simt/upload.h"

namespace duet::simt {

#if defined(__CUDACC__)
inline constexpr DeviceType device_type = DeviceType::cuda;
#else
inline constexpr DeviceType device_type = DeviceType::simt;
#endif

}  // namespace duet::simt
