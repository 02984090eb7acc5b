#include "apps/data/inspect.h"

#include <algorithm>
#include <set>

#include "apps/data/digest.h"
#include "apps/data/picture.h"
#include "apps/data/split.h"
#include "audio/sound.h"
#include "kernels/base/parallel.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

/// What one file turned out to be.
struct Facts {
  std::string refusal, digest;
  std::vector<std::string> warnings;
  int width = 0, height = 0, colours = 0, rate = 0, channels = 0;
  double seconds = 0;
};

Facts look_at(const fs::path& path, Modality modality) {
  Facts facts;
  try {
    facts.digest = digest_hex(read_bytes(path));
    if (modality == Modality::face) {
      Picture picture = read_picture(path);
      facts.width = picture.width;
      facts.height = picture.height;
      facts.colours = picture.file_colours;
      facts.warnings = std::move(picture.warnings);
    } else {
      Sound sound = read_sound(path);
      facts.rate = sound.file_rate;
      facts.channels = sound.file_channels;
      facts.seconds = sound.file_seconds;
      facts.warnings = std::move(sound.warnings);
    }
  } catch (const Error& error) {
    facts.refusal = error.what();
  }
  return facts;
}

/// An error's message without its place and path, which the report gives beside it.
std::string reason_of(std::string message, const fs::path& path) {
  if (const std::size_t at = message.find("] "); message.starts_with('[') && at != message.npos)
    message.erase(0, at + 2);
  const std::string prefix = path.string() + ": ";
  if (message.starts_with(prefix)) message.erase(0, prefix.size());
  return message;
}

InspectedPart inspect_part(const fs::path& where, const Listing& listing, const fs::path& folder,
                           Modality modality) {
  InspectedPart part;
  part.modality = modality;
  part.files = listing.of(modality).size();
  try {
    part.corpus = modality == Modality::face ? read_faces(where) : read_voices(where);
    part.refused = part.corpus.refused;
    part.shared_persons = persons_in_several_splits(part.corpus.items).size();
  } catch (const DataError& error) {
    part.problem = error.what();
    part.corpus.modality = modality;
    part.refused = listing.refused;
    for (const fs::path& file : listing.of(modality))
      part.corpus.items.push_back({folder / file, file.generic_string()});
  }

  const std::vector<Item>& items = part.corpus.items;
  std::vector<Facts> facts(items.size());
  parallel_for(static_cast<std::int64_t>(items.size()), 16, [&](auto begin, auto end) {
    for (auto i = begin; i < end; ++i) facts[i] = look_at(items[i].path, modality);
  });

  std::map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Facts& f = facts[i];
    if (!f.refusal.empty()) {
      part.refused.push_back({items[i].path, reason_of(f.refusal, items[i].path)});
      continue;
    }
    part.warnings.insert(part.warnings.end(), f.warnings.begin(), f.warnings.end());
    if (modality == Modality::face) {
      ++part.sizes[{f.width, f.height}];
      ++part.colours[f.colours];
    } else {
      ++part.rates[f.rate];
      ++part.channels[f.channels];
      part.seconds.push_back(f.seconds);
    }
    const auto [earlier, fresh] = first.emplace(f.digest, i);
    if (fresh) continue;
    const Item& original = items[earlier->second];
    ++part.copies;
    if (original.split != items[i].split || original.label != items[i].label)
      part.misplaced_copies.emplace_back(items[i].name, original.name);
  }
  return part;
}

/// "24 000 Hz: 3, …" of a table of counts.
template <class Counts, class Print>
std::string listed(const Counts& counts, Print&& print) {
  // The commonest first; a long tail is counted.
  std::vector<std::pair<int, std::string>> entries;
  for (const auto& [key, count] : counts) entries.emplace_back(-count, print(key));
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  constexpr std::size_t shown = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(shown, entries.size()); ++i)
    text += fmt::format("{}{} ({})", i ? ", " : "", entries[i].second, -entries[i].first);
  if (entries.size() > shown) text += fmt::format(", and {} others", entries.size() - shown);
  return text;
}

std::string line(std::string_view name, std::string_view text) {
  return fmt::format("  {:<18}{}\n", name, text);
}

void print_classes(std::string& out, const std::vector<Item>& items) {
  std::map<std::string, std::array<int, class_count>> rows;
  std::array<int, class_count> all{};
  for (const Item& item : items) {
    ++rows[item.split][item.label];
    ++all[item.label];
  }
  out += fmt::format("  {:<18}", "class");
  for (const char* name : class_names) out += fmt::format("{:>10}", name);
  out += fmt::format("{:>10}\n", "all");
  const auto row = [&](std::string_view name, const std::array<int, class_count>& counts) {
    out += fmt::format("  {:<18}", name);
    for (const int count : counts) out += fmt::format("{:>10}", count);
    out += fmt::format("{:>10}\n", counts[0] + counts[1] + counts[2]);
  };
  if (rows.size() > 1)
    for (const char* split : {"train", "dev", "test", ""})
      if (rows.contains(split)) row(*split ? split : "no split", rows[split]);
  row("all", all);
}

void print_persons(std::string& out, const Corpus& corpus) {
  const char* what = corpus.modality == Modality::face ? "persons" : "speakers";
  if (!corpus.persons_known) {
    out += fmt::format("  {:<18}not known\n", what);
    return;
  }
  std::map<std::string, std::array<int, class_count>> counts;
  std::map<std::string, std::set<std::string>> by_split;
  for (const Item& item : corpus.items) {
    ++counts[item.person][item.label];
    by_split[item.split].insert(item.person);
  }
  std::vector<int> sums;
  for (const auto& [person, c] : counts) sums.push_back(c[0] + c[1] + c[2]);
  std::sort(sums.begin(), sums.end());
  out += fmt::format("  {:<18}{}, with {} to {} files each, median {}", what, counts.size(),
                     sums.front(), sums.back(), sums[sums.size() / 2]);
  if (by_split.size() > 1)
    for (const auto& [split, persons] : by_split)
      out += fmt::format("; {} in {}", persons.size(), split.empty() ? "no split" : split);
  out += "\n";
  if (counts.size() > 30) return;
  for (const auto& [person, c] : counts)
    out += fmt::format("  {:<18}{:>10}{:>10}{:>10}{:>10}\n", person, c[0], c[1], c[2],
                       c[0] + c[1] + c[2]);
}

void print_part(std::string& out, const InspectedPart& part) {
  const bool faces = part.modality == Modality::face;
  const Corpus& corpus = part.corpus;
  out += fmt::format("{} {}\n", part.files, faces ? "pictures" : "sounds");
  if (part.problem.empty()) {
    out += fmt::format("  {:<18}{}\n", "corpus", corpus.name);
    print_classes(out, corpus.items);
    print_persons(out, corpus);
    for (const auto& [reason, count] : corpus.unused)
      out += fmt::format("  {:<18}{} {}\n", "not used", count, reason);
  } else {
    out += line("corpus", "none: " + part.problem);
  }
  if (!part.seconds.empty()) {
    std::vector<double> sorted = part.seconds;
    std::sort(sorted.begin(), sorted.end());
    out += fmt::format("  {:<18}{:.2f} to {:.2f} s, median {:.2f} s\n", "duration", sorted.front(),
                       sorted.back(), sorted[sorted.size() / 2]);
    out += fmt::format("  {:<18}{}\n", "rate",
                       listed(part.rates, [](int hz) { return fmt::format("{} Hz", hz); }));
    out += fmt::format("  {:<18}{}\n", "channels",
                       listed(part.channels, [](int n) { return fmt::format("{}", n); }));
  }
  if (!part.sizes.empty()) {
    out += fmt::format("  {:<18}{}\n", "size", listed(part.sizes, [](const auto& size) {
                         return fmt::format("{}×{}", size.first, size.second);
                       }));
    out += fmt::format("  {:<18}{}\n", "colours", listed(part.colours, [](int n) {
                         return std::string(n == 1 ? "grey" : n == 3 ? "RGB" : "CMYK");
                       }));
  }
  if (part.copies)
    out += line("copies", fmt::format("{} files hold the bytes of another, {} of them in another "
                                      "split or class",
                                      part.copies, part.misplaced_copies.size()));
  for (const auto& [copy, original] : part.misplaced_copies)
    out += fmt::format("    {} = {}\n", copy, original);
  if (part.shared_persons)
    out += fmt::format("  {:<18}{} persons are in more than one part of the corpus's own split\n",
                       "shared", part.shared_persons);
  for (const std::string& warning : corpus.warnings)
    out += fmt::format("  {:<18}{}\n", "warning", warning);
  for (const std::string& warning : part.warnings)
    out += fmt::format("  {:<18}{}\n", "warning", warning);
  out += fmt::format("  {:<18}{}\n", "refused", part.refused.size());
  for (const Refusal& refusal : part.refused)
    out += fmt::format("    {}: {}\n", refusal.path.string(), refusal.reason);
}

}  // namespace

Inspection inspect(const fs::path& where) {
  std::error_code error;
  const bool table =
      fs::is_regular_file(where, error) && lower_case(where.extension().string()) == ".csv";
  const fs::path folder = !table                    ? where
                          : where.has_parent_path() ? where.parent_path()
                                                    : fs::path(".");
  const Listing listing = list_media(folder);
  Inspection inspection{where, {}};
  for (const Modality modality : {Modality::face, Modality::voice})
    if (!listing.of(modality).empty())
      inspection.parts.push_back(inspect_part(where, listing, folder, modality));
  if (inspection.parts.empty())
    fail<DataError>("[inspect] {}: neither pictures ({}) nor sounds ({}); name a corpus's folder",
                    where.string(), known_extensions(Modality::face),
                    known_extensions(Modality::voice));
  return inspection;
}

std::string to_string(const Inspection& inspection) {
  std::string out = fmt::format("{}\n", inspection.where.string());
  for (const InspectedPart& part : inspection.parts) print_part(out, part);
  return out;
}

}  // namespace duet
