/// docs/op-matrix.md says what there is and how it was checked. It is made from the rows
/// themselves; DUET_WRITE_DOCS=1 writes it anew.

#include <doctest/doctest.h>

#include <cstdlib>
#include <map>

#include "engine/atomic_file.h"
#include "tests/op_cases.h"
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

/// Gradients are tried by differences in f64.
std::string checked(const RowInfo& row, bool differentiable) {
  if (row.kind == RowKind::ref) return differentiable ? "central differences" : "its own tests";
  const std::string how = differentiable ? "`ref` in f64, central differences" : "`ref` in f64";
  return row.device == DeviceType::simt ? how + ", emulated; on no GPU yet" : how;
}

std::string matrix() {
  std::map<std::string, std::vector<OpCase>> cases;
  for (OpCase& c : op_cases()) cases[c.op].push_back(std::move(c));
  std::string text =
      "# Ops and their rows\n\n"
      "Made from the lists of rows by a test, which fails when this page is stale; "
      "`DUET_WRITE_DOCS=1\n"
      "build/release/bin/test_unit -tc='op matrix*'` writes it. A row `simt.X` is the kernel of "
      "`cuda.X`, run by the\n"
      "emulator. The first row that fits is taken, from the top.\n\n"
      "| op | row | kind | element types | backward | checked against "
      "|\n|---|---|---|---|---|---|\n";
  for (const RowTable* table : RowTable::all()) {
    const std::vector<OpCase>& own = cases[table->op()];
    for (std::size_t i = 0; i < table->size(); ++i) {
      const RowInfo& row = table->info(i);
      const std::string types = element_types(*table, i, own);
      text += fmt::format("| {} | `{}` | {} | {} | {} | {} |\n", table->op(), row.name,
                          to_string(row.kind), types, own.empty() ? "none" : "yes",
                          checked(row, !own.empty() && types.find("f64") != std::string::npos));
    }
  }
  return text;
}

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
  const std::filesystem::path page = test_data("../../docs/op-matrix.md");
  const std::string expected = matrix();
  if (std::getenv("DUET_WRITE_DOCS")) write_file_atomically(page, expected);
  CHECK(read_file(page) == expected);
}
