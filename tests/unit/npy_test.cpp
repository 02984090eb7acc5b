#include "engine/npy.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <numeric>

using namespace duet;

namespace {

struct TemporaryFile {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               fmt::format("duet_{}.npy", static_cast<long>(getpid()));
  ~TemporaryFile() { std::filesystem::remove(path); }
  std::string bytes() const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& bytes) const { std::ofstream(path, std::ios::binary) << bytes; }
};

std::string refusal(const std::filesystem::path& path) {
  try {
    read_npy(path);
  } catch (const DataError& error) {
    CHECK(std::string(error.what()).find(path.string()) != std::string::npos);
    return error.what();
  }
  return "it was read";
}

}  // namespace

TEST_CASE_TEMPLATE("npy: what is written is read again", T, float, double) {
  const TemporaryFile file;
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3}, Shape{2, 0, 4}, Shape{1, 2, 3, 4}}) {
    std::vector<T> x(shape.numel() + 1);  // never empty, so that data() is an address
    std::iota(x.begin(), x.end(), T(0.1));
    write_npy(file.path, {x.data(), shape, dtype_of<T>});
    const NpyArray array = read_npy(file.path);
    CHECK(array.shape == shape);
    CHECK(array.dtype == dtype_of<T>);
    REQUIRE(array.bytes.size() == shape.numel() * sizeof(T));
    CHECK(std::equal(x.begin(), x.end() - 1, array.as<T>()));
  }
}

TEST_CASE("npy: the bytes are NumPy's own") {
  // numpy.save of numpy.float32([[1, 2]]) byte for byte: 128 of header, then the data.
  const TemporaryFile file;
  const float x[] = {1, 2};
  write_npy(file.path, {x, {1, 2}, DType::f32});
  const std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
  std::string expected("\x93NUMPY\x01\x00\x76\x00", 10);
  expected += text + std::string(128 - 10 - text.size() - 1, ' ') + '\n';
  expected.append("\x00\x00\x80\x3f\x00\x00\x00\x40", 8);
  CHECK(file.bytes() == expected);
}

TEST_CASE("npy: broken and foreign files are refused") {
  const TemporaryFile file;
  const float x[] = {1, 2, 3, 4, 5, 6};
  write_npy(file.path, {x, {2, 3}, DType::f32});
  const std::string good = file.bytes();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    bytes.replace(bytes.find(from), from.size(), to);
    file.write(bytes);
    return refusal(file.path);
  };
  const auto says = [](const std::string& message, const char* words) {
    INFO(message);
    CHECK(message.find(words) != std::string::npos);
  };
  says(with("NUMPY", "GUMPY"), "not a .npy file");
  says(with("'<f4'", "'>f4'"), "elements are '>f4'");
  says(with("False", "True "), "Fortran order");
  says(with("(2, 3)", "(2, 4)"), "24 bytes");
  says(with("(2, 3), }   ", "(99999999999"), "not understood");
  says(with("(2, 3), }                                   ",
            "(9223372036854775807, 9223372036854775807), }"),
       "beyond any memory");
  for (const std::size_t length : {0u, 5u, 9u, 60u, 140u}) {
    file.write(good.substr(0, length));
    says(refusal(file.path), "; ");
  }
  std::filesystem::remove(file.path);
  says(refusal(file.path), "cannot be opened");
  CHECK_THROWS_AS(write_npy("/nonexistent/folder/x.npy", {x, {6}, DType::f32}), DataError);
}
