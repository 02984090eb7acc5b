#include "layers/fusion/fusion.h"

#include <map>

namespace duet {
namespace {

struct Registered {
  FusionFactory factory;
  std::string op;
};

std::map<std::string, Registered>& fusions() {
  static std::map<std::string, Registered> all;
  return all;
}

const Registered& find(const std::string& name) {
  const auto found = fusions().find(name);
  if (found == fusions().end())
    fail<UsageError>("[fusion] no fusion is called '{}'; known are {}", name,
                     fmt::join(fusion_names(), ", "));
  return found->second;
}

}  // namespace

FusionRegistration::FusionRegistration(const char* name, FusionFactory factory, const char* op) {
  require(fusions().emplace(name, Registered{factory, op ? op : ""}).second,
          "[fusion] '{}' is registered twice", name);
}

std::vector<std::string> fusion_names() {
  std::vector<std::string> names;
  for (const auto& [name, fusion] : fusions()) names.push_back(name);
  return names;
}

std::string fusion_op(const std::string& name) { return find(name).op; }

std::unique_ptr<Fusion> make_fusion(const std::string& name, Build& build,
                                    const FusionInput& input) {
  return find(name).factory(build, input);
}

}  // namespace duet
