// What must become of a message of a drawn pipeline, worked out from what its stages do.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "tests/storm/drawn.hpp"

namespace weir::tests {

/// One message's way through the graph, all branches of it.
class Foreseen {
 public:
  Foreseen(const Drawn& drawn, std::size_t source, int n) : drawn_(drawn), source_(source), n_(n) {
    if (drawn.stages[source].bad(n)) {
      fails_for_good = true;
      fails = 1;
    } else {
      leave(source, "main");
    }
    // What failed for good and nobody heard where it did leaves by its source.
    const std::string port = drawn.readers(source, "failed").empty() ? "any" : "failed";
    reported = drawn.readers(source, port);
  }

  /// How often it comes to each stage that ends a way, if nothing fails unheard.
  std::map<std::size_t, int> comes;
  std::vector<std::size_t> reported;  ///< Who hears of it if it fails for good.
  bool fails_for_good = false;        ///< It does, whatever is tried,
  int fails = 0;                      ///< and so much of what it becomes.
  int at_first = 0;                   ///< So often, at the most, it fails before it does not.
  bool by_chance = false;             ///< It comes by an edge that may lose it, or goes on with others that may fail.

  bool is_plain() const { return !fails_for_good && at_first == 0 && !by_chance; }

 private:
  void leave(std::size_t stage, const std::string& port) {
    for (const std::size_t reader : drawn_.readers(stage, port)) {
      if (drawn_.stages[reader].when_full != "block") by_chance = true;
      enter(reader);
    }
  }
  void enter(std::size_t number) {
    const auto& stage = drawn_.stages[number];
    using Kind = Drawn::Kind;
    if (stage.is_sink()) {
      ++comes[number];
      return;
    }
    if (stage.ends) ++comes[number];  // A call is made, however it ends.
    switch (stage.fate(n_)) {
      case Drawn::Fate::passes:
        break;
      case Drawn::Fate::fails_at_first:
        at_first += stage.at_first;
        break;
      default:
        if (stage.on_error == "drop") return;
        if (stage.on_error == "pass") break;
        if (!drawn_.readers(number, "failed").empty()) return leave(number, "failed");
        fails_for_good = true;
        ++fails;
        return;
    }
    switch (stage.kind) {
      case Kind::where:
        return leave(number, stage.hits(n_) ? "else" : "main");
      case Kind::route:
        return leave(number, n_ % 3 == 0 ? "a" : n_ % 3 == 1 ? "b" : "else");
      case Kind::lua:
        if (stage.hits(n_) && stage.drops) return;
        if (stage.hits(n_) && stage.emits) {
          leave(number, "main");
          leave(number, "side");
        }
        return leave(number, "main");
      default:
        // Many in one fail together.
        if (stage.kind == Kind::batch && may_lose(number)) by_chance = true;
        return leave(number, "main");
    }
  }
  bool may_lose(std::size_t stage) const {
    for (const std::size_t reader : drawn_.readers(stage, "main")) {
      if (drawn_.stages[reader].when_full != "block" || may_lose(reader)) return true;
    }
    return false;
  }

  const Drawn& drawn_;
  const std::size_t source_;
  const int n_;
};

/// Whether messages of a source with these letters come to a sink by one way only, and each stage on it keeps the
/// order: of all, or of each key.
class Ways {
 public:
  Ways(const Drawn& drawn, std::size_t source) : drawn_(drawn) { go(source, "", true, false); }
  bool in_order(std::size_t sink, const std::string& letters) const {
    const auto found = ways_.find({sink, letters});
    return found != ways_.end() && found->second.count == 1 && found->second.kept;
  }
  bool by_key(std::size_t sink, const std::string& letters) const { return ways_.at({sink, letters}).by_key; }

 private:
  struct Way {
    int count = 0;
    bool kept = true, by_key = false;
  };
  void go(std::size_t number, const std::string& letters, bool kept, bool by_key) {
    for (const auto& port : drawn_.ports(number)) {
      if (port == "failed" && drawn_.stages[number].is_source()) continue;
      for (const std::size_t reader : drawn_.readers(number, port)) {
        const auto& stage = drawn_.stages[reader];
        const bool still = kept && stage.kept(), key = by_key || stage.by_key();
        if (stage.is_sink()) {
          auto& way = ways_[{reader, letters}];
          ++way.count;
          way.kept = way.kept && still;
          way.by_key = way.by_key || key;
        } else {
          go(reader, letters + (stage.kind == Drawn::Kind::set ? std::string(1, Drawn::label(reader)) : ""), still,
             key);
        }
      }
    }
  }

  const Drawn& drawn_;
  std::map<std::pair<std::size_t, std::string>, Way> ways_;
};

}  // namespace weir::tests
