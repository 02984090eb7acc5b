/// What rows the plugin has. No device is needed.

#include <doctest/doctest.h>

#include <set>

#include "tests/plugin.h"
#include "tests/skip.h"

using namespace duet;
using namespace duet::test;

namespace {

/// "op row" of each row of a device whose name begins so, without that beginning.
std::set<std::string> kernels_of_program(std::string_view prefix) {
  std::set<std::string> names;
  for (const RowTable* table : RowTable::all())
    for (std::size_t i = 0; i < table->size(); ++i)
      if (const std::string_view name = table->info(i).name; name.starts_with(prefix))
        names.insert(fmt::format("{} {}", table->op(), name.substr(prefix.size())));
  return names;
}

std::set<std::string> kernels_of_plugin() {
  std::set<std::string> names;
  for (const auto& [op, row] : plugin_rows())
    if (const std::string_view name = row->name; name.starts_with("cuda."))
      names.insert(fmt::format("{} {}", op, name.substr(5)));
  return names;
}

bool has(std::string_view op, std::string_view name) {
  for (const PluginRow& row : plugin_rows())
    if (row.op == op && row.row->name == name) return true;
  return false;
}

}  // namespace

TEST_CASE("plugin: every kernel is a row of CUDA and a row of the emulator") {
  if (plugin_rows().empty()) return skip("the CUDA plugin is not built");
  CHECK(kernels_of_plugin() == kernels_of_program("simt."));
}

TEST_CASE("plugin: every op has a handwritten row") {
  if (plugin_rows().empty()) return skip("the CUDA plugin is not built");
  std::set<std::string> handwritten;
  for (const auto& [op, row] : plugin_rows()) {
    CHECK(row->device == DeviceType::cuda);
    if (row->kind == RowKind::handwritten) handwritten.insert(op);
  }
  for (const RowTable* table : RowTable::all()) {
    CAPTURE(table->op());
    CHECK(handwritten.contains(table->op()));
  }
}

TEST_CASE("plugin: what a library can do, it has a row of") {
  if (plugin_rows().empty()) return skip("the CUDA plugin is not built");
#if DUET_HAVE_CUDNN
  for (const char* op : {"batchnorm", "block_tail", "conv2d", "maxpool2d", "softmax"}) {
    CAPTURE(op);
    CHECK(has(op, "cudnn"));
  }
#endif
#if DUET_HAVE_CUBLAS
  CHECK(has("linear", "cublas"));
#endif
#if DUET_HAVE_CUFFT
  CHECK(has("spectrogram", "cufft"));
#endif
}
