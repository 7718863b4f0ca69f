#include "engine/script/prepared.hpp"

#include <algorithm>
#include <utility>

#include "engine/message/json.hpp"

namespace weir::script {
namespace {

constexpr std::size_t members_most = 100;  // A call has no room for more than some 250.

class Preparation {
 public:
  Preparation(std::string_view code, const std::vector<Token>& tokens) : code_(code), tokens_(tokens) {}

  std::optional<Prepared> made(bool straight) {
    walk();
    if (straight && made_.objects.empty()) return std::nullopt;
    made_.code.append(code_.substr(copied_)).append("\nend");
    return std::move(made_);
  }

 private:
  bool is(std::size_t at, std::string_view word) const { return at < tokens_.size() && tokens_[at].is(word); }

  /// What stands between two places of the code becomes `text`. In order.
  void replace(std::size_t from, std::size_t to, std::string_view text) {
    made_.code.append(code_.substr(copied_, from - copied_)).append(text);
    copied_ = to;
  }
  void replace(const Token& token, std::string_view text) {
    replace(token.offset, token.offset + token.text.size(), text);
  }
  void insert(std::size_t at, std::string_view text) { replace(at, at, text); }
  /// By way of a local, which is quicker looked at.
  static std::string taking(int rounds) {
    const std::string left = Prepared::rounds, now = Prepared::rounds_now;
    return " do local " + now + " = " + left + " - " + std::to_string(rounds) + " " + left + " = " + now + " if " +
           now + " < 0 then " + left + " = " + Prepared::more_rounds + "() end end ";
  }
  /// Where nothing can be kept from one round to the next.
  void insert_round(std::size_t at) {
    static const std::string round = taking(2);
    insert(at, round);
  }
  /// A loop takes several at once into a local of its own, which is quicker counted down.
  void insert_loop(std::size_t at) {
    static const std::string loop = "do local " + std::string(Prepared::in_hand) + " = 0 ";
    insert(at, loop);
  }
  void insert_loop_round(std::size_t at) {
    constexpr int at_once = 16;
    static const std::string name = Prepared::in_hand;
    static const std::string round = " " + name + " = " + name + " - 1 if " + name + " < 0 then " + taking(at_once) +
                                     name + " = " + std::to_string(at_once - 1) + " end ";
    insert(at, round);
  }

  void walk() {
    const std::string rounds = Prepared::rounds, more = Prepared::more_rounds, object = Prepared::object;
    made_.code = "local " + rounds + ", " + more + ", " + object + " = 0, ... return function(...) ";
    enum class Open : std::uint8_t { block, head, loop, function };  // head: of a loop, its `do` is still to come.
    std::vector<Open> open;
    bool parameters = false;
    for (std::size_t at = 0; at < tokens_.size(); ++at) {
      const auto& token = tokens_[at];
      const std::size_t behind = token.offset + token.text.size();
      if (parameters && token.is(")")) {
        parameters = false;
        insert_round(behind);
      } else if (token.is("while") || token.is("for")) {
        open.push_back(Open::head);
        insert_loop(token.offset);
      } else if (token.is("do") && !open.empty() && open.back() == Open::head) {
        open.back() = Open::loop;
        insert_loop_round(behind);
      } else if (token.is("do") || token.is("if")) {
        open.push_back(Open::block);
      } else if (token.is("function")) {
        open.push_back(Open::function);
        parameters = true;
      } else if (token.is("repeat")) {
        open.push_back(Open::block);
        insert_round(behind);
      } else if (token.is("goto")) {
        insert_round(token.offset);
      } else if ((token.is("end") || token.is("until")) && !open.empty()) {
        if (open.back() == Open::loop) insert(behind, " end");
        open.pop_back();
      } else if (token.is("return") && std::find(open.begin(), open.end(), Open::function) == open.end()) {
        at = object_at(at + 1).value_or(at);
      }
    }
  }

  /// Hands the values of a table of plain names to the function. Where it ends; nothing where it is another.
  std::optional<std::size_t> object_at(std::size_t begin) {
    if (!is(begin, "{")) return std::nullopt;
    struct Field {
      std::size_t name, value;  // Where each begins.
      std::size_t end;          // Of a comma, or of the brace that ends it all.
    };
    std::vector<Field> fields;
    Prepared::Object object;
    std::size_t at = begin + 1;
    while (!is(at, "}")) {
      Field field{at, 0, 0};
      auto& member = object.emplace_back();
      if (at < tokens_.size() && tokens_[at].kind == Token::Kind::name && is(at + 1, "=")) {
        member.name = tokens_[at].text;
        field.value = at + 2;
      } else if (is(at, "[") && at + 1 < tokens_.size() && string_value(tokens_[at + 1], member.name) &&
                 is(at + 2, "]") && is(at + 3, "=")) {
        field.value = at + 4;
      } else {
        return std::nullopt;
      }
      int depth = 0;
      for (at = field.value; at < tokens_.size(); ++at) {
        if (is(at, "function")) return std::nullopt;
        if (depth == 0 && (is(at, ",") || is(at, ";") || is(at, "}"))) break;
        if (is(at, "(") || is(at, "[") || is(at, "{")) ++depth;
        if (is(at, ")") || is(at, "]") || is(at, "}")) --depth;
      }
      field.end = at;
      fields.push_back(field);
      member.argument = static_cast<int>(fields.size()) + 1;
      message::append_key(member.key += ',', member.name);
      if (!is(at, "}")) ++at;
      if (at >= tokens_.size()) return std::nullopt;
    }
    const std::size_t next = at + 1;
    if (next < tokens_.size() && !is(next, ";") && !is(next, "end") && !is(next, "else") && !is(next, "elseif") &&
        !is(next, "until"))
      return std::nullopt;
    if (object.empty() || object.size() > members_most) return std::nullopt;
    const auto by_name = [](const auto& left, const auto& right) { return left.name < right.name; };
    std::sort(object.begin(), object.end(), by_name);
    for (std::size_t i = 1; i < object.size(); ++i) {
      if (object[i].name == object[i - 1].name) return std::nullopt;
    }

    replace(tokens_[begin], Prepared::object + ("(" + std::to_string(made_.objects.size())));
    // In brackets each, as the last may be a call that gives several.
    for (const auto& field : fields) {
      const auto from = tokens_[field.name].offset, to = tokens_[field.value].offset;
      const auto name = code_.substr(from, to - from);
      const auto lines = static_cast<std::size_t>(std::count(name.begin(), name.end(), '\n'));
      replace(from, to, ", (" + std::string(lines, '\n'));
      // Right behind its last word, by whose line Lua tells where it failed.
      const auto& last = tokens_[field.end - 1];
      replace(last.offset + last.text.size(), last.offset + last.text.size(), ")");
      if (!is(field.end, "}")) replace(tokens_[field.end], "");
    }
    replace(tokens_[at], ")");
    made_.objects.push_back(std::move(object));
    return at;
  }

  const std::string_view code_;
  const std::vector<Token>& tokens_;
  Prepared made_;
  std::size_t copied_ = 0;  // So much of the code.
};

}  // namespace

std::optional<Prepared> prepared(std::string_view code, const std::vector<Token>& tokens, bool straight) {
  const auto is_taken = [](const Token& token) {
    return token.is_name(Prepared::rounds) || token.is_name(Prepared::more_rounds) ||
           token.is_name(Prepared::in_hand) || token.is_name(Prepared::rounds_now) || token.is_name(Prepared::object);
  };
  if (std::any_of(tokens.begin(), tokens.end(), is_taken)) return std::nullopt;
  if (code.find('\r') != code.npos) return std::nullopt;  // Where Lua ends a comment, and the tokens do not.
  return Preparation(code, tokens).made(straight);
}

}  // namespace weir::script
