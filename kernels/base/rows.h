#pragma once
/// Rows: the implementations of an op, in one ordered list. The first row on the tensor's device
/// that supports the call is taken, unless a choice is forced (`ImplScope`, `set_impl`; on the
/// command line `--impl conv2d=onednn,batchnorm=ref`) or kept for the call (`KeptRows`).

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/device.h"
#include "kernels/base/dtype.h"
#include "kernels/base/kept_rows.h"

namespace duet {

enum class RowKind : unsigned char {
  ref,          ///< plain loops in the element type: the oracle
  handwritten,  ///< our own fast code
  library,      ///< a vendor's
};
const char* to_string(RowKind kind);

/// Whether a row can take a call and, if not, why.
struct Support {
  bool supported = true;
  std::string reason;
  explicit operator bool() const { return supported; }
  static Support yes() { return {}; }
  static Support no(std::string reason) { return {false, std::move(reason)}; }
};
/// For rows that take the one dtype.
Support only(DType supported, DType dtype);
/// For rows written as templates over float and double.
Support any_floating(DType dtype);
/// For rows that also store bf16, and compute it in f32.
Support any_real(DType dtype);

/// What every row says of itself. An op's row type derives from it and adds
///   `Support (*supports)(const Params&, DType)` and its functions, forward and backward together.
struct RowInfo {
  const char* name;
  RowKind kind;
  DeviceType device;
  /// How many times the rounding error of plain summation the algorithm may make; where it is not
  /// 1, its file derives it.
  double error_factor = 1;
  /// Of the op in whose list the row stands; the list sets it.
  const char* op = "";
};

/// A choice of rows: by name for an op, by kind for all others.
struct Impl {
  std::map<std::string, std::string, std::less<>> forced;
  std::optional<RowKind> preferred;

  /// "conv2d=onednn,batchnorm=ref", "handwritten", "library", "ref", or a preference followed by
  /// names. An op or row that does not exist is a UsageError that lists those that do.
  static Impl parse(std::string_view text);
};

/// The choice for the whole process.
void set_impl(Impl impl);
/// The choice for this thread.
const Impl& current_impl();
/// The choice for this thread while the object lives; it is laid over the choice around it.
class ImplScope {
 public:
  explicit ImplScope(const Impl& inner);
  explicit ImplScope(std::string_view text);
  ~ImplScope();
  ImplScope(const ImplScope&) = delete;
  ImplScope& operator=(const ImplScope&) = delete;

 private:
  std::optional<Impl> outer_;  ///< none: the process's
};

/// While it lives, this thread runs the calls of one op by one of its rows, as a trial: neither
/// `RowTable::used` nor DUET_VERBOSE hears of it. One inside another is not meant.
class TrialScope {
 public:
  TrialScope(std::string op, std::string row);
  ~TrialScope();
  TrialScope(const TrialScope&) = delete;
  TrialScope& operator=(const TrialScope&) = delete;
};

/// The part of a row list that does not know the row's type.
class RowTable {
 public:
  explicit RowTable(std::string op);
  virtual ~RowTable() = default;
  RowTable(const RowTable&) = delete;
  RowTable& operator=(const RowTable&) = delete;

  const std::string& op() const { return op_; }
  virtual std::size_t size() const = 0;
  virtual const RowInfo& info(std::size_t i) const = 0;
  /// Row i's answer to the op's default call.
  virtual Support takes(std::size_t i, DType dtype) const = 0;
  /// The rows that have been chosen so far in this process, in list order.
  std::vector<std::string> used() const;

  /// All ops' tables, by name.
  static std::vector<const RowTable*> all();
  /// The table of an op. Error when there is none.
  static RowTable& find(std::string_view op);

  /// Adds a row, which must be of this op's row type: for a plugin's.
  virtual void append_copy(const RowInfo& row) = 0;

 protected:
  /// Index of the row to run, where `verdict(i)` is row i's answer.
  template <class Verdict, class Describe>
  std::size_t choose(DType dtype, DeviceType device, Verdict&& verdict, Describe&& describe) const;
  /// Of rows that fit, by index, the names of those among which a measurement may choose.
  std::vector<std::string> contenders_among(const std::vector<std::size_t>& fitting) const;

 private:
  std::size_t choose_erased(DeviceType device, DType dtype, const void* context,
                            Support (*verdict)(const void*, std::size_t),
                            std::string (*describe)(const void*)) const;

  std::string op_;
  mutable std::set<std::size_t> used_;
  mutable std::set<std::string> announced_;
};

/// The ordered rows of one op. `Row::Params` describes a call; `describe(params)` prints it.
template <class Row>
class RowList final : public RowTable {
 public:
  using Params = typename Row::Params;

  RowList(std::string op, std::vector<Row> rows) : RowTable(std::move(op)), rows_(std::move(rows)) {
    for (Row& row : rows_) row.op = this->op().c_str();
  }

  std::size_t size() const override { return rows_.size(); }
  const RowInfo& info(std::size_t i) const override { return rows_[i]; }
  Support takes(std::size_t i, DType dtype) const override {
    return rows_[i].supports(Params{}, dtype);
  }
  const std::vector<Row>& rows() const { return rows_; }

  void append_copy(const RowInfo& row) override {
    rows_.push_back(static_cast<const Row&>(row));
    rows_.back().op = op().c_str();
  }

  /// The row that runs a call. Throws UsageError, with each row's reason, when a forced row does
  /// not fit, and Error when no row fits.
  const Row& select(const Params& params, DType dtype, DeviceType device) const {
    const auto verdict = [&](std::size_t i) { return rows_[i].supports(params, dtype); };
    return rows_[choose(dtype, device, verdict, [&] { return describe(params); })];
  }

  /// The rows among which a measurement may choose for a call, in list order: those that fit, of
  /// the preferred kind where there are any, `ref` only where there is nothing else. None where the
  /// choice is forced, and during a trial.
  std::vector<std::string> contenders(const Params& params, DType dtype, DeviceType device) const {
    std::vector<std::size_t> fitting;
    for (std::size_t i = 0; i < rows_.size(); ++i)
      if (rows_[i].device == device && rows_[i].supports(params, dtype)) fitting.push_back(i);
    return contenders_among(fitting);
  }

 private:
  std::vector<Row> rows_;
};

template <class Verdict, class Describe>
std::size_t RowTable::choose(DType dtype, DeviceType device, Verdict&& verdict,
                             Describe&& describe) const {
  struct Context {
    Verdict& verdict;
    Describe& describe;
  } context{verdict, describe};
  return choose_erased(
      device, dtype, &context,
      [](const void* c, std::size_t i) { return static_cast<const Context*>(c)->verdict(i); },
      [](const void* c) { return static_cast<const Context*>(c)->describe(); });
}

}  // namespace duet
