#pragma once
/// What an op is told of each element of a batch: structs, in a tensor of their bytes, which
/// travels with the batch.

#include <span>
#include <vector>

#include "engine/tensor.h"

namespace duet {

/// (N, sizeof(Struct)) u8.
template <class Struct>
Tensor tensor_of_structs(const std::vector<Struct>& all, Device device = {}) {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(all.data()),
                        all.size() * sizeof(Struct));
  return Tensor::from(bytes, {static_cast<std::int64_t>(all.size()), sizeof(Struct)}, device);
}

/// The structs in such a tensor, in its device's memory: one for each element of the batch x, on
/// the same device, else an Error.
template <class Struct>
std::span<const Struct> structs_in(const char* op, const Tensor& bytes, const Tensor& x) {
  constexpr std::int64_t size = sizeof(Struct);
  require(bytes.dtype() == DType::u8 && bytes.shape() == Shape{x.dim(0), size},
          "[{}] the batch is told u8 ({}, {}), this is {} {}", op, x.dim(0), size,
          to_string(bytes.dtype()), to_string(bytes.shape()));
  require(bytes.device() == x.device(), "[{}] what the batch is told is on {}, x is on {}", op,
          to_string(bytes.device().type), to_string(x.device().type));
  return {static_cast<const Struct*>(bytes.view().data), static_cast<std::size_t>(x.dim(0))};
}

}  // namespace duet
