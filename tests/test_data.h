#pragma once
/// The fixtures.

#include <filesystem>

namespace duet::test {

/// A file or folder of tests/data.
std::filesystem::path test_data(const std::filesystem::path& name);

}  // namespace duet::test
