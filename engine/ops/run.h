#pragma once
/// How an op calls the row that fits.

#include "engine/autograd.h"
#include "engine/autotune.h"
#include "kernels/base/rows.h"

namespace duet {

/// The row for a call on `x`'s dtype and device.
template <class Row>
const Row& select_row(const RowList<Row>& rows, const typename Row::Params& params,
                      const Tensor& x) {
  autotune(rows, params, x);
  return rows.select(params, x.dtype(), x.device().type);
}

inline void require_same_kind(const char* op, const char* what, const Tensor& a, const Tensor& b) {
  require(a.dtype() == b.dtype() && a.device() == b.device(), "[{}] {} is {} on {}, x is {} on {}",
          op, what, to_string(b.dtype()), to_string(b.device().type), to_string(a.dtype()),
          to_string(a.device().type));
}

}  // namespace duet
