#include "engine/stage/key_tables.hpp"

namespace weir::stage {

script::KeyTable& KeyTables::find(const std::string& key, runtime::Time now) {
  while (!entries_.empty() && entries_.front().changed + forget_ <= now) forget(entries_.begin());
  key_ = key;
  const auto found = by_key_.find(key);
  table_.changed = false;
  table_.json = found == by_key_.end() ? "{}" : found->second->json;
  return table_;
}

bool KeyTables::keep(runtime::Time now) {
  const auto found = by_key_.find(key_);
  if (table_.json == "{}") {
    if (found != by_key_.end()) forget(found->second);
    return false;
  }
  if (found != by_key_.end()) {
    found->second->json = table_.json;
    found->second->changed = now;
    entries_.splice(entries_.end(), entries_, found->second);
    return false;
  }
  const bool full = by_key_.size() >= most_;
  if (full) forget(entries_.begin());
  entries_.push_back({key_, table_.json, now});
  by_key_.emplace(entries_.back().key, std::prev(entries_.end()));
  return full;
}

}  // namespace weir::stage
