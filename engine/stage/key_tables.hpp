// `state`: a small table for each key, kept from message to message.
#pragma once
#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/runtime/time.hpp"
#include "engine/script/names.hpp"

namespace weir::stage {

/// The tables of one stage's instance, in memory only. A table that has not changed for `forget` is gone, as is one
/// that has become empty; beyond `most` the one that has not changed for the longest is forgotten. One core's thread
/// only.
class KeyTables {
 public:
  KeyTables(runtime::Duration forget, std::size_t most) : forget_(forget), most_(most) {}

  /// The table of the key, empty where there is none. Valid until the next call of anything here; changes are kept by
  /// keep() alone.
  script::KeyTable& find(const std::string& key, runtime::Time now);
  /// What find() gave has changed. True: another key had to be forgotten for it, before its time.
  bool keep(runtime::Time now);
  std::size_t size() const noexcept { return by_key_.size(); }

 private:
  struct Entry {
    std::string key, json;
    runtime::Time changed;
  };
  using At = std::list<Entry>::iterator;
  void forget(At at) {
    by_key_.erase(at->key);
    entries_.erase(at);
  }

  const runtime::Duration forget_;
  const std::size_t most_;
  std::list<Entry> entries_;  // The one changed last is last.
  std::unordered_map<std::string_view, At> by_key_;
  std::string key_;  // Of table_.
  script::KeyTable table_;
};

}  // namespace weir::stage
