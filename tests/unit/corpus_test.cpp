#include "apps/data/corpus.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/temporary_folder.h"

using namespace duet;
namespace fs = std::filesystem;

namespace {

void touch(const TemporaryFolder& folder, std::initializer_list<const char*> names) {
  for (const char* name : names) write_text(folder / name, "x");
}

const Item& item(const Corpus& corpus, std::string_view name) {
  const auto it = std::find_if(corpus.items.begin(), corpus.items.end(),
                               [&](const Item& i) { return i.name == name; });
  REQUIRE_MESSAGE(it != corpus.items.end(), std::string(name));
  return *it;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("label: the codes of every corpus") {
  CHECK(std::string(class_names[negative]) == "negative");
  CHECK(std::string(class_names[neutral]) == "neutral");
  CHECK(std::string(class_names[positive]) == "positive");
  for (const char* word : {"negative", "Angry", "ANGER", "ANG"}) CHECK(label_of_word(word) == 0);
  for (const char* word : {"neutral", "NEU"}) CHECK(label_of_word(word) == 1);
  for (const char* word : {"positive", "happy", "HAP", "Happiness"})
    CHECK(label_of_word(word) == 2);
  for (const char* word : {"sad", "FEA", "DIS", "ps", "Pleasant_surprise", "fearful", "calm"}) {
    REQUIRE(emotion_of_word(word));
    CHECK(label_of_word(word) == no_label);
  }
  CHECK(!emotion_of_word("train"));
  CHECK(emotion_of_ravdess_code("05")->label == negative);
  CHECK(emotion_of_ravdess_code("01")->label == neutral);
  CHECK(emotion_of_ravdess_code("03")->label == positive);
  CHECK(emotion_of_ravdess_code("02")->label == no_label);
  CHECK(!emotion_of_ravdess_code("09"));
}

TEST_CASE("faces: M-LFW-FER folders, persons and own split") {
  const TemporaryFolder folder;
  touch(folder, {"train/negative/Ann_Lee_0001.jpg", "train/negative/Ann_Lee_0002.JPG",
                 "train/neutral/Bo_0001.jpeg", "train/positive/Juan_de_la_Cruz_0012_cloth.png",
                 "test/neutral/Cy_Day_0001.jpg", "test/neutral/._Cy_Day_0001.jpg",
                 "train/surprise/Di_0001.jpg", "notes.txt", "__MACOSX/neutral/Ed_0001.jpg"});
  const Corpus corpus = read_faces(folder.path());
  CHECK(corpus.name == "M-LFW-FER");
  CHECK(corpus.modality == Modality::face);
  REQUIRE(corpus.items.size() == 5);
  CHECK(std::is_sorted(corpus.items.begin(), corpus.items.end(),
                       [](const Item& a, const Item& b) { return a.name < b.name; }));
  CHECK(corpus.counts() == std::array{2, 2, 1});
  CHECK(corpus.unused == std::map<std::string, int>{{"surprise", 1}});
  CHECK(corpus.persons_known);
  CHECK(corpus.warnings.empty());
  CHECK(item(corpus, "train/negative/Ann_Lee_0002.JPG").person == "Ann_Lee");
  CHECK(item(corpus, "train/positive/Juan_de_la_Cruz_0012_cloth.png").person == "Juan_de_la_Cruz");
  CHECK(item(corpus, "train/neutral/Bo_0001.jpeg").split == "train");
  CHECK(item(corpus, "test/neutral/Cy_Day_0001.jpg").split == "test");
  CHECK(item(corpus, "test/neutral/Cy_Day_0001.jpg").path ==
        folder / "test/neutral/Cy_Day_0001.jpg");
}

TEST_CASE("faces: FER2013 names are numbers of pictures, not of persons") {
  const TemporaryFolder folder;
  touch(folder, {"angry/Training_1.jpg", "angry/Training_2.jpg", "happy/PublicTest_3.jpg",
                 "neutral/PrivateTest_4.jpg"});
  const Corpus corpus = read_faces(folder.path());
  CHECK(corpus.name == "FER2013");
  CHECK(!corpus.persons_known);
  CHECK(!corpus.warnings.empty());
  CHECK(item(corpus, "angry/Training_1.jpg").person != item(corpus, "angry/Training_2.jpg").person);
  CHECK(item(corpus, "angry/Training_1.jpg").split == "train");
  CHECK(item(corpus, "happy/PublicTest_3.jpg").split == "test");
  CHECK(item(corpus, "neutral/PrivateTest_4.jpg").label == neutral);
}

TEST_CASE("faces: plain class folders, folders beside the classes are persons") {
  const TemporaryFolder folder;
  touch(folder, {"anna/angry/1.png", "anna/happy/1.png", "ben/neutral/1.bmp", "ben/happy/2.png"});
  const Corpus corpus = read_faces(folder.path());
  CHECK(corpus.name == "class folders");
  CHECK(corpus.persons_known);
  CHECK(item(corpus, "anna/happy/1.png").person == "anna");
  CHECK(item(corpus, "ben/happy/2.png").person == "ben");

  const TemporaryFolder flat;
  touch(flat, {"ANG/1.png", "NEU/1.png", "HAP/1.png", "HAP/2.png"});
  const Corpus unknown = read_faces(flat.path());
  CHECK(!unknown.persons_known);
  CHECK(unknown.counts() == std::array{1, 1, 2});
  CHECK(item(unknown, "HAP/1.png").person != item(unknown, "HAP/2.png").person);
  REQUIRE(!unknown.warnings.empty());
  CHECK(has(unknown.warnings[0], "person of its own"));
}

TEST_CASE("faces: a CSV names files relative to itself, to class folders, or by name alone") {
  const TemporaryFolder folder;
  touch(folder, {"a.jpg", "train/positive/b.jpg", "deep/below/c.jpg", "twice/d.jpg", "two/d.jpg",
                 "other.jpg"});
  write_text(folder / "labels.csv",
             "image,split,class,person\na.jpg,train,negative,p\nb.jpg,train,positive,q\n"
             "c.jpg,PublicTest,neutral,p\nd.jpg,test,neutral,p\nmissing.jpg,test,neutral,r\n"
             "other.jpg,test,sad,r\n");
  const Corpus corpus = read_faces(folder / "labels.csv");
  CHECK(corpus.name == "CSV");
  REQUIRE(corpus.items.size() == 3);
  CHECK(item(corpus, "a.jpg").label == negative);
  CHECK(item(corpus, "a.jpg").person == "p");
  CHECK(item(corpus, "train/positive/b.jpg").split == "train");
  CHECK(item(corpus, "deep/below/c.jpg").split == "test");
  CHECK(corpus.unused.at("sad") == 1);
  REQUIRE(corpus.refused.size() == 2);
  CHECK(has(corpus.refused[0].reason, "2 files have this name"));
  CHECK(has(corpus.refused[1].reason, "labels.csv:6: is not there"));
}

TEST_CASE("faces: tables in a folder without class folders, without a header, named by split") {
  const TemporaryFolder folder;
  touch(folder, {"pictures/Ann_Lee_0001.jpg", "pictures/Bo_Day_0001.jpg", "pictures/Cy_0001.jpg",
                 "pictures/Cy_0002.jpg"});
  write_text(folder / "train.csv",
             "pictures/Ann_Lee_0001.jpg,angry\npictures/Bo_Day_0001.jpg,happy\n"
             "pictures/Cy_0001.jpg,neutral\n");
  write_text(folder / "test.csv", "pictures/Cy_0002.jpg,neutral\n");
  write_text(folder / "sizes.csv", "width,height\n1,2\n");
  const Corpus corpus = read_faces(folder.path());
  CHECK(corpus.items.size() == 4);
  CHECK(item(corpus, "pictures/Ann_Lee_0001.jpg").person == "Ann_Lee");
  CHECK(item(corpus, "pictures/Ann_Lee_0001.jpg").split == "train");
  CHECK(item(corpus, "pictures/Cy_0002.jpg").split == "test");
}

TEST_CASE("voices: TESS in folders and flat, with its misnamed clip and its other emotions") {
  for (const bool flat : {false, true}) {
    const TemporaryFolder folder;
    for (const char* name :
         {"OAF_back_angry.wav", "OAF_back_happy.WAV", "YAF_dog_neutral.wav", "OA_bite_neutral.wav",
          "YAF_back_ps.wav", "YAF_back_pleasant_surprise.wav"})
      write_text(folder / (flat ? std::string(name) : std::string("set/") + name), "x");
    const Corpus corpus = read_voices(folder.path());
    CHECK(corpus.name == "TESS");
    CHECK(corpus.counts() == std::array{1, 2, 1});
    CHECK(corpus.unused == std::map<std::string, int>{{"pleasant surprise", 2}});
    const std::string prefix = flat ? "" : "set/";
    CHECK(item(corpus, prefix + "OA_bite_neutral.wav").person == "OAF");
    CHECK(item(corpus, prefix + "OA_bite_neutral.wav").text == "bite");
    CHECK(item(corpus, prefix + "YAF_dog_neutral.wav").person == "YAF");
  }
}

TEST_CASE("voices: CREMA-D, with its MP3 twins left alone") {
  const TemporaryFolder folder;
  touch(folder, {"AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1001_IEO_HAP_LO.wav",
                 "AudioWAV/1002_DFA_NEU_X.wav", "AudioWAV/1002_DFA_SAD_XX.wav",
                 "AudioMP3/1001_DFA_ANG_XX.mp3", "AudioWAV/stray.wav"});
  const Corpus corpus = read_voices(folder.path());
  CHECK(corpus.name == "CREMA-D");
  CHECK(corpus.counts() == std::array{1, 1, 1});
  CHECK(corpus.unused == std::map<std::string, int>{{"sad", 1}});
  CHECK(item(corpus, "AudioWAV/1002_DFA_NEU_X.wav").person == "1002");
  CHECK(item(corpus, "AudioWAV/1001_IEO_HAP_LO.wav").text == "IEO");
  REQUIRE(corpus.refused.size() == 1);
  CHECK(has(corpus.refused[0].reason, "not a CREMA-D name"));
}

TEST_CASE("voices: RAVDESS, speech only, each clip once") {
  const TemporaryFolder folder;
  touch(folder, {"Actor_01/03-01-05-01-02-01-01.wav", "Actor_02/03-01-01-01-01-01-02.wav",
                 "Actor_02/03-01-03-01-01-01-02.wav", "Actor_02/03-01-04-01-01-01-02.wav",
                 "Actor_02/03-02-03-01-01-01-02.wav", "again/Actor_01/03-01-05-01-02-01-01.wav"});
  const Corpus corpus = read_voices(folder.path());
  CHECK(corpus.name == "RAVDESS");
  CHECK(corpus.counts() == std::array{1, 1, 1});
  CHECK(corpus.unused ==
        std::map<std::string, int>{{"sad", 1}, {"song", 1}, {"there a second time", 1}});
  CHECK(item(corpus, "Actor_01/03-01-05-01-02-01-01.wav").person == "Actor_01");
  CHECK(item(corpus, "Actor_01/03-01-05-01-02-01-01.wav").group == "men");
  CHECK(item(corpus, "Actor_02/03-01-01-01-01-01-02.wav").group == "women");
  CHECK(corpus.warnings.size() == 1);
}

TEST_CASE("voices: class folders and tables") {
  const TemporaryFolder folder;
  touch(folder, {"angry/anna/1.wav", "neutral/ben/1.flac", "happy/ben/1.ogg", "happy/1.txt"});
  const Corpus corpus = read_voices(folder.path());
  CHECK(corpus.name == "class folders");
  CHECK(item(corpus, "angry/anna/1.wav").person == "anna");
  CHECK(item(corpus, "happy/ben/1.ogg").person == "ben");

  const TemporaryFolder other;
  touch(other, {"1.wav", "2.wav", "3.wav"});
  write_text(other / "list.csv",
             "file,emotion,speaker\n1.wav,angry,s\n2.wav,neutral,s\n3.wav,happy,t\n");
  const Corpus table = read_voices(other.path());
  CHECK(table.name == "CSV");
  CHECK(item(table, "3.wav").person == "t");
  CHECK(table.persons_known);
}

TEST_CASE("corpus: linked folders are followed once, links to nothing are refused") {
  const TemporaryFolder folder;
  touch(folder, {"real/angry/1.png", "real/happy/1.png", "real/neutral/1.png"});
  fs::create_directory(folder / "set");
  fs::create_directory_symlink(folder / "real", folder / "set/linked");
  fs::create_directory_symlink(folder / "set", folder / "real/round");
  fs::create_symlink(folder / "gone.png", folder / "real/happy/2.png");
  const Corpus corpus = read_faces(folder / "set");
  CHECK(corpus.items.size() == 3);
  REQUIRE(corpus.refused.size() == 1);
  CHECK(has(corpus.refused[0].reason, "a link to nothing"));
}

TEST_CASE("corpus: refusals name the path, the reason and what to do") {
  const TemporaryFolder folder;
  const auto faces = [&](const fs::path& where) {
    return message_of<DataError>([&] { read_faces(where); });
  };
  const auto voices = [&](const fs::path& where) {
    return message_of<DataError>([&] { read_voices(where); });
  };
  CHECK(has(faces(folder / "nowhere"), "nowhere: no such folder"));
  CHECK(has(voices(folder / "nowhere"), "nowhere: no such folder"));
  write_text(folder / "file.zip", "x");
  CHECK(has(faces(folder / "file.zip"), "not a folder"));
  fs::create_directory(folder / "empty");
  CHECK(has(faces(folder / "empty"), "holds no pictures"));
  CHECK(has(voices(folder / "empty"), "holds no sounds"));

  touch(folder, {"two/angry/1.png", "two/happy/1.png", "none/x/1.png", "none/1.wav",
                 "mixed/OAF_back_angry.wav", "mixed/1001_DFA_ANG_XX.wav"});
  CHECK(has(faces(folder / "two"), "no file of class neutral (negative 1, neutral 0, positive 1)"));
  touch(folder, {"classes/positive/Ang/1.png", "splits/train/positive/Dev/1.png"});
  CHECK(has(faces(folder / "classes"), "its folders 'positive' and 'Ang' name two classes"));
  CHECK(has(faces(folder / "splits"), "its folders 'train' and 'Dev' name two splits"));
  CHECK(has(faces(folder / "none"), "none in a layout that is known"));
  CHECK(has(voices(folder / "none"), "none in a layout that is known"));
  CHECK(has(voices(folder / "two"), "its 2 pictures belong to --faces"));
  CHECK(has(voices(folder / "mixed"), "holds two corpora"));
  CHECK(has(message_of<DataError>([&] { read_voices(folder / "mixed", "ravdess"); }),
            "RAVDESS files named like"));
  CHECK(has(message_of<UsageError>([&] { read_voices(folder / "mixed", "iemocap"); }),
            "no kind of corpus is named 'iemocap'"));
  CHECK(has(message_of<UsageError>([&] { read_faces(folder / "two", "tess"); }), "m-lfw-fer"));

  write_text(folder / "two/list.csv", "image,class\nangry/1.png,cross\n");
  CHECK(has(faces(folder / "two/list.csv"), "list.csv:2: label 'cross' is not known"));
  write_text(folder / "two/list.csv", "image,class\nangry/1.png,angry\nangry/1.png,happy\n");
  CHECK(has(faces(folder / "two/list.csv"), "list.csv:3: 'angry/1.png' is listed a second time"));
  write_text(folder / "two/list.csv", "image,class,split\nangry/1.png,angry,holdout\n");
  CHECK(has(faces(folder / "two/list.csv"), "split 'holdout' is not known"));
  write_text(folder / "two/list.csv", "one,two\nangry/1.png,angry\n");
  CHECK(has(faces(folder / "two/list.csv"), "no column of files"));
}
