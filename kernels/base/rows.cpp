#include "kernels/base/rows.h"

#include <algorithm>
#include <cstdio>
#include <mutex>

#include "kernels/base/environment.h"

namespace duet {
namespace {

std::vector<RowTable*>& tables() {
  static std::vector<RowTable*> all;
  return all;
}

std::mutex& table_mutex() {
  static std::mutex mutex;
  return mutex;
}

Impl process_impl;
thread_local std::optional<Impl> thread_impl;

struct Trial {
  std::string op, row;
};
thread_local std::optional<Trial> trial;

std::vector<std::string> row_names(const RowTable& table) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < table.size(); ++i) names.push_back(table.info(i).name);
  return names;
}

}  // namespace

const char* to_string(RowKind kind) {
  switch (kind) {
    case RowKind::ref: return "ref";
    case RowKind::handwritten: return "handwritten";
    case RowKind::library: return "library";
  }
  return "?";
}

Support only(DType supported, DType dtype) {
  if (dtype == supported) return Support::yes();
  return Support::no(fmt::format("takes {} only, not {}", to_string(supported), to_string(dtype)));
}

Support any_floating(DType dtype) {
  if (is_floating(dtype)) return Support::yes();
  return Support::no(fmt::format("takes f32 and f64, not {}", to_string(dtype)));
}

Support any_real(DType dtype) {
  if (is_real(dtype)) return Support::yes();
  return Support::no(fmt::format("takes f32, f64 and bf16, not {}", to_string(dtype)));
}

Impl Impl::parse(std::string_view text) {
  Impl impl;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      if (item == "handwritten")
        impl.preferred = RowKind::handwritten;
      else if (item == "library")
        impl.preferred = RowKind::library;
      else if (item == "ref")
        impl.preferred = RowKind::ref;
      else
        fail<UsageError>("[impl] '{}' is neither OP=ROW nor one of handwritten, library, ref",
                         item);
      continue;
    }
    const std::string_view op = item.substr(0, equals), row = item.substr(equals + 1);
    const std::vector<std::string> names = row_names(RowTable::find(op));
    if (std::find(names.begin(), names.end(), row) == names.end())
      fail<UsageError>("[impl] {} has no row '{}'; its rows are {}", op, row,
                       fmt::join(names, ", "));
    impl.forced[std::string(op)] = row;
  }
  return impl;
}

void set_impl(Impl impl) { process_impl = std::move(impl); }
const Impl& current_impl() { return thread_impl ? *thread_impl : process_impl; }

ImplScope::ImplScope(std::string_view text) : ImplScope(Impl::parse(text)) {}

ImplScope::ImplScope(const Impl& inner) : outer_(thread_impl) {
  Impl merged = current_impl();
  for (const auto& [op, row] : inner.forced) merged.forced[op] = row;
  if (inner.preferred) merged.preferred = inner.preferred;
  thread_impl = std::move(merged);
}

ImplScope::~ImplScope() { thread_impl = std::move(outer_); }

TrialScope::TrialScope(std::string op, std::string row) {
  trial = Trial{std::move(op), std::move(row)};
}

TrialScope::~TrialScope() { trial.reset(); }

RowTable::RowTable(std::string op) : op_(std::move(op)) {
  const std::scoped_lock lock(table_mutex());
  tables().push_back(this);
}

std::vector<const RowTable*> RowTable::all() {
  const std::scoped_lock lock(table_mutex());
  std::vector<const RowTable*> all(tables().begin(), tables().end());
  std::sort(all.begin(), all.end(), [](auto* a, auto* b) { return a->op() < b->op(); });
  return all;
}

RowTable& RowTable::find(std::string_view op) {
  std::vector<std::string> names;
  for (const RowTable* table : all()) names.push_back(table->op());
  const std::scoped_lock lock(table_mutex());
  for (RowTable* table : tables())
    if (table->op() == op) return *table;
  fail<UsageError>("[impl] no op is called '{}'; the ops are {}", op, fmt::join(names, ", "));
}

std::vector<std::string> RowTable::used() const {
  const std::scoped_lock lock(table_mutex());
  std::vector<std::string> names;
  for (std::size_t i : used_) names.push_back(info(i).name);
  return names;
}

std::vector<std::string> RowTable::contenders_among(const std::vector<std::size_t>& fitting) const {
  const Impl& impl = current_impl();
  if (trial || impl.forced.contains(op_)) return {};
  std::vector<std::string> preferred, faster, all;
  for (const std::size_t i : fitting) {
    const RowInfo& row = info(i);
    if (row.kind == impl.preferred) preferred.push_back(row.name);
    if (row.kind != RowKind::ref) faster.push_back(row.name);
    all.push_back(row.name);
  }
  return !preferred.empty() ? preferred : !faster.empty() ? faster : all;
}

std::size_t RowTable::choose_erased(DeviceType device, DType dtype, const void* context,
                                    Support (*verdict)(const void*, std::size_t),
                                    std::string (*describe)(const void*)) const {
  const Impl& impl = current_impl();
  const auto answer = [&](std::size_t i) {
    if (info(i).device != device)
      return Support::no(fmt::format("runs on {}", to_string(info(i).device)));
    return verdict(context, i);
  };
  const auto kept_call = [&] {
    return KeptCall{op_, describe(context), to_string(dtype), to_string(device)};
  };
  const auto call = [&] { return to_string(kept_call()); };
  const auto all_answers = [&] {
    std::string lines;
    for (std::size_t i = 0; i < size(); ++i) {
      const Support support = answer(i);
      lines += fmt::format("\n  {}: {}", info(i).name, support ? "fits" : support.reason);
    }
    return lines;
  };

  /// The row of that name, if it fits.
  const auto fitting = [&](const std::string& name) {
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < size() && !found; ++i)
      if (name == info(i).name && answer(i)) found = i;
    return found;
  };

  /// The name of the row that is kept for the call and of the kind that is preferred, where there
  /// is such a preference and a row of that kind fits.
  const auto kept_row = [&]() -> std::string {
    const KeptRows* kept = KeptRows::active();
    const std::string name = kept ? kept->row_of(kept_call()) : "";
    if (name.empty() || !impl.preferred) return name;
    std::vector<std::size_t> fits;
    for (std::size_t i = 0; i < size(); ++i)
      if (answer(i)) fits.push_back(i);
    const std::vector<std::string> allowed = contenders_among(fits);
    return std::find(allowed.begin(), allowed.end(), name) == allowed.end() ? "" : name;
  };

  if (trial && trial->op == op_) {
    if (const auto row = fitting(trial->row)) return *row;
    fail("[{}] row '{}' was to be tried but cannot run {}{}", op_, trial->row, call(),
         all_answers());
  }

  std::optional<std::size_t> choice;
  std::string why, refused;
  if (const auto forced = impl.forced.find(op_); forced != impl.forced.end()) {
    choice = fitting(forced->second);
    if (!choice)
      fail<UsageError>("[impl] row '{}' was forced but cannot run {}{}", forced->second, call(),
                       all_answers());
    why = "forced";
  } else if (const std::string kept = kept_row(); !kept.empty()) {
    choice = fitting(kept);
    if (!choice)
      fail<DataError>("[autotune] row '{}' is kept for {} but cannot run it{}", kept, call(),
                      all_answers());
    why = "kept";
  } else {
    std::optional<std::size_t> first;
    for (std::size_t i = 0; i < size() && !choice; ++i) {
      if (const Support support = answer(i); !support) {
        refused += fmt::format("; {}: {}", info(i).name, support.reason);
        continue;
      }
      if (!first) first = i;
      if (!impl.preferred || info(i).kind == *impl.preferred) choice = i;
    }
    why = !impl.preferred ? "first that fits"
          : choice        ? fmt::format("preferred: {}", to_string(*impl.preferred))
                          : fmt::format("no {} row fits", to_string(*impl.preferred));
    if (!choice) choice = first;
    if (!choice) fail("[{}] no row can run {}{}", op_, call(), all_answers());
  }

  const std::scoped_lock lock(table_mutex());
  used_.insert(*choice);
  if (const int level = environment::verbose(); level > 0) {
    const std::string line =
        fmt::format("duet: {} -> {} ({}{})", call(), info(*choice).name, why, refused);
    if (announced_.insert(line).second || level > 1) std::fprintf(stderr, "%s\n", line.c_str());
  }
  return *choice;
}

}  // namespace duet
