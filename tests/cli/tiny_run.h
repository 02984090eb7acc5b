#pragma once
/// The smallest corpora and networks that the programs train in a moment, and the programs at work
/// on them.

#include <doctest/doctest.h>

#include "tests/cli/process.h"
#include "tests/temporary_folder.h"

namespace duet::test {

using Words = std::vector<std::string>;

/// Six persons and six speakers, each in all three classes: `faces/CLASS/Person_A_0001.png` and
/// RAVDESS names in `voices`. 24 training pairs, 6 of dev, 6 of test.
struct TinyCorpus {
  std::filesystem::path faces, voices;
};
void write_tiny_corpus(const std::filesystem::path& folder);
/// The same for all tests of this program.
const TinyCorpus& tiny_corpus();
/// One face and one voice of it.
std::filesystem::path a_face();
std::filesystem::path a_voice();

/// Steps of an epoch over the tiny corpus, by the batch size of tiny_options().
constexpr int tiny_steps = 6;
/// What makes a training take a moment.
Words tiny_options();

Words operator+(Words a, const Words& b);

Ended train_mm(const Words& arguments, const Process::Options& options = {});
Ended infer_mm(const Words& arguments, const Process::Options& options = {});

/// `train_mm --out run` on the tiny corpus, with tiny_options() but for those that `more` names.
Words begin(const std::filesystem::path& run, const Words& more = {});
Words begin_on(const TinyCorpus& corpus, const std::filesystem::path& run, const Words& more = {});
Words resume(const std::filesystem::path& run, const Words& more = {});

/// The model of a training of three epochs, the same for all tests of this program.
const std::filesystem::path& tiny_run();

/// Whether `text` holds all of the parts.
bool holds(const std::string& text, const Words& parts);
/// Files below a folder whose names end in .tmp.
Words temporary_files(const std::filesystem::path& folder);
std::vector<std::string> lines_of(const std::string& text);

}  // namespace duet::test
