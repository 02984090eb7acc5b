#pragma once
/// Kernels that use each word of the dialect.

#include "kernels/base/exec.h"

namespace duet::test {

void warp_operations(const Stream& stream, int* table);
void block_operations(const Stream& stream, int* out);
void visit_blocks(const Stream& stream, unsigned* seen, int x, int y, int z);
/// tickets (3 blocks, 64 threads, 2)
void draw_tickets(const Stream& stream, unsigned* counter, unsigned* tickets);
void leave_one_by_one(const Stream& stream, int* out);
void atomics(const Stream& stream, float* f, double* d, unsigned long long* wide, int* i,
             unsigned* u);
void arithmetic(const Stream& stream, float* out);
/// registers (8, 32 lanes): of ldmatrix, then transposing. Matrix i (8, 8) holds 64 i + 8 row +
/// column.
void matrices(const Stream& stream, unsigned* registers);
void copies(const Stream& stream, const float* from, float* to);

const char* row_name();
DeviceType row_device();

}  // namespace duet::test
