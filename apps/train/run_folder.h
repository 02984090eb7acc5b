#pragma once
/// The files of a run.

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>

namespace duet {

struct RunFolder {
  std::filesystem::path path;

  std::filesystem::path config() const { return path / "config.toml"; }
  std::filesystem::path pairs() const { return path / "pairs.csv"; }
  std::filesystem::path metrics() const { return path / "metrics.jsonl"; }
  std::filesystem::path model() const { return path / "model.safetensors"; }
  std::filesystem::path last() const { return path / "last.safetensors"; }
  std::filesystem::path evaluation() const { return path / "evaluation.json"; }
  /// The test pairs with the best model's answers.
  std::filesystem::path predictions() const { return path / "predictions.csv"; }
  std::filesystem::path report() const { return path / "report.html"; }
  /// A run of one stream ("face", "voice") alone, on the same pairs.
  std::filesystem::path control(const std::string& stream) const {
    return path / "controls" / stream;
  }
  /// The same, before both were trained together.
  std::filesystem::path pretrained(const std::string& stream) const {
    return path / "pretrained" / stream;
  }
  /// The rows that were chosen by measuring.
  std::filesystem::path autotune() const { return path / "autotune.jsonl"; }
  std::filesystem::path demo() const { return path / "demo"; }
  /// The model of one epoch, where past ones are kept.
  std::filesystem::path epoch_model(std::int64_t epoch) const {
    return path / fmt::format("epoch-{:04}.safetensors", epoch);
  }

  /// Whether a run was begun here.
  bool holds_run() const { return std::filesystem::exists(config()); }
  /// Whether it, or a stream of it beforehand, has trained anything that is kept.
  bool has_trained() const;
  /// Whether its training came to its end and was evaluated after that.
  bool finished() const;
};

}  // namespace duet
