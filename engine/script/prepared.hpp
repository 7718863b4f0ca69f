// The code of a block as Lua gets it: with what lets it run more cheaply, and doing the same.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/script/lexer.hpp"

namespace weir::script {

/// It counts its own rounds, one where a loop's body begins, where a function does, and before each goto: nothing else
/// can run longer than it is written. And `return {a = …, b = …}` of the block itself hands its values to a function
/// that writes them, without a table. All stands on the line where it stood.
struct Prepared {
  static constexpr char rounds[] = "weir_rounds", more_rounds[] = "weir_more_rounds", in_hand[] = "weir_rounds_in_hand",
                        rounds_now[] = "weir_rounds_now", object[] = "weir_object";
  /// Lua needs no more than so many instructions to count so many rounds, if all that were taken came.
  static std::int64_t instructions(std::int64_t rounds) { return rounds * 5 / 2; }

  struct Member {
    std::string name, key;  ///< key: a comma and the name, as JSON has it.
    int argument = 0;       ///< Of the function that writes it.
  };
  using Object = std::vector<Member>;  ///< In order of the names.

  /// Takes the functions for more rounds and for objects, and gives the function that is the block.
  std::string code;
  std::vector<Object> objects;  ///< By the first argument of the function that writes them, from 0.
};

/// Nothing where there is nothing to gain, or the code itself has these names. `code` compiles; `straight`: it has no
/// rounds.
std::optional<Prepared> prepared(std::string_view code, const std::vector<Token>& tokens, bool straight);

}  // namespace weir::script
