#include "kernels/cast/cast.h"

namespace duet {

extern const CastRow cast_cuda;
#if !DUET_CUDA_PLUGIN
extern const CastRow cast_cpu, cast_ref;
#endif

RowList<CastRow>& cast_rows() {
  static RowList<CastRow> rows("cast", {
    cast_cuda,
#if !DUET_CUDA_PLUGIN
        cast_cpu, cast_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = cast_rows();

std::string describe(const CastParams& p) {
  return fmt::format("({}) to {}", p.count, to_string(p.to));
}

Support any_cast(const CastParams& p, DType from) {
  for (const DType dtype : {from, p.to})
    if (!is_real(dtype))
      return Support::no(fmt::format("casts between f32, f64 and bf16, not {}", to_string(dtype)));
  return Support::yes();
}

}  // namespace duet
