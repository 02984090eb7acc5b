#include "tests/test_data.h"

namespace duet::test {

std::filesystem::path test_data(const std::filesystem::path& name) {
  return std::filesystem::path(DUET_TEST_DATA) / name;
}

}  // namespace duet::test
