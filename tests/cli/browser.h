#pragma once
/// Pages as a headless Chromium shows them.

#include "tests/cli/tiny_run.h"

namespace duet::test {

/// The first Chromium that runs; "" when there is none.
const std::string& chromium();
inline constexpr const char* no_browser =
    "neither chromium-headless-shell nor chromium is installed";

/// The page's document as it stands after loading; lines with CONSOLE in `err` are what the browser
/// complained of.
Ended browse(const std::filesystem::path& page, const Words& more = {});

/// The same document, of a page that the browser has nothing to complain of.
std::string document_of(const std::filesystem::path& page);

std::size_t count(const std::string& text, const std::string& part);

/// `data-value` by `data-metric`.
std::map<std::string, double> tagged(const std::string& html);

/// The figures with the class `chart`.
Words charts(const std::string& html);

}  // namespace duet::test
