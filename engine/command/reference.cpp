#include "engine/command/reference.hpp"

#include "engine/command/explain.hpp"
#include "engine/config/declaration.hpp"
#include "engine/script/manual.hpp"
#include "engine/stage/common.hpp"

namespace weir::command {

std::string reference_page(const stage::Catalog& catalog) {
  const auto& common = stage::common_spec().declaration();
  std::string page =
      "# Kinds of stages\n\n"
      "<!-- Printed by `weir reference` from the declarations in stages/*.cpp: change those, then run it again. -->\n\n"
      "A stage has a name, exactly one kind, and the keys that all stages have in common. `weir explain KIND` says\n"
      "the same on a terminal.\n\n";
  for (const auto& [name, kind] : catalog.all()) {
    page += "- [`" + name + "`](#" + name + "): " + kind->declaration().summary + "\n";
  }
  std::vector<const config::Declaration*> others{&stage::do_declaration(), &common};
  for (const auto* policy : explained_policies()) others.push_back(policy);
  for (const auto* declaration : others) {
    page += "- [`" + declaration->name + "`](#" + declaration->name + "): " + declaration->summary + "\n";
  }
  page += "- [Code](#code): what `where`, `lua` and `{{ }}` know\n";
  for (const auto& [name, kind] : catalog.all()) page += "\n" + config::markdown(kind->declaration());
  for (const auto* declaration : others) page += "\n" + config::markdown(*declaration);
  page += "\n" + script::manual_markdown();
  while (page.ends_with("\n\n")) page.pop_back();
  return page;
}

}  // namespace weir::command
