#include "kernels/simt/device.h"

#include "kernels/simt/memory.h"

namespace duet {
namespace {

/// The emulator reports by exceptions, which name more than a reason could: they pass through.
template <class F>
const char* done(F&& f) {
  f();
  return nullptr;
}

}  // namespace

const DeviceApi simt_device_api = {
    DeviceApi::current_version,
    DeviceType::simt,
    [](const char**) { return 1; },
    [](int) { return "CUDA kernels emulated on the CPU"; },
    [](int, std::size_t bytes, void** block) {
      return done([&] { *block = simt::allocate(bytes); });
    },
    [](int, void* block) { return done([&] { simt::deallocate(block); }); },
    [](int, Stream* stream) { return done([&] {
                                *stream = {{DeviceType::simt, 0}, nullptr};
                              }); },
    [](const Stream&, void* to, const void* from, std::size_t bytes) {
      return done([&] { simt::copy(to, from, bytes); });
    },
    [](const Stream&, void* to, unsigned char value, std::size_t bytes) {
      return done([&] { simt::fill(to, value, bytes); });
    },
    [](const Stream&) -> const char* { return nullptr; },
    // Its rows are compiled into the program.
    [](void*, void (*)(void*, const char*, const RowInfo*)) {},
};

}  // namespace duet
