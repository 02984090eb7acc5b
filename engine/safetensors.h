#pragma once
/// Model files: the safetensors format (8 bytes of header length, a JSON header, the tensors'
/// bytes, all little-endian), with a checksum of the whole file in the metadata and every claim of
/// the header checked on reading.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace duet {

struct Safetensors {
  std::map<std::string, std::string> metadata;
  /// Of a file that was read they are views of it (mapped_file.h), which they keep open, and
  /// read-only.
  std::map<std::string, Tensor> tensors;

  /// The tensor of a name; DataError when there is none.
  const Tensor& at(const std::string& name) const;
  std::filesystem::path path;
};

/// Writes the file in one piece or not at all (atomic_file.h).
void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, Tensor>& tensors,
                       std::map<std::string, std::string> metadata);

/// DataError, naming path and fault, for a missing, truncated, altered or lying file.
Safetensors read_safetensors(const std::filesystem::path& path);

}  // namespace duet
