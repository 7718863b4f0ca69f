// Blocks that weir runs itself: which they are, and that they do what Lua does.
#include "engine/script/native.hpp"

#include <boost/test/unit_test.hpp>

#include "engine/runtime/random.hpp"
#include "tests/script/bench.hpp"

using namespace weir;
using namespace weir::script;

namespace {

bool is_native(const std::string& code) {
  StillHost host;
  Engine engine(host);
  Block block;
  BOOST_REQUIRE_MESSAGE(!block.compile(engine, {code, {}}, Setting::keyed), code);
  return block.native();
}

/// Draws blocks of all that is run without Lua, and some that is not, and payloads for them.
class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  std::string block() {
    locals_.clear();
    tables_.clear();
    functions_.clear();
    depth_ = 0;
    return statements(1 + random_.below(5)) + (often(2) ? "" : "return " + returned());
  }
  std::string table_of_key() {
    return pick({R"({"n":1,"s":"x","b":{"a":1},"k":[1]})", R"({"s":"a\\nb", "n":1.50})", R"({"n":1e400})",
                 R"({"b":null,"n":-0.0,"s":7})"});
  }
  std::string payload() {
    if (often(40))
      return pick({"no JSON", "[1,2]", "7", "", R"({"n":01})", " {\"n\":1}", "{}", R"({"n":1,"n":2,"s":"x"})"});
    std::string object = "{";
    const auto add = [&](const std::string& key, const std::string& value) {
      if (!often(24)) object += (object.size() > 1 ? ",\"" : "\"") + key + "\":" + value;
    };
    add("n", number());
    add("s", text());
    add("m", number());
    add("t", text());
    add("b", scalar());
    add("x y", scalar());
    add("o", often(16) ? scalar() : inner());
    std::string list = "[";
    for (auto more = 1 + random_.below(3); more > 0; --more)
      list += (list.size() > 1 ? "," : "") + (often(10) ? scalar() : inner());
    add("l", often(16) ? scalar() : list + "]");
    return object + (often(10) ? " }" : "}");
  }

 private:
  bool often(std::uint64_t one_in) { return random_.below(one_in) == 0; }
  std::string pick(const std::vector<std::string>& from) { return from[random_.below(from.size())]; }

  // --- payloads
  std::string number() {
    return often(20) ? scalar()
                     : pick({"1", "0", "-3", "7", "0.5", "1.50", "1e2", "-0.0", "-0", "100", "9223372036854775807",
                             "-9223372036854775808", "12345678901234567890", "9007199254740993", "2.25", "1e300"});
  }
  std::string text() {
    return often(20) ? scalar()
                     : pick({"\"x\"", "\"\"", "\"abc\"", "\" 12 \"", "\"7\"", "\"-4\"", "\"1.5\"", "\"0x10\"",
                             "\"Hello/there\"", "\"tab\\t \\u00e4\\/\"", "\"\xc3\xa4\x7f\xe2\x80\xa8/\"",
                             "\"\\ud83d\\ude00\"", "\"a\\u0000b\"", "\"%d\"", "\"10\""});
  }
  std::string scalar() {
    return pick({"true", "false", "null", "1", "\"x\"", "1e400", "[]", "{}", "[1]", R"({"n":2})", "-7.5", "\"\""});
  }
  std::string inner() {
    return R"({"n":)" + number() + R"(, "s":)" + text() + (often(2) ? R"(,"b":)" + scalar() : "") + "}";
  }

  // --- expressions
  std::string name() { return often(4) ? pick({"b", "gone", "x y"}) : pick({"n", "m", "s", "t"}); }
  std::string step(const std::string& name) { return name == "x y" || often(8) ? "['" + name + "']" : "." + name; }
  std::string holder() {
    return often(12) ? "msg.l[2]"
                     : pick({"msg", "msg", "msg", "msg", "msg.o", "msg.o", in_loop_ ? "item" : "msg.l[1]"});
  }
  /// Of a member that mostly is a number, text or anything, as its first name says; or a local of that kind.
  std::string path(const std::vector<std::string>& names) {
    if (often(12)) return "state" + step(often(20) ? "k" : names.front());
    if (often(40)) return "text";
    std::vector<std::string> own;
    for (const auto& local : locals_) {
      if (local.front() == names.front().front() || often(20)) own.push_back(local);
    }
    if (!own.empty() && often(3)) return pick(own);
    const auto of = holder();
    return of + step(of == "msg" ? pick(names) : often(20) ? name() : names.front());
  }
  std::string of_kind(char kind, int depth) {
    return kind == 'n' ? numeric(depth) : kind == 's' ? textual(depth) : any(depth);
  }
  /// A call of a function of the block's own, where there is one.
  std::string called(int depth, const std::string& otherwise) {
    if (functions_.empty()) return otherwise;
    const auto function = pick(functions_);
    std::string given;
    for (auto more = random_.below(often(10) ? 4 : 3); more > 0; --more)
      given += (given.empty() ? "" : ", ") + of_kind(function.front() == 'a' ? 's' : 'n', depth + 1);
    return function + "(" + given + ")";
  }
  std::string numeric(int depth) {
    if (often(12)) return called(depth, "1");
    switch (random_.below(depth > 2 ? 3 : 9)) {
      case 0:
        return often(60) ? "0x10"
                         : pick({"1", "0", "2.5", "1000", "-7", "1e3", "3", "0.0", "9007199254740993",
                                 "9223372036854775807"});
      case 1:
      case 2:
        return path({"n", "m"});
      case 3:
      case 4:
        return numeric(depth + 1) + pick({" + ", " - ", " * ", " / ", " // ", " % "}) + numeric(depth + 1);
      case 5:
        return "(" + numeric(depth + 1) + ")";
      case 6:
        return "-" + pick({"", " "}) + "(" + numeric(depth + 1) + ")";
      case 7:
        return "#" + pick({"msg.l", "msg.s", "msg.o", "(" + textual(depth + 1) + ")"});
      default:
        return pick({"math.floor", "math.ceil", "math.abs", "int", "num", "tonumber", "string.len", "time.unix"}) +
               "(" + (often(10) ? textual(depth + 1) : numeric(depth + 1)) + ")";
    }
  }
  std::string textual(int depth) {
    if (often(24)) return called(depth, "'z'");
    switch (random_.below(depth > 2 ? 3 : 14)) {
      case 0:
        return pick({"'x'", "\"it's\"", "'\\n'", "'\\u{e4}'", "''", "'abc'", "'\\xff'", "[[long]]"});
      case 1:
      case 2:
        return path({"s", "t"});
      case 3:
      case 4:
        return textual(depth + 1) + " .. " + (often(3) ? numeric(depth + 1) : textual(depth + 1));
      case 5:
        return often(2) ? pick({"string.upper", "string.lower", "trim"}) + "(" + textual(depth + 1) + ")"
                        : pick({"tostring", "type"}) + "(" + any(depth + 1) + ")";
      case 6:
        return "string.sub(" + textual(depth + 1) + ", " + pick({"1", "2", "-2", "0", "-9", "5"}) +
               pick({"", ", 2", ", -1", ", -2", ", 0", ", 99", ", -99", ", 1.0"}) + ")";
      case 10:
        return "re.match('" + pick({"[a-z]+", "x", "^(.)", "(a)(b)?", "([a-z]+)/([a-z]+)", "(x)?$"}) + "', " +
               textual(depth + 1) + ")" + pick({"", "", " .. ''"});
      case 11:
        return "re.replace('" + pick({"[a-z]", "x", "(.)", ""}) + "', " + textual(depth + 1) + ", " +
               pick({"'y'", "'<\\\\1>'", "''", textual(depth + 1)}) + ")";
      case 12:
        return pick({"time.format(", "time.format("}) +
               pick({"'2026-03-01T10:11:12Z'", "1769846709", "msg.n", "msg.s", "'2026-03-01 10:11:12.5'"}) + ", " +
               pick({"'%Y-%m-%d'", "'%H:%M:%S.%L'", "msg.t"}) + ")";
      case 13:
        return "table.concat(split(" + textual(depth + 1) + ", " + pick({"'a'", "'/'", "msg.s"}) + ")" +
               pick({"", ", '-'"}) + ")";
      case 7:
        return "(" + textual(depth + 1) + ")" + pick({":upper()", ":lower()", ":sub(2)", ":sub(1, 3)"});
      case 8:
        return "string.format('" + pick({"%d", "%5.2f", "%.3f", "%05d", "%-4d|", "%g", "%.1e", "%i"}) + "/%s%%', " +
               numeric(depth + 1) + ", " + any(depth + 1) + ")";
      default:
        return "string.format(\"%s-%s\", " + textual(depth + 1) + ", " + any(depth + 1) + ")";
    }
  }
  std::string condition(int depth) {
    switch (random_.below(depth > 2 ? 2 : 8)) {
      case 0:
        return numeric(depth + 1) + pick({" < ", " <= ", " > ", " >= ", " == ", " ~= "}) + numeric(depth + 1);
      case 1:
        return textual(depth + 1) + pick({" < ", " <= ", " > ", " >= ", " == ", " ~= "}) + textual(depth + 1);
      case 2:
        return "not " + any(depth + 1);
      case 3:
        return any(depth + 1) + pick({" == ", " ~= "}) + any(depth + 1);
      case 4:
        return "(" + condition(depth + 1) + ")" + pick({" and ", " or "}) + condition(depth + 1);
      case 5:
        return pick({"starts", "contains"}) + "(" + textual(depth + 1) + ", " + textual(depth + 1) + ")";
      case 6:
        return path({"b", "gone", "n", "s"}) + pick({" == nil", " ~= nil", " == null", " == true", " ~= false"});
      default:
        return path({"b", "gone"});
    }
  }
  std::string any(int depth) {
    switch (random_.below(depth > 2 ? 4 : 8)) {
      case 0:
        return numeric(depth + 1);
      case 1:
        return textual(depth + 1);
      case 2:
        return path({"n", "s", "b", "gone"});
      case 3:
        return pick({"nil", "true", "false", "msg.o", "msg.l", "vars.text", "vars.number", "vars.yes", "vars.list"});
      case 4:
        return path({"b", "gone", "n"}) + " or " + (often(6) ? "fail(" + textual(depth + 1) + ")" : any(depth + 1));
      case 5:
        return path({"b", "gone", "o"}) + " and " + any(depth + 1) + " or " + any(depth + 1);
      case 6:
        return condition(depth + 1);
      default:
        return pick({"math.max", "math.min"}) + "(" + numeric(depth + 1) + ", " + numeric(depth + 1) + ")";
    }
  }
  std::string table(int depth) {
    std::string made = "{";
    if (often(4)) {
      for (auto more = random_.below(3); more > 0; --more) made += any(depth + 1) + ", ";
      return made + "}";
    }
    for (const std::string key : {"z", "id", "B", "['x y']", "a_long_name"}) {
      if (often(3)) continue;
      made += key + " = " +
              (often(4) && depth < 2 ? table(depth + 1)
               : often(12)           ? "msg"
                                     : any(depth + 1)) +
              pick({", ", "; "});
    }
    return made + "}";
  }
  std::string returned() {
    switch (random_.below(8)) {
      case 0:
        return any(0);
      case 1:
        return tables_.empty() ? "msg" : pick(tables_);
      case 2:
        return "msg";
      default:
        return table(0);
    }
  }

  // --- statements
  std::string statements(std::uint64_t count) {
    std::string code;
    const auto locals = locals_, tables = tables_, functions = functions_;
    for (; count > 0; --count) code += statement() + pick({"\n", "\n", " ; "});
    if (depth_ > 0) {
      locals_ = locals;
      tables_ = tables;
      functions_ = functions;
    }
    return code;
  }
  std::string inside() {
    ++depth_;
    const auto code = statements(1 + random_.below(2));
    --depth_;
    return code;
  }
  std::string statement() {
    switch (random_.below(depth_ > 2 ? 8 : 17)) {
      case 0:
      case 1: {
        const std::string local = pick({"n1", "n2", "s1", "s2", "b1"});
        const auto code = "local " + local + " = " + of_kind(local.front(), 0);
        locals_.push_back(local);
        return code;
      }
      case 2: {
        const std::string local = pick({"t", "u"});
        const auto code = "local " + local + " = " + table(0);
        tables_.push_back(local);
        return code;
      }
      case 3:
        if (often(3)) {
          return "local s8, s9 = re.match('" + pick({"(a)(b)?", "([a-z]+)/([a-z]+)", "(x)", "x", "(.)(.)(.)"}) + "', " +
                 textual(0) + ")" + pick({"", " msg.k = s8 msg.l = s9"});
        }
        if (locals_.empty()) return "local p, q = " + numeric(0) + ", " + textual(0);
        if (const auto local = pick(locals_); !often(10)) return local + " = " + of_kind(local.front(), 0);
        return pick(locals_) + " = " + any(0);
      case 4:
        return pick({"msg", "msg", "msg.o", "msg.l[1]"}) + step(pick({"n", "new", "s", "b", "o", "x y", "l"})) + " = " +
               (often(5) ? table(1) : any(0));
      case 5:
        if (tables_.empty()) return "msg.k = " + any(0);
        return pick({pick(tables_) + pick({".z", ".new", "['x y']", "[1]", "[2]", "[msg.s]"}) + " = " + any(0),
                     "table.insert(" + pick(tables_) + ", " + any(0) + ")", "msg.made = " + pick(tables_),
                     pick(tables_) + ".self = " + pick(tables_)});
      case 6:
        return often(3) ? pick({"drop()", "fail('no ' .. " + textual(1) + ")", "do break end", "error('odd')"})
                        : pick({"emit(", "emit_to('late', "}) + (often(3) ? any(0) : table(0)) + ")";
      case 7:
        if (often(4)) return called(0, "drop()");
        if (often(2)) {
          const auto name = pick({"n", "n", "s", "b", "k"});
          return "state" + step(name) + " = " + (often(2) ? any(0) : "(state." + name + " or 0) + 1");
        }
        return "msg.new = " + any(0);
      case 8:
      case 9: {
        auto code = "if " + condition(0) + " then " + inside();
        if (often(3)) code += "elseif " + condition(0) + " then " + inside();
        if (often(2)) code += "else " + inside();
        return code + "end";
      }
      case 10: {
        auto code = "local sum, s0 = 0, '' for n0, item in " + pick({"ipairs", "ipairs", "pairs"}) + "(" +
                    pick({"msg.l", "msg.l", "msg.o", "msg", "msg.l or {}", "{1, 2}"}) + ") do ";
        const auto locals = locals_;
        for (const auto* own : {"n0", "sum", "s0"}) locals_.push_back(own);
        const bool before = std::exchange(in_loop_, true);
        code += inside() + pick({"sum = sum + item.n ", "s0 = s0 .. n0 ", "", "if n0 == 2 then break end "});
        locals_ = locals;
        in_loop_ = before;
        return code + "end msg.sum = sum";
      }
      case 11: {
        const auto locals = locals_;
        auto code = "for n0 = " + pick({"1", "3", "#msg.l", numeric(2)}) + ", " +
                    pick({"3", "#msg.l", "1", "9223372036854775807"}) + pick({"", ", 1", ", -1", ", 2", ", 0"}) +
                    " do ";
        locals_.push_back("n0");
        code += inside() + pick({"if n0 then break end ", "local item = msg.l[n0] ", "break "});
        locals_ = locals;
        return code + "end";
      }
      case 12: {
        const auto locals = locals_;
        auto code = "local n9 = " + numeric(1) + pick({"", " + 0"}) + " ";
        const bool first = often(2);
        locals_.push_back("n9");
        code += first ? "while " + pick({"n9 < 3", "n9 and n9 < 20", condition(1), "n9 ~= nil"}) + " do " : "repeat ";
        code += inside() + pick({"n9 = n9 + 1 ", "n9 = n9 + 1 ", "n9 = n9 * 2 + 1 ", "if n9 then break end "});
        if (first) {
          code += "end";
        } else {
          code += "local b9 = n9 until " + pick({"n9 > 3", "b9 == nil or b9 > 7", condition(1), "true"});
        }
        locals_ = locals;
        return code + " msg.again = n9";
      }
      case 13:
      case 14: {
        const auto locals = locals_, functions = functions_;
        const std::string function = pick({"add", "half"}), own = function.front() == 'a' ? "s" : "n";
        const bool named = often(2);
        auto code = (named ? "local function " + function : "local " + function + " = function") + "(" + own + "7, " +
                    own + "6) ";
        if (!named || !often(8)) std::erase(functions_, function);
        locals_.push_back(own + "7");
        locals_.push_back(own + "6");
        if (often(3)) code += inside();
        if (often(6)) code += "if " + condition(1) + " then return " + pick({"", any(1)}) + " end ";
        if (!often(8)) code += "return " + (often(6) ? any(1) : of_kind(own.front(), 0)) + " ";
        locals_ = locals;
        functions_ = functions;
        functions_.push_back(function);
        return code + "end";
      }
      case 15: {
        if (locals_.size() < 2) return "local n8, s7 = 1, 'x' n8, s7 = 2, s7 .. n8 msg.p = s7 .. n8";
        const auto one = pick(locals_), other = pick(locals_);
        return one + ", " + other + " = " + of_kind(one.front(), 1) + ", " +
               (often(3) ? one : of_kind(other.front(), 1));
      }
      default:
        return "do " + inside() + "end";
    }
  }

  runtime::Random random_;
  std::vector<std::string> locals_, tables_, functions_;
  int depth_ = 0;
  bool in_loop_ = false;
};

/// What a block makes of a payload; `viewed`: one that a stage before has edited.
std::string made(const Block& block, const std::string& payload, bool viewed, KeyTable* table = nullptr) {
  OneMessage one(payload);
  if (viewed && one.message().document().valid())
    one.message().document().set(one.message().document().root(), "m", message::Value::integer(5));
  const auto before = one.text();
  Run run;
  if (table) table->changed = false;
  block.run(one.message(), run, table);
  std::string said = run.verdict == Verdict::pass   ? one.text()
                     : run.verdict == Verdict::drop ? "dropped"
                                                    : told(run.failure);
  for (const auto& emitted : run.emitted) said += " | " + std::to_string(emitted.port) + " " + emitted.payload;
  if (run.verdict != Verdict::pass && one.text() != before) said += " | the payload was changed to " + one.text();
  if (table) said += (table->changed ? " | remembered " : " | still ") + table->json;
  return said;
}

config::Map<config::Value> some_vars() {
  config::Map<config::Value> vars(4);
  vars[0].first = "text";
  vars[0].second.kind = config::Value::Kind::text;
  vars[1] = {"number", {}};
  vars[1].second.kind = config::Value::Kind::number;
  vars[1].second.number = "2.50";
  vars[2] = {"yes", {}};
  vars[2].second.kind = config::Value::Kind::boolean;
  vars[2].second.boolean = true;
  vars[3] = {"list", {}};
  vars[3].second.kind = config::Value::Kind::list;
  return vars;
}

}  // namespace

BOOST_AUTO_TEST_CASE(ordinary_blocks_need_no_lua) {
  for (const auto* code :
       {"return {a = msg.a}", "local s = msg.took > 9 -- slow\nreturn {slow = s, id = msg['x y'], n = 1, t = 'x'}",
        "return {what = msg.a .. '/' .. msg.b, seconds = msg.ms / 1000,};", "return {a = {b = 1, c = {msg.x, 2}}}",
        "if msg.a == 1 then msg.b = nil elseif msg.c then drop() else fail('no ' .. msg.a) end",
        "local t = {} for i, item in ipairs(msg.l) do t[i] = item.n end return t",
        "for _, item in pairs(msg.l) do emit{id = msg.id, item = item} end drop()",
        "local n = 0 for i = 1, #msg.l do n = n + msg.l[i].n * 2 end msg.n = n",
        "msg.label = string.format('%s %.2f', msg.s:upper():sub(1, 3), math.floor(msg.n))", "return msg.a or 'none'",
        "local n, m = 0, 1 while n < 10 do n, m = n + 1, m * 2 end repeat local x = n n = n - 1 until x < 5 return {n "
        "= m}",
        "local function size(t, by) if t then return #t * by end return 0 end local twice = function(n) return n * 2 "
        "end "
        "return {n = twice(size(msg.s, 2)), p = ({a = 1})[msg.s] or fail('no ' .. msg.s)}",
        "state.n = (state.n or 0) + 1 if state.n > 3 then state.n = nil return {n = 3} end drop()",
        "local one = re.match('^(.)', text) return {load = num(one), at = now()}",
        "local function say(what) emit{what = what} end say(1) if msg.n then say(msg.n) end",
        "local kind, n = re.match('^/([a-z]+)/([0-9]+)', msg.path) return {kind = kind, n = int(n), at = now(), id = "
        "uuid()}",
        "return {p = table.concat(split(re.replace('a+', msg.s, 'b'), '-'), '/'), d = time.format(msg.t, '%Y'), u = "
        "time.unix(msg.t)}"}) {
    BOOST_TEST(is_native(code), code);
  }
  for (const auto* code : {"local function f(n) if n > 1 then return f(n - 1) end return n end return f(msg.n)",
                           "local n = 0 local function f() n = n + 1 end f() return {n = n}",
                           "local function f() return 1 end return f",
                           "local function f(...) return ... end f(1)",
                           "local function f(a) return a end f(1, 2)",
                           "local a, b = 1, 2 a, a = b, b",
                           "local a, b = 1, 2 a, b = b",
                           "local a = 1 a, msg.b = 1, 2",
                           "local function f() return re.match('(a)(b)', msg.s) end f()",
                           "local t = {} function t.f() end",
                           "return {a = meta.id}",
                           "return {re.match('(a)(b)', msg.s)}",
                           "emit(re.match('(a)(b)', msg.s))",
                           "return {a = state.list[1]}",
                           "state.l = {}",
                           "return {n = #state.l}",
                           "for i in ipairs(state.l) do end",
                           "return {a = state}",
                           "local a <const> = 1",
                           "return {a = msg.a ~ 1}",
                           "return {a = 1, a = 2}",
                           "return {1, a = 2}",
                           "local string = {} return string.upper('x')",
                           "local ipairs = pairs for i in ipairs(msg) do end",
                           "return {a = string.format(msg.a, 1)}",
                           "msg.a, msg.b = 1, 2",
                           "meta.key2 = 1",
                           "return {a = msg.n - 0}",
                           "return try(drop)",
                           "goto done ::done::",
                           "return 1, 2"}) {
    if (after(code).starts_with("compile")) continue;
    BOOST_TEST(!is_native(code), code);
  }
}

BOOST_AUTO_TEST_CASE(what_is_unclear_is_left_to_lua_and_leaves_nothing_behind) {
  const std::string payload = R"({"id":1,"l":[1,2]})";
  BOOST_TEST(after("msg.id = 2 emit{1} msg.n = msg.gone.x", payload) == "missing: gone is missing");
  BOOST_TEST(after("msg.id = 2 emit{1} drop()", payload) == R"(dropped | [1])");
  BOOST_TEST(after("for i, item in ipairs(msg.l) do emit(item) if i == 2 then fail('odd') end end", payload) ==
             "user: odd");
  BOOST_TEST(after("local n = 0 for i = 1, 1000000 do n = n + 1 end", payload) ==
             "budget: the code was not done after 1000000 instructions");
}

BOOST_AUTO_TEST_CASE(what_is_remembered_is_remembered_once) {
  StillHost host;
  Engine engine(host);
  const auto twice = [&](const std::string& code) {
    Block block;
    BOOST_REQUIRE(!block.compile(engine, {code, {}}, Setting::keyed));
    BOOST_TEST(block.native(), code);
    KeyTable table;
    made(block, R"({"id":1,"s":"0x10"})", false, &table);
    return made(block, R"({"id":1,"s":"0x10"})", false, &table);
  };
  const std::string count = "state.n = (state.n or 0) + 1 ";
  BOOST_TEST(twice(count + "emit{state.n} return {n = state.n}") == R"({"n":2} | -1 [2] | remembered {"n":2})");
  BOOST_TEST(twice(count + "drop()") == R"(dropped | remembered {"n":2})");
  // Only Lua can tell, and how it fails: from the beginning, with nothing remembered yet.
  BOOST_TEST(twice(count + "emit{1} return {n = state.n, x = tonumber(msg.s)}") ==
             R"({"n":2,"x":16} | -1 [1] | remembered {"n":2})");
  BOOST_TEST(twice(count + "fail('no')") == "user: no | still {}");
  BOOST_TEST(twice("local s = 'x' for i = 1, 16 do s = s .. s end state.s = s state.t = 1")
                 .starts_with("size: the state of one key is at most 65536 bytes"));
  BOOST_TEST(twice("if state.s then state.s = nil else state.s = msg.s end") ==
             R"({"id":1,"s":"0x10"} | remembered {})");
}

BOOST_AUTO_TEST_CASE(what_lua_does_in_its_corners_is_done) {
  StillHost host;
  Engine engine(host);
  const std::string payload = R"({"n":3,"s":"ab","blank":"  ","f":"1","l":[3,1]})";
  for (const std::string code :
       {"local k, v = re.match('^(x*)=?(x*)$', trim(msg.blank)) return {k = k, v = v, ok = k ~= nil}",
        "return {a = re.match('x*', trim('')) ~= nil, b = split(trim(' '), ',')[1]}",
        "return string.format('%d', 1, msg.gone.x)", "return string.format('x', msg.gone.x)",
        "emit{1} drop(msg.gone.x)", "drop(1 + nil)", "local a, b = (re.match('(.)(.)', msg.s)) return {a = a, b = b}",
        "local a, b = ((re.match('(.)(.)', msg.s))) return {a = a, b = b}",
        "local t = {a = 1, b = 2, c = 3} t.a = nil t.b = nil t.c = nil t[1] = 'x' t[2] = 'y' t[3] = 'z' "
        "local s = '' for k, v in pairs(t) do s = s .. k .. v end return s",
        "local t = {a = msg.gone, b = msg.gone, c = msg.gone} table.insert(t, 'x') table.insert(t, 'y') "
        "local s = '' for k, v in pairs(t) do s = s .. k .. v end return s",
        "local t = {} table:insert(t, 1) return t", "-- x\rreturn {a = 1}", "local x = 1 -- c\rx = 2\nreturn {x = x}",
        "return {a = [[x\r\ny]]}", "return {a = string.format('\\0%s', 0.1 + 0.2)}"}) {
    Block ours, lua;
    BOOST_REQUIRE_MESSAGE(!ours.compile(engine, {code, {}}), code);
    BOOST_REQUIRE(!lua.compile(engine, {code, {}}, Setting::message, Block::Path::lua_only));
    const auto by_weir = made(ours, payload, false), by_lua = made(lua, payload, false);
    BOOST_TEST(by_weir == by_lua, code << ": " << by_weir << ", but Lua: " << by_lua);
  }
}

BOOST_AUTO_TEST_CASE(any_two_numbers_are_computed_and_compared_as_lua_does) {
  StillHost host;
  Engine engine(host);
  const std::vector<std::string> numbers = {"0",
                                            "-0.0",
                                            "1",
                                            "-1",
                                            "3",
                                            "-3",
                                            "2.5",
                                            "-2.5",
                                            "7.5",
                                            "-37000000000000000000",
                                            "1e300",
                                            "0.1",
                                            "9223372036854775807",
                                            "-9223372036854775808",
                                            "9007199254740993",
                                            "9007199254740992.0"};
  for (const std::string op : {"+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "~=", ","}) {
    const std::string code =
        op == "," ? "return {a = math.max(msg.a, msg.b), i = math.min(msg.a, msg.b), f = math.floor(msg.a), "
                    "c = math.ceil(msg.a), n = int(msg.a), m = -msg.a, s = msg.a .. '', p = math.abs(msg.a)}"
                  : "return {v = msg.a " + op + " msg.b}";
    Block ours, lua;
    BOOST_REQUIRE(!ours.compile(engine, {code, {}}));
    BOOST_REQUIRE(!lua.compile(engine, {code, {}}, Setting::message, Block::Path::lua_only));
    BOOST_REQUIRE(ours.native());
    for (const auto& a : numbers) {
      for (const auto& b : numbers) {
        const auto payload = "{\"a\":" + a + ",\"b\":" + b + "}";
        const auto by_weir = made(ours, payload, false), by_lua = made(lua, payload, false);
        if (by_weir != by_lua) BOOST_ERROR(code << " on " << payload << ": " << by_weir << ", but Lua: " << by_lua);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(what_runs_without_lua_does_what_lua_does) {
  StillHost host;
  const auto vars = some_vars();
  Limits limits;
  limits.instructions = 20'000;  // Drawn loops use all of it up; what happens there is the same for any number.
  limits.memory_bytes = 1024 * 1024;
  Engine engine(host, vars, limits);
  Maker maker(20261127);
#ifdef NDEBUG
  int rounds = 4'000;
#else
  int rounds = 1'000;
#endif
  if (const char* more = std::getenv("WEIR_ROUNDS")) {  // To look for longer, and elsewhere.
    rounds = std::atoi(more);
    maker = Maker(static_cast<std::uint64_t>(rounds));
  }
  constexpr int payloads = 4;
  int native = 0, answered = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto code = maker.block();
    Block ours, lua;
    if (ours.compile(engine, {code, {}}, Setting::keyed)) continue;  // A break outside of a loop, say.
    if (!ours.native()) continue;
    ++native;
    BOOST_REQUIRE(!lua.compile(engine, {code, {}}, Setting::keyed, Block::Path::lua_only));
    const auto alone = Native::of(engine, {code, {}}, ours.ports(), Setting::keyed);
    KeyTable our_table, table_of_lua, own_table;
    if (round % 3 == 0) our_table.json = table_of_lua.json = maker.table_of_key();
    for (int i = 0; i < payloads; ++i) {
      const auto payload = maker.payload();
      const bool viewed = i == payloads - 1;
      const auto by_weir = made(ours, payload, viewed, &our_table), by_lua = made(lua, payload, viewed, &table_of_lua);
      BOOST_REQUIRE_MESSAGE(by_weir == by_lua, code << "\non " << payload << (viewed ? ", viewed" : "") << "\n"
                                                    << by_weir << "\nbut Lua: " << by_lua);
      OneMessage one(payload);
      std::string out;
      std::vector<Emitted> emitted;
      answered += alone->run(one.message(), out, emitted, &own_table) != Native::Outcome::unclear;
    }
  }
  BOOST_TEST_MESSAGE(native << " blocks, " << answered << " answers");
  BOOST_TEST(native > rounds / 4);
  BOOST_TEST(answered > native / 2);
}
