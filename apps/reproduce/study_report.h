#pragma once
/// A study as pages that a person reads.

#include <nlohmann/json.hpp>
#include <string>

namespace duet {

/// results.json as a page of Markdown.
std::string study_markdown(const nlohmann::ordered_json& results);

/// results.json as a page of HTML that is complete in itself.
std::string study_html(const nlohmann::ordered_json& results);

}  // namespace duet
