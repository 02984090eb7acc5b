#include "tests/plugin.h"

#include <dlfcn.h>

#include "engine/atomic_file.h"
#include "kernels/batchnorm/batchnorm.h"
#include "kernels/block_tail/block_tail.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/linear/linear.h"
#include "kernels/maxpool2d/maxpool2d.h"
#include "kernels/softmax/softmax.h"
#include "kernels/spectrogram/spectrogram.h"
#include "tests/test_data.h"

namespace duet::test {
namespace {

constexpr std::string_view path = DUET_TEST_PLUGIN;

void* library() {
  static void* const opened = [] {
    void* const handle = dlopen(path.data(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) fail("[tests] {}", dlerror());
    return handle;
  }();
  return opened;
}

template <class Row>
Support ask(const PluginRow& row, const typename Row::Params& call, DType dtype) {
  return static_cast<const Row*>(row.row)->supports(call, dtype);
}

}  // namespace

const std::vector<PluginRow>& plugin_rows() {
  static const std::vector<PluginRow> all = [] {
    std::vector<PluginRow> rows;
    if (path.empty()) return rows;
    using Entry = const DeviceApi* (*)();
    const auto entry = reinterpret_cast<Entry>(dlsym(library(), "duet_cuda_device_api"));
    require(entry, "[tests] {} is not a plugin of Duet", path);
    entry()->rows(&rows, [](void* to, const char* op, const RowInfo* row) {
      static_cast<std::vector<PluginRow>*>(to)->push_back({op, row});
    });
    return rows;
  }();
  return all;
}

void with_absent_h100(void (*f)(void* context), void* context) {
  using Entry = const char* (*)(const char* json);
  const auto entry = reinterpret_cast<Entry>(dlsym(library(), "duet_cudnn_absent_device"));
  require(entry, "[tests] {} was built without cuDNN", path);
  if (const char* why = entry(read_file(test_data("h100.json")).c_str()))
    fail("[tests] no plans for an absent H100: {}", why);
  struct Back {
    Entry entry;
    ~Back() { entry(nullptr); }
  } const back{entry};
  f(context);
}

Support library_row_takes(const PluginRow& row, DType dtype) {
  if (row.op == "batchnorm") return ask<BatchNormRow>(row, {32 * 64 * 64, 64}, dtype);
  if (row.op == "block_tail") return ask<BlockTailRow>(row, {32, 64, 64, 64, 2}, dtype);
  if (row.op == "conv2d") return ask<Conv2dRow>(row, {32, 64, 64, 64, 64, 3, 3, 1, 1, 1, 1}, dtype);
  if (row.op == "linear") return ask<LinearRow>(row, {32, 16384, 4096}, dtype);
  if (row.op == "maxpool2d") return ask<MaxPool2dRow>(row, {32, 64, 64, 64}, dtype);
  if (row.op == "softmax") return ask<SoftmaxRow>(row, {32, 3}, dtype);
  if (row.op == "spectrogram") return ask<SpectrogramRow>(row, {32, 48000}, dtype);
  fail("[tests] no call of {} is known", row.op);
}

}  // namespace duet::test
