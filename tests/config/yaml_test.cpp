// What people will type, and what YAML would silently make of it: each with the whole of what weir says.
#include <boost/test/unit_test.hpp>

#include <string>

#include "engine/config/yaml.hpp"

namespace {

using namespace weir::config;

std::string told(const std::string& text) {
  Diagnostics diagnostics;
  parse(make_source("f.yaml", text), diagnostics);
  return diagnostics.render();
}

/// The value of `v`.
std::string text_of(const std::string& text) {
  Diagnostics diagnostics;
  const auto node = parse(make_source("f.yaml", text), diagnostics);
  BOOST_REQUIRE_MESSAGE((node && node->find("v")), text << diagnostics.render());
  return node->find("v")->text;
}

BOOST_AUTO_TEST_CASE(a_template_without_quotes_is_told_to_be_quoted) {
  BOOST_TEST(told("to: {{ meta.client }}") == R"(f.yaml:1:5: error: `{{ }}` outside quotes is a map to YAML
    1 | to: {{ meta.client }}
      |     ^~~~~~~~~~~~~~~~~
      = quote it: '{{ meta.client }}'
)");
}

BOOST_AUTO_TEST_CASE(a_template_without_quotes_inside_a_flow_map) {
  BOOST_TEST(told("k: {msg: {id: {{ i }}, b: {{ item }}}}") ==
             R"(f.yaml:1:15: error: `{{ }}` outside quotes is a map to YAML
    1 | k: {msg: {id: {{ i }}, b: {{ item }}}}
      |               ^~~~~~~
      = quote it: '{{ i }}'
f.yaml:1:27: error: `{{ }}` outside quotes is a map to YAML
    1 | k: {msg: {id: {{ i }}, b: {{ item }}}}
      |                           ^~~~~~~~~~
      = quote it: '{{ item }}'
)");
}

BOOST_AUTO_TEST_CASE(a_template_without_quotes_inside_a_list) {
  BOOST_TEST(told("run: [{{ msg.x }}, b]") == R"(f.yaml:1:7: error: `{{ }}` outside quotes is a map to YAML
    1 | run: [{{ msg.x }}, b]
      |       ^~~~~~~~~~~
      = quote it: '{{ msg.x }}'
)");
}

BOOST_AUTO_TEST_CASE(a_template_without_quotes_that_holds_quotes) {
  BOOST_TEST(told("to: {{ msg[\"a\"] }}") == R"(f.yaml:1:5: error: `{{ }}` outside quotes is a map to YAML
    1 | to: {{ msg["a"] }}
      |     ^~~~~~~~~~~~~~
      = quote it: '{{ msg["a"] }}'
)");
}

BOOST_AUTO_TEST_CASE(a_template_without_quotes_and_text_behind_it) {
  BOOST_TEST(told("to: {{ msg.a }}-x") == R"(f.yaml:1:5: error: `{{ }}` outside quotes is a map to YAML
    1 | to: {{ msg.a }}-x
      |     ^~~~~~~~~~~~~
      = quote it: '{{ msg.a }}-x'
)");
}

BOOST_AUTO_TEST_CASE(a_template_without_quotes_as_a_key) {
  BOOST_TEST(told("{{ x }}: y") == R"(f.yaml:1:1: error: a key is text: `{{ }}` outside quotes is a map to YAML
    1 | {{ x }}: y
      | ^~~~~~~
      = quote it: '{{ x }}'
)");
}

BOOST_AUTO_TEST_CASE(a_name_without_quotes_inside_braces) {
  BOOST_TEST(told("http: {url: ${URL}, body: 1}") == R"(f.yaml:1:13: error: a { inside a text that stands in { } or [ ]
    1 | http: {url: ${URL}, body: 1}
      |             ^~~~~~
      = quote a text with `{`, `}` or `,` inside { }: '${URL}'
)");
}

BOOST_AUTO_TEST_CASE(a_path_with_braces_inside_braces) {
  BOOST_TEST(told("http_server: {path: /chat/{room}}") ==
             R"(f.yaml:1:21: error: a { inside a text that stands in { } or [ ]
    1 | http_server: {path: /chat/{room}}
      |                     ^~~~~~~~~~~~
      = quote a text with `{`, `}` or `,` inside { }: '/chat/{room}'
)");
}

BOOST_AUTO_TEST_CASE(a_text_with_a_comma_inside_braces) {
  BOOST_TEST(told("set: {text: hello, world}") == R"(f.yaml:1:20: error: 'world' has no value
    1 | set: {text: hello, world}
      |                    ^~~~~
      = quote a text with `{`, `}` or `,` inside { }; a key without more is `world: {}`
)");
}

BOOST_AUTO_TEST_CASE(a_condition_that_became_a_comment) {
  BOOST_TEST(told("where: #msg.items > 3") == R"(f.yaml:1:8: error: 'where' has no value: a comment began at the #
    1 | where: #msg.items > 3
      |        ^~~~~~~~~~~~~~
      = quote it: '#msg.items > 3'; of a comment, put a blank after the #
)");
}

BOOST_AUTO_TEST_CASE(a_condition_cut_by_a_comment) {
  BOOST_TEST(told("where: msg.n > #msg.items") == R"(f.yaml:1:16: error: a comment began here, in the middle of the code
    1 | where: msg.n > #msg.items
      |                ^
      = quote it: 'msg.n > #msg.items'
)");
}

BOOST_AUTO_TEST_CASE(a_condition_in_braces_cut_by_a_comment) {
  BOOST_TEST(told("a: {from: in, where: #msg.items > 3}\nb: {from: a}") ==
             R"(f.yaml:1:22: error: a comment began at the #, inside { }
    1 | a: {from: in, where: #msg.items > 3}
      |                      ^~~~~~~~~~~~~~~
      = quote a text with ` #` in it
)");
  BOOST_TEST(told("a: {where: msg.n > #msg.items}") == R"(f.yaml:1:20: error: a comment began at the #, inside { }
    1 | a: {where: msg.n > #msg.items}
      |                    ^~~~~~~~~~~
      = quote a text with ` #` in it
)");
}

BOOST_AUTO_TEST_CASE(a_template_cut_by_a_comment) {
  BOOST_TEST(told("url: http://x/{{ #msg.items }}") == R"(f.yaml:1:6: error: `{{` without `}}`: a comment began at the #
    1 | url: http://x/{{ #msg.items }}
      |      ^~~~~~~~~~~
      = was a ` #` meant? quote it: 'http://x/{{ #msg.items }}'
)");
}

BOOST_AUTO_TEST_CASE(a_condition_with_a_colon_in_its_text) {
  BOOST_TEST(told("where: msg.name == \"a: b\"") == R"(f.yaml:1:22: error: a `: ` inside a text
    1 | where: msg.name == "a: b"
      |                      ^
      = quote it: 'msg.name == "a: b"'; code may stand under `|`
)");
}

BOOST_AUTO_TEST_CASE(a_condition_that_begins_with_a_quoted_text) {
  BOOST_TEST(told("where: \"a\" == msg.x") == R"(f.yaml:1:12: error: the text goes on after its closing quote
    1 | where: "a" == msg.x
      |            ^~~~~~~~
      = put the field first, as in `msg.x == "a"`, or quote the whole: '"a" == msg.x'
)");
}

BOOST_AUTO_TEST_CASE(a_condition_in_braces_that_begins_with_a_quoted_text) {
  BOOST_TEST(told("a: {where: \"a\" == msg.x}") == R"(f.yaml:1:16: error: the text goes on after its closing quote
    1 | a: {where: "a" == msg.x}
      |                ^~~~~~~~
      = put the field first, as in `msg.x == "a"`, or quote the whole: '"a" == msg.x'
)");
}

BOOST_AUTO_TEST_CASE(a_negation_that_became_a_tag) {
  BOOST_TEST(told("where: !msg.ok") == R"(f.yaml:1:8: error: '!msg.ok' is a tag to YAML, not part of the value
    1 | where: !msg.ok
      |        ^~~~~~~
      = Lua writes `not msg.ok`; a text that begins with ! is quoted
)");
}

BOOST_AUTO_TEST_CASE(a_negation_with_a_blank_that_was_lost) {
  BOOST_TEST(told("where: ! msg.ok") == R"(f.yaml:1:8: error: '!' is a tag to YAML, not part of the value
    1 | where: ! msg.ok
      |        ^
      = Lua writes `not msg.ok`; a text that begins with ! is quoted
)");
}

BOOST_AUTO_TEST_CASE(a_cron_line_that_became_an_alias) {
  BOOST_TEST(told("cron: */5 * * * *") ==
             R"(f.yaml:1:7: error: '*/5 * * * *' is an alias to YAML, and nothing has that name
    1 | cron: */5 * * * *
      |       ^~~~~~~~~~~
      = a text that begins with * is quoted: '*/5 * * * *'
)");
}

BOOST_AUTO_TEST_CASE(a_glob_that_became_an_alias) {
  BOOST_TEST(told("read: *.log") == R"(f.yaml:1:7: error: '*.log' is an alias to YAML, and nothing has that name
    1 | read: *.log
      |       ^~~~~
      = a text that begins with * is quoted: '*.log'
)");
}

BOOST_AUTO_TEST_CASE(a_glob_in_braces_that_became_an_alias) {
  BOOST_TEST(told("file: {read: *.log, every: 1s}") ==
             R"(f.yaml:1:14: error: '*.log' is an alias to YAML, and nothing has that name
    1 | file: {read: *.log, every: 1s}
      |              ^~~~~
      = a text that begins with * is quoted: '*.log'
)");
}

BOOST_AUTO_TEST_CASE(a_cron_word_that_begins_with_a_reserved_character) {
  BOOST_TEST(told("cron: @daily") == R"(f.yaml:1:7: error: no text begins with @ in YAML
    1 | cron: @daily
      |       ^~~~~~
      = quote it: '@daily'
)");
}

BOOST_AUTO_TEST_CASE(a_text_with_a_reserved_character_is_quoted_without_what_closes_its_braces) {
  for (const char* text :
       {"{v: @x}", "[@x]", "{v: @x, w: 1}", "v: {v: @x}", "v: [a, {b: @x}]", "v: @x", "@x: 1", "{@x: 1}"}) {
    BOOST_TEST(told(text).ends_with("= quote it: '@x'\n"), told(text));
  }
}

BOOST_AUTO_TEST_CASE(a_text_that_begins_with_a_question_mark) {
  BOOST_TEST(told("v: ?x") == R"(f.yaml:1:4: error: a ? at the beginning makes a key of it to some readers of YAML
    1 | v: ?x
      |    ^~
      = quote it: '?x'
)");
  BOOST_TEST(told("{v: ?x}") == R"(f.yaml:1:5: error: a ? at the beginning makes a key of it to some readers of YAML
    1 | {v: ?x}
      |     ^~
      = quote it: '?x'
)");
  for (const char* text : {"[?x]", "?x: 1", "{?x: 1}", "- ?x"}) {
    BOOST_TEST(told(text).ends_with("= quote it: '?x'\n"), told(text));
  }
  BOOST_TEST(told("v: '?x'") == "");
}

BOOST_AUTO_TEST_CASE(a_text_with_a_question_mark_inside_braces_is_quoted_whole) {
  BOOST_TEST(told("s: {where: a ?? b, w: 1}") == R"(f.yaml:1:12: error: inside braces a ? ends a text that is not quoted
    1 | s: {where: a ?? b, w: 1}
      |            ^~~~~~
      = quote it: 'a ?? b'
)");
  for (const char* text : {"{v: a ?? b}", "[a ?? b]", "[1, a ?? b, 2]", "{v: {w: a ?? b}}", "v: [{w: a ?? b}]",
                           "{v:   a ?? b}", "{a ?? b: 1}", "{v: 1, a ?? b: 1}"}) {
    BOOST_TEST(told(text).ends_with("= quote it: 'a ?? b'\n"), told(text));
  }
  BOOST_TEST(told("{v: c?d}").ends_with("= quote it: 'c?d'\n"));
  BOOST_TEST(told("{v: c ? d : e}").ends_with("= quote it: 'c ? d : e'\n"));
  BOOST_TEST(told("v: a ?? b") == "");
}

BOOST_AUTO_TEST_CASE(a_list_with_a_hole) {
  BOOST_TEST(told("v: [a, , b]") == R"(f.yaml:1:8: error: nothing stands before this comma
    1 | v: [a, , b]
      |        ^
      = take the comma out, or write null
)");
  BOOST_TEST(told("v: [,]") == R"(f.yaml:1:5: error: nothing stands before this comma
    1 | v: [,]
      |     ^
      = take the comma out, or write null
)");
  for (const char* text : {"v: [, a]", "v: [a,,]", "v: [a,\n  , b]", "v: {w: [a, , b]}"}) {
    BOOST_TEST(told(text).find("nothing stands before this comma") != std::string::npos, text);
  }
  for (const char* text : {"v: []", "v: [a,]", "v: [a, ]", "v: [null, ~, '']", "v: [a: , b]", "v:\n  -\n  - a"}) {
    BOOST_TEST(told(text) == "", text);
  }
}

BOOST_AUTO_TEST_CASE(an_escape_that_yaml_cpp_reads_wrongly) {
  BOOST_TEST(told(R"(v: "a\_b")") == R"(f.yaml:1:6: error: weir does not read the escape \_
    1 | v: "a\_b"
      |      ^~
      = write \u00a0
)");
  for (const auto& [text, cure] : {std::pair(R"("\N": 1)", R"(\u0085)"), std::pair(R"([a, "\L"])", R"(\u2028)"),
                                   std::pair(R"({v: "\\\P"})", R"(\u2029)")}) {
    BOOST_TEST(told(text).ends_with(std::string("= write ") + cure + "\n"), told(text));
  }
  for (const char* text : {R"(v: "\\_ \\N")", R"(v: '\_\N\L\P')", R"(v: \_\N)", R"(v: "\u00a0\u0085\u2028\u2029")"}) {
    BOOST_TEST(told(text) == "", text);
  }
  BOOST_TEST(text_of(R"(v: "\u00a0\u0085\u2028\u2029")") == "\u00a0\u0085\u2028\u2029");
}

BOOST_AUTO_TEST_CASE(line_breaks_before_a_closing_quote_stay_but_the_first) {
  for (const std::string quote : {"'", "\""}) {
    const auto read = [&](const std::string& inside) { return text_of("v: " + quote + inside + quote + "\nw: 1"); };
    BOOST_TEST(read("a\n  ") == "a ");
    BOOST_TEST(read("a\n\n  ") == "a\n");
    BOOST_TEST(read("a\n\n\n  ") == "a\n\n");
    BOOST_TEST(read("a\n \n\n\n  ") == "a\n\n\n");
    BOOST_TEST(read("a\n\n\n  b") == "a\n\nb");
    BOOST_TEST(read("\n  ") == " ");
    BOOST_TEST(read("\n\n  ") == "\n");
    BOOST_TEST(read("\n\n\n  ") == "\n\n");
    BOOST_TEST(read("\n\n\n  a") == "\n\na");
  }
  BOOST_TEST(text_of("v: \"a\\n\n\n\n  \"") == "a\n\n\n");
  BOOST_TEST(text_of("v: \"a\\x20\n\n\n\n\n  \"") == "a \n\n\n\n");
}

BOOST_AUTO_TEST_CASE(a_folded_text_that_keeps_its_end_keeps_all_blank_lines) {
  BOOST_TEST(text_of("v: >+\n  a\nw: 1") == "a\n");
  BOOST_TEST(text_of("v: >+\n  a\n\nw: 1") == "a\n\n");
  BOOST_TEST(text_of("v: >+\n  a\n\n\nw: 1") == "a\n\n\n");
  BOOST_TEST(text_of("v: >+\n  a\n\n\n  b\n\n\nw: 1") == "a\n\nb\n\n\n");
  BOOST_TEST(text_of("v: >+\n  a\n  b\n \n\n# c\nw: 1") == "a b\n\n\n");
  BOOST_TEST(text_of("v: >+\n  a\n\n   b\n\n\nw: 1") == "a\n\n b\n\n\n");
  BOOST_TEST(text_of("v: >+\n  a\n  \n   \nw: 1") == "a\n\n \n");
  BOOST_TEST(text_of("v: >+ # c\r\n  a\r\n\r\nw: 1") == "a\n\n");
  BOOST_TEST(text_of("v: >+\n  a\n\n\n") == "a\n\n\n");
  BOOST_TEST(text_of("v: >+\n  a") == "a");
  BOOST_TEST(text_of("v: >+\n\n\nw: 1") == "\n\n");
  BOOST_TEST(text_of("v: >+\n\n \n") == "\n\n");
  BOOST_TEST(text_of("v: >+\nw: 1") == "");
  BOOST_TEST(text_of("w: 1\nv: >+") == "");
  BOOST_TEST(text_of("v: >\n  a\n\n\nw: 1") == "a\n");
}

BOOST_AUTO_TEST_CASE(off_is_no_boolean) {
  BOOST_TEST(told("action: off") == R"(f.yaml:1:9: error: `off` is a boolean to many editors, a text to others
    1 | action: off
      |         ^~~
      = only `true` and `false` are booleans here; quote a text: 'off'
)");
}

BOOST_AUTO_TEST_CASE(on_is_no_key) {
  BOOST_TEST(told("on: [x]") == "");
  for (const char* name : {"on: '${kinds}'", "on: \"${kinds}\"", "on: ${kinds}", "a: {on: '${kinds}'}",
                           "on: ${kinds} # they are a list\nb: 1"}) {
    BOOST_TEST(told(name) == "", name);
  }
  for (const char* text : {"on: '${a} b'", "on: ${a}${b}", "on: ${a", "on: '${a}"}) {
    BOOST_TEST(!told(text).empty(), text);
  }
  BOOST_TEST(told("on:\n  - x") == "");
  BOOST_TEST(told("on: x") == R"(f.yaml:1:1: error: `on` is a boolean to many editors, a text to others
    1 | on: x
      | ^~
      = only `true` and `false` are booleans here; quote a text: 'on'
)");
}

BOOST_AUTO_TEST_CASE(true_in_capitals_is_no_boolean) {
  BOOST_TEST(told("pin: TRUE") == R"(f.yaml:1:6: error: `TRUE` is a boolean to many editors, a text to others
    1 | pin: TRUE
      |      ^~~~
      = only `true` and `false` are booleans here; quote a text: 'TRUE'
)");
}

BOOST_AUTO_TEST_CASE(a_second_document) {
  BOOST_TEST(told("a: 1\n---\nb: 2\n") == R"(f.yaml:2:1: error: a second document begins here
    2 | ---
      | ^~~
      = one document a file: write a second file
)");
}

BOOST_AUTO_TEST_CASE(text_after_the_end_of_the_document) {
  BOOST_TEST(told("a: 1\n...\nb: 2\n") == R"(f.yaml:3:1: error: text after the end of the document `...`
    3 | b: 2
      | ^~~~
      = one document a file: remove the `...` or what follows it
)");
}

BOOST_AUTO_TEST_CASE(what_makes_loadall_hang_ends_here) {
  BOOST_TEST(told(",") == R"(f.yaml:1:1: error: this does not belong to what stands above it
    1 | ,
      | ^
      = a map, a list and a text cannot stand side by side: check the indentation
)");
}

BOOST_AUTO_TEST_CASE(an_alias_cycle) {
  BOOST_TEST(told("a: &a [1, *a]") ==
             R"(f.yaml:1:11: error: '*a' stands inside the very value it names: it would have no end
    1 | a: &a [1, *a]
      |           ^~
      = write the part that is meant out
)");
}

BOOST_AUTO_TEST_CASE(a_key_twice) {
  BOOST_TEST(told("a: 1\nb: 2\na: 3\n") ==
             R"(f.yaml:3:1: error: 'a' stands here a second time; the first is at f.yaml:1:1
    3 | a: 3
      | ^
      = keep one of them
)");
}

BOOST_AUTO_TEST_CASE(a_key_twice_once_with_quotes) {
  BOOST_TEST(told("a: 1\n'a': 2\n") == R"(f.yaml:2:1: error: 'a' stands here a second time; the first is at f.yaml:1:1
    2 | 'a': 2
      | ^~~
      = keep one of them
)");
}

BOOST_AUTO_TEST_CASE(a_merge_key) {
  BOOST_TEST(told("base: &b {x: 1}\nuse:\n  <<: *b\n") == R"(f.yaml:3:3: error: weir does not merge maps with `<<`
    3 |   <<: *b
      |   ^~
      = write the keys out, or put the shared part under vars: and fill it in with '${name}'
)");
}

BOOST_AUTO_TEST_CASE(a_list_as_key) {
  BOOST_TEST(told("? [a]\n: b\n") == R"(f.yaml:1:3: error: a key is text, found a list
    1 | ? [a]
      |   ^
      = quote it
)");
}

BOOST_AUTO_TEST_CASE(a_tag) {
  BOOST_TEST(told("a: !!str 5\nb: !include x.yaml\n") == R"(f.yaml:1:4: error: '!!str' is a tag, and weir has no tags
    1 | a: !!str 5
      |    ^~~~~
      = a quoted value is text, a plain number is a number
f.yaml:2:4: error: '!include' is a tag to YAML, not part of the value
    2 | b: !include x.yaml
      |    ^~~~~~~~
      = weir has no tags; a text that begins with ! is quoted
)");
}

BOOST_AUTO_TEST_CASE(an_unknown_alias_value) {
  BOOST_TEST(told("a: *nobody") == R"(f.yaml:1:4: error: '*nobody' is an alias to YAML, and nothing has that name
    1 | a: *nobody
      |    ^~~~~~~
      = a text that begins with * is quoted: '*nobody'
)");
}

BOOST_AUTO_TEST_CASE(a_tab_in_the_indentation) {
  BOOST_TEST(told("a:\n\tb: c\n") == R"(f.yaml:2:1: error: a tab in the indentation
    2 |  b: c
      | ^
      = indent with spaces
)");
}

BOOST_AUTO_TEST_CASE(a_line_indented_unlike_its_neighbours) {
  BOOST_TEST(told("a:\n  b: 1\n c: 2\n") == R"(f.yaml:3:2: error: this does not belong to what stands above it
    3 |  c: 2
      |  ^
      = is it indented like the lines that it belongs to?
)");
}

BOOST_AUTO_TEST_CASE(a_key_indented_deeper_than_its_neighbours) {
  BOOST_TEST(told("a: 1\n b: 2\n") == R"(f.yaml:2:3: error: a `:` in a text that began on an earlier line
    2 |  b: 2
      |   ^
      = indent this key like the others; the text began at f.yaml:1:4
)");
}

BOOST_AUTO_TEST_CASE(a_key_without_the_blank_after_its_colon) {
  BOOST_TEST(told("a:\n  b: 1\n  c:2\n  d: 3\n") == R"(f.yaml:3:3: error: a key, but no blank follows its `:`
    3 |   c:2
      |   ^~
      = write `c: …`
)");
}

BOOST_AUTO_TEST_CASE(an_open_bracket) {
  BOOST_TEST(told("a: [1, 2\n") == R"(f.yaml:1:4: error: this [ is never closed
    1 | a: [1, 2
      |    ^
      = close it with ]
)");
}

BOOST_AUTO_TEST_CASE(an_open_quote) {
  BOOST_TEST(told("a: \"x\nb: 1\n") == R"(f.yaml:1:4: error: the text that begins here with " never ends
    1 | a: "x
      |    ^~
      = close it with "
)");
}

BOOST_AUTO_TEST_CASE(a_quote_inside_quotes) {
  BOOST_TEST(told("a: 'it's'") == R"(f.yaml:1:8: error: the text goes on after its closing quote
    1 | a: 'it's'
      |        ^~
      = inside 'single quotes' a quote is written twice: ''
)");
}

BOOST_AUTO_TEST_CASE(an_unknown_escape) {
  BOOST_TEST(told("re: \"^\\S+\"") == R"(f.yaml:1:7: error: no such escape in a text in "double quotes"
    1 | re: "^\S+"
      |       ^~
      = in 'single quotes' and after `|` a backslash is a backslash
)");
}

BOOST_AUTO_TEST_CASE(a_text_that_begins_like_a_block) {
  BOOST_TEST(told("a: > 5\n") == R"(f.yaml:1:4: error: after > the text begins on the next line
    1 | a: > 5
      |    ^~~
      = a text that begins with > is quoted: '> 5'
)");
}

BOOST_AUTO_TEST_CASE(a_list_and_a_map_side_by_side) {
  BOOST_TEST(told("- a\nb: c\n") == R"(f.yaml:2:1: error: this does not belong to what stands above it
    2 | b: c
      | ^~
      = a map, a list and a text cannot stand side by side: check the indentation
)");
}

BOOST_AUTO_TEST_CASE(a_line_that_is_neither_key_nor_text) {
  BOOST_TEST(told("foo:\n  bar\nfrom load\n") == R"(f.yaml:3:1: error: 'from load' is no key: it has no `:`
    3 | from load
      | ^~~~~~~~~
      = is it indented like the lines that it belongs to?
)");
}

BOOST_AUTO_TEST_CASE(a_caret_counts_characters) {
  BOOST_TEST(told("größe: off\n") == R"(f.yaml:1:8: error: `off` is a boolean to many editors, a text to others
    1 | größe: off
      |        ^~~
      = only `true` and `false` are booleans here; quote a text: 'off'
)");
}

BOOST_AUTO_TEST_CASE(a_syntax_error_stands_alone) {
  Diagnostics diagnostics;
  BOOST_TEST(!parse(make_source("f.yaml", "a: off\na: 1\nb: @x\nc: *y\n"), diagnostics).has_value());
  BOOST_TEST(diagnostics.all().size() == 1u);
}

BOOST_AUTO_TEST_CASE(traps_are_told_all_at_once) {
  Diagnostics diagnostics;
  BOOST_TEST(parse(make_source("f.yaml", "a: off\na: 1\nwhere: !msg.ok\nx: #msg.n\n"), diagnostics).has_value());
  BOOST_TEST(diagnostics.error_count() == 4u);
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8) {
  BOOST_TEST(told("a: \xC3\xA4\nb: \xFF\n") ==
             "f.yaml:2:4: error: this is not UTF-8: byte 0xFF\n    2 | b: \xFF\n      |    ^\n      = save the file as "
             "UTF-8\n");
  for (const char* bad :
       {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80", "\xFE\xFF"}) {
    Diagnostics diagnostics;
    BOOST_TEST(!parse(make_source("f.yaml", std::string("a: ") + bad), diagnostics).has_value());
  }
}

BOOST_AUTO_TEST_CASE(nul_bytes_and_what_yaml_cpp_takes_for_the_end) {
  BOOST_TEST(told(std::string("a: 1\nb: x\0y\n", 12)) ==
             "f.yaml:2:5: error: a NUL byte\n    2 | b: x y\n      |     ^\n      = in a text in \"double quotes\" "
             "write it as an escape, such as \"\\x1b\"\n");
  Diagnostics diagnostics;
  BOOST_TEST(!parse(make_source("f.yaml", "a: 1\n\x04\nb: 2\n"), diagnostics).has_value());
}

BOOST_AUTO_TEST_CASE(a_file_of_more_than_a_mebibyte) {
  BOOST_TEST(told("a: " + std::string(1 << 20, 'x')) ==
             "f.yaml: error: is larger than 1 MiB\n      = data of this size belongs in a file that a stage reads\n");
}

BOOST_AUTO_TEST_CASE(values_deep_inside_one_another) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  BOOST_TEST(told(nested(64)) == "");
  BOOST_TEST(told(nested(65)) == "f.yaml:1:65: error: more than 64 values inside one another\n    1 | " + nested(65) +
                                     "\n      | " + std::string(64, ' ') + "^\n");
  BOOST_TEST(told(std::string(200'000, '[')) != "");
  BOOST_TEST(told(std::string(200'000, '{')) != "");
}

BOOST_AUTO_TEST_CASE(a_bomb_of_aliases) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char name = 'b'; name <= 'i'; ++name) {
    bomb += std::string(1, name) + ": &" + name + " [";
    for (int i = 0; i < 9; ++i) bomb += std::string(i ? ", " : "") + "*" + static_cast<char>(name - 1);
    bomb += "]\n";
  }
  BOOST_TEST(told(bomb).starts_with("f.yaml:5:"));
  BOOST_TEST(told(bomb).find("error: the file has more than 100000 values, counted through its aliases") !=
             std::string::npos);
}

// Each takes well under a second in a release build; what is not linear in the text runs into the time limit of the
// test.
BOOST_AUTO_TEST_CASE(whatever_a_file_holds_it_is_read_in_time) {
#ifdef NDEBUG
  const std::size_t size = 1 << 20;
#else
  const std::size_t size = 1 << 17;  // Sanitizers take thirty times as long.
#endif
  const auto repeated = [&](std::string piece) {
    std::string text;
    while (text.size() + piece.size() <= size) text += piece;
    return text;
  };
  for (const std::string& text : {repeated("x"),           repeated("x "),
                                  repeated("- "),          repeated("- a\n"),
                                  repeated("a: "),         repeated("? "),
                                  repeated("\n"),          repeated("\t"),
                                  repeated("!"),           repeated("&a "),
                                  repeated("*a "),         repeated("'"),
                                  repeated("''"),          "\"" + repeated("\\n").substr(4),
                                  repeated("{a: b}, "),    "[" + repeated("1,").substr(2),
                                  repeated("#"),           repeated(": "),
                                  repeated(","),           "a: |\n" + repeated(" x\n").substr(9),
                                  repeated("--- "),        repeated("---\n"),
                                  repeated("%YAML 1.2\n"), repeated("é"),
                                  repeated("x\n"),         repeated("a:\n")}) {
    BOOST_TEST_MESSAGE(size / 1024 << " KiB of \"" << text.substr(0, 8) << '"');
    told(text);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_trap) {
  for (const char* text : {"stages: # the stages\n  a: {drop: {}}\n",
                           "drop: # nothing\n",
                           "drop:\n",
                           "drop: ~\n",
                           "a: 'off'\n",
                           "'on': 1\n",
                           "y: 1\nn: 2\n",
                           "where: msg.n > 1 # more than one\n",
                           "where: msg.n > 1 #more\n",
                           "title: C#\n",
                           "a: b#c\n",
                           "url: http://x/{{ msg.id }} # per message\n",
                           "lua: |\n  local t = {{1}, {2}} -- {{\n  if #msg.items > 3 then drop() end\n",
                           "sh: echo \"a\" && echo 'b'\n",
                           "a: -1\nb: x - y\n",
                           "base: &b [1]\nuse: *b\n",
                           "a: \"\\u00e9\\n\"\n",
                           "read: ./*.log\n",
                           "path: /chat/{room}\n",
                           "url: ${URL}\n",
                           "---\na: 1\n",
                           "a: 1\n...\n",
                           "# only a comment\n",
                           "",
                           "a: {b: null, c: ~}\n",
                           "a: {b: , c: 1}\n",
                           "%YAML 1.2\n---\na: 1\n",
                           "a: 1\r\nb: 2\r\n",
                           "\xEF\xBB\xBF"
                           "a: 1\n",
                           "text: |\n  ---\n  a\n",
                           "x: no way\n",
                           "a: [[1, 2], {b: c}]\n",
                           "a: 'it''s'\n",
                           "time: 12:30\n",
                           "key with blanks: 1\n"})
    BOOST_TEST(told(text) == "", text);
}

BOOST_AUTO_TEST_CASE(nodes_know_their_place_and_what_was_quoted) {
  Diagnostics diagnostics;
  const auto root =
      parse(make_source("f.yaml", "größe: \"ü\" # c\nlist:\n  - 5\n  - '5'\n  - |\n    text\nmap: {a: , b: ~}\n"),
            diagnostics);
  BOOST_REQUIRE(root.has_value());
  BOOST_TEST(diagnostics.render() == "");
  BOOST_TEST(root->entries[0].value.place.str() == "f.yaml:1:8");
  BOOST_TEST(root->entries[0].value.place.length == 3);
  BOOST_TEST(!root->entries[0].value.plain);
  const Node& list = *root->find("list");
  BOOST_TEST(list.items[0].plain);
  BOOST_TEST(!list.items[1].plain);
  BOOST_TEST(!list.items[2].plain);
  BOOST_TEST(list.items[2].text == "text\n");
  BOOST_TEST(list.items[2].place.str() == "f.yaml:5:5");
  BOOST_TEST(root->find("map")->find("a")->is_null());
  BOOST_TEST(root->find("map")->find("a")->place.str() == "f.yaml:7:7");
  BOOST_TEST(root->find("map")->find("b")->text == "~");
}

BOOST_AUTO_TEST_CASE(an_alias_tells_both_places) {
  Diagnostics diagnostics;
  const auto root = parse(make_source("f.yaml", "a: &x {n: many}\nb: *x\n"), diagnostics);
  BOOST_REQUIRE(root.has_value());
  const Node& used = *root->find("b")->find("n");
  diagnostics.error(used.place, "expected an integer");
  BOOST_TEST(diagnostics.render() == R"(f.yaml:1:11: error: expected an integer
    1 | a: &x {n: many}
      |           ^~~~
      = used at f.yaml:2:4
)");
}

BOOST_AUTO_TEST_CASE(files_that_cannot_be_read) {
  const auto read = [](const std::string& path) {
    Diagnostics diagnostics;
    BOOST_TEST(!read_source(path, diagnostics));
    return diagnostics.render();
  };
  BOOST_TEST(read("/nowhere/x.yaml") == "/nowhere/x.yaml: error: no such file\n");
  BOOST_TEST(read("/tmp") == "/tmp: error: is a directory\n      = name the pipeline file inside it\n");
}

}  // namespace
