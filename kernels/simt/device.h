#pragma once
/// The emulated CUDA device as the engine sees it. It keeps to CUDA's rules more strictly than CUDA
/// does, so that what is wrong there shows here:
///
///   - The compute stream works at once. Copies on the stream of copies are put off until an event
///     behind them is waited for, and their targets are NaN until then: a missing wait shows.
///   - Such a copy into a buffer is an error unless its stream has waited for an event behind all
///     that the compute stream did with that buffer.
///   - It takes its bytes when it is made, not when it is queued: a source that was changed too
///     early shows.
///   - While a graph is captured nothing runs, and what needs a result is an error (graph.h).

#include "kernels/base/device_api.h"

namespace duet {

extern const DeviceApi simt_device_api;

}  // namespace duet

namespace duet::simt {

/// The names of the ranges that the calling thread is in, joined by " > ".
const char* open_ranges();

}  // namespace duet::simt
