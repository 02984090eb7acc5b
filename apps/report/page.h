#pragma once
/// One HTML page that is complete in itself: no script, nothing from any network.

#include <string>
#include <vector>

namespace duet {

struct PageSection {
  std::string id, title;
  std::string body;  ///< HTML
};

struct Page {
  std::string title;
  std::string lead;  ///< HTML, below the title
  std::vector<PageSection> sections;
};

/// Light or dark as the reader's system has it, or the other way round by a switch.
std::string to_html(const Page& page);

}  // namespace duet
