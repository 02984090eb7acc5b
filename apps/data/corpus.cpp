#include "apps/data/corpus.h"

namespace duet {

std::array<int, class_count> Corpus::counts() const {
  std::array<int, class_count> result{};
  for (const Item& item : items) ++result[item.label];
  return result;
}

std::string split_of_word(std::string_view word) {
  const std::string key = lower_case(word);
  if (key == "train" || key == "training") return "train";
  // The last two are FER2013's.
  if (key == "test" || key == "testing" || key == "publictest" || key == "privatetest")
    return "test";
  if (key == "dev" || key == "val" || key == "valid" || key == "validation") return "dev";
  return "";
}

}  // namespace duet
