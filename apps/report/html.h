#pragma once
/// Pieces of HTML: text made safe, figures as text, tables, pictures inside the page.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace duet {

/// Text as it may stand between tags and in quoted attributes of HTML and SVG. Bytes that are no
/// UTF-8, and control characters, become U+FFFD.
std::string escaped(std::string_view text);

/// 0.8123 → "81.2 %"; "–" for NaN.
std::string percent_text(double share);
/// Four significant digits; "–" for NaN.
std::string number_text(double value);

/// A figure as it is shown, with its whole value for programs: data-metric and data-value.
std::string html_value(std::string_view metric, double value, std::string_view shown);

/// Rows of HTML cells below a header; the first cell of a row is its name. Columns of words are
/// aligned to be read. The table scrolls inside its own box. `name` says what it shows, for those
/// who cannot see it.
std::string html_table(std::string_view name, const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows);

/// `body` behind a line that opens it.
std::string html_details(std::string_view summary, std::string_view body);

/// A PNG file's bytes as an <img>, shown `width` CSS pixels wide at most.
std::string html_picture(std::string_view png, std::string_view alt, int width);

std::string base64(std::string_view bytes);

}  // namespace duet
