#include "apps/train/evaluate_run.h"

#include "apps/report/evaluation.h"
#include "apps/report/predictions.h"
#include "apps/train/controls.h"
#include "apps/train/run_events.h"
#include "apps/train/run_pairs.h"
#include "apps/train/run_report.h"
#include "engine/atomic_file.h"

namespace duet {
namespace {

using nlohmann::ordered_json;

ordered_json control_json(const Answers& answers) {
  ordered_json json = figures_json(metrics_of(answers));
  json["intervals"] = intervals_json(answers);
  return json;
}

/// "0.7451 [0.610, 0.820]"
std::string with_interval(const ordered_json& of, const char* key) {
  const std::string text = fmt::format("{:.4f}", of.at(key).get<double>());
  const std::optional<Interval> interval = widest_interval(of, key);
  return interval ? fmt::format("{} [{:.3f}, {:.3f}]", text, interval->low, interval->high) : text;
}

void print(const ordered_json& json, Progress& progress) {
  const auto count = [&](const char* key) { return json.at(key).get<std::int64_t>(); };
  progress.line(fmt::format("test: {} pairs of {} faces ({} persons) and {} clips ({} speakers)",
                            count("n"), count("unique_faces"), count("unique_persons"),
                            count("unique_clips"), count("unique_speakers")));
  const auto row = [&](std::string name, const ordered_json& of) {
    std::replace(name.begin(), name.end(), '_', ' ');
    progress.line(fmt::format("{:>15}  accuracy {:23}  UAR {:23}  macro F1 {}", name,
                              with_interval(of, "accuracy"), with_interval(of, "uar"),
                              with_interval(of, "macro_f1")));
  };
  const std::string stream = json.at("stream");
  row(stream == "both" ? "fused" : stream + " alone", json);
  if (json.contains("controls"))
    for (const auto& [name, control] : json.at("controls").items()) row(name, control);
  if (json.contains("missing"))
    for (const auto& [name, without] : json.at("missing").items()) row(name + " missing", without);
  progress.line(fmt::format("{:>15} {:>9} {:>9} {:>9}   <- answered", "", class_names[0],
                            class_names[1], class_names[2]));
  for (int t = 0; t < class_count; ++t) {
    const ordered_json& answered = json.at("confusion").at(t);
    progress.line(fmt::format("{:>15} {:>9} {:>9} {:>9}", class_names[t],
                              answered[0].get<std::int64_t>(), answered[1].get<std::int64_t>(),
                              answered[2].get<std::int64_t>()));
  }
}

class Evaluator {
 public:
  Evaluator(const Config& config, Device device, const RunFolder& folder, Progress& progress)
      : config_(config), device_(device), folder_(folder) {
    if (!exists(folder.model()))
      fail<DataError>("{}: no model yet; train_mm --resume {} goes on with the training",
                      folder.model().string(), folder.path.string());
    if (config.autotune) autotune_.emplace(folder.autotune());
    pairs_ = run_pairs(config, folder, progress).pairs;
    test_ = pairs_of_split(pairs_, "test");
    model_ = load(folder);
    samples_ = make_samples(*model_);
  }

  ordered_json evaluate_all(bool finished) {
    const Answers answers = ask(*model_);
    write_predictions(folder_.predictions(), answers);
    ordered_json json;
    json["classes"] = class_names;
    json["split"] = "test";
    json["stream"] = config_.stream;
    json["finished"] = finished;
    json.update(evaluation_json(answers));
    std::vector<Pair> asked;
    for (const std::size_t i : test_) asked.push_back(pairs_[i]);
    json["fingerprint"] = split_fingerprint(asked);
    json["split_fingerprint"] = model_->description.split_fingerprint;
    if (config_.controls != "none") json["controls"] = controls(metrics_of(answers));
    if (model_->may_lack_a_stream())
      json["missing"] = {{"face", control_json(ask(*model_, Streams::voice))},
                         {"voice", control_json(ask(*model_, Streams::face))}};
    return json;
  }

 private:
  std::unique_ptr<Model> load(const RunFolder& folder) const {
    auto model = Model::load(folder.model(), device_, precision_of(config_, device_));
    if (model->description.split_fingerprint != split_fingerprint(pairs_))
      fail<DataError>("{}: was trained on other pairs than {} now lists; restore that file",
                      folder.model().string(), folder_.pairs().string());
    return model;
  }

  int workers() const { return static_cast<int>(config_.workers); }
  Answers ask(Model& model, Streams streams = Streams::both) {
    return evaluate(model, *samples_, pairs_, test_, workers(), streams);
  }

  ordered_json controls(const Metrics& fused) {
    ordered_json json;
    json["majority"] = figures_json(fused.majority());
    if (config_.stream != "both") return json;
    for (const Modality modality : {Modality::face, Modality::voice}) {
      const std::string stream = modality == Modality::face ? "face" : "voice";
      const RunFolder own{folder_.control(stream)};
      if (control_is_there(config_, folder_, stream)) {
        const std::unique_ptr<Model> single = load(own);
        ordered_json& only = json[stream + "_only"] = control_json(ask(*single));
        only["run"] = own.path.lexically_relative(folder_.path).generic_string();
      }
    }
    for (const Modality modality : {Modality::face, Modality::voice}) {
      ordered_json& shuffled =
          json[modality == Modality::face ? "face_shuffled" : "voice_shuffled"] = control_json(
              answers_when_shuffled(*model_, *samples_, pairs_, test_, modality, workers()));
      shuffled["rounds"] = shuffle_rounds;
    }
    return json;
  }

  const Config& config_;
  Device device_;
  const RunFolder& folder_;
  std::optional<Autotune> autotune_;
  std::vector<Pair> pairs_;
  std::vector<std::size_t> test_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Samples> samples_;
};

/// Writes all that is known of the run now.
void write_evaluation(const Config& config, Device device, const RunFolder& folder, bool finished,
                      Progress& progress) {
  const ordered_json json = Evaluator(config, device, folder, progress).evaluate_all(finished);
  write_file_atomically(folder.evaluation(), json.dump(2) + "\n");
  write_run_report(folder);
  if (config.tensorboard) {
    EventLog log(folder.path);
    write_test_events(log, folder, config);
  }
  print(json, progress);
}

}  // namespace

bool evaluate_run(const Config& config, Device device, const RunFolder& folder, bool finished,
                  Progress& progress) {
  write_evaluation(config, device, folder, finished, progress);
  if (config.controls != "all" || config.stream != "both") return true;
  bool trained = false;
  for (const char* stream : {"face", "voice"}) {
    if (control_is_there(config, folder, stream)) continue;
    if (train_control(config, device, folder, stream, progress) == Trainer::Outcome::interrupted)
      return false;
    evaluate_run(control_config(config, folder, stream), device, {folder.control(stream)}, true,
                 progress);
    trained = true;
  }
  if (trained) write_evaluation(config, device, folder, finished, progress);
  return true;
}

}  // namespace duet
