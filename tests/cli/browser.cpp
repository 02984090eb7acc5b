#include "tests/cli/browser.h"

#include <regex>

namespace duet::test {

const std::string& chromium() {
  static const std::string found = [] {
    for (const char* name : {"chromium-headless-shell", "chromium"})
      if (Process(name, {"--version"}).wait().status == 0) return std::string(name);
    return std::string();
  }();
  return found;
}

Ended browse(const std::filesystem::path& page, const Words& more) {
  return Process(chromium(), Words{"--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
                                   "--hide-scrollbars", "--enable-logging=stderr"} +
                                 more + Words{"file://" + page.string()})
      .wait();
}

std::string document_of(const std::filesystem::path& page) {
  const Ended ended = browse(page);
  REQUIRE_MESSAGE(ended.status == 0, ended.err);
  CHECK_MESSAGE(count(ended.err, "CONSOLE") == 0, ended.err);
  return ended.out;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::map<std::string, double> tagged(const std::string& html) {
  std::map<std::string, double> values;
  const std::regex regex("data-metric=\"([^\"]*)\" data-value=\"([^\"]*)\"");
  for (std::sregex_iterator i(html.begin(), html.end(), regex), end; i != end; ++i)
    values[(*i)[1]] = std::stod((*i)[2]);
  return values;
}

Words charts(const std::string& html) {
  Words found;
  const std::string begin = "<figure class=\"chart\">", end = "</figure>";
  for (std::size_t at = html.find(begin); at != std::string::npos; at = html.find(begin, at + 1))
    found.push_back(html.substr(at, html.find(end, at) - at));
  return found;
}

}  // namespace duet::test
