#pragma once
/// What a model file says of itself: all that is needed to run it, and to know where it came from.

#include <map>
#include <string>
#include <vector>

#include "apps/cli/config.h"
#include "audio/front_end.h"
#include "layers/two_stream.h"

namespace duet {

/// Per-channel mean and standard deviation of the training inputs, before standardisation.
struct Normalization {
  std::vector<double> face_mean, face_std, voice_mean, voice_std;
};

struct ModelDescription {
  Config config;
  Normalization normalization;
  /// Of the pairs that it was trained and tested on.
  std::string split_fingerprint;
  /// Of the program that wrote the file.
  std::string version;
};

/// The metadata of a model file.
std::map<std::string, std::string> to_metadata(const ModelDescription& description);
/// DataError, naming `source`, when something is missing or malformed.
ModelDescription from_metadata(const std::map<std::string, std::string>& metadata,
                               const std::string& source);

FrontEnd front_end_of(const Config& config);
TwoStreamOptions network_of(const Config& config);
Streams streams_of(const Config& config);
/// UsageError where the device has no rows for it.
Precision precision_of(const Config& config, Device device);

}  // namespace duet
