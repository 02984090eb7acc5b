#include "apps/train/evaluate.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/train/batches.h"

namespace duet {

std::vector<std::size_t> pairs_of_split(const std::vector<Pair>& pairs, const std::string& split) {
  std::vector<std::size_t> which;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (pairs[i].split == split) which.push_back(i);
  return which;
}

Evaluation evaluate(Model& model, Samples& samples, const std::vector<Pair>& pairs,
                    const std::vector<std::size_t>& which, int workers) {
  Evaluation evaluation;
  std::set<std::string> clips, faces, speakers, persons;
  const auto insert = [](std::set<std::string>& set, const std::string& value) {
    if (!value.empty()) set.insert(value);
  };
  BatchPlan plan{&pairs, which};
  plan.batch_size = model.config().batch_size;
  plan.faces = model.sees_faces();
  plan.voices = model.hears_voices();
  plan.dtype = model.dtype();
  Batches batches(samples, std::move(plan), workers);
  while (const std::optional<Batch> batch = batches.next()) {
    const Tensor probabilities = model.probabilities(batch->raw);
    for (std::size_t i = 0; i < batch->pairs.size(); ++i) {
      const Pair& pair = pairs[batch->pairs[i]];
      const float* row = probabilities.data<float>() + i * class_count;
      evaluation.metrics.add(pair.label,
                             static_cast<int>(std::max_element(row, row + class_count) - row));
      // A probability that rounds to zero counts as the smallest float.
      evaluation.loss -= std::log(std::max(static_cast<double>(row[pair.label]), 0x1p-149));
      std::array<float, class_count> kept{};
      std::copy_n(row, class_count, kept.begin());
      evaluation.probabilities.push_back(kept);
      if (model.hears_voices()) insert(clips, pair.voice.string()), insert(speakers, pair.speaker);
      if (model.sees_faces()) insert(faces, pair.face.string()), insert(persons, pair.person);
    }
  }
  if (!which.empty()) evaluation.loss /= static_cast<double>(which.size());
  evaluation.unique_clips = clips.size();
  evaluation.unique_faces = faces.size();
  evaluation.unique_speakers = speakers.size();
  evaluation.unique_persons = persons.size();
  return evaluation;
}

std::string to_json(const Evaluation& e, const std::string& split, const std::string& stream,
                    const std::string& fingerprint) {
  const Metrics& m = e.metrics;
  nlohmann::ordered_json json;
  json["classes"] = class_names;
  json["split"] = split;
  json["stream"] = stream;
  json["n"] = m.count();
  json["accuracy"] = m.accuracy();
  json["uar"] = m.uar();
  json["macro_f1"] = m.macro_f1();
  json["loss"] = e.loss;
  json["confusion"] = m.confusion();
  for (int c = 0; c < class_count; ++c)
    json["per_class"][class_names[c]] = {
        {"precision", m.precision(c)}, {"recall", m.recall(c)}, {"f1", m.f1(c)}};
  json["majority"] = m.majority();
  json["unique_clips"] = e.unique_clips;
  json["unique_speakers"] = e.unique_speakers;
  json["unique_faces"] = e.unique_faces;
  json["unique_persons"] = e.unique_persons;
  json["split_fingerprint"] = fingerprint;
  return json.dump(2) + "\n";
}

}  // namespace duet
