#include "apps/report/html.h"

#include <doctest/doctest.h>

#include <limits>

#include "apps/report/svg.h"

using namespace duet;

TEST_CASE("html: text cannot become markup") {
  CHECK(escaped("a < b & \"c\" > 'd'") == "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
  CHECK(escaped("</script><b>") == "&lt;/script&gt;&lt;b&gt;");
  CHECK(escaped("Ünïcode – 声 😀") == "Ünïcode – 声 😀");
  CHECK(escaped("") == "");
}

TEST_CASE("html: what is no UTF-8 is replaced, byte by byte") {
  const std::string r = "\uFFFD";
  CHECK(escaped("a\xFFz") == "a" + r + "z");
  CHECK(escaped("\xC3") == r);                          // ends too early
  CHECK(escaped("\xC0\xAF") == r + r);                  // '/' in more bytes than it needs
  CHECK(escaped("\xE0\x80\xAF") == r + r + r);          // the same in three
  CHECK(escaped("\xED\xA0\x80") == r + r + r);          // a surrogate
  CHECK(escaped("\xF4\x90\x80\x80") == r + r + r + r);  // beyond U+10FFFF
  CHECK(escaped(std::string_view("a\0b\x01\x7F\n", 6)) == "a" + r + "b" + r + r + "\n");
}

TEST_CASE("html: figures as text") {
  CHECK(percent_text(0.8125) == "81.2\u00A0%");
  CHECK(percent_text(1) == "100.0\u00A0%");
  CHECK(number_text(0.000123456) == "0.0001235");
  CHECK(number_text(120) == "120");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(percent_text(nan) == "–");
  CHECK(number_text(nan) == "–");
}

TEST_CASE("html: base64 (RFC 4648, section 10)") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64("\xFF\xFE\x00") == "//4=");  // ends at the NUL
  CHECK(base64(std::string_view("\xFF\xFE\x00", 3)) == "//4A");
}

TEST_CASE("html: a table has a header, names its rows, and is named") {
  const std::string table = html_table("a \"name\"", {"", "x"}, {{"one", "1"}, {"two", "2"}});
  CHECK(table.find("aria-label=\"a &quot;name&quot;\"") != std::string::npos);
  CHECK(table.find("<th scope=\"col\">x</th>") != std::string::npos);
  CHECK(table.find("<tr><th scope=\"row\">two</th><td>2</td></tr>") != std::string::npos);
  // A column of words, one of figures, and one of both, which is aligned as figures are.
  const std::string mixed =
      html_table("m", {"", "w", "f", "b"}, {{"r", "two", "", "1"}, {"s", "", "3", "none"}});
  CHECK(mixed.find("<th scope=\"col\" class=\"words\">w</th><th scope=\"col\">f</th>") !=
        std::string::npos);
  CHECK(mixed.find("<td class=\"words\">two</td><td></td><td>1</td>") != std::string::npos);
}

TEST_CASE("svg: labels, titles and texts are escaped, and a path is interrupted by NaN") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Svg svg(10, 20, "<a>");
  svg.rect(0, 1, 2, 3, {"mark", "\"b\" & c", 0.5});
  svg.path({{0, 0}, {1, 1}, {2, nan}, {3, 3}, {4, 4}}, {"line"});
  svg.text(0, 0, "</text>", "middle", "note");
  const std::string text = svg.str();
  CHECK(text.find("<svg viewBox=\"0 0 10 20\" role=\"img\" aria-label=\"&lt;a&gt;\">") == 0);
  CHECK(text.find("height=\"3.0\" class=\"mark\" fill-opacity=\"0.500\"><title>&quot;b&quot; &amp; "
                  "c</title></rect>") != std::string::npos);
  CHECK(text.find("d=\"M0.0 0.0L1.0 1.0M3.0 3.0L4.0 4.0\"") != std::string::npos);
  CHECK(text.find("text-anchor=\"middle\" class=\"note\">&lt;/text&gt;</text>") !=
        std::string::npos);
  CHECK(text.ends_with("</svg>\n"));
}
