#include "apps/train/controls.h"

#include <doctest/doctest.h>

#include <set>

using namespace duet;

TEST_CASE("controls: a shuffle moves one modality and nothing else") {
  std::vector<Pair> pairs;
  std::vector<std::size_t> which;
  for (int i = 0; i < 60; ++i) {
    Pair pair;
    pair.face = fmt::format("f{}", i);
    pair.person = fmt::format("p{}", i);
    pair.voice = fmt::format("v{}", i);
    pair.speaker = fmt::format("s{}", i);
    pair.text = fmt::format("t{}", i);
    pair.label = i % class_count;
    pairs.push_back(pair);
    if (i % 2 == 0) which.push_back(i);
  }
  for (const Modality modality : {Modality::face, Modality::voice}) {
    RandomSequence random = random_for(1, "test");
    const std::vector<Pair> shuffled = shuffled_pairs(pairs, which, modality, random);
    REQUIRE(shuffled.size() == which.size());
    std::multiset<std::string> before, after;
    int other_class = 0;
    for (std::size_t i = 0; i < which.size(); ++i) {
      const Pair &was = pairs[which[i]], &is = shuffled[i];
      const bool face = modality == Modality::face;
      CHECK(is.label == was.label);
      // The other modality stays, with all that is known of it.
      CHECK((face ? is.voice == was.voice && is.speaker == was.speaker && is.text == was.text
                  : is.face == was.face && is.person == was.person));
      // What moved took its names along.
      const std::string file = face ? is.face.string() : is.voice.string();
      CHECK((face ? is.person.substr(1) : is.speaker.substr(1)) == file.substr(1));
      other_class += std::stoi(file.substr(1)) % class_count != was.label;
      before.insert(face ? was.face.string() : was.voice.string());
      after.insert(file);
    }
    CHECK(before == after);
    // Two thirds are expected of a shuffle across classes; a tenth would be a wonder.
    CHECK(other_class > 3);
  }
}
