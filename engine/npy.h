#pragma once
/// NumPy's .npy files, as far as Duet needs them: little-endian float32 and float64, C order
/// (format: numpy.lib.format, versions 1.0 to 3.0).

#include <cstddef>
#include <filesystem>
#include <vector>

#include "kernels/base/view.h"

namespace duet {

struct NpyArray {
  Shape shape;
  DType dtype = DType::f32;
  std::vector<std::byte> bytes;

  ConstView view() const { return {bytes.data(), shape, dtype}; }
  template <class T>
  const T* as() const {
    return view().as<T>();
  }
};

/// Throws DataError (path, reason, remedy) for anything but an array as above, and when the file's
/// length does not fit its shape.
NpyArray read_npy(const std::filesystem::path& path);

/// Writes f32 or f64 from host memory. The file appears whole or not at all: it is written beside
/// its place and renamed. Throws DataError when it cannot be written.
void write_npy(const std::filesystem::path& path, const ConstView& array);

}  // namespace duet
