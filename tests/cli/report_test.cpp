/// A run's report as a browser shows it, and explained answers.

#include <nlohmann/json.hpp>

#include "apps/data/pairs.h"
#include "apps/data/picture.h"
#include "apps/train/run_report.h"
#include "tests/cli/browser.h"
#include "tests/skip.h"

using namespace duet;
using namespace duet::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

json measured(double accuracy, double uar) {
  return {{"n", 6},
          {"accuracy", accuracy},
          {"uar", uar},
          {"macro_f1", 0.5},
          {"confusion", {{2, 0, 0}, {1, 1, 0}, {0, 0, 2}}}};
}

json intervals() {
  const json group = {
      {"groups", 3}, {"accuracy", {0.5, 0.9}}, {"uar", {0.4, 0.95}}, {"macro_f1", {0.45, 0.9}}};
  return {{"level", 0.95}, {"resamples", 100}, {"speakers", group}, {"persons", group}};
}

json evaluation() {
  json e = measured(0.83333333333333337, 0.81234567890123456);
  e["classes"] = {"negative", "neutral", "positive"};
  e["split"] = "test";
  e["stream"] = "both";
  e["loss"] = 0.7;
  for (const char* name : {"negative", "neutral", "positive"})
    e["per_class"][name] = {{"n", 2}, {"precision", 0.5}, {"recall", 0.75}, {"f1", 0.6}};
  e["calibration"]["ece"] = 0.123456789;
  for (int b = 0; b < 10; ++b)
    e["calibration"]["bins"].push_back({{"from", b / 10.0},
                                        {"to", (b + 1) / 10.0},
                                        {"n", b < 7 ? 0 : 2},
                                        {"confidence", b / 10.0 + 0.05},
                                        {"accuracy", 0.5}});
  e["intervals"] = intervals();
  e["unique_clips"] = 3;
  e["unique_speakers"] = 1;
  e["unique_faces"] = 6;
  e["unique_persons"] = 1;
  e["fingerprint"] = std::string(32, 'a');
  e["split_fingerprint"] = std::string(32, 'b');
  json& controls = e["controls"];
  double value = 0.3;
  for (const char* name :
       {"majority", "face_only", "voice_only", "face_shuffled", "voice_shuffled"}) {
    controls[name] = measured(value, value - 0.01);
    if (std::string(name) != "majority") controls[name]["intervals"] = intervals();
    value += 0.0987654321;
  }
  e["missing"] = {{"face", measured(0.5, 0.45)}, {"voice", measured(0.6, 0.55)}};
  return e;
}

/// A folder with all that a report is made from, but for model and checkpoint. Of the six test
/// pairs two are answered wrongly; the last names a face that is gone.
void write_finished_run(const RunFolder& folder) {
  fs::create_directories(folder.path);
  fs::copy_file(tiny_run() / "config.toml", folder.config());
  std::string metrics;
  for (int epoch = 1; epoch <= 5; ++epoch)
    metrics += json{{"epoch", epoch},
                    {"loss", 1.2 / epoch},
                    {"l2_penalty", 0.1},
                    {"train_accuracy", 0.2 * epoch},
                    {"gradient_norm", 2.0},
                    {"gradient_norm_face", 0.1 * epoch},
                    {"gradient_norm_voice", 2.0 * epoch},
                    {"gradient_norm_joint", 0.5},
                    {"dev_loss", 1.0},
                    {"dev_accuracy", 0.5},
                    {"dev_uar", epoch == 2 ? 0.6 : 0.5}}
                   .dump() +
               "\n";
  write_text(folder.metrics(), metrics);
  write_text(folder.evaluation(), evaluation().dump());
  std::vector<Pair> pairs;
  for (Pair& pair : read_pairs(tiny_run() / "pairs.csv"))
    if (pair.split == "test") pairs.push_back(pair);
  REQUIRE(pairs.size() == 6);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const int answer = i < 2 ? (pairs[i].label + 1) % class_count : pairs[i].label;
    const double sureness = 0.5 + 0.05 * static_cast<double>(i);
    pairs[i].person = "<script>alert(1)</script>";
    pairs[i].other = {{"answer", class_names[answer]}};
    for (int c = 0; c < class_count; ++c)
      pairs[i].other.emplace_back(
          std::string("p_") + class_names[c],
          fmt::format("{:.6f}", c == answer ? sureness : (1 - sureness) / (class_count - 1)));
  }
  pairs.back().face = folder.path / "gone face.png";
  write_pairs(folder.predictions(), pairs);
}

/// What a report should tag with its value.
std::map<std::string, double> expected_values(const json& e) {
  std::map<std::string, double> expected = {{"ece", e["calibration"]["ece"]}, {"n", e["n"]}};
  for (const char* measure : {"accuracy", "uar", "macro_f1"}) expected[measure] = e[measure];
  for (const char* measure : {"accuracy", "uar"})
    for (const char* part : {"controls", "missing"})
      if (e.contains(part))
        for (const auto& [name, figures] : e[part].items())
          expected[fmt::format("{}.{}.{}", part, name, measure)] = figures[measure];
  return expected;
}

std::string report_of(const RunFolder& folder) {
  write_run_report(folder);
  return read_text(folder.report());
}

}  // namespace

TEST_CASE("report: in a browser, every chart has marks and every figure its value") {
  if (chromium().empty()) return skip(no_browser);
  const TemporaryFolder folder;
  const RunFolder run{folder / "run"};
  write_finished_run(run);
  report_of(run);
  const std::string shown = document_of(run.report());

  const Words figures = charts(shown);
  CHECK(figures.size() == 7);
  for (const std::string& figure : figures) {
    CAPTURE(figure);
    CHECK(count(figure, "class=\"mark") > 0);
    CHECK(count(figure, "role=\"img\"") == 1);
    CHECK(count(figure, "<table>") == 1);
  }
  CHECK(tagged(shown) == expected_values(evaluation()));
}

TEST_CASE("report: of a training, as it left its folder") {
  if (chromium().empty()) return skip(no_browser);
  const TemporaryFolder folder;
  const RunFolder run{folder / "run"};
  fs::copy(tiny_run(), run.path);
  report_of(run);
  const std::string shown = document_of(run.report());
  const Words figures = charts(shown);
  CHECK(figures.size() == 7);
  for (const std::string& figure : figures)
    CHECK_MESSAGE(count(figure, "class=\"mark") > 0, figure);
  CHECK(tagged(shown) == expected_values(json::parse(read_text(run.evaluation()))));
  CHECK(count(shown, "<img ") == 12);
}

TEST_CASE("report: a browser tells this test of what a page may not do") {
  if (chromium().empty()) return skip(no_browser);
  const TemporaryFolder folder;
  const RunFolder run{folder / "run"};
  write_finished_run(run);
  std::string html = report_of(run);
  html.insert(html.find("</main>"), "<img src=\"http://127.0.0.1:9/x.png\"><script>1</script>");
  write_text(folder / "page.html", html);
  CHECK(count(browse(folder / "page.html").err, "CONSOLE") == 2);
}

TEST_CASE("report: fits a phone and a desk, and its switch swaps light and dark") {
  if (chromium().empty()) return skip(no_browser);
  const TemporaryFolder folder;
  const RunFolder run{folder / "run"};
  write_finished_run(run);
  std::string html = report_of(run);
  // The page itself may run no script: a copy of it measures.
  const std::size_t policy = html.find("<meta http-equiv=\"Content-Security-Policy\"");
  REQUIRE(policy != std::string::npos);
  html.erase(policy, html.find('>', policy) + 1 - policy);
  html.insert(html.find("</body>"), R"(<p id="measured"></p><script>
const ground = () => getComputedStyle(document.body).backgroundColor;
const first = ground();
document.getElementById('theme').click();
for (const d of document.querySelectorAll('details')) d.open = true;
document.getElementById('measured').textContent =
  [document.documentElement.scrollWidth, innerWidth, first, ground(),
   Math.min(...[...document.images].map(i => i.clientWidth))].join('|');
</script>)");
  write_text(folder / "page.html", html);
  const std::string light = "rgb(255, 255, 255)", dark = "rgb(20, 23, 27)";
  for (const int width : {390, 1280})
    for (const bool prefers_dark : {false, true}) {
      const Ended ended =
          browse(folder / "page.html",
                 {fmt::format("--window-size={},900", width),
                  fmt::format("--blink-settings=preferredColorScheme={}", prefers_dark ? 0 : 1)});
      const std::string begin = "<p id=\"measured\">";
      const std::size_t at = ended.out.find(begin);
      REQUIRE_MESSAGE(at != std::string::npos, to_string(ended));
      const std::string measured =
          ended.out.substr(at + begin.size(), ended.out.find("</p>", at) - at - begin.size());
      CHECK(measured == fmt::format("{}|{}|{}|{}|128", width, width, prefers_dark ? dark : light,
                                    prefers_dark ? light : dark));
    }
}

TEST_CASE(
    "report: shows mistakes first, a file that is gone by its name, and no markup of others") {
  const TemporaryFolder folder;
  const RunFolder run{folder / "run"};
  write_finished_run(run);
  const std::string html = report_of(run);
  CHECK(holds(html, {"Wrong answers: 2 of 6", "gone face.png", "no such file; check the path</div>",
                     "&lt;script&gt;alert(1)", "the model of epoch 2 was kept", "n_mels = 16",
                     std::string(32, 'a')}));
  CHECK(!holds(html, {"<script"}));
  // Six pairs of two pictures, one of which is gone.
  CHECK(count(html, "<img ") == 11);
  CHECK(count(html, "class=\"placeholder\"") == 1);
  CHECK(count(html, "alt=\"\"") == 0);
  // The surer mistake, then the less sure one, then right answers from the least sure one on.
  const std::size_t wrong = html.find("(wrong)"), right = html.find("(right)");
  CHECK(wrong < right);
  CHECK(html.find("(wrong)", right) == std::string::npos);
  const auto at = [&](const char* share) { return html.find(fmt::format("width:{}%", share)); };
  CHECK(at("55.0") < at("50.0"));
  CHECK(at("50.0") < at("60.0"));
  CHECK(at("60.0") < at("75.0"));
  CHECK(at("75.0") != std::string::npos);
  // The tiny corpus's network: 16 × 16, 16 bands.
  CHECK(holds(html, {"Faces are scaled to 16 × 16 pixels here, to 16 × 16 for the network.",
                     "with the front end's 16 bands, which the network gets scaled to 16 × 16"}));

  write_text(run.path / "gone face.png", "this is no picture\n");
  CHECK(holds(report_of(run), {"\"placeholder\">not a picture; JPEG, PNG, BMP"}));
}

TEST_CASE("report: of the streams it says what the norms are and what shuffling costs") {
  const TemporaryFolder folder;
  const RunFolder run{folder / "run"};
  write_finished_run(run);
  // Means of 0.4 and 0.5, 8 and 10; 0.812 less 0.586 and 0.685.
  CHECK(holds(report_of(run),
              {"Which stream is learning?", "Mean over an epoch&#39;s pairs",
               "Over the last 2 epochs, the gradient&#39;s norm is 0.45 for the face and 9 for the "
               "voice on average.",
               "Adam divides a gradient by its running size",
               "With the faces shuffled, UAR falls by 22.6 points. With the voices shuffled, UAR "
               "falls by 12.7 points."}));
  json other = evaluation();
  other["controls"].erase("face_shuffled");
  other["controls"]["voice_shuffled"]["uar"] = other["uar"].get<double>() + 0.011;
  write_text(run.evaluation(), other.dump());
  const std::string rises = report_of(run);
  CHECK(holds(rises, {"With the voices shuffled, UAR rises by 1.1 points."}));
  CHECK(!holds(rises, {"With the faces shuffled"}));
  other.erase("controls");
  write_text(run.evaluation(), other.dump());
  const std::string none = report_of(run);
  CHECK(holds(none, {"0.45 for the face", "shuffled, which this run does not have"}));
  CHECK(!holds(none, {" points."}));
}

TEST_CASE("report: what is not there leaves its part out and says so") {
  const TemporaryFolder folder;
  const RunFolder run{folder / "run"};
  write_finished_run(run);
  json short_one = evaluation();
  for (const char* key : {"controls", "intervals", "calibration", "per_class", "missing"})
    short_one.erase(key);
  write_text(run.evaluation(), short_one.dump());
  CHECK(holds(report_of(run), {"no interval was computed", "Not made for this run: majority",
                               "has no calibration", "has no figures for each class"}));
  for (const fs::path& file : {run.predictions(), run.metrics(), run.evaluation()})
    fs::remove(file);
  CHECK(holds(report_of(run), {"There is no evaluation.json", "There is no metrics.jsonl",
                               "There is no predictions.csv"}));
  write_text(run.evaluation(), "{\"n\": 6, ");
  CHECK(holds(message_of<DataError>([&] { write_run_report(run); }), {"evaluation.json"}));
  fs::remove(run.evaluation());
  write_text(run.metrics(), "no JSON\n");
  CHECK(holds(message_of<DataError>([&] { write_run_report(run); }), {"metrics.jsonl"}));
}

TEST_CASE("infer: an answer explained as a page and as a picture") {
  const TemporaryFolder folder;
  const fs::path html = folder / "why.html", png = folder / "why.png";
  const Words question = {(tiny_run() / "model.safetensors").string(), "--face", a_face().string(),
                          "--voice", a_voice().string()};
  for (const fs::path& target : {html, png}) {
    const Ended ended = infer_mm(question + Words{"--json", "--explain", target.string()});
    REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
    const json answer = json::parse(ended.out);
    if (target != html) continue;
    const std::map<std::string, double> values = tagged(read_text(html));
    CHECK(values.size() == 9);
    for (const auto& [name, p] : answer.at("probabilities").items())
      // Both are the shortest text of one float.
      CHECK(static_cast<float>(values.at("probability." + name)) == p.get<float>());
  }
  const Picture picture = read_picture(png);
  CHECK(picture.width == 4 * 256 + 3 * 8);
  CHECK(picture.height == 256);
  CHECK(temporary_files(folder.path()).empty());
  if (chromium().empty()) return;
  CHECK(count(document_of(html), "<img ") == 4);
}

TEST_CASE("infer: a model that may lack a stream is explained as it answers without it") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run", html = folder / "why.html";
  const Ended trained = train_mm(begin(run, {"--epochs", "2", "--modality-dropout", "0.5"}));
  REQUIRE_MESSAGE(trained.status == 0, to_string(trained));
  const auto ask = [](const fs::path& run, const Words& question) {
    const Ended ended = infer_mm(Words{(run / "model.safetensors").string(), "--json"} + question);
    REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
    return json::parse(ended.out).at("probabilities");
  };
  const Words face = {"--face", a_face().string()}, voice = {"--voice", a_voice().string()},
              explain = {"--explain", html.string()};
  ask(run, face + voice + explain);
  const std::map<std::string, double> values = tagged(read_text(html));
  for (const auto& [metric, question] :
       {std::pair("without_voice.", face), std::pair("without_face.", voice)}) {
    const json answer = ask(run, question);
    for (const auto& [name, p] : answer.items())
      CHECK(static_cast<float>(values.at(metric + name)) == p.get<float>());
  }
  const char *absent = "the network gets none", *zero = "all of its input is zero";
  CHECK(holds(read_text(html), {absent}));
  CHECK(!holds(read_text(html), {zero}));

  // Neither a stream that is the only one given nor another model is left out.
  ask(run, face + explain);
  CHECK(holds(read_text(html), {zero}));
  CHECK(!holds(read_text(html), {absent}));
  ask(tiny_run(), face + voice + explain);
  CHECK(holds(read_text(html), {zero}));
  CHECK(!holds(read_text(html), {absent}));
}

TEST_CASE("infer: a network of one stream is explained by that stream, other endings are refused") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const Ended trained = train_mm(begin(run, {"--stream", "voice", "--epochs", "1"}));
  REQUIRE_MESSAGE(trained.status == 0, to_string(trained));
  const Words question = {(run / "model.safetensors").string(), "--voice", a_voice().string(),
                          "--explain"};
  const Ended ended = infer_mm(question + Words{(folder / "why.html").string()});
  REQUIRE_MESSAGE(ended.status == 0, to_string(ended));
  const std::string html = read_text(folder / "why.html");
  CHECK(holds(html, {"without the voice"}));
  CHECK(!holds(html, {"without the face"}));
  CHECK(count(html, "<img ") == 2);

  const Ended other = infer_mm(question + Words{"why.txt"});
  CHECK(other.status == 2);
  CHECK(holds(other.err, {"why.txt", ".html", ".png"}));
  const Ended table = infer_mm({(run / "model.safetensors").string(), "--pairs",
                                (run / "pairs.csv").string(), "--explain", "why.html"});
  CHECK(table.status == 2);
  CHECK(holds(table.err, {"--explain", "--pairs"}));
}
