#pragma once
/// What the matrix instructions of a warp compute. The fragments lie in the lanes' registers as the
/// PTX ISA documents it (sections "Matrix Fragments for mma.m16n8k8" and "… mma.m16n8k16"). With
/// g = lane / 4 and t = lane % 4, each lane holds
///
///   of D (16 x 8):           d0 (g, 2t)  d1 (g, 2t + 1)  d2 (g + 8, 2t)  d3 (g + 8, 2t + 1)
///   tf32, of A (16 x 8):     a0 (g, t)  a1 (g + 8, t)  a2 (g, t + 4)  a3 (g + 8, t + 4)
///   tf32, of B (8 x 8):      b0 (t, g)  b1 (t + 4, g)
///   bf16, of A (16 x 16), two columns a register, the lower one in the lower half:
///                            a0 (g, 2t)  a1 (g + 8, 2t)  a2 (g, 2t + 8)  a3 (g + 8, 2t + 8)
///   bf16, of B (16 x 8), two rows a register:
///                            b0 (2t, g)  b1 (2t + 8, g)
///
/// ldmatrix gives a lane, of each matrix of 8 x 8 elements of 16 bits, (g, 2t) and (g, 2t + 1) in
/// one register; transposing, (2t, g) and (2t + 1, g). The lower index is in the lower half.

namespace duet::simt {

/// One lane's registers; the arrays lie on that lane's stack.
struct MatrixFragment {
  float* d = nullptr;           // 4
  const unsigned* a = nullptr;  // 4
  const unsigned* b = nullptr;  // 2
};

/// D += A B for the 32 lanes of a warp. Inputs are cut off to the 19 bits that the tensor core
/// reads, so that a forgotten to_tf32 shows as a larger error. Products are exact; sums are in
/// float, in the order of k. (A tensor core adds in an order, and with a rounding, of its own.)
void mma_tf32(const MatrixFragment (&lanes)[32]);
void mma_bf16(const MatrixFragment (&lanes)[32]);

}  // namespace duet::simt
