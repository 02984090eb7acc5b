/// docs/op-matrix.md says what there is and how it was checked. It is made from the rows
/// themselves; DUET_WRITE_DOCS=1 writes it anew.

#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/atomic_file.h"
#include "tests/op_cases.h"
#include "tests/plugin.h"
#include "tests/skip.h"
#include "tests/test_data.h"

using namespace duet;
using namespace duet::test;

namespace {

/// What a row takes, by trying: every case of a differentiable op; of the others, the default call.
/// TF32 stands for rows that take f32 only where it is permitted.
std::string element_types(const RowTable& table, std::size_t row,
                          const std::vector<OpCase>& cases) {
  std::vector<std::string> types;
  const auto takes = [&](DType dtype, bool tf32) -> bool {
    if (cases.empty()) return static_cast<bool>(table.takes(row, dtype));
    return std::any_of(cases.begin(), cases.end(), [&](const OpCase& c) {
      if (c.tf32 != tf32) return false;
      try {
        const ImplScope forced(fmt::format("{}={}", table.op(), table.info(row).name));
        run_case(c, dtype, {table.info(row).device, 0});
        return true;
      } catch (const Error&) {  // this row, or another op's that the case needs, does not take it
        return false;
      }
    });
  };
  if (takes(DType::f32, false))
    types.push_back("f32");
  else if (takes(DType::f32, true))
    types.push_back("TF32");
  for (const DType dtype : {DType::f64, DType::bf16})
    if (takes(dtype, false)) types.push_back(to_string(dtype));
  return fmt::format("{}", fmt::join(types, ", "));
}

/// What the files of docs/benchmarks, written by scripts/gpu-check.sh, say of a row: "NVIDIA H100
/// (f32, f64; 2026-11-24, 1a2b3c4)" for each device on which all its comparisons passed.
std::string on_hardware(const std::string& op, const std::string& row) {
  std::string text;
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(test_data("../../docs/benchmarks")))
    if (entry.path().extension() == ".json") files.insert(entry.path());
  for (const std::filesystem::path& file : files) {
    const nlohmann::json report = nlohmann::json::parse(read_file(file));
    std::string types;
    for (const auto& verified : report.at("verified"))
      if (verified.at("op") == op && verified.at("row") == row)
        types +=
            fmt::format("{}{}", types.empty() ? "" : ", ", verified.at("dtype").get<std::string>());
    if (!types.empty())
      text += fmt::format(
          "{}{} ({}; {}, {})", text.empty() ? "" : "; ", report.at("device").get<std::string>(),
          types, report.at("date").get<std::string>(), report.at("commit").get<std::string>());
  }
  return text.empty() ? "no GPU yet" : text;
}

/// What a library row takes, by type: cuDNN compiles its pooling kernels while a program runs, and
/// says where there is no driver that it has none.
std::string library_types(const PluginRow& row) {
  std::string types;
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    const Support support = library_row_takes(row, dtype);
    if (support || support.reason.starts_with("[cudnn]"))
      types += fmt::format("{}{}", types.empty() ? "" : ", ", to_string(dtype));
  }
  return types;
}

class Page {
 public:
  Page() {
    for (OpCase& c : op_cases()) cases_[c.op].push_back(std::move(c));
  }

  std::string text() {
    std::string text = header;
    for (const RowTable* table : RowTable::all()) {
      const bool differentiable = !cases_[table->op()].empty();
      for (const PluginRow& row : plugin_rows())
        if (row.op == table->op()) text += line_of_plugin(*table, row, differentiable);
      for (std::size_t i = 0; i < table->size(); ++i)
        if (table->info(i).device == DeviceType::cpu) {
          const RowInfo& row = table->info(i);
          const std::string taken = types(*table, i);
          text += line(table->op(), fmt::format("`{}`", row.name), row, taken, differentiable,
                       compared(row.kind, differentiable, taken), "CPU");
        }
    }
    return text;
  }

 private:
  static constexpr const char* header =
      "# Ops and their rows\n\n"
      "Made by a test from the lists of rows, the plugin's too; it fails when this page is stale. "
      "`DUET_WRITE_DOCS=1\n"
      "build/release/bin/test_unit -tc='op matrix*'` writes it.\n\n"
      "Of the rows for a device the first that fits a call is taken, from the top. `cuda.X` and "
      "`simt.X` are one kernel, compiled\n"
      "by nvcc for the GPU and by the C++ compiler for the emulator. What ran on a GPU, and on "
      "which, is read from the\n"
      "reports of `scripts/gpu-check.sh` in [benchmarks](benchmarks).\n\n"
      "| op | row | kind | element types | backward | compared with | ran on |\n"
      "|---|---|---|---|---|---|---|\n";

  std::string types(const RowTable& table, std::size_t i) {
    return element_types(table, i, cases_[table.op()]);
  }

  /// Gradients are tried by differences in f64.
  static std::string compared(RowKind kind, bool differentiable, const std::string& types) {
    if (kind == RowKind::ref) return differentiable ? "central differences" : "known results";
    return differentiable && types.find("f64") != std::string::npos
               ? "`ref` in f64, central differences"
               : "`ref` in f64";
  }

  static std::string line(const std::string& op, const std::string& names, const RowInfo& row,
                          const std::string& types, bool differentiable,
                          const std::string& compared, const std::string& ran_on) {
    return fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", op, names, to_string(row.kind),
                       types, differentiable ? "yes" : "none", compared, ran_on);
  }

  std::string line_of_plugin(const RowTable& table, const PluginRow& row, bool differentiable) {
    const std::string name = row.row->name, gpu = on_hardware(table.op(), name);
    if (row.row->kind == RowKind::library) {
      const std::string taken = library_types(row);
      return line(
          table.op(), fmt::format("`{}`", name), *row.row, taken, differentiable,
          gpu == "no GPU yet" ? "nothing yet" : compared(row.row->kind, differentiable, taken),
          gpu);
    }
    const std::string twin = "simt." + name.substr(name.find('.') + 1);
    for (std::size_t i = 0; i < table.size(); ++i)
      if (table.info(i).name == twin) {
        const std::string taken = types(table, i);
        return line(table.op(), fmt::format("`{}`, `{}`", name, twin), *row.row, taken,
                    differentiable, compared(row.row->kind, differentiable, taken),
                    "emulator; " + gpu);
      }
    fail("[tests] {} has no row {}", table.op(), twin);
  }

  std::map<std::string, std::vector<OpCase>> cases_;
};

bool has_row(const char* op, const std::string& name) {
  const RowTable& table = RowTable::find(op);
  for (std::size_t i = 0; i < table.size(); ++i)
    if (table.info(i).name == name) return true;
  return false;
}

}  // namespace

TEST_CASE("op matrix: docs/op-matrix.md is what the rows say") {
  if (!has_row("conv2d", "onednn") || !has_row("spectrogram", "kissfft"))
    return skip("oneDNN or Kiss FFT is missing, whose rows the page lists");
  std::set<std::string> libraries;
  for (const PluginRow& row : plugin_rows())
    if (row.row->kind == RowKind::library) libraries.insert(row.row->name);
  if (libraries.size() < 3)
    return skip("the CUDA plugin is not built or lacks a library, whose rows the page lists");
  const std::filesystem::path page = test_data("../../docs/op-matrix.md");
  std::string expected;
  with_absent_h100([&] { expected = Page().text(); });
  if (std::getenv("DUET_WRITE_DOCS")) write_file_atomically(page, expected);
  CHECK(read_file(page) == expected);
}
