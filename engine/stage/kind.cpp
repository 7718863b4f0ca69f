#include "engine/stage/kind.hpp"

#include "engine/io/http_path.hpp"

namespace weir::stage {

Catalog Catalog::linked() {
  Catalog catalog;
  for (const Register* entry = Register::first_; entry; entry = entry->next_) {
    catalog.kinds_.emplace(entry->kind_.name(), &entry->kind_);
  }
  return catalog;
}

bool Serves::meets(const Serves& other) const {
  return address == other.address && shape == other.shape && io::http_methods_meet(methods, other.methods);
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
