#include "engine/staging.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace duet {
namespace {

std::size_t bytes_of(const Tensor& tensor) {
  return static_cast<std::size_t>(tensor.numel()) * size_of(tensor.dtype());
}

/// Calls `f(tensor, offset)` for the defined tensors, where they lie one behind the other, each at
/// a multiple of 64 bytes; returns how long that is.
template <class F>
std::size_t for_each_packed(const std::vector<Tensor>& tensors, F&& f) {
  std::size_t offset = 0;
  for (const Tensor& tensor : tensors) {
    if (!tensor) continue;
    f(tensor, offset);
    offset += (bytes_of(tensor) + 63) / 64 * 64;
  }
  return offset;
}

std::size_t packed_bytes(const std::vector<Tensor>& tensors) {
  return for_each_packed(tensors, [](const Tensor&, std::size_t) {});
}

/// In the compute stream of the device.
void copy(Device device, void* to, const void* from, std::size_t bytes) {
  check_device_call("copy", device,
                    device_api(device.type).copy(device_stream(device), to, from, bytes));
}

bool same_shapes(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Tensor& x, const Tensor& y) {
    return x.defined() == y.defined() && (!x || (x.shape() == y.shape() && x.dtype() == y.dtype()));
  });
}

/// Uninitialised tensors of the same shapes and dtypes.
std::vector<Tensor> empty_like(const std::vector<Tensor>& tensors, Device device) {
  std::vector<Tensor> result;
  for (const Tensor& t : tensors)
    result.push_back(t ? Tensor::empty(t.shape(), t.dtype(), device) : Tensor());
  return result;
}

char* at(void* block, std::size_t offset) { return static_cast<char*>(block) + offset; }

}  // namespace

struct Staging::Lane {
  explicit Lane(Device d) : device(d), api(device_api(d.type)), landed(d), moved(d) {}
  ~Lane() {
    try {
      release();
    } catch (const Error&) {  // the device is broken, and an earlier call has said so
    }
  }

  /// Room for as many bytes.
  void reserve(std::size_t bytes) {
    if (bytes <= capacity) return;
    release();
    check_device_call("pinned memory", device, api.allocate_host(device.index, bytes, &pinned));
    landing = Storage::allocate(bytes, device);
    capacity = bytes;
    // The pool's block may still be in use by what was queued.
    moved.record(StreamKind::compute);
  }

  void release() {
    if (!pinned) return;
    landed.synchronize();
    landed.hold_up(StreamKind::compute);  // whoever gets the landing place comes after the copy
    api.release_host(device.index, pinned);
    pinned = nullptr;
    landing.reset();
    capacity = 0;
  }

  Device device;
  const DeviceApi& api;
  std::size_t capacity = 0;
  void* pinned = nullptr;
  std::shared_ptr<Storage> landing;
  Event landed, moved;
  /// Where the tensors stay, for each list of shapes that there was.
  std::vector<std::vector<Tensor>> places;
};

Staging::Staging(Device device) : device_(device) {
  if (device != Device{}) lane_ = std::make_unique<Lane>(device);
}

Staging::~Staging() = default;

void Staging::put(std::vector<Tensor> tensors) {
  put_ = std::move(tensors);
  if (!lane_) return;
  Lane& lane = *lane_;
  const std::size_t bytes = packed_bytes(put_);
  lane.reserve(bytes);
  lane.landed.synchronize();  // the copy before has left pinned memory
  for_each_packed(put_, [&](const Tensor& tensor, std::size_t offset) {
    std::memcpy(at(lane.pinned, offset), tensor.view().data, bytes_of(tensor));
  });
  lane.moved.hold_up(StreamKind::copies);
  check_device_call("copy", device_,
                    lane.api.copy_later(device_stream(device_, StreamKind::copies),
                                        lane.landing->data(), lane.pinned, bytes));
  lane.landed.record(StreamKind::copies);
}

std::vector<Tensor> Staging::take() {
  if (!lane_) return std::exchange(put_, {});
  Lane& lane = *lane_;
  auto place =
      std::find_if(lane.places.begin(), lane.places.end(),
                   [&](const std::vector<Tensor>& there) { return same_shapes(there, put_); });
  if (place == lane.places.end()) place = lane.places.insert(place, empty_like(put_, device_));
  lane.landed.hold_up(StreamKind::compute);
  for_each_packed(*place, [&](const Tensor& tensor, std::size_t offset) {
    copy(device_, tensor.view().data, at(lane.landing->data(), offset), bytes_of(tensor));
  });
  lane.moved.record(StreamKind::compute);
  return *place;
}

Readback::Readback(std::vector<Tensor> tensors) : tensors_(std::move(tensors)) {
  const Device device = tensors_.at(0).device();
  if (device == Device{}) return;
  block_ = Tensor::empty({static_cast<std::int64_t>(packed_bytes(tensors_))}, DType::u8, device);
  for_each_packed(tensors_, [&](const Tensor& tensor, std::size_t offset) {
    copy(device, at(block_.view().data, offset), tensor.view().data, bytes_of(tensor));
  });
}

std::vector<Tensor> Readback::read() const {
  if (!block_) return tensors_;
  const Tensor block = block_.to(Device{});
  const std::vector<Tensor> result = empty_like(tensors_, {});
  for_each_packed(result, [&](const Tensor& tensor, std::size_t offset) {
    std::memcpy(tensor.view().data, at(block.view().data, offset), bytes_of(tensor));
  });
  return result;
}

}  // namespace duet
