#pragma once
/// Small tables on their way from the host to the device. Part of the dialect (simt.h).

#include <algorithm>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "kernels/base/exec.h"

namespace duet::simt {

/// As much as fits into a kernel's 4 KB of arguments beside two more.
struct UploadPiece {
  static constexpr int count = 250;
  uint4 words[count];
};

// A template only so that a header may define it.
template <class Piece>
__global__ void write_piece(Piece piece, int count, uint4* to) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count) to[i] = piece.words[i];
}

/// A copy of `values` in workspace memory, for kernels that are launched later in the call. The
/// bytes travel as arguments of kernels: the host does not wait, may change `values` at once, and a
/// captured graph holds the bytes themselves, not an address of the host's. For a few KB.
template <class T>
const T* upload(Exec& exec, std::span<const T> values) {
  static_assert(std::is_trivially_copyable_v<T>);
  const std::size_t bytes = values.size_bytes();
  const auto words_in = [](std::size_t n) { return (n + sizeof(uint4) - 1) / sizeof(uint4); };
  uint4* words = exec.workspace.allocate_array<uint4>(static_cast<std::int64_t>(words_in(bytes)));
  for (std::size_t offset = 0; offset < bytes; offset += sizeof(UploadPiece)) {
    UploadPiece piece{};
    const std::size_t n = std::min(sizeof piece, bytes - offset);
    std::memcpy(&piece, reinterpret_cast<const char*>(values.data()) + offset, n);
    launch(exec.stream, write_piece<UploadPiece>, 1, 256, 0, piece, static_cast<int>(words_in(n)),
           words + words_in(offset));
  }
  return reinterpret_cast<const T*>(words);
}

template <class T>
const T* upload(Exec& exec, const std::vector<T>& values) {
  return upload(exec, std::span<const T>(values));
}

}  // namespace duet::simt
