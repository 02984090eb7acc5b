#pragma once
/// The environment variables that Duet reads, all of them (listed for users in
/// docs/environment.md).

namespace duet::environment {

/// DUET_VERBOSE: 1 prints, once for each distinct call, which row ran and why the rows before it
/// did not; 2 prints every call. 0 when unset.
int verbose();

}  // namespace duet::environment
