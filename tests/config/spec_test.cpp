// One declaration reads the YAML, tells what is wrong in it, and describes itself.
#include <boost/test/unit_test.hpp>

#include <cstdio>
#include <fstream>
#include <string>

#include "engine/config/spec.hpp"
#include "engine/config/yaml.hpp"

namespace {

using namespace weir::config;
using namespace std::chrono_literals;

enum class Format { lines, ndjson };

struct Limits {
  std::int64_t rows = 3;
  std::optional<Size> memory;
};

struct FileConfig {
  std::optional<Template> read;
  std::optional<Template> write;
  std::optional<Duration> every;
  Format format = Format::lines;
  std::vector<std::string> from;
  std::vector<Template> argv;
  Map<Lua> routes;
  Map<Template> headers;
  Value msg;
  Limits limits;
  std::optional<Limits> more;
  std::vector<Limits> many;
  bool sync = false;
  double ratio = 0.5;
  Rate rate{10};
  IntegerRange range;
  std::string token;
  Place place;
};

const auto limits_spec = Spec<Limits>("limits", "Bounds.")
                             .field("rows", &Limits::rows, "Rows at most.", above(0), at_most(100))
                             .field("memory", &Limits::memory, "Memory at most.", at_least(1024));

const auto file_spec = Spec<FileConfig>("file", "Reads or writes a file.")
                           .role("read", &FileConfig::read, "Path to read.", sample("jobs.ndjson"))
                           .role("write", &FileConfig::write, "Path to write.", sample("out.ndjson"))
                           .field("every", &FileConfig::every, "Reads it again so often.", above(0))
                           .only_with("read")
                           .field("format", &FileConfig::format, "What a message is.",
                                  one_of({{"lines", Format::lines}, {"ndjson", Format::ndjson}}))
                           .field("from", &FileConfig::from, "Whom it reads.")
                           .one_or_more()
                           .field("argv", &FileConfig::argv, "Words.")
                           .field("routes", &FileConfig::routes, "Conditions.", not_named({"failed", "else"}))
                           .field("headers", &FileConfig::headers, "Headers.")
                           .secret_ok()
                           .field("msg", &FileConfig::msg, "What is sent.")
                           .group("limits", &FileConfig::limits, limits_spec, "Bounds.")
                           .group("more", &FileConfig::more, limits_spec, "More bounds.")
                           .list("many", &FileConfig::many, limits_spec, "Many bounds.")
                           .field("sync", &FileConfig::sync, "Whether to wait for the disk.")
                           .field("ratio", &FileConfig::ratio, "A share.", at_least(0), at_most(1))
                           .field("rate", &FileConfig::rate, "How fast.", above(0))
                           .field("range", &FileConfig::range, "Which.")
                           .field("token", &FileConfig::token, "A word.")
                           .place(&FileConfig::place)
                           .verify([](const FileConfig& config, Written& written) {
                             if (config.sync && config.read)
                               written.error("sync", "'sync' is for writing", "leave it out");
                           })
                           .example("file: {read: jobs.ndjson}");

struct Bound {
  std::optional<std::int64_t> a, b, c;
  std::string mode;
};
const auto bound_spec = Spec<Bound>("bound", "Keys that speak of each other.")
                            .field("a", &Bound::a, "One.")
                            .field("b", &Bound::b, "Another.")
                            .excludes({"a"})
                            .field("c", &Bound::c, "With one of the two.")
                            .needs({"a", "b"})
                            .needs_value("mode", {"x", "y"}, "only x and y have a c", "leave it out")
                            .field("mode", &Bound::mode, "How.")
                            .some_of({"a", "b", "mode"}, "it says nothing", "write `a` or `b`");

std::string told_of_bound(const std::string& text) {
  Diagnostics diagnostics;
  const Scope scope;
  const auto tree = parse(make_source("f.yaml", text), diagnostics);
  Reader reader(diagnostics, scope);
  bound_spec.read(tree ? *tree : Node(), reader);
  std::string told;
  for (const auto& found : diagnostics.all()) {
    told +=
        std::to_string(found.place.column) + ": " + found.what + (found.hint.empty() ? "" : " = " + found.hint) + "\n";
  }
  return told;
}

struct Read {
  FileConfig config;
  std::string told;
  std::vector<CodeUse> code;
};

std::optional<std::string> environment(const std::string& name) {
  if (name == "HOME") return "/home/{{ x }}/${y}";
  if (name == "N") return "7";
  if (name == "EMPTY") return "";
  return std::nullopt;
}

/// Reads `file:` of a text whose `vars:` are known.
Read read(const std::string& text, bool testing = false, const std::string& secret_file = {}) {
  Diagnostics diagnostics;
  const auto root = parse(make_source("f.yaml", text), diagnostics);
  Read result;
  if (root) {
    Scope scope(environment);
    if (testing) scope = scope.for_tests();
    if (const Node* vars = root->find("vars")) scope = scope.with_vars(*vars);
    if (!secret_file.empty()) scope = scope.with_secret("api", secret_file);
    Reader reader(diagnostics, scope, "stages.a.file");
    if (const Node* file = root->find("file")) result.config = file_spec.read(*file, reader);
    result.code = reader.code;
  }
  result.told = diagnostics.render();
  return result;
}

BOOST_AUTO_TEST_CASE(keys_say_what_they_go_with) {
  BOOST_TEST(told_of_bound("{a: 1, c: 2, mode: x}") == "");
  BOOST_TEST(told_of_bound("{mode: z}") == "");
  BOOST_TEST(told_of_bound("{a: 1, b: 2}") == "11: `a` and `b` exclude each other = keep one of them\n");
  BOOST_TEST(told_of_bound("{c: 2, mode: x}") == "5: `c` goes with `a` or `b`\n");
  BOOST_TEST(told_of_bound("{a: 1, c: 2, mode: z}") == "11: only x and y have a c = leave it out\n");
  BOOST_TEST(told_of_bound("{}") == "1: it says nothing = write `a` or `b`\n");
  const auto schema = json_schema(bound_spec.declaration());
  for (const auto* part :
       {R"("b":{"not":{"required":["a"]}})", R"({"anyOf":[{"required":["a"]},{"required":["b"]}]})",
        R"({"properties":{"mode":{"anyOf":[{"enum":["x","y"]},)", R"("type":"object","additionalProperties")"}) {
    BOOST_TEST((schema.find(part) != schema.npos), part << "\n" << schema);
  }
  BOOST_TEST(markdown(bound_spec.declaration()).find("With one of the two. With `a` or `b`.") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_not_written_keeps_the_default_of_the_struct) {
  const auto got = read("file: {read: a.txt}");
  BOOST_TEST(got.told == "");
  BOOST_TEST(got.config.read->text() == "a.txt");
  BOOST_TEST(!got.config.write.has_value());
  BOOST_TEST(!got.config.every.has_value());
  BOOST_TEST(got.config.limits.rows == 3);
  BOOST_TEST(!got.config.more.has_value());
  BOOST_CHECK(got.config.rate == Rate{10});
  BOOST_TEST(got.config.place.str() == "f.yaml:1:7");
}

BOOST_AUTO_TEST_CASE(every_type_is_read) {
  const auto got = read(R"(
file:
  read: 'a-{{ msg.id }}.txt'
  every: 1s
  format: ndjson
  from: one
  argv: [sleep, 60, '{{ msg.n }}', true]
  routes: {big: msg.n > 10, eu: msg.region == "eu"}
  headers: {x-a: b}
  msg: {n: 1, t: '1', b: true, z: null, l: [1.50, x], d: '{{ msg.d }}'}
  limits: {rows: 5, memory: 1MiB}
  more: {rows: 6}
  many: [{rows: 7}, {}]
  ratio: 1
  rate: 100/m
  range: 1..10
  token: 0644
)");
  BOOST_TEST(got.told == "");
  const auto& config = got.config;
  BOOST_CHECK(config.every == Duration(1s));
  BOOST_CHECK(config.format == Format::ndjson);
  BOOST_CHECK(config.from == std::vector<std::string>{"one"});
  BOOST_REQUIRE(config.argv.size() == 4u);
  BOOST_TEST(config.argv[1].text() == "60");
  BOOST_TEST(config.argv[2].lone());
  BOOST_TEST(config.argv[3].text() == "true");
  BOOST_TEST(config.routes[1].first == "eu");
  BOOST_TEST(config.routes[1].second.code == "msg.region == \"eu\"");
  BOOST_TEST(config.msg.json() == R"({"n":1,"t":"1","b":true,"z":null,"l":[1.50,"x"],"d":"{{ msg.d }}"})");
  BOOST_TEST(!config.msg.constant());
  BOOST_TEST(config.limits.memory->bytes == 1048576u);
  BOOST_TEST(config.more->rows == 6);
  BOOST_TEST(config.many[1].rows == 3);
  BOOST_CHECK(config.range == (IntegerRange{1, 10}));
  BOOST_TEST(config.token == "0644");
}

BOOST_AUTO_TEST_CASE(the_code_that_was_found_is_handed_on_with_its_place) {
  const auto got = read("file:\n  read: 'a-{{ msg.id }}'\n  routes: {big: msg.n > 10}\n  msg: {l: ['{{ i }}']}\n");
  BOOST_REQUIRE(got.code.size() == 3u);
  BOOST_TEST(got.code[0].code == "msg.id");
  BOOST_TEST(got.code[0].path == "stages.a.file.read");
  BOOST_TEST(got.code[0].place.str() == "f.yaml:2:12");
  BOOST_CHECK(got.code[0].what == CodeUse::What::template_part);
  BOOST_TEST(got.code[1].path == "stages.a.file.routes.big");
  BOOST_CHECK(got.code[1].what == CodeUse::What::expression);
  BOOST_TEST(got.code[2].path == "stages.a.file.msg.l.0");
}

BOOST_AUTO_TEST_CASE(a_share_where_a_number_is_wanted_is_told_as_one) {
  const auto told = read("file:\n  read: a\n  ratio: 12.5%\n").told;
  BOOST_TEST(
      told.starts_with("f.yaml:3:10: error: expected a number, found \"12.5%\": a share is a number here: 0.125\n"),
      told);
}

BOOST_AUTO_TEST_CASE(every_mistake_is_told_at_once) {
  BOOST_TEST(read(R"(file:
  read: a
  evry: 5s
  every: 5
  format: ndjsn
  sync: "true"
  ratio: 2
  limits: {rows: 0, memory: 5MB}
  many: [{rows: x}]
  routes: {else: msg.x}
  msg: {a: 017}
  argv: ls
)")
                 .told == R"(f.yaml:3:3: error: file has no key 'evry'
    3 |   evry: 5s
      |   ^~~~
      = did you mean 'every'? its keys are read, write, every, format, from, argv, routes, headers, msg, limits, more, many, sync, ratio, rate, range, token
f.yaml:4:10: error: expected a duration such as 250ms, found "5": a duration carries its unit
    4 |   every: 5
      |          ^
f.yaml:5:11: error: expected lines or ndjson, found "ndjsn"
    5 |   format: ndjsn
      |           ^~~~~
      = did you mean 'ndjson'?
f.yaml:6:9: error: expected true or false, found "true": a quoted one is text
    6 |   sync: "true"
      |         ^~~~~~
f.yaml:7:10: error: expected a number at most 1, found "2"
    7 |   ratio: 2
      |          ^
f.yaml:8:18: error: expected an integer above 0, found "0"
    8 |   limits: {rows: 0, memory: 5MB}
      |                  ^
f.yaml:8:29: error: expected a size such as 64MiB, found "5MB": write 5MiB
    8 |   limits: {rows: 0, memory: 5MB}
      |                             ^~~
f.yaml:9:17: error: expected an integer, found "x"
    9 |   many: [{rows: x}]
      |                 ^
f.yaml:10:12: error: 'else' may not be a name here
   10 |   routes: {else: msg.x}
      |            ^~~~
      = weir uses it itself
f.yaml:11:12: error: expected a number or a text, found "017": a leading 0 means octal to some: write 17, or quote a text: '017'
   11 |   msg: {a: 017}
      |            ^~~
f.yaml:12:9: error: expected a list of template, found "ls"
   12 |   argv: ls
      |         ^~
      = a list stands in brackets: [ls]
)");
}

BOOST_AUTO_TEST_CASE(one_role_and_only_one) {
  BOOST_TEST(read("file: {every: 1s}").told == R"(f.yaml:1:7: error: file needs one of read or write
    1 | file: {every: 1s}
      |       ^
      = such as file: {read: jobs.ndjson}
)");
  BOOST_TEST(read("file: {read: a, write: b}").told ==
             R"(f.yaml:1:17: error: file takes one of read or write, found 'read' and 'write'
    1 | file: {read: a, write: b}
      |                 ^~~~~
      = a second stage does the other
)");
  BOOST_TEST(read("file: {write: a, every: 1s}").told == R"(f.yaml:1:18: error: 'every' goes with read, not with write
    1 | file: {write: a, every: 1s}
      |                  ^~~~~
)");
  BOOST_TEST(read("file: a.txt").told == R"(f.yaml:1:7: error: expected a map of options for file, found "a.txt"
    1 | file: a.txt
      |       ^~~~~
      = write file: {read: a.txt}
)");
}

BOOST_AUTO_TEST_CASE(what_two_fields_say_together_is_verified) {
  BOOST_TEST(read("file: {read: a, sync: true}").told == R"(f.yaml:1:23: error: 'sync' is for writing
    1 | file: {read: a, sync: true}
      |                       ^~~~
      = leave it out
)");
}

BOOST_AUTO_TEST_CASE(a_trap_that_was_told_is_not_told_again_as_a_wrong_type) {
  BOOST_TEST(read("file: {read: a, sync: yes}").told ==
             R"(f.yaml:1:23: error: `yes` is a boolean to many editors, a text to others
    1 | file: {read: a, sync: yes}
      |                       ^~~
      = only `true` and `false` are booleans here; quote a text: 'yes'
)");
  BOOST_TEST(read("file:\n  read: {{ msg.a }}\n").told == R"(f.yaml:2:9: error: `{{ }}` outside quotes is a map to YAML
    2 |   read: {{ msg.a }}
      |         ^~~~~~~~~~~
      = quote it: '{{ msg.a }}'
)");
}

BOOST_AUTO_TEST_CASE(a_name_alone_keeps_its_type) {
  const auto got = read(R"(
vars: {n: 5, list: [a, b], tree: {x: [1, '2']}, limits: {rows: 9}, text: 'x-{{ msg.a }}', port: '${N}'}
file:
  read: '${text}'
  from: '${list}'
  msg: {t: '${tree}', n: '${n}', e: '${N}', p: '${port}', s: 'n=${n}'}
  limits: '${limits}'
  more: {rows: '${port}'}
  argv: ['${n}', '${DAYS:-3}']
)");
  BOOST_TEST(got.told == "");
  BOOST_TEST(got.config.read->text() == "x-{{ msg.a }}");
  BOOST_TEST(got.config.from.size() == 2u);
  BOOST_TEST(got.config.msg.json() == R"({"t":{"x":[1,"2"]},"n":5,"e":"7","p":"7","s":"n=5"})");
  BOOST_TEST(got.config.limits.rows == 9);
  BOOST_TEST(got.config.more->rows == 7);
  BOOST_TEST(got.config.argv[1].text() == "3");
}

BOOST_AUTO_TEST_CASE(what_the_environment_says_is_never_code) {
  for (const char* text :
       {"file: {read: '${HOME}'}", "file: {read: 'x${HOME}'}", "vars: {h: '${HOME}'}\nfile: {read: '${h}'}",
        "vars: {h: 'x${HOME}'}\nfile: {read: '${h}y'}"}) {
    const auto got = read(text);
    BOOST_TEST(got.told == "");
    BOOST_TEST(got.config.read->constant());
    BOOST_TEST(got.code.empty());
    BOOST_TEST(got.config.read->text().find("/home/{{ x }}/${y}") != std::string::npos);
  }
  BOOST_TEST(read("file: {read: a, token: '${HOME}'}").config.token == "/home/{{ x }}/${y}");
  BOOST_TEST(read(R"(file: {read: a, token: '\${HOME} \{{ x }}'})").config.token == "${HOME} {{ x }}");
}

BOOST_AUTO_TEST_CASE(names_that_nobody_knows) {
  BOOST_TEST(read("vars: {host: a}\nfile: {read: '${hots}', token: '${NOPE}'}").told ==
             R"(f.yaml:2:14: error: no var is called 'hots'
    2 | file: {read: '${hots}', token: '${NOPE}'}
      |              ^~~~~~~~~
      = did you mean '${host}'?
f.yaml:2:32: error: the environment has no NOPE
    2 | file: {read: '${hots}', token: '${NOPE}'}
      |                                ^~~~~~~~~
      = set it, or give a default: ${NOPE:-default}
)");
  BOOST_TEST(read("file: {read: '${NOPE:?where the jobs are}'}").told ==
             R"(f.yaml:1:14: error: ${NOPE}: where the jobs are
    1 | file: {read: '${NOPE:?where the jobs are}'}
      |              ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      = set it, or give a default: ${NOPE:-default}
)");
  BOOST_TEST(read("vars: {a: '${b}', b: '${a}'}\nfile: {read: '${a}'}").told.find("is made of itself") !=
             std::string::npos);
  BOOST_TEST(read("file: {read: 'x${open'}").told.find("`${` without `}`") != std::string::npos);
  BOOST_TEST(read("vars: {a: {b: 1}}\nfile: {read: '${a.b}'}").told.find("its parts are at hand in Lua: vars.a.b") !=
             std::string::npos);
  BOOST_TEST(read("vars: {a: [1]}\nfile: {read: 'x${a}'}").told.find("`${a}` is a list and stands inside a text") !=
             std::string::npos);
  BOOST_TEST(read("file: {read: '${EMPTY:-full}'}").config.read->text() == "full");
  BOOST_TEST(read("file: {read: 'x${EMPTY}'}").config.read->text() == "x");
}

BOOST_AUTO_TEST_CASE(in_a_test_what_is_unset_reads_as_its_own_name) {
  const auto got = read("file: {read: '${NOPE}', token: '${N}', headers: {a: '${secret.api}'}}", true);
  BOOST_TEST(got.told == "");
  BOOST_TEST(got.config.read->text() == "NOPE");
  BOOST_TEST(got.config.token == "7");
  BOOST_TEST(got.config.headers[0].second.text() == "api");
}

BOOST_AUTO_TEST_CASE(a_secret_stands_only_where_it_may) {
  const std::string file = "config_spec_test.secret";
  std::ofstream(file) << "s{{cr}}t\n";
  const auto got = read("file: {read: a, headers: {auth: 'Bearer ${secret.api}'}}", false, file);
  BOOST_TEST(got.told == "");
  BOOST_TEST(got.config.headers[0].second.text() == "Bearer s{{cr}}t");
  BOOST_TEST(got.config.headers[0].second.constant());
  BOOST_TEST(read("file: {read: '${secret.api}'}", false, file).told ==
             R"(f.yaml:1:14: error: a secret may not stand here
    1 | file: {read: '${secret.api}'}
      |              ^~~~~~~~~~~~~~~
      = it stands only where an option says so, such as headers of http
)");
  std::remove(file.c_str());
  BOOST_TEST(read("file: {read: a, headers: {auth: '${secret.api}'}}", false, file)
                 .told.find("cannot be read from config_spec_test.secret") != std::string::npos);
  BOOST_TEST(read("file: {read: a, headers: {auth: '${secret.apu}'}}", false, file)
                 .told.find("did you mean '${secret.api}'?") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(bare_lua_is_not_filled_in) {
  BOOST_TEST(read("file: {read: a, routes: {big: 'msg.n > ${limit}', id: '{{ msg.id }}'}}").told ==
             R"(f.yaml:1:31: error: `${…}` is not filled in here
    1 | file: {read: a, routes: {big: 'msg.n > ${limit}', id: '{{ msg.id }}'}}
      |                               ^~~~~~~~~~~~~~~~~~
      = bare Lua here: write `vars.limit`
f.yaml:1:55: error: `{{ }}` is not filled in here
    1 | file: {read: a, routes: {big: 'msg.n > ${limit}', id: '{{ msg.id }}'}}
      |                                                       ^~~~~~~~~~~~~~
      = bare Lua here: write `msg.id` without the braces
)");
}

BOOST_AUTO_TEST_CASE(a_constant_takes_no_template) {
  BOOST_TEST(read("file: {read: a, token: 'x{{ msg.a }}', every: '{{ msg.e }}'}").told ==
             R"(f.yaml:1:26: error: expected a constant text, found `{{ }}`: it is read once, at the start
    1 | file: {read: a, token: 'x{{ msg.a }}', every: '{{ msg.e }}'}
      |                          ^~~~~~~~~~~
      = a constant, or '${name}'; braces that are meant as such are written \{{
f.yaml:1:47: error: expected a duration such as 250ms, found `{{ }}`: it is read once, at the start
    1 | file: {read: a, token: 'x{{ msg.a }}', every: '{{ msg.e }}'}
      |                                               ^~~~~~~~~~~~~
      = a constant, or '${name}'
)");
}

// The other shapes of a kind.

struct WhereConfig {
  Lua condition;
};
const auto where_spec =
    Spec<WhereConfig>("where", "Lets through what holds.").scalar(&WhereConfig::condition, "The condition.");
struct LuaConfig {
  Lua code;
};
const auto lua_spec = Spec<LuaConfig>("lua", "Runs Lua.").scalar(&LuaConfig::code, "The code.", statements());
struct SetConfig {
  Map<Value> fields;
};
const auto set_spec = Spec<SetConfig>("set", "Sets fields.").whole(&SetConfig::fields, "The fields.", not_empty());
struct ThrottleConfig {
  Rate rate;
  std::int64_t burst = 1;
};
const auto throttle_spec = Spec<ThrottleConfig>("throttle", "Holds back.")
                               .scalar(&ThrottleConfig::rate, "The rate.")
                               .field("rate", &ThrottleConfig::rate, "The rate.")
                               .required()
                               .field("burst", &ThrottleConfig::burst, "At once.", at_least(1));
struct PassConfig {};
const auto pass_spec = Spec<PassConfig>("pass", "Lets all through.");

template <class Config>
struct Got {
  Config config;
  std::string told;
  std::vector<CodeUse> code;
};
template <class Config>
Got<Config> read_as(const Spec<Config>& spec, const std::string& text) {
  Diagnostics diagnostics;
  const auto root = parse(make_source("f.yaml", text), diagnostics);
  const Scope scope(environment);
  Reader reader(diagnostics, scope, "stages.a." + spec.name());
  Got<Config> got;
  got.config = spec.read(root->entries.at(0).value, reader);
  got.told = diagnostics.render();
  got.code = reader.code;
  return got;
}

BOOST_AUTO_TEST_CASE(a_kind_that_is_one_value) {
  const auto got = read_as(where_spec, "where: msg.n > 1");
  BOOST_TEST(got.told == "");
  BOOST_TEST(got.config.condition.code == "msg.n > 1");
  BOOST_TEST(got.config.condition.place.str() == "f.yaml:1:8");
  BOOST_TEST(read_as(where_spec, "where: true").config.condition.code == "true");
  BOOST_TEST(read_as(where_spec, "where:").told ==
             "f.yaml:1:1: error: 'where' needs a value\n    1 | where:\n      | ^~~~~\n      = The condition.\n");
  BOOST_TEST(read_as(where_spec, "where: {a: 1}").told.find("expected Lua, found a map") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_block_of_lua_knows_its_first_line) {
  const auto got = read_as(lua_spec, "lua: |\n  local a = 1\n  return {n = a}\n");
  BOOST_TEST(got.told == "");
  BOOST_TEST(got.config.code.place.str() == "f.yaml:2:3");
  BOOST_CHECK(got.code.at(0).what == CodeUse::What::block);
}

BOOST_AUTO_TEST_CASE(a_kind_that_is_a_whole_map) {
  const auto got = read_as(set_spec, "set: {env: prod, n: '{{ msg.n }}', deep: {a: [1]}}");
  BOOST_TEST(got.told == "");
  BOOST_TEST(got.config.fields.size() == 3u);
  BOOST_TEST(got.config.fields[2].second.json() == R"({"a":[1]})");
  BOOST_TEST(read_as(set_spec, "set: {}").told ==
             "f.yaml:1:6: error: 'stages.a.set' is empty\n    1 | set: {}\n      |      ^\n");
  BOOST_TEST(read_as(set_spec, "set: x").told.find("expected a map of value, found \"x\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_key_takes_neither_template_nor_name) {
  BOOST_TEST(read_as(set_spec, "set: {'{{ msg.k }}': 1}").told ==
             "f.yaml:1:7: error: expected a constant key, found `{{ }}`: keys are read once, at the start\n"
             "    1 | set: {'{{ msg.k }}': 1}\n"
             "      |       ^~~~~~~~~~~~~\n"
             "      = a name that depends on the message is made in `lua`\n");
  BOOST_TEST(read_as(set_spec, "set: {'a${b}': 1}").told ==
             "f.yaml:1:7: error: expected a constant key, found `${…}`: keys are read once, at the start\n"
             "    1 | set: {'a${b}': 1}\n"
             "      |       ^~~~~~~\n"
             "      = write the name out\n");
  for (const char* written : {"set: {a: {'{{ b }}': 1}}", "set: {a: [{'x{{ b }}': 1}]}"}) {
    BOOST_TEST(read_as(set_spec, written).told.find("expected a constant key") != std::string::npos, written);
  }
  BOOST_TEST(read_as(set_spec, "set: {'{a}': 1, 'b$': 2, '$c}}': 3}").told == "");
}

BOOST_AUTO_TEST_CASE(a_kind_that_is_one_value_or_a_map) {
  BOOST_CHECK(read_as(throttle_spec, "throttle: 10/s").config.rate == Rate{10});
  const auto got = read_as(throttle_spec, "throttle: {rate: 10/m, burst: 5}");
  BOOST_TEST(got.told == "");
  BOOST_TEST(got.config.burst == 5);
  BOOST_TEST(read_as(throttle_spec, "throttle: {burst: 5}").told.find("throttle needs 'rate'") != std::string::npos);
  BOOST_TEST(read_as(throttle_spec, "throttle: fast").told.find("expected a rate such as 10/s, found \"fast\"") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_kind_without_options) {
  BOOST_TEST(read_as(pass_spec, "pass: {}").told == "");
  BOOST_TEST(read_as(pass_spec, "pass:").told == "");
  BOOST_TEST(read_as(pass_spec, "pass: {x: 1}").told.find("pass takes no options") != std::string::npos);
  BOOST_TEST(read_as(pass_spec, "pass: x").told.find("write pass: {}") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(keys_of_others_are_passed_over_but_known) {
  Diagnostics diagnostics;
  const auto root = parse(make_source("f.yaml", "{rows: 5, file: {}, fiel: {}}"), diagnostics);
  const Scope scope;
  Reader reader(diagnostics, scope);
  reader.subject = "stage 'a'";
  BOOST_TEST(limits_spec.read(*root, reader, {"file", "pass"}).rows == 5);
  BOOST_TEST(diagnostics.render() == R"(f.yaml:1:21: error: stage 'a' has no key 'fiel'
    1 | {rows: 5, file: {}, fiel: {}}
      |                     ^~~~
      = did you mean 'file'? its keys are rows, memory, file, pass
)");
}

BOOST_AUTO_TEST_CASE(a_kind_explains_itself) {
  BOOST_TEST(explain_text(throttle_spec.declaration()) == R"(throttle: Holds back.

Its value: rate; such as 10/s
  The rate.

Or a map:
  rate   The rate.
         rate; required; such as 10/s
  burst  At once.
         integer; default 1; at least 1; such as 10
)");
  BOOST_TEST(explain_text(pass_spec.declaration()) == "pass: Lets all through.\n\nTakes no options: pass: {}\n");
  BOOST_TEST(
      explain_text(file_spec.declaration())
          .find("  every    Reads it again so often.\n           duration; above 0s; with read; such as 250ms\n") !=
      std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_kind_writes_its_part_of_the_reference) {
  BOOST_TEST(markdown(throttle_spec.declaration()) == R"(## throttle

Holds back.

Its value is a rate, such as `10/s`. The rate.

Or a map:

| option | type | default | meaning | example |
|---|---|---|---|---|
| `rate` | rate | required | The rate. | `10/s` |
| `burst` | integer | `1` | At once. Must be at least 1. | `10` |
)");
}

BOOST_AUTO_TEST_CASE(a_kind_writes_its_schema) {
  BOOST_TEST(
      json_schema(pass_spec.declaration()) ==
      R"({"title":"pass","description":"Lets all through.","allOf":[{"anyOf":[{"type":["object","null"],"additionalProperties":false,"properties":{}},{"type":"string","pattern":"\\$\\{"}]}]})");
  BOOST_TEST(
      json_schema_properties(limits_spec.declaration()) ==
      R"("rows":{"description":"Rows at most. Default 3; above 0, at most 100; such as 10.","anyOf":[{"type":"integer","exclusiveMinimum":0,"maximum":100},{"type":"string","pattern":"\\$\\{"}]},)"
      R"("memory":{"description":"Memory at most. At least 1KiB; such as 64MiB.","anyOf":[{"type":"string","pattern":"^(?=[0-9.]*[1-9])(0|[1-9][0-9]*)(\\.[0-9]+)?(B|KiB|MiB|GiB)$"},{"type":"string","pattern":"\\$\\{"}]})");
}

}  // namespace
