#include "apps/train/evaluate.h"

#include "apps/train/batches.h"

namespace duet {

std::vector<std::size_t> pairs_of_split(const std::vector<Pair>& pairs, const std::string& split) {
  std::vector<std::size_t> which;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (pairs[i].split == split) which.push_back(i);
  return which;
}

Answers evaluate(Model& model, Samples& samples, const std::vector<Pair>& pairs,
                 const std::vector<std::size_t>& which, int workers, Streams streams) {
  Answers answers;
  BatchPlan plan{&pairs, which};
  plan.batch_size = model.config().batch_size;
  plan.faces = model.sees_faces() && streams != Streams::voice;
  plan.voices = model.hears_voices() && streams != Streams::face;
  plan.dtype = model.dtype();
  plan.device = model.device();
  const bool faces = plan.faces, voices = plan.voices;
  Batches batches(samples, std::move(plan), workers);
  while (const std::optional<Batch> batch = batches.next()) {
    const Tensor probabilities = model.probabilities(raw_inputs(*batch, 0, model.device()));
    for (std::size_t i = 0; i < batch->pairs.size(); ++i) {
      Answer answer{pairs[batch->pairs[i]]};
      if (!faces) answer.pair.face.clear(), answer.pair.person.clear();
      if (!voices) {
        answer.pair.voice.clear();
        answer.pair.speaker.clear(), answer.pair.text.clear();
      }
      std::copy_n(probabilities.data<float>() + i * class_count, class_count,
                  answer.probabilities.begin());
      answers.push_back(std::move(answer));
    }
  }
  return answers;
}

}  // namespace duet
