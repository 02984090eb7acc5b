#pragma once
/// The rows that tests go through. Where the machine has a CUDA device its rows join the lists
/// before the first test, so that whatever goes through a list goes through them, too.

#include <exception>
#include <string>
#include <vector>

#include "kernels/base/rows.h"

namespace duet::test {

/// Tells that what follows in the running test holds a row against a reference: a check that fails
/// before the next call speaks against this row. With DUET_COMPARED_ROWS=FILE a test program adds
/// to that file after each test case a line for each row that the case compared: device, op, row,
/// element type, and "passed" or "failed", with tabs between.
void compared(const std::string& op, const RowInfo& row, DType dtype);

/// The same of a row that threw, which is a failed check: the rows after it are still tried.
void speak_against(const std::string& op, const RowInfo& row, DType dtype,
                   const std::exception& error);

/// Calls `f`, which calls a row, and tells when the row throws.
template <class F>
void try_row(const std::string& op, const RowInfo& row, DType dtype, F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    speak_against(op, row, dtype, error);
  }
}

/// Whether the running program is to try this row. Emulated rows are compiled once and tried in one
/// program; those that hold the CPU's rows compiled for another processor leave them out
/// (DUET_TEST_CPU_ROWS).
bool takes_part(const RowInfo& row);

/// Whether there is one whose rows joined.
bool has_cuda_device();

/// The emulated device and, where there is one, CUDA's.
std::vector<Device> accelerators();
/// The same with the CPU.
std::vector<Device> devices();

/// The op's oracle.
template <class Row>
const Row& reference(const RowList<Row>& list) {
  for (const Row& row : list.rows())
    if (row.kind == RowKind::ref) return row;
  fail("[tests] {} has no reference row", list.op());
}

}  // namespace duet::test
