// What weir says to those who write another language's words in Lua.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/config/node.hpp"

namespace weir::config {

/// For code that did not compile: the slip that is probably meant, with its cure. Pure.
/// Knows `!=`, `&&`, `||`, `??`, `a ? b : c`, `!x`, `+=`, `++`, a keyword as a field (`msg.end`), and `"\S"`.
std::optional<std::string> lua_advice(std::string_view code);

/// For any code, also what compiles: either of the two below.
std::optional<std::string> lua_trap(std::string_view code);
/// `msg.content-type`, a subtraction of what is no number and no name of the code's own: never right, so refuse it.
std::optional<std::string> subtraction_trap(std::string_view code);
/// `msg.items.length`. A payload may really have such a field: warn, never refuse.
std::optional<std::string> length_trap(std::string_view code);

/// The cure for a secret in the wrong place, and for one in code.
inline constexpr std::string_view where_secrets_stand =
    "it stands only where an option says so, such as headers of http";
std::string no_secret_in_lua();

/// What is neither Lua nor filled in there: `${x}` or `{{ msg.x }}` inside bare code.
struct BareLua {
  std::string_view what;
  std::string cure;
};
/// `is_option`: of a name whether it is an option of a kind of one's own, which code does not know as it knows vars.
std::optional<BareLua> bare_lua_advice(std::string_view code,
                                       const std::function<bool(std::string_view)>& is_option = {});

class Reader;
/// Refuses a key of the user's, such as the name of a field, that holds `{{ }}` or `${}`: neither is filled in there.
bool check_key(const Node::Entry& entry, Reader& reader);

}  // namespace weir::config
