#pragma once
/// The name of a function, for error messages.

#include <string>

namespace duet::simt {

/// From the symbol table of the program or library that holds the function (kernels are mostly
/// local symbols, which dladdr does not see); "a kernel" where it has been stripped.
std::string kernel_name(const void* function);

}  // namespace duet::simt
