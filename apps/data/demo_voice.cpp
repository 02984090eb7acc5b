#include "apps/data/demo_voice.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace duet::demo {
namespace {

constexpr double pi = 3.14159265358979323846;
constexpr int hop = 80;  // samples a control frame: 5 ms
constexpr double frame_seconds = static_cast<double>(hop) / voice_rate;

/// What the tract does during one control frame.
struct Control {
  double semitones = 0;  // above the pitch at rest
  double voiced = 0;     // amplitude of the pulse train
  double hiss = 0;       // amplitude of noise that does not pass the tract
  double hiss_centre = 4000;
  std::array<double, 3> formant{500, 1500, 2500};  // Hz, for tract = 1
};

enum class Onset { none, stop, fricative, nasal, glide };
struct Syllable {
  Onset onset;
  int vowel;
  bool stressed;
  bool word_end;
};

/// First three resonances in Hz of the vowels in "see", "bed", "father", "saw", "boot", "sun" for a
/// man's tract, rounded from Peterson and Barney, "Control methods used in a study of the vowels",
/// JASA 24, 1952.
constexpr std::array<std::array<double, 3>, 6> vowels{{{270, 2290, 3010},
                                                       {530, 1840, 2480},
                                                       {730, 1090, 2440},
                                                       {570, 840, 2410},
                                                       {300, 870, 2240},
                                                       {640, 1190, 2390}}};

Syllable draw_syllable(RandomSequence& random) {
  Syllable s;
  s.onset = static_cast<Onset>(random.below(5));
  s.vowel = static_cast<int>(random.below(vowels.size()));
  s.stressed = random.below(5) < 2;
  s.word_end = random.below(3) == 0;
  return s;
}

/// How a clip is spoken: the cues of the class with their spread.
struct Manner {
  double lift;      // semitones above rest
  double accent;    // semitones of a stressed syllable
  double syllable;  // seconds
  double corner;    // Hz: above it the source falls by a further 12 dB an octave
  double hiss;      // amplitude of consonants against vowels
};
Manner draw_manner(bool aroused, RandomSequence& random) {
  Manner m;
  m.lift = aroused ? random.uniform(4, 8) : random.uniform(-1.5, 0.5);
  m.accent = aroused ? random.uniform(4, 7) : random.uniform(0.3, 1.2);
  m.syllable = aroused ? random.uniform(0.13, 0.17) : random.uniform(0.27, 0.34);
  m.corner = aroused ? random.uniform(5000, 7000) : random.uniform(400, 700);
  m.hiss = aroused ? 1.2 : 0.4;
  return m;
}

/// The control frames of one syllable, appended.
void articulate(const Syllable& s, double seconds, double accent, std::vector<Control>& track) {
  const int frames = std::max(10, static_cast<int>(std::lround(seconds / frame_seconds)));
  const int onset = s.onset == Onset::none ? 0 : std::max(5, frames * 3 / 10);
  for (int i = 0; i < frames; ++i) {
    Control c;
    c.formant = vowels[s.vowel];
    c.semitones = s.stressed ? accent * std::sin(pi * (i + 0.5) / frames) : 0;
    c.voiced = s.stressed ? 1.0 : 0.75;
    if (i < onset) switch (s.onset) {
        case Onset::stop:
          c.voiced = 0;
          c.hiss = i >= onset - 2 ? 0.5 : 0;
          c.hiss_centre = s.vowel % 2 == 0 ? 3500 : 1800;
          break;
        case Onset::fricative:
          c.voiced = 0;
          c.hiss = 0.3;
          c.hiss_centre = s.vowel % 2 == 0 ? 5800 : 3200;
          break;
        case Onset::nasal:
          c.voiced = 0.4;
          c.formant = {250, 1100, 2200};
          break;
        case Onset::glide:
          c.voiced = 0.6;
          c.formant = {300, s.vowel % 2 == 0 ? 2100.0 : 700.0, 2400};
          break;
        case Onset::none: break;
      }
    if (i >= frames - 2) c.voiced *= 0.6;
    track.push_back(c);
  }
}

/// Mean over a window of 2·reach + 1 frames: tongue and vocal folds are not quicker.
template <class Field>
void smooth(std::vector<Control>& track, int reach, Field&& field) {
  const int n = static_cast<int>(track.size());
  std::vector<double> before(track.size());
  for (int i = 0; i < n; ++i) before[i] = field(track[i]);
  for (int i = 0; i < n; ++i) {
    double sum = 0;
    for (int j = i - reach; j <= i + reach; ++j) sum += before[std::clamp(j, 0, n - 1)];
    field(track[i]) = sum / (2 * reach + 1);
  }
}

/// Two poles: y[n] = a x[n] + b y[n-1] + c y[n-2], gain 1 at 0 Hz (Klatt, "Software for a
/// cascade/parallel formant synthesizer", JASA 67, 1980, equations 1 and 2).
class Resonator {
 public:
  void tune(double centre, double bandwidth) {
    c_ = -std::exp(-2 * pi * bandwidth / voice_rate);
    b_ = 2 * std::exp(-pi * bandwidth / voice_rate) * std::cos(2 * pi * centre / voice_rate);
    a_ = 1 - b_ - c_;
  }
  double operator()(double x) {
    const double y = a_ * x + b_ * y1_ + c_ * y2_;
    y2_ = y1_;
    return y1_ = y;
  }

 private:
  double a_ = 1, b_ = 0, c_ = 0, y1_ = 0, y2_ = 0;
};

std::vector<Control> plan(const Speaker& speaker, RandomSequence& sentence, const Manner& manner,
                          RandomSequence& random) {
  const auto frames = static_cast<std::size_t>(random.uniform(1.5, 2.6) / frame_seconds);
  std::vector<Control> track;
  const auto rest = [&](std::size_t end) {
    Control silence;
    if (!track.empty()) silence.formant = track.back().formant;
    track.resize(std::max(end, track.size()), silence);
  };
  rest(static_cast<std::size_t>(random.uniform(0.05, 0.15) / frame_seconds));
  for (;;) {
    const Syllable s = draw_syllable(sentence);
    const double length =
        manner.syllable * speaker.tempo * random.uniform(0.85, 1.15) * (s.stressed ? 1.15 : 1.0);
    if (static_cast<double>(track.size()) + (length + 0.06) / frame_seconds >
        static_cast<double>(frames))
      break;
    articulate(s, length, manner.accent, track);
    if (s.word_end && random.below(2) == 0)
      rest(track.size() + static_cast<std::size_t>(0.3 * manner.syllable / frame_seconds));
  }
  rest(frames);
  track.resize(frames);

  // The melody of the whole phrase: falling, rising or arched, as large as the accents.
  const std::uint32_t melody = random.below(3);
  for (std::size_t i = 0; i < track.size(); ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(track.size());
    const double shape = melody == 0 ? 0.5 - t : melody == 1 ? t - 0.5 : std::sin(pi * t) - 0.6;
    track[i].semitones += manner.lift + 0.7 * manner.accent * shape;
  }
  smooth(track, 3, [](Control& c) -> double& { return c.semitones; });
  smooth(track, 1, [](Control& c) -> double& { return c.voiced; });
  smooth(track, 1, [](Control& c) -> double& { return c.hiss; });
  for (int k = 0; k < 3; ++k) smooth(track, 4, [k](Control& c) -> double& { return c.formant[k]; });
  return track;
}

}  // namespace

Speaker draw_speaker(RandomSequence& random) {
  Speaker s;
  const bool high = random.below(2) == 1;
  s.pitch = high ? random.uniform(165, 230) : random.uniform(90, 140);
  s.tract = high ? random.uniform(1.1, 1.22) : random.uniform(0.95, 1.07);
  s.tempo = random.uniform(0.92, 1.08);
  s.open_quotient = random.uniform(0.5, 0.75);
  s.breath = random.uniform(0.01, 0.03);
  s.jitter = random.uniform(0.004, 0.015);
  s.tilt = random.uniform(0.9, 1.1);
  return s;
}

std::vector<std::int16_t> speak(const Speaker& speaker, RandomSequence sentence, bool aroused,
                                RandomSequence& random) {
  const Manner manner = draw_manner(aroused, random);
  const std::vector<Control> track = plan(speaker, sentence, manner, random);
  const double floor = std::pow(10.0, -random.uniform(50, 60) / 20);  // share of the voice's level

  std::array<Resonator, 5> tract;
  tract[3].tune(std::min(7000.0, 3500 * speaker.tract), 250);
  tract[4].tune(std::min(7500.0, 4500 * speaker.tract), 300);
  Resonator hiss_filter;
  const double keep = std::exp(-2 * pi * manner.corner * speaker.tilt / voice_rate);
  double phase = 0, period_factor = 1, once = 0, twice = 0;
  std::vector<double> wave, hiss;
  for (const Control& c : track) {
    for (int k = 0; k < 3; ++k) tract[k].tune(c.formant[k] * speaker.tract, 60 + 30 * k);
    hiss_filter.tune(c.hiss_centre, 1200);
    const double pitch = speaker.pitch * std::exp2(c.semitones / 12);
    for (int i = 0; i < hop; ++i) {
      phase += pitch * period_factor / voice_rate;
      if (phase >= 1) {
        phase -= 1;
        period_factor = 1 + speaker.jitter * random.normal();
      }
      // Derivative of the flow t² - t³ of the KLGLOTT88 source (Klatt and Klatt, JASA 87, 1990).
      const double t = phase / speaker.open_quotient;
      const double pulse = t < 1 ? 2 * t - 3 * t * t : 0;
      const double noise = random.uniform(-1, 1);
      const double source = c.voiced * (pulse + speaker.breath * noise * (t < 1 ? 1.0 : 0.4));
      once += (1 - keep) * (source - once);
      twice += (1 - keep) * (once - twice);
      double y = twice;
      for (Resonator& resonator : tract) y = resonator(y);
      wave.push_back(y);
      hiss.push_back(hiss_filter(c.hiss * random.uniform(-1, 1)));
    }
  }

  const auto root_mean_square = [](const std::vector<double>& x) {
    double sum = 0;
    for (const double v : x) sum += v * v;
    return std::sqrt(sum / static_cast<double>(x.size()));
  };
  // Hiss against voice, whatever the source's tilt has left of the voice.
  const double voiced = root_mean_square(wave);
  for (std::size_t i = 0; i < wave.size(); ++i) wave[i] += manner.hiss * voiced * hiss[i];
  const double amplitude = floor * std::sqrt(3.0) * root_mean_square(wave);
  for (double& v : wave) v += amplitude * random.uniform(-1, 1);
  const double gain = voice_rms / root_mean_square(wave);
  std::vector<std::int16_t> samples(wave.size());
  for (std::size_t i = 0; i < wave.size(); ++i)
    samples[i] = static_cast<std::int16_t>(
        std::lround(std::clamp(32768 * gain * wave[i], -32768.0, 32767.0)));
  return samples;
}

}  // namespace duet::demo
