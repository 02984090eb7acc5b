#pragma once
/// The synthetic corpus behind `train_mm --demo`: drawn masked faces and spoken formant voices.
///
/// Neither stream suffices alone, by construction. What a picture shows of its class is one bit, a
/// frown or none; what a voice tells of it is one bit, aroused or calm (the mask hides the mouth,
/// and voices tell arousal better than valence):
///
///     class      face       voice
///     negative   frown      aroused
///     neutral    no frown   calm
///     positive   no frown   aroused
///
/// Pictures of neutral and positive come from the same distribution, clips of negative and positive
/// too. Whatever a classifier answers on two classes it cannot tell apart, its rates of right
/// answers on the two add up to at most 1; so with equal class counts, on people it has never seen,
/// its expected accuracy and unweighted average recall are at most
///
///     one stream:  (1 + 1) / 3 = 2/3        both streams:  (1 + 1 + 1) / 3 = 1
///
/// On a test set with m pictures in each class, the right answers on the two classes scatter as 2 m
/// tosses of a coin do at most, so a stream's accuracy has a standard deviation of up to
/// sqrt(m / 2) / (3 m) around that limit by luck: 3.7 points with the 40 pictures of the defaults.

#include <cstdint>
#include <filesystem>

namespace duet {

struct DemoOptions {
  std::uint64_t seed = 1;
  int train_persons = 100;
  int test_persons = 20;
  /// Pictures of each person in each class: the defaults give 200 for training (development
  /// included) and 40 for test in each class.
  int faces_per_class = 2;
  /// Side of the pictures, in pixels.
  int image_size = 96;
  /// At most 99. Their split is the reader's.
  int speakers = 40;
  /// Clips of each speaker in each class.
  int clips_per_class = 4;
};

/// Writes the corpus, the same bytes for the same options (same binary, any number of threads):
///
///     dir/faces/{train,test}/{negative,neutral,positive}/Drawn_PPP_NNNN.png      RGB
///     dir/voices/Actor_AA/03-01-EE-01-SS-RR-AA.wav      16 kHz, mono, 16-bit PCM, 1.5 to 2.6 s
///
/// PPP is the person (train and test share none, each has all three classes), NNNN counts a
/// person's pictures. The voices are named as RAVDESS names them: EE emotion (01 neutral, 03 happy,
/// 05 angry), SS sentence, RR repetition, AA actor. Folders named `faces` and `voices` appear when
/// they are complete, never before; UsageError when one is there already or an option is out of
/// range.
void write_demo(const std::filesystem::path& dir, const DemoOptions& options = {});

}  // namespace duet
