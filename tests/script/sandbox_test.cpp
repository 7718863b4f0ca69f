// Every hole that was found in Lua, and that it is closed.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <sstream>

#include "engine/script/manual.hpp"
#include "tests/script/bench.hpp"

using namespace weir::script;

namespace {
const std::string budget = "budget: the code was not done after 1000000 instructions";
const std::string memory = "memory: the code needs more than 16 MiB of memory";
}  // namespace

BOOST_AUTO_TEST_CASE(a_loop_that_never_ends_is_stopped) {
  for (const auto* code : {"while true do end", "repeat until false", "::again:: goto again",
                           "for i = 1, math.huge do end", "local function f() return f() end f()"}) {
    BOOST_TEST(after(code) == budget, code);
  }
}

BOOST_AUTO_TEST_CASE(nothing_swallows_the_budget) {
  BOOST_TEST(after("while true do try(function() while true do end end) end") == budget);
  BOOST_TEST(after("local t = {3, 1, 2} table.sort(t, function() while true do end end)") == budget);
  BOOST_TEST(after("local function f() while true do end end while true do try(try, try, f) end") == budget);
}

BOOST_AUTO_TEST_CASE(rounds_are_counted_wherever_code_can_go_back) {
  // Each alone, and with the rest of the code in the way of what counts.
  for (const auto* code :
       {"while true do local x <const> = 1 end", "repeat local x = 1 until x == 2 -- never",
        "local t = {1} for i, x in ipairs(t) do t[i + 1] = x if i > 100 then t = nil goto on end end ::on:: "
        "while true do end",
        "local f f = function(n) return n < 2 and n or f(n - 1) + f(n - 2) end return {a = f(60)}",
        "local t = {} function t.f(...) return t.f(...) end t.f(1)",
        "local t = {} function t:f() t:f() t:f() end t:f()",
        "for i = 1, 1000 do for j = 1, 1000 do for k = 1, 1000 do end end end",
        "while (function() local n = 0 for i = 1, 3 do n = n + i end return n end)() do end",
        "do local i = 0 ::on:: i = i + 1 if i < 1e9 then goto on end end"}) {
    const auto said = after(code);
    BOOST_TEST((said == budget || said == memory), code << ": " << said);
  }
  BOOST_TEST(after("local n = 0 for i = 1, 200000 do n = n + i end msg.n = n") == R"({"n":20000100000})");
  BOOST_TEST(after("local n = 0 while n < 200000 do n = n + 1 end msg.n = n") == R"({"n":200000})");
  BOOST_TEST(after("local weir_rounds = 7 while weir_rounds > 1 do weir_rounds = weir_rounds - 1 end return {n = "
                   "weir_rounds, f = (function() return 2 end)()}") == R"({"f":2,"n":1})");
}

BOOST_AUTO_TEST_CASE(after_a_budget_the_next_message_starts_afresh) {
  StillHost host;
  Engine engine(host);
  BOOST_TEST(after(engine, "while true do end") == budget);
  BOOST_TEST(after(engine, "local n = 0 for i = 1, 1000 do n = n + i end msg.n = n") == R"({"n":500500})");
  BOOST_TEST(after(engine, "msg.n = 1") == R"({"n":1})");
}

BOOST_AUTO_TEST_CASE(what_is_returned_is_written_as_a_table_would_be) {
  StillHost host;
  Engine engine(host);
  const auto after = [&](const std::string& code) {
    return weir::script::after(engine, code, R"({"n":3,"s":"a\nb","l":[1,2]})", Block::Path::lua_only);
  };
  BOOST_TEST(after("return {z = msg.n, ['a b'] = msg.s, gone = msg.gone, l = msg.l, t = {1, {}}, v = null};") ==
             R"({"a b":"a\nb","l":[1,2],"t":[1,{}],"v":null,"z":3})");
  BOOST_TEST(after("return {gone = msg.gone}") == "{}");
  BOOST_TEST(after("return {a = 1, a = 2}") == R"({"a":2})");
  BOOST_TEST(after("return {a = split('a,b', ',') --, c = 2\n; b = re.match('(.)(.)', 'xy') -- two\n, --[[ ] ]]}") ==
             R"({"a":["a","b"],"b":"x"})");
  BOOST_TEST(after("return {a = {b = {c = 'x, }'}}, ['d'] = \"}\"}") == R"({"a":{"b":{"c":"x, }"}},"d":"}"})");
  BOOST_TEST(after("return {a = 1} == nil") == "false");
  BOOST_TEST(after("return ({a = 'x'}).a") == "x");
  BOOST_TEST(after("return {f = type}") == "type: f is a function, which JSON cannot say");
  BOOST_TEST(after("return {a = {f = type}}") == "type: f is a function, which JSON cannot say");
  BOOST_TEST(after("return {a = 0 / 0}") == "type: a is not a number, which JSON cannot say");
  BOOST_TEST(after("local function f() return {a = 1, b = 2} end return {c = f().b}") == R"({"c":2})");
  BOOST_TEST(after("if msg.n == 3 then return {a = 1} else return {b = 1} end") == R"({"a":1})");
  BOOST_TEST(after("local t = {1} t[2] = 'x' t[4] = 4 return {t = t}") ==
             "type: t is a list with holes, which JSON cannot say: put 'null' there");

  // A failure is on its line, as where a table is made.
  const auto place_of = [&](const std::string& begin, const std::string& end) {
    auto source = std::make_shared<weir::config::Source>();
    const auto code = begin + "\n  a = 1, -- one\n  b\n  =\n  2, --[[ three\n]] c = msg.gone.x\n}" + end;
    source->text = "lua: |\n" + code;
    weir::config::Place place;
    place.source = source;
    place.line = 1;
    place.column = 6;
    Block block;
    BOOST_REQUIRE(!block.compile(engine, {code, place}, Setting::message, Block::Path::lua_only));
    OneMessage one("{}");
    Run run;
    block.run(one.message(), run);
    BOOST_TEST(told(run.failure) == "missing: gone is missing");
    return run.failure.place;
  };
  const auto place = place_of("return {", "");
  BOOST_TEST(place == place_of("local t = {", " return t"));
  BOOST_TEST(place.starts_with(":7:"), place);
}

BOOST_AUTO_TEST_CASE(memory_is_bounded_and_the_state_made_anew) {
  StillHost host;
  Engine engine(host);
  Block other;
  BOOST_TEST(!other.compile(engine, {"msg.n = vars == nil", {}}));
  BOOST_TEST(after(engine, "local t = {} while true do t = {t, {}, {}, {}, {}} end") == memory);
  BOOST_TEST(engine.rebuilt() == 1U);
  BOOST_TEST(after(engine, "local s = 'xxxxxxxx' while true do s = s .. s end") == memory);
  BOOST_TEST(after(engine, "local s = 'xxxxxxxx' while true do s = table.concat({s, s}) end") == memory);
  BOOST_TEST(after(engine, "local s = 'xxxxxxxx' while true do s = string.format('%s%s', s, s) end") == memory);
  BOOST_TEST(after(engine, "try(function() local s = 'xxxxxxxx' while true do s = s .. s end end)") == memory);
  BOOST_TEST(after(engine, "while true do try(string.rep, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', 1000000) end") ==
             memory);
  BOOST_TEST(engine.rebuilt() == 6U);
  BOOST_TEST(engine.memory_bytes() < 200'000U);
  OneMessage one("{}");
  Run run;
  other.run(one.message(), run);
  BOOST_TEST(one.text() == R"({"n":false})");
}

BOOST_AUTO_TEST_CASE(recursion_is_bounded) {
  const auto said = after("local function f() return f() + 1 end f()");
  BOOST_TEST((said == memory || said == "memory: the code calls itself too deeply"), said);
  BOOST_TEST(after("local function f() return try(f) end f() msg.n = 1") == R"({"n":1})");
}

BOOST_AUTO_TEST_CASE(work_inside_one_instruction_counts) {
  BOOST_TEST(after("for i = 1, 1e6 do local s = string.rep('x', 8000000) end") == budget);
  BOOST_TEST(after("return string.rep('', 1e15)") == "");
  BOOST_TEST(after("return string.rep('', 1e15, '')") == budget);
  BOOST_TEST(after("table.move({}, 1, 1e15, 2)") == budget);
  BOOST_TEST(after("local t = {} for i = 1, 1e5 do table.insert(t, 1, i) end") == budget);
  BOOST_TEST(after("local t = {} for i = 1, 9e4 do t[i] = i end while true do table.sort(t) end") == budget);
  BOOST_TEST(after("local t = {} for i = 1, 9e4 do t[i] = 'x' end while true do local s = #table.concat(t) end") ==
             budget);
  BOOST_TEST(after("local s = string.rep('a', 1000000) while true do re.match('b', s) end") == budget);
  BOOST_TEST(after("for i = 1, 1e6 do re.match('a' .. i, 'x') end") == budget);
  BOOST_TEST(after("for i = 1, 1e6 do emit('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') end") ==
             "memory: the code emits more than 16384 KiB from one message");
}

BOOST_AUTO_TEST_CASE(what_is_written_is_bounded_as_lua_s_own_memory_is) {
  const std::string much = "memory: what the code writes takes more than 16384 KiB";
  BOOST_TEST(after("for i = 1, 40 do msg.s = {id = msg, x = msg.s} end") ==
             "memory: the code writes more than 16384 KiB into one message");
  BOOST_TEST(after("local t = {1} for i = 1, 40 do t = {t, t} end return t") == much);
  BOOST_TEST(after("local t = {1} for i = 1, 40 do t = {a = t, b = t} end emit(t)") == much);
  BOOST_TEST(after("local t = {1} for i = 1, 40 do t = {t, t} end msg.text = tostring(t)") == much);
  BOOST_TEST(after("local s = string.rep('x', 1000000) for i = 1, 20 do msg.s = s end") ==
             "memory: the code writes more than 16384 KiB into one message");
  BOOST_TEST(after("local s = string.rep('x', 100000) for i = 1, 20 do msg['s' .. i] = s end msg.all = 1").size() >
             2'000'000U);
}

BOOST_AUTO_TEST_CASE(a_comparator_that_lies_harms_nobody) {
  BOOST_TEST(after("local t = {} for i = 1, 1000 do t[i] = i % 7 end table.sort(t, function(a, b) return true end)") ==
             "type: invalid order function for sorting");
}

BOOST_AUTO_TEST_CASE(patterns_of_lua_are_gone_also_as_methods) {
  for (const std::string name : {"find", "match", "gmatch", "gsub"}) {
    const auto told = "type: there is no string." + name + ": use re.match or re.replace";
    // Written so plainly, the code is not even begun with.
    BOOST_TEST(after("return ('x'):" + name + "('x')").starts_with("compile: there is no 'string." + name + "' here"));
    BOOST_TEST(after("return string." + name + "('x', 'x')").starts_with("compile: there is no 'string." + name));
    BOOST_TEST(after("local f = function(t) return t:" + name + "('x') end return f('x')") == told);
    BOOST_TEST(after("return string['" + name + "']('x', 'x')") == told);
  }
  BOOST_TEST(after("return ('x'):dump()") == "type: cannot call a nil value (method 'dump')");
  BOOST_TEST(after("return ('x'):upper()") == "X");
}

BOOST_AUTO_TEST_CASE(a_pattern_that_explodes_elsewhere_is_linear_here) {
  BOOST_TEST(after("msg.x = re.match('(a*)*b', string.rep('a', 50000)) == nil") == R"({"x":true})");
}

BOOST_AUTO_TEST_CASE(what_could_reach_outside_is_unknown) {
  for (const std::string name :
       {"load",           "loadstring", "loadfile",     "dofile",       "require", "io",     "os",       "debug",
        "package",        "coroutine",  "getmetatable", "setmetatable", "rawget",  "rawset", "rawequal", "rawlen",
        "collectgarbage", "print",      "warn",         "pcall",        "xpcall",  "utf8",   "_G",       "_VERSION"}) {
    BOOST_TEST(checked("local x = " + name).starts_with("there is no '" + name + "' here"), name);
    BOOST_TEST(checked("if false then local f = function() return " + name + " end end").starts_with("there is no '"),
               name);
  }
  BOOST_TEST(checked("local x = _ENV") == "'_ENV' is not to be had here");
  BOOST_TEST(checked("local _ENV = {}") == "'_ENV' is not to be had here");
  BOOST_TEST(checked("return function(_ENV) x = 1 end") == "'_ENV' is not to be had here");
  BOOST_TEST(checked("return math.random()") == "there is no 'math.random' here");
  BOOST_TEST(after("return math['random']()") == "type: cannot call a nil value (field 'random')");
}

BOOST_AUTO_TEST_CASE(bytecode_is_refused) {
  BOOST_TEST(checked("\x1bLuaT") == "attempt to load a binary chunk (mode is 't')");
}

BOOST_AUTO_TEST_CASE(what_messages_share_cannot_be_changed) {
  for (const auto* code : {"string.x = 1", "math.pi = 3", "table.insert = 1", "re.match = 1", "vars.x = 1",
                           "table.insert(string, 1)", "local f, t = pairs(vars) t.x = 1"}) {
    BOOST_TEST(after(code) == "type: this cannot be changed", code);
  }
  BOOST_TEST(after("('x').y = 1") == "type: cannot index a string value (constant 'x')");
  BOOST_TEST(after("result.x = 1") == "type: result cannot be changed");
  BOOST_TEST(checked("msg = {}") ==
             "'msg' would be a global, and nothing outlives a message "
             "('return {...}' replaces the payload, 'msg.field = ...' changes it)");
  BOOST_TEST(checked("n = 1") == "'n' would be a global, and nothing outlives a message (write 'local n')");
  BOOST_TEST(checked("function f() end") == "'f' would be a global, and nothing outlives a message (write 'local f')");
}

BOOST_AUTO_TEST_CASE(a_name_is_found_however_the_compiler_encodes_it) {
  std::string many = "local t = {";
  for (int i = 0; i < 600; ++i) many += "'k" + std::to_string(i) + "',";
  many += "} ";
  BOOST_TEST(checked(many + "return msg.a") == "fine");
  BOOST_TEST(checked(many + "local x = nonsense").starts_with("there is no 'nonsense' here"));
  BOOST_TEST(checked(many + "nonsense = 1").starts_with("'nonsense' would be a global"));
  BOOST_TEST(checked("local x = " + std::string(60, 'n')).starts_with("there is no 'nnn"));
  BOOST_TEST(checked(std::string(60, 'n') + " = 1").starts_with("'nnn"));
}

BOOST_AUTO_TEST_CASE(texts_are_no_numbers) {
  BOOST_TEST(after("msg.x = '12' + 1") == "type: cannot perform arithmetic on a string value (constant '12')");
  BOOST_TEST(after("msg.x = -msg.a", R"({"a":"1"})") ==
             "type: cannot perform arithmetic on a string value (field 'a')");
  BOOST_TEST(after("msg.x = msg.a | 1", R"({"a":"1"})") ==
             "type: cannot perform bitwise operation on a string value (field 'a')");
  BOOST_TEST(after("msg.x = math.floor('3.7')") == "type: bad argument #1 to 'floor' (number expected, got string)");
  BOOST_TEST(after("msg.x = math.max(1, '3')") == "type: bad argument #2 to 'max' (number expected, got string)");
  BOOST_TEST(after("msg.x = string.sub('abc', '2')") == "type: bad argument #2 to 'sub' (number expected, got string)");
  BOOST_TEST(after("msg.x = string.upper(5)") == "type: bad argument #1 to 'upper' (string expected, got number)");
  BOOST_TEST(after("msg.x = string.format('%d', '5')") ==
             "type: bad argument #2 to 'format' (number expected, got string)");
  BOOST_TEST(after("msg.x = 5 < '6'") ==
             "type: cannot compare number with string in `5 < '6'`: num(…) makes a number of a text");
  BOOST_TEST(after("msg.s = 'a'\nmsg.x = msg.s >= 5 and 1 < 2") ==
             "type: cannot compare number with string in `msg.s >= 5` or `1 < 2`: num(…) makes a number of a text");
  BOOST_TEST(after("local t = {}\nmsg.x = t < (5)") == "type: cannot compare table with number");
  BOOST_TEST(after("local t = {}\nmsg.x = #t < 3 and -1 > t") ==
             "type: cannot compare table with number in `#t < 3` or `1 > t`");
}

BOOST_AUTO_TEST_CASE(no_output_depends_on_where_memory_lies) {
  BOOST_TEST(after("return string.format('%p', {})") == "type: string.format knows no %p here");
  BOOST_TEST(after("return string.format('\\0%p', {})") == "type: string.format knows no %p here");
  BOOST_TEST(after("return string.format('%s %s %s', {1}, msg, type)") == "[1] {} function");
  BOOST_TEST(after("return tostring({b = 1, a = {}})") == R"({"a":{},"b":1})");
  BOOST_TEST(after("return tostring(try)") == "function");
}

BOOST_AUTO_TEST_CASE(a_format_of_99_digits_is_only_long) {
  BOOST_TEST(after("return #string.format('%99.99f', 1e308)") == "409");
}

BOOST_AUTO_TEST_CASE(errors_can_be_tried_but_verdicts_cannot) {
  BOOST_TEST(after("msg.x = {try(error, 'hm')}") == R"({"x":[false,"hm"]})");
  BOOST_TEST(after("msg.x = {try(function() return msg.a.b end)}") == R"({"x":[false,"a is missing"]})");
  BOOST_TEST(after("msg.x = {try(function(a) return a, 2 end, 1)}") == R"({"x":[true,1,2]})");
  BOOST_TEST(after("try(fail, 'no')") == "user: no");
  BOOST_TEST(after("try(drop)") == "dropped");
}

BOOST_AUTO_TEST_CASE(what_stands_in_a_library_is_known_before_it_runs_and_is_explained) {
  for (const std::string library : {"string", "table", "math", "re", "url", "time"}) {
    const auto names = after("local all = {} for name in pairs(" + library +
                             ") do all[#all + 1] = name end table.sort(all) return table.concat(all, ' ')");
    std::istringstream words(names);
    std::size_t known = 0;
    for (std::string name; words >> name; ++known) {
      const std::string use = library + "." + name;
      BOOST_TEST(checked("local used = " + use) == "fine");
      const auto told = std::any_of(manual().begin(), manual().end(), [&](const ManualEntry& entry) {
        const bool of_lua =
            entry.name == library && (library == "math" || entry.text.find(name) != std::string_view::npos);
        return entry.name == use || of_lua;
      });
      BOOST_TEST(told, use);
    }
    BOOST_TEST(known >= 2U, names);
  }
}

BOOST_AUTO_TEST_CASE(limits_are_the_engines) {
  StillHost host;
  Engine engine(host, {}, {256 * 1024, 100});
  BOOST_TEST(after(engine, "for i = 1, 200 do end") == "budget: the code was not done after 100 instructions");
  BOOST_TEST(after(engine, "local s = string.rep('x', 700) s = s..s s = s..s s = s..s") == "{}");
}
