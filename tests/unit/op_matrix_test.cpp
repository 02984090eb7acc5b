/// docs/op-matrix.md says what there is and how it was checked. It is made from the rows
/// themselves; DUET_WRITE_DOCS=1 writes it anew.

#include <doctest/doctest.h>

#include <cstdlib>
#include <map>

#include "engine/atomic_file.h"
#include "tests/op_cases.h"
#include "tests/test_data.h"

using namespace duet;
using namespace duet::test;

namespace {

/// What a row takes, by trying: every case of a differentiable op; of the others, the default call.
std::string element_types(const RowTable& table, std::size_t row,
                          const std::vector<OpCase>& cases) {
  std::string types;
  for (const DType dtype : {DType::f32, DType::f64}) {
    bool takes = cases.empty() && table.takes(row, dtype);
    for (const OpCase& c : cases) {
      if (takes) break;
      try {
        const ImplScope forced(fmt::format("{}={}", table.op(), table.info(row).name));
        run_case(c, dtype, {table.info(row).device, 0});
        takes = true;
      } catch (const UsageError&) {
      }
    }
    if (takes) types += fmt::format("{}{}", types.empty() ? "" : ", ", to_string(dtype));
  }
  return types;
}

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
      "Made from the lists of rows by a test, which fails when this page is stale; `DUET_WRITE_DOCS=1\n"
      "build/release/bin/test_unit -tc='op matrix*'` writes it. A row `simt.X` is the kernel of `cuda.X`, run by the\n"
      "emulator. The first row that fits is taken, from the top.\n\n"
      "| op | row | kind | element types | backward | checked against |\n|---|---|---|---|---|---|\n";
  for (const RowTable* table : RowTable::all()) {
    const std::vector<OpCase>& own = cases[table->op()];
    for (std::size_t i = 0; i < table->size(); ++i) {
      const RowInfo& row = table->info(i);
      text += fmt::format("| {} | `{}` | {} | {} | {} | {} |\n", table->op(), row.name,
                          to_string(row.kind), element_types(*table, i, own),
                          own.empty() ? "none" : "yes", checked(row, !own.empty()));
    }
  }
  return text;
}

}  // namespace

TEST_CASE("op matrix: docs/op-matrix.md is what the rows say") {
#if !DUET_HAVE_ONEDNN || !DUET_HAVE_KISSFFT
  MESSAGE("SKIPPED: the page lists rows of oneDNN and Kiss FFT, which are missing here");
  return;
#endif
  const std::filesystem::path page = test_data("../../docs/op-matrix.md");
  const std::string expected = matrix();
  if (std::getenv("DUET_WRITE_DOCS")) write_file_atomically(page, expected);
  CHECK(read_file(page) == expected);
}
