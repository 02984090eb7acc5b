#include "kernels/simt/kernel_name.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <vector>

namespace duet::simt {
namespace {

std::string demangle(const char* symbol) {
  int status = 0;
  char* text = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  std::string name = status == 0 ? text : symbol;
  std::free(text);
  // "void duet::(anonymous namespace)::sum<float>(float const*, int)" -> "sum<float>"
  const std::string anonymous = "(anonymous namespace)::";
  for (std::size_t at; (at = name.find(anonymous)) != std::string::npos;)
    name.erase(at, anonymous.size());
  int depth = 0;
  std::size_t begin = 0, end = name.size();
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (depth > 0) continue;
    if (name[i] == ' ' || name[i] == ':') begin = i + 1;
    if (name[i] == '(' && i > begin) {
      end = i;
      break;
    }
  }
  return name.substr(begin, end - begin);
}

template <class T>
std::vector<T> read_array(std::ifstream& file, std::uint64_t offset, std::size_t count) {
  std::vector<T> values(count);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(count * sizeof(T)));
  return file ? values : std::vector<T>{};
}

}  // namespace

std::string kernel_name(const void* function) {
  const std::string unknown = "a kernel";
  Dl_info info{};
  if (!dladdr(function, &info) || !info.dli_fname) return unknown;
  std::ifstream file(info.dli_fname, std::ios::binary);
  // The program's own name may be relative to a folder that has been left since.
  if (!file) file.open("/proc/self/exe", std::ios::binary);
  const auto header = read_array<Elf64_Ehdr>(file, 0, 1);
  if (header.empty() || header[0].e_ident[EI_CLASS] != ELFCLASS64) return unknown;
  const auto base =
      header[0].e_type == ET_EXEC ? 0 : reinterpret_cast<std::uint64_t>(info.dli_fbase);
  const std::uint64_t address = reinterpret_cast<std::uint64_t>(function) - base;
  const auto sections = read_array<Elf64_Shdr>(file, header[0].e_shoff, header[0].e_shnum);
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    for (const Elf64_Sym& symbol :
         read_array<Elf64_Sym>(file, section.sh_offset, section.sh_size / sizeof(Elf64_Sym))) {
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_value != address) continue;
      const Elf64_Shdr& strings = sections[section.sh_link];
      auto text = read_array<char>(file, strings.sh_offset, strings.sh_size);
      if (symbol.st_name >= text.size()) return unknown;
      text.push_back('\0');
      return demangle(&text[symbol.st_name]);
    }
  }
  return unknown;
}

}  // namespace duet::simt
