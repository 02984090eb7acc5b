#include "apps/report/page.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <regex>

using namespace duet;

namespace {

Page two_sections() {
  Page page;
  page.title = "Run <1>";
  page.sections = {{"first", "One & two", "<p>one</p>"}, {"second", "Three", "<p>two</p>"}};
  return page;
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Colours by name from `--name:#rgb` or `--name:#rrggbb`.
std::map<std::string, std::string> colours(const std::string& css) {
  std::map<std::string, std::string> found;
  const std::regex regex("--([a-z0-9]+):#([0-9a-f]{6}|[0-9a-f]{3})");
  for (std::sregex_iterator i(css.begin(), css.end(), regex), end; i != end; ++i) {
    std::string digits = (*i)[2];
    if (digits.size() == 3)
      digits = {digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]};
    found[(*i)[1]] = digits;
  }
  return found;
}

/// Relative luminance of sRGB (WCAG 2.2).
double luminance(const std::string& digits) {
  double sum = 0;
  for (int c = 0; c < 3; ++c) {
    const double v = std::stoi(digits.substr(2 * c, 2), nullptr, 16) / 255.0;
    sum += (c == 0   ? 0.2126
            : c == 1 ? 0.7152
                     : 0.0722) *
           (v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4));
  }
  return sum;
}

double contrast(const std::string& a, const std::string& b) {
  const double la = luminance(a), lb = luminance(b);
  return (std::max(la, lb) + 0.05) / (std::min(la, lb) + 0.05);
}

}  // namespace

TEST_CASE("page: complete in itself, with landmarks, and nothing may be loaded or run") {
  const std::string html = to_html(two_sections());
  CHECK(html.starts_with("<!doctype html>\n<html lang=\"en\">"));
  CHECK(holds(html,
              "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
              "base-uri 'none'; form-action 'none'\""));
  CHECK(holds(html, "<title>Run &lt;1&gt;</title>"));
  CHECK(holds(html, "<h1>Run &lt;1&gt;</h1>"));
  CHECK(holds(html, "<a class=\"skip\" href=\"#main\">"));
  CHECK(holds(html, "<main id=\"main\""));
  CHECK(holds(html, "<a href=\"#second\">Three</a>"));
  CHECK(holds(html,
              "<section id=\"first\" aria-labelledby=\"first-title\">\n<h2 "
              "id=\"first-title\">One &amp; two</h2>\n<p>one</p>"));
  CHECK(holds(html, "<label class=\"switch\"><input type=\"checkbox\" role=\"switch\""));
  for (const char* part : {"http:", "https:", "<script", "@import", "url("})
    CHECK_MESSAGE(!holds(html, part), part);
  // Without sections to choose from there is nothing to navigate.
  Page one = two_sections();
  one.sections.resize(1);
  CHECK(!holds(to_html(one), "<nav"));
}

TEST_CASE("page: text and marks stand out from both grounds (WCAG 2.2 AA), light and dark") {
  const std::string html = to_html(two_sections());
  const std::size_t light = html.find(":root{color-scheme:light"),
                    dark = html.find("color-scheme:dark;");
  REQUIRE(light != std::string::npos);
  REQUIRE(dark != std::string::npos);
  for (const std::size_t at : {light, dark}) {
    const auto colour = colours(html.substr(at, html.find('}', at) - at));
    CAPTURE(html.substr(at, 30));
    for (const char* ground : {"ground", "raised"}) {
      CAPTURE(ground);
      for (const char* text : {"ink", "quiet", "link", "good", "bad"}) {
        CAPTURE(text);
        CHECK(contrast(colour.at(text), colour.at(ground)) >= 4.5);
      }
      for (const char* mark : {"control", "s0", "s1", "s2", "s3"}) {
        CAPTURE(mark);
        CHECK(contrast(colour.at(mark), colour.at(ground)) >= 3);
      }
    }
  }
}
