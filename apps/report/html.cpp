#include "apps/report/html.h"

#include <fmt/format.h>

#include <cctype>
#include <cmath>

namespace duet {
namespace {

constexpr const char* replacement = "\uFFFD";

/// Bytes of the UTF-8 character that `text` begins with (RFC 3629); 0 when it begins with none.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (length == 0 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  // Longer than needed, a surrogate, or beyond U+10FFFF.
  const unsigned char second = byte(1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
      (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F))
    return 0;
  return length;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    const char c = text[0];
    if (length == 0 || (length == 1 && (c == 0x7F || (c < 0x20 && c != '\t' && c != '\n'))))
      out += replacement;
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string percent_text(double share) {
  return std::isnan(share) ? "–" : fmt::format("{:.1f}\u00A0%", 100 * share);
}

std::string number_text(double value) {
  return std::isnan(value) ? "–" : fmt::format("{:.4g}", value);
}

std::string html_value(std::string_view metric, double value, std::string_view shown) {
  return fmt::format("<data data-metric=\"{}\" data-value=\"{}\" value=\"{}\">{}</data>",
                     escaped(metric), value, value, escaped(shown));
}

namespace {

/// Whether all that a column says begins with a letter: then it is to be read, not compared.
bool holds_words(const std::vector<std::vector<std::string>>& rows, std::size_t column) {
  bool any = false;
  for (const auto& row : rows) {
    if (column >= row.size() || row[column].empty()) continue;
    if (std::isalpha(static_cast<unsigned char>(row[column][0])) == 0) return false;
    any = true;
  }
  return any;
}

}  // namespace

std::string html_table(std::string_view name, const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows) {
  std::string out = fmt::format(
      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\"><table><thead><tr>",
      escaped(name));
  std::vector<const char*> alignment;
  for (std::size_t i = 0; i < header.size(); ++i) {
    alignment.push_back(i > 0 && holds_words(rows, i) ? " class=\"words\"" : "");
    out += fmt::format("<th scope=\"col\"{}>{}</th>", alignment[i], header[i]);
  }
  out += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      out += i == 0 ? "<th scope=\"row\">" + row[i] + "</th>"
                    : fmt::format("<td{}>{}</td>", alignment[i], row[i]);
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string html_details(std::string_view summary, std::string_view body) {
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", escaped(summary), body);
}

std::string html_picture(std::string_view png, std::string_view alt, int width) {
  return fmt::format("<img src=\"data:image/png;base64,{}\" alt=\"{}\" width=\"{}\">", base64(png),
                     escaped(alt), width);
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += k <= n ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

}  // namespace duet
