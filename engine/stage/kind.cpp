#include "engine/stage/kind.hpp"

namespace weir::stage {

Catalog Catalog::linked() {
  Catalog catalog;
  for (const Register* entry = Register::first_; entry; entry = entry->next_) {
    catalog.kinds_.emplace(entry->kind_.name(), &entry->kind_);
  }
  return catalog;
}

const Kind* Catalog::find(std::string_view name) const {
  const auto found = kinds_.find(name);
  return found == kinds_.end() ? nullptr : found->second;
}

std::vector<std::string> Catalog::names() const {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kinds_) names.push_back(name);
  return names;
}

}  // namespace weir::stage
