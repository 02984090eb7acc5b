#pragma once
/// Many arrays in one launch: each takes a run of blocks, and a table says where the runs begin.
/// Part of the dialect (simt.h).

namespace duet::simt {

/// The entry whose run the running block is in: the last with `first_block` not behind it. The
/// entries are ordered, the first one's run begins at 0, and none is empty.
template <class Entry>
__device__ const Entry& entry_of_block(const Entry* entries, int count) {
  int low = 0, high = count;  // the entry lies in low … high - 1
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (entries[middle].first_block <= blockIdx.x ? low : high) = middle;
  }
  return entries[low];
}

}  // namespace duet::simt
