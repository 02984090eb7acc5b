#include <algorithm>
#include <bit>

#include "kernels/concat/concat.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

constexpr int block_threads = 256;

/// A part is a matrix, and a strip of y is another: one launch copies rows of `width` units from
/// matrix to matrix, which lie `pitch` units apart. Threads lie along the rows (x) and across (y).
template <class Unit>
__global__ void copy_rows(std::int64_t rows, std::int64_t width, const Unit* from,
                          std::int64_t from_pitch, Unit* to, std::int64_t to_pitch) {
  const std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x;
  if (i >= width) return;
  for (std::int64_t row = blockIdx.y * std::int64_t{blockDim.y} + threadIdx.y; row < rows;
       row += std::int64_t{gridDim.y} * blockDim.y)
    to[row * to_pitch + i] = from[row * from_pitch + i];
}

template <class Unit>
void launch_copy(Exec& exec, std::int64_t rows, std::int64_t width, const void* from,
                 std::int64_t from_pitch, void* to, std::int64_t to_pitch) {
  constexpr std::int64_t bytes = sizeof(Unit);
  const std::int64_t units = width / bytes;
  dim3 block, grid;
  block.x = std::bit_ceil(static_cast<unsigned>(std::min<std::int64_t>(units, block_threads)));
  block.y = block_threads / block.x;
  grid.x = simt::blocks_for(units, block.x);
  grid.y = std::min(simt::blocks_for(rows, block.y), 65535u);
  simt::launch(exec.stream, copy_rows<Unit>, grid, block, 0, rows, units,
               static_cast<const Unit*>(from), from_pitch / bytes, static_cast<Unit*>(to),
               to_pitch / bytes);
}

/// All in bytes: in units of 16 where everything is a multiple of 16, else of 4, else of 1.
void copy(Exec& exec, std::int64_t rows, std::int64_t width, const void* from,
          std::int64_t from_pitch, void* to, std::int64_t to_pitch) {
  const auto all = static_cast<std::uint64_t>(width | from_pitch | to_pitch) |
                   reinterpret_cast<std::uintptr_t>(from) | reinterpret_cast<std::uintptr_t>(to);
  if (all % 16 == 0)
    launch_copy<uint4>(exec, rows, width, from, from_pitch, to, to_pitch);
  else if (all % 4 == 0)
    launch_copy<unsigned>(exec, rows, width, from, from_pitch, to, to_pitch);
  else
    launch_copy<unsigned char>(exec, rows, width, from, from_pitch, to, to_pitch);
}

/// Calls `f(part, width of its rows, width of y's rows, offset of the part in them)`, in bytes.
template <class F>
void for_each_part(const ConcatParams& p, DType dtype, F&& f) {
  const auto element = static_cast<std::int64_t>(size_of(dtype));
  std::int64_t whole = 0, offset = 0;
  for (std::int64_t width : p.widths) whole += width * element;
  for (std::size_t k = 0; k < p.widths.size(); ++k) {
    f(k, p.widths[k] * element, whole, offset);
    offset += p.widths[k] * element;
  }
}

}  // namespace

extern const ConcatRow concat_cuda = {
    {SIMT_ROW("copy"), RowKind::handwritten, simt::device_type},
    [](const ConcatParams&, DType) { return Support::yes(); },
    [](Exec& exec, const ConcatParams& p, std::span<const ConstView> parts, View y) {
      for_each_part(p, y.dtype,
                    [&](std::size_t k, std::int64_t width, std::int64_t whole, std::int64_t at) {
                      copy(exec, p.outer, width, parts[k].data, width,
                           static_cast<char*>(y.data) + at, whole);
                    });
    },
    [](Exec& exec, const ConcatParams& p, ConstView grad_y, std::span<const View> grad_parts) {
      for_each_part(p, grad_y.dtype,
                    [&](std::size_t k, std::int64_t width, std::int64_t whole, std::int64_t at) {
                      if (!grad_parts[k]) return;
                      copy(exec, p.outer, width, static_cast<const char*>(grad_y.data) + at, whole,
                           grad_parts[k].data, width);
                    });
    },
};

}  // namespace duet
