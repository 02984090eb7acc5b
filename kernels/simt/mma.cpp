#include "kernels/simt/mma.h"

#include <bit>
#include <cstdint>

namespace duet::simt {
namespace {

constexpr int rows = 16, columns = 8;

float from_tf32(unsigned bits) { return std::bit_cast<float>(bits & 0xffffe000u); }
float low_bf16(unsigned bits) { return std::bit_cast<float>(bits << 16); }
float high_bf16(unsigned bits) { return std::bit_cast<float>(bits & 0xffff0000u); }

template <int depth>
void multiply(const MatrixFragment (&lanes)[32], const float (&a)[rows][depth],
              const float (&b)[depth][columns]) {
  float sums[rows][columns] = {};
  for (int i = 0; i < rows; ++i)
    for (int k = 0; k < depth; ++k)
      for (int j = 0; j < columns; ++j) sums[i][j] += a[i][k] * b[k][j];
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = lane % 4;
    float* d = lanes[lane].d;
    d[0] += sums[g][2 * t];
    d[1] += sums[g][2 * t + 1];
    d[2] += sums[g + 8][2 * t];
    d[3] += sums[g + 8][2 * t + 1];
  }
}

}  // namespace

void mma_tf32(const MatrixFragment (&lanes)[32]) {
  float a[rows][8], b[8][columns];
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) a[g + 8 * (i % 2)][t + 4 * (i / 2)] = from_tf32(lanes[lane].a[i]);
    for (int i = 0; i < 2; ++i) b[t + 4 * i][g] = from_tf32(lanes[lane].b[i]);
  }
  multiply(lanes, a, b);
}

void mma_bf16(const MatrixFragment (&lanes)[32]) {
  float a[rows][16], b[16][columns];
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      const unsigned pair = lanes[lane].a[i];
      a[g + 8 * (i % 2)][2 * t + 8 * (i / 2)] = low_bf16(pair);
      a[g + 8 * (i % 2)][2 * t + 8 * (i / 2) + 1] = high_bf16(pair);
    }
    for (int i = 0; i < 2; ++i) {
      const unsigned pair = lanes[lane].b[i];
      b[2 * t + 8 * i][g] = low_bf16(pair);
      b[2 * t + 8 * i + 1][g] = high_bf16(pair);
    }
  }
  multiply(lanes, a, b);
}

}  // namespace duet::simt
