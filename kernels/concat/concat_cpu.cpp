#include <cstring>

#include "kernels/base/parallel.h"
#include "kernels/concat/concat.h"

namespace duet {
namespace {

/// Calls `f(part, byte offset in the part, byte offset in the whole, bytes)` for every run of
/// neighbours.
template <class F>
void for_each_run(const ConcatParams& p, DType dtype, F&& f) {
  const std::size_t element = size_of(dtype);
  std::size_t row = 0;
  for (std::int64_t width : p.widths) row += width * element;
  parallel_for(p.outer, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      std::size_t whole = o * row;
      for (std::size_t k = 0; k < p.widths.size(); ++k) {
        const std::size_t bytes = p.widths[k] * element;
        f(k, o * bytes, whole, bytes);
        whole += bytes;
      }
    }
  });
}

}  // namespace

extern const ConcatRow concat_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const ConcatParams&, DType) { return Support::yes(); },
    [](Exec&, const ConcatParams& p, std::span<const ConstView> parts, View y) {
      for_each_run(p, y.dtype,
                   [&](std::size_t k, std::size_t from, std::size_t to, std::size_t bytes) {
                     std::memcpy(static_cast<char*>(y.data) + to,
                                 static_cast<const char*>(parts[k].data) + from, bytes);
                   });
    },
    [](Exec&, const ConcatParams& p, ConstView grad_y, std::span<const View> grad_parts) {
      for_each_run(p, grad_y.dtype,
                   [&](std::size_t k, std::size_t to, std::size_t from, std::size_t bytes) {
                     if (!grad_parts[k]) return;
                     std::memcpy(static_cast<char*>(grad_parts[k].data) + to,
                                 static_cast<const char*>(grad_y.data) + from, bytes);
                   });
    },
};

}  // namespace duet
