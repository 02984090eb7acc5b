#pragma once
/// The CUDA plugin of this build, for tests that need no device: what rows it has, and what they
/// take.

#include <string>
#include <vector>

#include "kernels/base/device_api.h"

namespace duet::test {

struct PluginRow {
  std::string op;
  const RowInfo* row;
};
/// The rows of all ops, each op's in the order in which they are tried; none where the plugin is
/// not built. They do not join the program's lists.
const std::vector<PluginRow>& plugin_rows();

/// Calls `f` while cuDNN plans for the H100 of tests/data/h100.json. Error where the plugin was
/// built without cuDNN.
void with_absent_h100(void (*f)(void* context), void* context);
template <class F>
void with_absent_h100(F&& f) {
  with_absent_h100([](void* context) { (*static_cast<std::remove_reference_t<F>*>(context))(); },
                   &f);
}

/// A library row's answer to a call that the network makes. Error for an op of which no such call
/// is known here.
Support library_row_takes(const PluginRow& row, DType dtype);

}  // namespace duet::test
