#include "layers/fusion/fusion.h"

#include <map>

namespace duet {
namespace {

std::map<std::string, FusionFactory>& factories() {
  static std::map<std::string, FusionFactory> all;
  return all;
}

}  // namespace

FusionRegistration::FusionRegistration(const char* name, FusionFactory factory) {
  require(factories().emplace(name, factory).second, "[fusion] '{}' is registered twice", name);
}

std::vector<std::string> fusion_names() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : factories()) names.push_back(name);
  return names;
}

std::unique_ptr<Fusion> make_fusion(const std::string& name, Build& build,
                                    const FusionInput& input) {
  const auto found = factories().find(name);
  if (found == factories().end())
    fail<UsageError>("[fusion] no fusion is called '{}'; known are {}", name,
                     fmt::join(fusion_names(), ", "));
  return found->second(build, input);
}

}  // namespace duet
