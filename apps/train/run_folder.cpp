#include "apps/train/run_folder.h"

#include <nlohmann/json.hpp>

#include "engine/atomic_file.h"

namespace duet {

bool RunFolder::has_trained() const {
  return exists(last()) || exists(RunFolder{pretrained("face")}.last()) ||
         exists(RunFolder{pretrained("voice")}.last());
}

bool RunFolder::finished() const {
  if (!exists(evaluation())) return false;
  const nlohmann::json json = nlohmann::json::parse(read_file(evaluation()), nullptr, false);
  return json.is_object() && json.value("finished", false);
}

}  // namespace duet
