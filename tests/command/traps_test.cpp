// What people will type (language.md's table), each in a whole pipeline, with all that `weir check` says of it.
#include <boost/test/unit_test.hpp>
#include <sstream>
#include <string>

#include "engine/command/command.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

using weir::tests::TemporaryFolder;

struct Said {
  int code = 0;
  std::string text;  ///< Without the path of the file.
};

/// A stage `s` of these lines, in a pipeline that has nothing else to complain about.
Said check(const std::string& stage) {
  static const auto catalog = weir::stage::Catalog::linked();
  const TemporaryFolder folder;
  const auto path =
      folder.file("f.yaml", "stages:\n  in: {generate: {count: 1}}\n  gone: {from: in, drop: {}}\n" + stage);
  std::ostringstream out, err;
  weir::command::Streams streams{out, err};
  Said said;
  said.code = weir::command::run_command(catalog, {"check", path}, streams);
  said.text = err.str();
  const auto at = path.find("f.yaml");
  for (auto found = said.text.find(path); found != said.text.npos; found = said.text.find(path)) {
    said.text.erase(found, at);
  }
  return said;
}

/// It is refused, and this is the first line said of it, without the place, and the cure.
void refused(const std::string& stage, const std::string& place, const std::string& what, const std::string& cure) {
  const auto said = check(stage);
  BOOST_TEST(said.code == 78, stage << said.text);
  const auto first = said.text.substr(0, said.text.find('\n'));
  BOOST_TEST(first == "f.yaml:" + place + ": error: " + what);
  const auto hint = said.text.find("      = ");
  BOOST_TEST((hint == said.text.npos ? "" : said.text.substr(hint + 8, said.text.find('\n', hint) - hint - 8)) == cure);
}

std::string where(const std::string& code) {
  return "  s: {from: in, where: " + code + "}\n  t: {from: s, drop: {}}\n";
}
std::string where_line(const std::string& code) {
  return "  s:\n    from: in\n    where: " + code + "\n  t: {from: s, drop: {}}\n";
}
std::string set_line(const std::string& field) {
  return "  s:\n    from: in\n    set:\n      " + field + "\n  t: {from: s, drop: {}}\n";
}
std::string set(const std::string& fields) {
  return "  s: {from: in, set: {" + fields + "}}\n  t: {from: s, drop: {}}\n";
}
std::string lua(const std::string& code) {
  return "  s:\n    from: in\n    lua: |\n      " + code + "\n  t: {from: s, drop: {}}\n";
}

}  // namespace

// ------------------------------------------------------------------------------------------- what YAML makes of it

BOOST_AUTO_TEST_CASE(a_rate_of_nothing) {
  refused("  s: {from: in, limit: 0/s, pass: {}}\n  t: {from: s, drop: {}}\n", "4:24", "nothing would ever go", "");
}

BOOST_AUTO_TEST_CASE(a_misspelt_key_that_must_be_there_is_told_once) {
  const auto said = check("  s: {from: in, aggregate: {window: 1s, felds: {n: count()}}}\n  t: {from: s, drop: {}}\n");
  BOOST_TEST(said.code == 78);
  BOOST_TEST(said.text.find("has no key 'felds'") != said.text.npos, said.text);
  BOOST_TEST(said.text.find("needs 'fields'") == said.text.npos, said.text);
}

BOOST_AUTO_TEST_CASE(a_value_where_lua_wants_statements) {
  refused("  s: {from: in, lua: msg.a}\n  t: {from: s, drop: {}}\n", "4:22", "the code ends too early",
          "a value alone does nothing: write `return msg.a`, or an assignment");
}

BOOST_AUTO_TEST_CASE(what_lua_notices_only_later_is_told_where_it_stands_and_by_the_lines_of_the_file) {
  refused(lua("local y = 1\n      goto out\n      y = 2"), "8:7", "no visible label 'out' for <goto>", "");
  refused(lua("local y = 1\n      break"), "8:7", "break outside loop", "");
  refused(lua("goto on\n      local y = 1\n      ::on::\n      msg.y = y"), "7:7",
          "<goto on> jumps into the scope of local 'y'", "");
  refused(lua("::on::\n      local y = 1\n      ::on::\n\n      msg.y = y"), "9:9",
          "label 'on' already defined on line 7", "");
  refused(lua("msg.y = (1 +\n      2\n      msg.z = 3"), "9:7", "')' expected (to close '(' at line 7) near 'msg'", "");
  refused(lua("msg.y = 1\n      msg.z = 'at line 1"), "8:15", "unfinished string near ''at line 1'", "");
  refused(lua("msg.y = 1\n      msg.z ="), "8:13", "the code ends too early", "");
  refused("  s: {from: in, lua: break}\n  t: {from: s, drop: {}}\n", "4:22", "break outside loop", "");
}

BOOST_AUTO_TEST_CASE(code_is_found_however_its_scalar_is_written) {
  const auto place_of = [](const std::string& stage) {
    const auto text = check(stage).text;
    return text.substr(0, text.find(": error"));
  };
  const std::string rest = "  t: {from: s, drop: {}}\n";
  BOOST_TEST(place_of("  s:\n    from: in\n    lua: >\n      msg.a = 1\n      msg.b = nix\n" + rest) == "f.yaml:8:15");
  BOOST_TEST(place_of("  s:\n    from: in\n    lua: |2\n        msg.a = nix\n" + rest) == "f.yaml:7:17");
  BOOST_TEST(place_of("  s:\n    from: in\n    where: 'msg.a == ''x'' and nix'\n" + rest) == "f.yaml:6:32");
  BOOST_TEST(place_of("  s:\n    from: in\n    where: \"msg.a == \\\"x\\\" and nix\"\n" + rest) == "f.yaml:6:32");
  BOOST_TEST(place_of("  s:\n    from: in\n    set: {a: 'it''s {{ nix }}'}\n" + rest) == "f.yaml:6:24");
}

BOOST_AUTO_TEST_CASE(a_template_without_quotes) {
  const std::string what = "`{{ }}` outside quotes is a map to YAML";
  refused(set_line("to: {{ meta.client }}"), "7:11", what, "quote it: '{{ meta.client }}'");
  refused(set("to: {{ meta.client }}"), "4:27", what, "quote it: '{{ meta.client }}'");
}

BOOST_AUTO_TEST_CASE(braces_inside_braces) {
  const std::string what = "a { inside a text that stands in { } or [ ]";
  const std::string cure = "quote a text with `{`, `}` or `,` inside { }: ";
  refused(set("url: ${URL}"), "4:28", what, cure + "'${URL}'");
  refused(set("path: /chat/{room}"), "4:29", what, cure + "'/chat/{room}'");
  refused(set("text: hello, world"), "4:36", "'world' has no value",
          "quote a text with `{`, `}` or `,` inside { }; a key without more is `world: {}`");
}

BOOST_AUTO_TEST_CASE(a_comment_that_was_none) {
  refused(where_line("#msg.items > 3"), "6:12", "'where' has no value: a comment began at the #",
          "quote it: '#msg.items > 3'; of a comment, put a blank after the #");
  refused(set_line("url: http://x/{{ #msg.items }}"), "7:12", "`{{` without `}}`: a comment began at the #",
          "was a ` #` meant? quote it: 'http://x/{{ #msg.items }}'");
}

BOOST_AUTO_TEST_CASE(a_colon_a_quote_and_a_sign_where_yaml_wants_none) {
  refused(where_line("msg.name == \"a: b\""), "6:26", "a `: ` inside a text",
          "quote it: 'msg.name == \"a: b\"'; code may stand under `|`");
  refused(where_line("\"a\" == msg.x"), "6:16", "the text goes on after its closing quote",
          "put the field first, as in `msg.x == \"a\"`, or quote the whole: '\"a\" == msg.x'");
  refused(where_line("!msg.ok"), "6:12", "'!msg.ok' is a tag to YAML, not part of the value",
          "Lua writes `not msg.ok`; a text that begins with ! is quoted");
  refused("  s:\n    generate:\n      cron: */5 * * * *\n", "6:13",
          "'*/5 * * * *' is an alias to YAML, and nothing has that name",
          "a text that begins with * is quoted: '*/5 * * * *'");
  refused("  s: {file: {read: *.log}}\n", "4:20", "'*.log' is an alias to YAML, and nothing has that name",
          "a text that begins with * is quoted: '*.log'");
  refused("  s:\n    generate:\n      cron: @daily\n", "6:13", "no text begins with @ in YAML", "quote it: '@daily'");
}

BOOST_AUTO_TEST_CASE(booleans_of_other_times) {
  for (const std::string word : {"off", "On", "no", "YES", "True", "FALSE"}) {
    refused(set_line("action: " + word), "7:15", "`" + word + "` is a boolean to many editors, a text to others",
            "only `true` and `false` are booleans here; quote a text: '" + word + "'");
  }
  refused(set_line("on: x"), "7:7", "`on` is a boolean to many editors, a text to others",
          "only `true` and `false` are booleans here; quote a text: 'on'");
}

BOOST_AUTO_TEST_CASE(numbers_of_other_times) {
  const auto number = [](const std::string& text, const std::string& cure) {
    refused(set("n: " + text), "4:26", "expected a number or a text, found \"" + text + "\": " + cure, "");
  };
  number("017", "a leading 0 means octal to some: write 17, or quote a text: '017'");
  number("0o17", "numbers are decimal; quote a text: '0o17'");
  number("0x1F", "numbers are decimal; quote a text: '0x1F'");
  number("1_000", "write 1000, or quote a text: '1_000'");
  number("+1", "write 1 without the +, or quote a text: '+1'");
  number("1.", "write 1.0");
  number(".5", "write 0.5");
  number(".inf", "there is no infinity and no NaN in JSON");
  number(".nan", "there is no infinity and no NaN in JSON");
  refused("  s: {from: in, workers: 017, set: {a: 1}}\n  t: {from: s, drop: {}}\n", "4:26",
          "expected an integer, found \"017\": a leading 0 means octal to some: write 17, or quote a text: '017'", "");
}

BOOST_AUTO_TEST_CASE(keys_twice_and_keys_merged) {
  refused("  s: {from: in, drop: {}}\n  s: {from: in, drop: {}}\n", "5:3",
          "'s' stands here a second time; the first is at f.yaml:4:3", "keep one of them");
  const auto merged = check("  s: &s {from: in, drop: {}}\n  t:\n    <<: *s\n    drop: {}\n");
  BOOST_TEST(merged.code == 78);
  BOOST_TEST(merged.text.find("weir does not merge maps with `<<`") != std::string::npos, merged.text);
  refused("  s: &a {from: in, set: {x: *a}}\n", "4:29",
          "'*a' stands inside the very value it names: it would have no end", "write the part that is meant out");
}

BOOST_AUTO_TEST_CASE(a_second_document_and_what_follows_the_first) {
  refused("---\nstages: {}\n", "4:1", "a second document begins here", "one document a file: write a second file");
  refused("...\nx: 1\n", "5:1", "text after the end of the document `...`",
          "one document a file: remove the `...` or what follows it");
}

// --------------------------------------------------------------------------------------------- what Lua makes of it

BOOST_AUTO_TEST_CASE(words_of_other_languages_wherever_code_stands) {
  refused(where_line("msg.a != 1"), "6:18", "one expression is wanted, and '!' comes after it",
          "Lua writes `~=`, not `!=`");
  refused(where_line("msg.a && msg.b"), "6:18", "unexpected symbol near '&'", "Lua writes `and`, not `&&`");
  refused(where_line("msg.a || msg.b"), "6:18", "unexpected symbol near '|'", "Lua writes `or`, not `||`");
  refused(where_line("msg.a ?? msg.b"), "6:18", "one expression is wanted, and '?' comes after it",
          "Lua writes `a or b`, not `a ?? b`");
  refused(where("'msg.a ? 1 : 2'"), "4:31", "one expression is wanted, and '?' comes after it",
          "Lua writes `a and b or c`, not `a ? b : c`");
  refused(where_line("msg.a = 1"), "6:18", "one expression is wanted, and '=' comes after it",
          "Lua compares with '=='");
  refused(where_line("msg.b in msg.a"), "6:18", "one expression is wanted, and 'in' comes after it",
          "use 'contains(text, \"part\")', or of a list 'contains(list, value)'");
  refused(where_line("msg.a == None"), "6:21", "there is no 'None' here", "Lua writes 'nil'; JSON's null is 'null'");
  refused(lua("if msg.a != 1 then drop() end"), "7:16", "'then' expected near '!'", "Lua writes `~=`, not `!=`");
  refused(set_line("x: '{{ msg.a != 1 }}'"), "7:20", "one expression is wanted, and '!' comes after it",
          "Lua writes `~=`, not `!=`");
  refused("  s:\n    from: in\n    route: {a: msg.a != 1}\n  t: {from: [s.a, s.else], drop: {}}\n", "6:22",
          "one expression is wanted, and '!' comes after it", "Lua writes `~=`, not `!=`");
  refused("  s:\n    generate:\n      lua: |\n        if 1 && 2 then yield({}) end\n  t: {from: s, drop: {}}\n", "7:14",
          "unexpected symbol near '&'", "Lua writes `and`, not `&&`");
}

BOOST_AUTO_TEST_CASE(names_that_are_none_to_lua) {
  refused(where_line("msg.end > 1"), "6:16", "<name> expected near 'end'",
          "`end` is a word of Lua: write `msg[\"end\"]`");
  const std::string what = "`msg.content-type` is a subtraction", cure = "write `msg[\"content-type\"]`";
  refused(where_line("msg.content-type == \"a\""), "6:12", what, cure);
  refused(lua("msg.t = msg.content-type"), "7:15", what, cure);
  refused(set_line("t: 'x {{ msg.content-type }}'"), "7:16", what, cure);
  refused(where_line("msg.user-agent == \"a\""), "6:12", "`msg.user-agent` is a subtraction",
          "write `msg[\"user-agent\"]`");
  BOOST_TEST(check(lua("local tax = 1 msg.net = msg.gross-tax")).code == 0);
  BOOST_TEST(check(where("msg.a-msg.b > num(msg.c)-1")).code == 0);
}

BOOST_AUTO_TEST_CASE(an_escape_that_lua_has_not) {
  refused(lua("msg.a = re.match(\"^(\\S+)\", text)"), "7:24", "invalid escape sequence near '\"^(\\S'",
          "Lua has no escape `\\S`: write the text as `[[^(\\S+)]]`");
}

BOOST_AUTO_TEST_CASE(a_length_is_warned_of_for_a_payload_may_have_one) {
  for (const auto& stage :
       {where_line("msg.items.length > 3"), set_line("n: '{{ msg.items.length }}'"), lua("msg.n = msg.items.length")}) {
    const auto said = check(stage);
    BOOST_TEST(said.code == 0, said.text);
    BOOST_TEST(said.text.find(": warning: Lua has no `.length`: this is a field of that name\n") != std::string::npos,
               said.text);
    BOOST_TEST(said.text.find("      = Lua writes `#msg.items` for how many there are; a field of that name is "
                              "`msg.items[\"length\"]`\n") != std::string::npos,
               said.text);
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_filled_in_inside_code) {
  refused(where_line("msg.n > ${limit}"), "6:12", "`${…}` is not filled in here", "bare Lua here: write `vars.limit`");
  refused(where_line("'{{ msg.n }} > 3'"), "6:12", "`{{ }}` is not filled in here",
          "bare Lua here: write `msg.n` without the braces");
  refused(set("a: 'x {{ msg.a'"), "4:29", "`{{` without `}}`", "two braces that are meant as such are written \\{{");
}

BOOST_AUTO_TEST_CASE(names_where_they_mean_nothing) {
  refused(set("x: '{{ i }}'"), "4:30", "there is no 'i' here", "it is known in 'generate' only");
  refused("  s: {generate: {count: 1, msg: {x: '{{ msg.a }}'}}}\n  t: {from: s, drop: {}}\n", "4:41",
          "there is no 'msg' here", "in 'generate' there is no message yet");
  refused(lua("yield({})"), "7:7", "there is no 'yield' here", "it is known in 'generate' only");
}

BOOST_AUTO_TEST_CASE(a_trap_in_what_a_kind_cannot_do_without_is_told_and_no_more) {
  for (const std::string stage :
       {"http: {get: {{ msg.url }}}", "http: yes", "http: {post: {x: yes}}", "exec: {run: {{ msg.argv }}}",
        "exec: {run: [yes]}", "exec: no", "file: {write: yes}", "file: {append: {{ msg.path }}}", "lua: yes",
        "set: {a: {{ msg.a }}}", "batch: {count: yes}", "aggregate: {by: [yes], window: 1s, fields: {n: count()}}",
        "limit: {rate: yes}\n    pass: {}"}) {
    const auto said = check("  s:\n    from: in\n    " + stage + "\n  t: {from: s, drop: {}}\n");
    BOOST_TEST(said.code == 78, stage << said.text);
    BOOST_TEST(said.text.find(": error: ") != said.text.npos, stage);
  }
  BOOST_TEST(check("  s: {http_server: {listen: yes, path: yes}}\n  t: {from: s, reply: {status: yes}}\n").code == 78);
}

BOOST_AUTO_TEST_CASE(a_var_that_is_not_there_is_found_in_code_too) {
  const std::string what = "no var is called 'mx'", cure = "did you mean 'vars.max'?";
  const std::string vars = "vars: {max: 3, names: [a]}\n";
  refused(where_line("msg.n > vars.mx") + vars, "6:25", what, cure);
  refused(set("x: '{{ vars.mx }}'") + vars, "4:35", what, cure);
  refused(lua("msg.x = vars['mx']") + vars, "7:20", what, cure);
  refused(lua("msg.x = vars.other") + vars, "7:20", "no var is called 'other'", "known are max, names");
  refused(lua("msg.x = vars.other"), "7:20", "no var is called 'other'", "write it under vars:");
  for (const auto* fine : {"msg.x = vars.max", "msg.x = vars[msg.k]", "msg.x = vars['ma' .. 'x']", "msg.vars.mx = 1",
                           "local vars = {mx = 1} msg.x = vars.mx", "for k in pairs(vars) do msg[k] = 1 end"}) {
    const auto said = check(lua(fine) + vars);
    BOOST_TEST(said.code == 0, fine << said.text);
  }
}

BOOST_AUTO_TEST_CASE(a_secret_in_code_is_not_told_to_be_a_var) {
  const std::string cure =
      "a secret can't be read in Lua; it stands only where an option says so, such as headers of http";
  refused(where_line("msg.key == \"${secret.api}\""), "6:12", "`${…}` is not filled in here", "bare Lua here: " + cure);
  refused(set("x: '{{ \"${secret.api}\" }}'"), "4:27", "`${…}` inside `{{ }}`: this is Lua", cure);
}
