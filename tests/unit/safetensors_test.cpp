#include "engine/safetensors.h"

#include <algorithm>
#include <cstring>

#include "tests/temporary_folder.h"

#include "engine/xxhash.h"

using namespace duet;

namespace {

std::map<std::string, Tensor> some_tensors() {
  return {{"b.weight", Tensor::from(std::vector<float>{1, -2, 3.5f, 0, 1e-40f, 1e38f}, {2, 3})},
          {"a.steps", Tensor::from(std::vector<std::int32_t>{-7}, {})},
          {"c", Tensor::from(std::vector<double>{0.1, 0.2}, {2, 1})},
          {"bytes", Tensor::from(std::vector<std::uint8_t>{0, 255, 128}, {3})},
          {"none", Tensor::empty({0, 4})}};
}

/// A file of this header and these tensor bytes. Where the header holds sixteen zeros, the right
/// checksum takes their place: its other claims are then what is wrong with it.
std::string file_of(std::string header, const std::string& bytes) {
  const std::string zeros(16, '0');
  if (const auto at = header.find(zeros); at != std::string::npos) {
    const std::string all = header + bytes;
    header.replace(at, 16, fmt::format("{:016x}", XXH3_64bits(all.data(), all.size())));
  }
  const std::uint64_t length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + header + bytes;
}

const std::string metadata = R"("__metadata__":{"duet.checksum":"0000000000000000"})";

/// The message of the DataError for a file of these bytes, without the path that it begins with;
/// any other end fails the test.
std::string refusal(const std::filesystem::path& path, const std::string& bytes) {
  write_text(path, bytes);
  try {
    read_safetensors(path);
  } catch (const DataError& error) {
    const std::string message = error.what(), start = path.string() + ": not a sound model file: ";
    CHECK_MESSAGE(message.starts_with(start), message);
    return message.substr(std::min(start.size(), message.size()));
  }
  return "";
}

}  // namespace

TEST_CASE("safetensors: what is written is read again") {
  const TemporaryFolder folder;
  const auto path = folder / "model.safetensors";
  const std::map<std::string, std::string> told = {
      {"config", "[network]\nsize = 64\n\"quoted\" \\ back"}, {"empty", ""}, {"ümlaut", "日本"}};
  write_safetensors(path, some_tensors(), told);
  const Safetensors file = read_safetensors(path);
  CHECK(file.path == path);
  for (const auto& [key, value] : told) CHECK(file.metadata.at(key) == value);
  REQUIRE(file.tensors.size() == some_tensors().size());
  for (const auto& [name, tensor] : some_tensors()) {
    const Tensor& read = file.at(name);
    CHECK(read.shape() == tensor.shape());
    REQUIRE(read.dtype() == tensor.dtype());
    CHECK(std::memcmp(read.view().data, tensor.view().data,
                      tensor.numel() * size_of(tensor.dtype())) == 0);
  }
  CHECK_THROWS_WITH_AS(file.at("nobody"), doctest::Contains("has no tensor 'nobody'"), DataError);
  write_safetensors(path, {}, {});
  CHECK(read_safetensors(path).tensors.empty());
}

TEST_CASE("safetensors: the same contents give the same bytes") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", some_tensors(), {{"k", "v"}});
  write_safetensors(folder / "b", some_tensors(), {{"k", "v"}});
  CHECK(read_text(folder / "a") == read_text(folder / "b"));
}

TEST_CASE("safetensors: the layout is the format's") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {{"x", Tensor::from(std::vector<float>{1, 2}, {2})}}, {});
  const std::string bytes = read_text(folder / "a");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK((8 + length) % 64 == 0);  // the tensors' bytes stay aligned
  REQUIRE(bytes.size() == 8 + length + 8);
  CHECK(bytes.substr(8 + length) == std::string("\0\0\x80\x3f\0\0\0\x40", 8));
  std::string expected =
      "{" + metadata + R"(,"x":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}})";
  expected.append(length - expected.size(), ' ');
  CHECK(bytes == file_of(expected, bytes.substr(8 + length)));
}

TEST_CASE("safetensors: every flipped byte is noticed, and a flipped bit of each") {
  const TemporaryFolder folder;
  const auto path = folder / "m";
  write_safetensors(path, some_tensors(), {{"k", "v"}});
  std::string bytes = read_text(path);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (const int flip : {0xff, 1 << i % 8}) {
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      CHECK_MESSAGE(refusal(path, bytes) != "", fmt::format("byte {} ^ {}", i, flip));
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
    }
  write_text(path, bytes);
  CHECK(read_safetensors(path).tensors.size() == some_tensors().size());
}

TEST_CASE("safetensors: a file cut short, or with more at its end, is noticed at every length") {
  const TemporaryFolder folder;
  write_safetensors(folder / "m", some_tensors(), {});
  const std::string bytes = read_text(folder / "m");
  for (std::size_t length = 0; length < bytes.size(); ++length)
    CHECK_MESSAGE(refusal(folder / "m", bytes.substr(0, length)) != "",
                  fmt::format("cut to {} of {} bytes", length, bytes.size()));
  CHECK(refusal(folder / "m", "").find("it has 0 bytes") == 0);
  CHECK(refusal(folder / "m", bytes + '\0') != "");
  CHECK(refusal(folder / "m", bytes + std::string(4096, 'x')) != "");
}

TEST_CASE("safetensors: lying headers, each with a right checksum") {
  const TemporaryFolder folder;
  const auto entry = [](const std::string& name, const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return fmt::format(R"(,"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{}]}})", name, dtype,
                       shape, offsets);
  };
  const auto says = [&](const std::string& entries, const std::string& words) {
    const std::string message =
        refusal(folder / "m", file_of("{" + metadata + entries + "}", std::string(16, 'x')));
    CHECK_MESSAGE(message.find(words) != std::string::npos,
                  fmt::format("{}: {}, expected {}", entries, message, words));
  };
  // The honest one, so that what follows is refused for its lie alone.
  write_text(folder / "m",
             file_of("{" + metadata + entry("a", "F32", "4", "0,16") + "}", std::string(16, 'x')));
  CHECK(read_safetensors(folder / "m").at("a").numel() == 4);

  SUBCASE("places") {
    says(entry("a", "F32", "4", "4,20"), "lies outside the file");
    says(entry("a", "F32", "4", "16,32"), "lies outside the file");
    says(entry("a", "F32", "4", "16,0"), "lies outside the file");
    says(entry("a", "F32", "4", "18446744073709551600,18446744073709551615"),
         "lies outside the file");
    says(entry("a", "F32", "4", "-16,0"), "lies outside the file");
    says(entry("a", "F32", "3", "4,16"), "begins at byte 4 where 0 was due");
    says(entry("a", "F32", "1", "0,4") + entry("b", "F32", "2", "8,16"),
         "'b' begins at byte 8 where 4 was due");
    says(entry("a", "F32", "3", "0,12") + entry("b", "F32", "2", "8,16"),
         "'b' begins at byte 8 where 12 was due");
    says(entry("a", "F32", "4", "0,16") + entry("b", "F32", "4", "0,16"),
         "begins at byte 0 where 16 was due");
    says(entry("a", "F32", "3", "0,12"), "its tensors end at byte");
    says("", "its tensors end at byte");
    says(entry("a", "F32", "4", "0"), "lies outside the file");
    says(entry("a", "F32", "4", "0,8,16"), "lies outside the file");
  }
  SUBCASE("shapes") {
    says(entry("a", "F32", "5", "0,16"), "has a shape of 20 bytes in 16 bytes");
    says(entry("a", "F32", "500", "0,16"), "larger than the file");
    says(entry("a", "F32", "3", "0,16"), "has a shape of 12 bytes in 16 bytes");
    says(entry("a", "F64", "4", "0,16"), "has a shape of 32 bytes in 16 bytes");
    says(entry("a", "F32", "-4", "0,16"), "negative extent -4");
    says(entry("a", "F32", "-1,-4", "0,16"), "negative");
    says(entry("a", "F32", "9223372036854775807,9223372036854775807", "0,16"),
         "larger than the file");
    says(entry("a", "F32", "4611686018427387905", "0,16"), "larger than the file");  // 4 mod 2^64
    says(entry("a", "F32", "1,1,1,1,1,1,4", "0,16"), "7 dimensions");
  }
  SUBCASE("types") {
    says(entry("a", "F16", "8", "0,16"), "elements of type F16");
    says(entry("a", "", "4", "0,16"), "elements of type ");
    says(R"(,"a":{"dtype":4,"shape":[4],"data_offsets":[0,16]})", "not as the format says");
    says(R"(,"a":{"dtype":"F32","shape":"4","data_offsets":[0,16]})", "not as the format says");
    says(R"(,"a":{"dtype":"F32","shape":["4"],"data_offsets":[0,16]})", "not as the format says");
    says(R"(,"a":{"dtype":"F32","data_offsets":[0,16]})", "not as the format says");
    says(R"(,"a":{"dtype":"F32","shape":[4]})", "not as the format says");
    says(R"(,"a":[1,2,3])", "not as the format says");
    says(R"(,"a":null)", "not as the format says");
  }
}

TEST_CASE("safetensors: what is no header at all") {
  const TemporaryFolder folder;
  const std::string bytes(16, 'x');
  const auto says = [&](const std::string& file, const std::string& words) {
    const std::string message = refusal(folder / "m", file);
    CHECK_MESSAGE(message.find(words) != std::string::npos, message);
  };
  says(file_of("not JSON", bytes), "its header is not JSON");
  says(file_of("[1,2]", bytes), "its header is not JSON");
  says(file_of("{" + metadata, bytes), "its header is not JSON");
  says(file_of("{" + metadata + "} x", bytes), "its header is not JSON");
  says(file_of("{\"\xff\":1}", bytes), "its header is not JSON");
  says(file_of(std::string(200'000, '['), bytes), "its header is not JSON");
  says(file_of(R"({"__metadata__":{"duet.checksum":7}})", ""), "not as the format says");
  says(file_of(R"({"__metadata__":"text"})", ""), "not as the format says");
  says(file_of("{}", ""), "no checksum, so Duet did not write it");
  says(file_of(R"({"__metadata__":{"duet.checksum":"12"}})", ""), "its checksum is malformed");
  says(file_of(R"({"__metadata__":{"duet.checksum": "0123456789abcdef"}})", ""),
       "its checksum is malformed");
  // Header lengths beyond the file, beyond any file, and such that adding 8 wraps around.
  for (const std::uint64_t length :
       {std::uint64_t{1000}, std::uint64_t{1} << 40, ~std::uint64_t{0}, ~std::uint64_t{0} - 7}) {
    std::string file = file_of("{" + metadata + "}", bytes);
    std::memcpy(file.data(), &length, sizeof length);
    says(file, fmt::format("claims a header of {} bytes", length));
  }
  CHECK_THROWS_WITH_AS(read_safetensors(folder / "missing"), doctest::Contains("no such file"),
                       DataError);
  CHECK_THROWS_WITH_AS(read_safetensors(folder.path()), doctest::Contains("is not a file"),
                       DataError);
}

TEST_CASE("safetensors: tensors that were read outlive all but themselves") {
  const TemporaryFolder folder;
  const auto path = folder / "m";
  std::vector<float> values(100'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const auto count = static_cast<std::int64_t>(values.size());
  write_safetensors(path, {{"x", Tensor::from(values, {count})}}, {});
  const Tensor copy = read_safetensors(path).at("x").clone();
  Tensor view = read_safetensors(path).at("x");
  // The file takes another's place, as a training writes it, and goes.
  write_safetensors(path, {{"x", Tensor::zeros({count})}}, {});
  std::filesystem::remove(path);
  for (const Tensor& tensor : {view.alias({10, count / 10}).detach(), copy})
    CHECK(std::equal(values.begin(), values.end(), tensor.data<float>()));
  view = Tensor();
}

TEST_CASE("safetensors: a tensor is a view of the file where its elements are aligned") {
  const TemporaryFolder folder;
  const auto path = folder / "m";
  write_safetensors(path, some_tensors(), {});
  const Safetensors file = read_safetensors(path);
  const auto address = [&](const char* name) {
    return reinterpret_cast<std::uintptr_t>(file.at(name).view().data);
  };
  // a.steps 4 bytes, b.weight 24, bytes 3, c behind them at byte 31.
  CHECK(address("a.steps") % 64 == 0);
  CHECK(address("b.weight") == address("a.steps") + 4);
  CHECK(address("bytes") == address("a.steps") + 28);
  CHECK(address("c") % sizeof(double) == 0);
  // A header of any length, as others write it.
  for (std::size_t blanks = 0; blanks < 8; ++blanks) {
    const std::string bytes =
        file_of("{" + metadata + R"(,"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})" + "}" +
                    std::string(blanks, ' '),
                std::string("\0\0\x80\x3f\0\0\0\x40", 8));
    write_text(path, bytes);
    const Tensor a = read_safetensors(path).at("a");
    CHECK(reinterpret_cast<std::uintptr_t>(a.view().data) % sizeof(float) == 0);
    CHECK(a.span<float>()[0] == 1);
    CHECK(a.span<float>()[1] == 2);
  }
}

TEST_CASE("safetensors: text that is not UTF-8 does not keep a model from being saved") {
  const TemporaryFolder folder;
  write_safetensors(folder / "m", some_tensors(), {{"faces", "/data/caf\xe9"}, {"k", "v"}});
  const Safetensors file = read_safetensors(folder / "m");
  CHECK(file.metadata.at("faces") == "/data/caf\xef\xbf\xbd");
  CHECK(file.metadata.at("k") == "v");
}
