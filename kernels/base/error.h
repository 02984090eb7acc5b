#pragma once
/// Errors. A message starts with the place that found the fault in brackets, gives the values at
/// fault, and says what to do: `[conv2d] weight has 3 input channels, x has 1`.

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace duet {

/// Anything that went wrong; a program that ends by one exits with status 1.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// The call was wrong (an option, a configuration key, an unknown name): exit status 2.
struct UsageError : Error {
  using Error::Error;
};
/// The data was wrong (a missing folder, a broken file): exit status 3.
struct DataError : Error {
  using Error::Error;
};

/// Throws `E` with a formatted message: `fail("[relu] x is {}", dtype)`, `fail<DataError>(…)`.
template <class E = Error, class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) {
  throw E(fmt::format(message, std::forward<Args>(args)...));
}

/// Throws `Error` with a formatted message unless `condition` holds.
template <class... Args>
void require(bool condition, fmt::format_string<Args...> message, Args&&... args) {
  if (!condition) [[unlikely]]
    throw Error(fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace duet
