// What the names in Lua stand for during one evaluation.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/message/message.hpp"

namespace weir::script {

/// Where code stands decides which names it may use.
enum class Setting : std::uint8_t {
  message,  ///< On a message: msg, text, meta, request, result, failed. The usual one.
  keyed,    ///< The same with `state`: in `lua` where the stage has a key.
  generate  ///< In `generate`, where there is no message yet: i, item; in its `lua:` also sleep and yield.
};

/// What `state` stands for: the table of one key. Code that succeeds, or drops its message, leaves its changes here.
struct KeyTable {
  static constexpr std::size_t most_bytes = 64 * 1024;
  std::string json = "{}";
  bool changed = false;  ///< By the last evaluation.
};

/// Given to each evaluation. Views only; must outlive the call, no longer.
struct Names {
  Names() = default;
  Names(const message::Message& message) : message(&message) {}  // NOLINT: a message is all that most have

  const message::Message* message = nullptr;  ///< Without one, the names of Setting::message are nil.
  std::optional<std::int64_t> i;              ///< In `generate`: the number of the tick or of the range.
  std::string_view item;                      ///< In `generate`: the element of `each`, as JSON text; empty: nil.
  KeyTable* state = nullptr;                  ///< In Setting::keyed.
};

}  // namespace weir::script
