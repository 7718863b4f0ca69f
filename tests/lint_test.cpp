// gcc 12 copies some temporaries of a co_await expression bit by bit and destroys both copies: a braced temporary given
// as an argument, and a lambda that captures, whether they stand before the co_await or behind it. The cure is to name
// the value on its own line and move it. This finds both shapes, in the code and in the tests.
#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/source_text.hpp"

namespace {

using weir::tests::is_identifier;
using weir::tests::read_source;
using weir::tests::repository_sources;
using weir::tests::Token;
using namespace std::string_view_literals;

using Tokens = std::vector<Token>;

constexpr auto braced = "a braced temporary inside co_await: name it on its own line, then move it"sv;
constexpr auto capturing = "a capturing lambda inside co_await: name it on its own line, then move it"sv;

bool is_open(std::string_view text) { return text == "(" || text == "[" || text == "{"; }
bool is_close(std::string_view text) { return text == ")" || text == "]" || text == "}"; }

/// The place of the bracket that closes the one at `open`; the end where there is none.
std::size_t closing(const Tokens& tokens, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < tokens.size(); ++i) {
    if (is_open(tokens[i].text)) ++depth;
    if (is_close(tokens[i].text) && --depth == 0) return i;
  }
  return tokens.size();
}

/// A `[` that follows a value subscripts it; any other begins a lambda, or an attribute.
bool begins_lambda(const Tokens& tokens, std::size_t at) {
  if (tokens[at].text != "[") return false;
  if (at + 1 < tokens.size() && tokens[at + 1].text == "[") return false;
  if (at == 0) return true;
  const auto& before = tokens[at - 1];
  if (before.text == "[") return false;
  if (before.text == "return" || before.text == "co_return" || before.text == "co_yield" || before.text == "co_await") {
    return true;
  }
  return !is_identifier(before) && before.text != ")" && before.text != "]" && before.text != "}" &&
         before.text != "\"\"";
}

/// The place of the `}` that ends the body of the lambda whose `[` is at `at`.
std::size_t lambda_end(const Tokens& tokens, std::size_t at) {
  std::size_t i = closing(tokens, at) + 1;
  while (i < tokens.size() && tokens[i].text != "{" && tokens[i].text != ";") {
    i = tokens[i].text == "(" || tokens[i].text == "[" ? closing(tokens, i) + 1 : i + 1;
  }
  return i < tokens.size() && tokens[i].text == "{" ? closing(tokens, i) : i;
}

/// Whether a full expression ends with the bracket that was opened at `open`: the condition of an `if`, `while`, `for`
/// or `switch`, or braces. Behind any other the expression goes on.
bool ends_an_expression(const Tokens& tokens, std::size_t open) {
  if (tokens[open].text == "{") return true;
  if (open == 0 || tokens[open].text != "(") return false;
  const auto& before = tokens[open - 1].text;
  return before == "if" || before == "while" || before == "for" || before == "switch" || before == "constexpr";
}

/// What was found, by the place of its token: nested co_awaits see the same argument twice.
using Findings = std::map<std::size_t, std::string_view>;

/// Reads on from the co_await at `at` to the end of its full expression. `brackets` are those open around it.
void inspect(const Tokens& tokens, std::size_t at, std::vector<std::size_t> brackets, Findings& findings) {
  std::size_t outermost = brackets.size();
  bool in_next_argument = false;
  for (std::size_t i = at + 1; i < tokens.size(); ++i) {
    const auto& text = tokens[i].text;
    const bool is_nested = brackets.size() > outermost;
    if (text == ";") return;
    if (begins_lambda(tokens, i)) {
      if (i + 1 < tokens.size() && tokens[i + 1].text != "]") findings.emplace(i, capturing);
      i = lambda_end(tokens, i);
    } else if (is_close(text)) {
      if (brackets.empty()) return;
      if (!is_nested) {
        if (ends_an_expression(tokens, brackets.back())) return;
        --outermost;
        in_next_argument = false;
      }
      brackets.pop_back();
    } else if (is_open(text)) {
      // The operand itself may be braced, `co_await Awaiter{this}`: it is no argument.
      if (text == "{" && (is_nested || in_next_argument)) findings.emplace(i, braced);
      brackets.push_back(i);
    } else if (text == "," && !is_nested && !brackets.empty()) {
      in_next_argument = tokens[brackets.back()].text == "(";
    }
  }
}

/// Whether the `{` at `at` opens a block of statements. One that stands inside another block alone, as the body of a
/// namespace may, is not told from a list: nothing is awaited in it but in blocks of its own.
bool opens_block(const Tokens& tokens, std::size_t at) {
  static constexpr std::array before_a_block{")"sv, "{"sv, "}"sv, ";"sv, ":"sv, "else"sv, "do"sv, "try"sv};
  if (at == 0) return true;
  const auto& before = tokens[at - 1].text;
  if (before != "{" && std::find(before_a_block.begin(), before_a_block.end(), before) != before_a_block.end()) {
    return true;
  }
  const auto end = closing(tokens, at);
  for (std::size_t i = at + 1; i < end; ++i) {
    if (tokens[i].text == ";") return true;
    if (is_open(tokens[i].text)) i = closing(tokens, i);
  }
  return false;
}

/// Looks at what stands before the co_await at `at` in its full expression, which begins at `begin`: it is made before
/// the coroutine is suspended and lives until the expression ends.
void inspect_before(const Tokens& tokens, std::size_t begin, std::size_t at, Findings& findings) {
  for (std::size_t i = begin; i < at; ++i) {
    if (begins_lambda(tokens, i)) {
      const auto end = lambda_end(tokens, i);
      if (end < at && i + 1 < at && tokens[i + 1].text != "]") findings.emplace(i, capturing);
      if (end < at) i = end;
    } else if (tokens[i].text == "{" && closing(tokens, i) < at) {
      findings.emplace(i, braced);
    }
  }
}

/// Each finding as `line: what`.
std::vector<std::string> lint(std::string_view text) {
  const auto tokens = read_source(text).tokens;
  Findings findings;
  std::vector<std::size_t> brackets;
  std::vector<std::size_t> begins{0};  // Of the full expression in each of `brackets`, and outside of them all.
  std::set<std::size_t> lambda_ends;   // Behind which the expression goes on.
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto& token = tokens[i].text;
    if (begins_lambda(tokens, i)) lambda_ends.insert(lambda_end(tokens, i));
    if (is_open(token)) {
      const bool is_new = token == "{" ? opens_block(tokens, i) : ends_an_expression(tokens, i);
      begins.push_back(is_new ? i + 1 : begins.back());
      brackets.push_back(i);
    } else if (is_close(token) && !brackets.empty()) {
      const bool is_end = begins.back() > brackets.back() && !lambda_ends.contains(i);
      brackets.pop_back();
      begins.pop_back();
      if (is_end) begins.back() = i + 1;
    } else if (token == ";") {
      begins.back() = i + 1;
    } else if (token == "co_await") {
      inspect(tokens, i, brackets, findings);
      inspect_before(tokens, begins.back(), i, findings);
    }
  }
  std::vector<std::string> lines;
  for (const auto& [at, what] : findings) lines.push_back(std::to_string(tokens[at].line) + ": " + std::string(what));
  return lines;
}

void check_found(const std::string& body, const std::vector<std::string>& expected) {
  const auto found = lint("asio::awaitable<void> f() {\n" + body + "\n}\n");
  BOOST_TEST_INFO(body);
  BOOST_TEST(found == expected, boost::test_tools::per_element());
}

std::string at_line_2(std::string_view what) { return "2: " + std::string(what); }

}  // namespace

BOOST_AUTO_TEST_CASE(no_co_await_holds_a_temporary_that_gcc_12_destroys_twice) {
  for (const auto& file : repository_sources({"engine", "stages", "tests"})) {
    for (const auto& finding : lint(file.text)) BOOST_ERROR(file.path << ":" << finding);
  }
}

BOOST_AUTO_TEST_CASE(a_braced_argument_inside_co_await_is_found) {
  for (const std::string body :
       {"co_await send({text, {}}, 1)", "co_await send(Message{text, {}})", "auto r = co_await out.send(Message{});",
        "if (co_await send(Message{text})) return;", "co_await (send(Message{text}) || timeout());",
        "co_return co_await send(std::vector<int>{1, 2});", "take(co_await receive(), Message{text});",
        "co_await Awaiter{Message{text}};", "outer(inner(co_await receive()), {text, 1});",
        "while (auto m = co_await pick(ports[0], {text})) { use(*m); }",
        "co_await each([](int) { return Message{}; }, Message{text});"}) {
    const auto found = lint("\n" + body);
    BOOST_CHECK_MESSAGE(!found.empty() && found.front() == at_line_2(braced), "not found: " << body);
  }
  check_found("co_await send(co_await receive({1}));", {at_line_2(braced)});
}

BOOST_AUTO_TEST_CASE(what_stands_before_a_co_await_in_its_expression_is_found_too) {
  for (const std::string body :
       {"take(Message{text}, co_await receive());", "take({text, 1}, co_await receive());",
        "make(Message{text}).then(co_await receive());", "auto pair = std::pair{Message{text}, co_await receive()};",
        "if (x) { stop(); } take(Message{text}, co_await receive());",
        "return take(Message{text}, Other{co_await receive()});",
        "if (take(Message{text}, co_await receive())) return;"}) {
    check_found(body, {at_line_2(braced)});
  }
  check_found("auto size = [text] { return text.size(); }() + co_await receive();", {at_line_2(capturing)});
  check_found("spawn([s] { take(Message{text}, co_await receive()); });", {at_line_2(braced)});
  for (const std::string body :
       {"use(Message{text}); co_await receive();", "for (const auto& m : {1, 2}) co_await send(m);",
        "if (use(Message{text})) { co_await receive(); } else { use(Message{text}); } co_await receive();",
        "while (a) { if (b) { use({1}); } } co_await receive();", "spawn([s](Message m) { co_await receive(); });",
        "switch (a) { case 1: { use({1}); } case 2: co_await receive(); }",
        "run([] { use({1}); }, co_await receive());", "if (const auto m = Message{text}; m) co_await receive();",
        "Message m{text};\nco_await receive();", "auto f = [&](int) -> Task<> { use({1}); co_await receive(); };",
        "Pair p{co_await a(), 1};"}) {
    check_found(body, {});
  }
}

BOOST_AUTO_TEST_CASE(a_lambda_that_captures_inside_co_await_is_found) {
  for (const std::string captures : {"s", "&", "=", "this", "&s", "s = std::move(s)"}) {
    check_found("co_await run([" + captures + "](int x) -> int { return Thing{x}.value; });", {at_line_2(capturing)});
  }
  check_found("co_await run(1, [s] { co_await other(); });", {at_line_2(capturing)});
}

BOOST_AUTO_TEST_CASE(the_cures_and_what_looks_alike_are_left_alone) {
  for (const std::string body :
       {"Message message{text, {}};\nco_await send(std::move(message));",
        "auto job = [s] { return s; };\nco_await run(std::move(job));", "co_await send(Message(text));",
        "co_await Awaiter{this};", "co_await run([](int x) { return Thing{x}; });",
        "co_await run([] { if (true) { stop(); } });", "if (co_await ready()) { Message m{text}; use({1, 2}); }",
        "while (auto m = co_await in.receive()) { send_later({*m}); }",
        "for (auto& m : co_await in.batch()) { use(Message{m}); }", "switch (co_await next()) { case 1: use({1}); }",
        "co_await ports[index].send(std::move(m));", "Pair p{co_await a(), {1, 2}};", "// co_await send({text, 1})",
        "auto text = \"co_await send({text, 1})\";", "auto [a, b] = co_await pair();"}) {
    check_found(body, {});
  }
}
