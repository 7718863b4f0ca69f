// A block that only makes a new object of the message's fields.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/config/values.hpp"
#include "engine/script/condition.hpp"
#include "engine/script/plain.hpp"

namespace weir::script {

/// `local slow = msg.took > 9  return {id = msg.id, seconds = msg.took / 1000, slow = slow}`: it takes a fifth of what
/// Lua takes for it, and gives the same. The engine must outlive it. One core.
class Record {
 public:
  /// Nothing where the code is anything else.
  static std::optional<Record> of(Engine& engine, const config::Lua& code);

  /// Appends what is returned, as JSON. False where only Lua can tell, or how it fails; then `out` is of no use.
  bool make(const message::Message& message, std::string& out) const;

 private:
  struct Value {
    std::string constant;  ///< As JSON.
    Plain plain;
    std::optional<Condition> condition;
    std::optional<std::size_t> local;
  };

  std::optional<Value> value_of(Engine& engine, const config::Lua& code, const std::vector<Token>& tokens) const;
  bool write(const Value& value, const message::Message& message, const message::Look& look, std::string& out) const;

  std::vector<std::pair<std::string, Value>> locals_;   // By their names.
  std::vector<std::pair<std::string, Value>> members_;  // By their keys, which are in order.
  mutable std::string made_;                            // What the locals are, one behind the other,
  mutable std::vector<std::size_t> ends_;               // and where each ends.
};

}  // namespace weir::script
