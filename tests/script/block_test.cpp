// `lua:` blocks and generators: verdicts, ports, steps.
#include <boost/test/unit_test.hpp>

#include "tests/script/bench.hpp"

using namespace weir;
using namespace weir::script;

BOOST_AUTO_TEST_CASE(a_block_edits_replaces_multiplies_drops_or_fails) {
  BOOST_TEST(after("msg.a = 1") == R"({"a":1})");
  BOOST_TEST(after("return {b = 1}") == R"({"b":1})");
  BOOST_TEST(after("return 'just text'") == "just text");
  BOOST_TEST(after("return msg") == "{}");
  BOOST_TEST(after("return nil") == "{}");
  BOOST_TEST(after("return false") == "false");
  BOOST_TEST(after("emit{n = 1} emit('t') emit(msg) return {n = 2}") == R"({"n":2} | {"n":1} | t | {})");
  BOOST_TEST(after("drop() msg.never = msg.q.z") == "dropped");
  BOOST_TEST(after("fail('no such sku: ' .. msg.sku)", R"({"sku":"x"})") == "user: no such sku: x");
  BOOST_TEST(after("error('odd')") == "user: odd");
  BOOST_TEST(after("assert(msg.a, 'a is wanted')") == "user: a is wanted");
  BOOST_TEST(after("emit(msg.q)") == "missing: there is nothing to send: the value is nil");
}

BOOST_AUTO_TEST_CASE(ports_are_known_before_anything_runs) {
  BOOST_TEST(after("if msg.late then emit_to(\"late\", msg) drop() end emit_to('copy', {1})", R"({"late":true})") ==
             R"(dropped | late: {"late":true})");
  BOOST_TEST(after("local x = 1 emit_to('copy', 'text')") == "{} | copy: text");
  for (const auto* code : {"emit_to(msg.port, msg)", "local f = emit_to", "emit_to('a' .. 'b', msg)", "emit_to 'a'"}) {
    BOOST_TEST(checked(code) == "emit_to wants the name of its port written out (such as 'emit_to(\"late\", msg)')",
               code);
  }
  for (const std::string name : {"main", "failed", "else", "any"}) {
    BOOST_TEST(
        checked("emit_to('" + name + "', msg)") ==
        "'" + name +
            "' cannot be the name of a port (lower-case letters, digits and '_'; not 'main', 'failed', 'else' or "
            "'any')");
  }
}

BOOST_AUTO_TEST_CASE(what_walks_over_a_long_list_or_a_wide_object_pays_for_it_and_one_after_the_other_is_quick) {
  BOOST_TEST(after("for i = 1, 3000 do msg['k' .. i] = i end local s = 0 for i = 1, 3000 do s = s + msg['k' .. i] end "
                   "return s") == "4501500");
  BOOST_TEST(after("for i = 1, 3000 do table.insert(msg.l, i) end table.remove(msg.l) local s = 0 "
                   "for i = 1, #msg.l do s = s + msg.l[i] end return s",
                   R"({"l":[]})") == "4498500");
  BOOST_TEST(
      after("for i = 1, 30000 do table.insert(msg.l, i) end while true do local s = msg.l[#msg.l] + msg.l[2] end",
            R"({"l":[]})") == "budget: the code was not done after 1000000 instructions");
}

BOOST_AUTO_TEST_CASE(functions_do_what_the_page_says) {
  BOOST_TEST(after("return {re.match('order (\\\\d+) (\\\\w+)?', 'an order 12 paid')}") == R"(["12","paid"])");
  BOOST_TEST(after("return {re.match('[0-9]+', 'ab12'), re.match('x', 'a') == nil}") == R"(["12",true])");
  BOOST_TEST(after("return re.replace('a+', 'baab', '<\\\\0>')") == "b<aa>b");
  BOOST_TEST(after("return now()") == "2026-01-31T08:05:09.123Z");
  BOOST_TEST(after("return uuid()") == "01234567-89ab-4df0-8123-456789abcdf1");
  BOOST_TEST(after("return {num(' 1.5 '), num('7'), num('+2'), num(3), int('12'), int(3.7), int('-1')}") ==
             "[1.5,7,2,3,12,3,-1]");
  BOOST_TEST(after("return {num('x') == nil, num('') == nil, num('nan') == nil, num('1x') == nil, int('1.5') == nil, "
                   "int(nil) == nil}") == "[true,true,true,true,true,true]");
  BOOST_TEST(
      after(
          "return {trim(' a '), starts('abc', 'ab'), contains('abc', 'bc'), contains({1, 2}, 2), contains(msg.l, 'x')}",
          R"({"l":["x"]})") == R"(["a",true,true,true,true])");
  BOOST_TEST(after("return {lines('a\\r\\nb\\n'), split('a--b', '--')}") == R"([["a","b"],["a","b"]])");
  BOOST_TEST(after("return {time.format(now(), '%d.%m.%Y'), time.parse('31/01/2026', '%d/%m/%Y'), "
                   "time.unix('2026-01-01'), time.parse('x', '%Y') == nil}") ==
             R"(["31.01.2026","2026-01-31T00:00:00.000Z",1767225600,true])");
  BOOST_TEST(after("return time.unix('2026-03-29T01:30:00.250Z')") == "1774747800.25");
  BOOST_TEST(after("return time.format(now(), '%Y', 'Europe/Berlyn')") ==
             "type: time.format: there is no zone 'Europe/Berlyn', such as Europe/Berlin");
  BOOST_TEST(after("return time.parse('2026-01-01', '%F', '../etc/passwd')") ==
             "type: time.parse: there is no zone '../etc/passwd', such as Europe/Berlin");
  BOOST_TEST(after("return {url.host('HTTP://A.b:80/x'), url.normalise('HTTP://A.b:80'), url.join('http://a/b/c', "
                   "'../d'), url.escape('a b/c')}") == R"(["a.b","http://a.b/","http://a/d","a%20b%2Fc"])");
}

BOOST_AUTO_TEST_CASE(a_time_keeps_its_digits_and_one_that_weir_cannot_hold_is_said_to_be_one) {
  BOOST_TEST(after("return {time.parse('2026-01-01T00:00:00.123456Z'), "
                   "time.unix(time.parse('1970-01-01T00:00:00.123456Z')), time.parse('100.25', '%s.%L')}") ==
             R"(["2026-01-01T00:00:00.123456Z",0.123456,"1970-01-01T00:01:40.250Z"])");
  BOOST_TEST(after("return {time.parse('0001-01-01T00:00:00Z') == nil, time.parse('9999999999', '%s') == nil, "
                   "time.parse('13:00', '%I:%M') == nil}") == "[true,true,true]");
  const std::string outside = " lies outside the years 1678 to 2261, which is all that weir holds";
  BOOST_TEST(after("return time.format('9999-12-31T23:59:59Z', '%Y')") ==
             "type: time.format: '9999-12-31T23:59:59Z'" + outside);
  BOOST_TEST(after("return time.unix('0001-01-01')") == "type: time.unix: '0001-01-01'" + outside);
  BOOST_TEST(after("return time.format(1e10, '%Y')") == "type: time.format: 10000000000.0" + outside);
  BOOST_TEST(after("return time.format(-99999999999, '%Y')") == "type: time.format: -99999999999" + outside);
  BOOST_TEST(after("return time.format(0/0, '%Y')") ==
             "type: time.format: no such time: seconds since 1970 are wanted");
  BOOST_TEST(after("return time.format('1.1.26', '%Y')") ==
             "type: time.format: '1.1.26' is no time such as 2026-01-31T08:00:00Z");
  BOOST_TEST(after("return {time.format(9214646399, '%F'), time.format(-9214560000.0, '%F')}") ==
             R"(["2261-12-31","1678-01-01"])");
}

BOOST_AUTO_TEST_CASE(a_group_is_named_in_either_form) {
  BOOST_TEST(after("return {re.match('(?<a>[0-9]+)-(?P<b>[a-z]+)', '12-x')}") == R"(["12","x"])");
  BOOST_TEST(after("return re.replace('(?<a>a)', 'banana', '<\\\\1>')") == "b<a>n<a>n<a>");
  BOOST_TEST(checked("local x = re.match('(?<a>[0-9]+)', text)") == "fine");
  BOOST_TEST(after("return {re.match([==[[](?<]+]==], 'x(?<]y')}") == R"(["(?<]"])");
  BOOST_TEST(after("return {re.match([==[[[:alpha:](?<]+]==], '-(?P')}") == R"(["(?P"])");
  BOOST_TEST(after("return re.match([==[\\Q(?<a>\\E]==], '-(?<a>')") == "(?<a>");
  BOOST_TEST(after("return re.match([==[[[:alpha:]](?<a>.)]==], 'x1')") == "1");
}

BOOST_AUTO_TEST_CASE(a_function_that_is_called_wrongly_says_its_name) {
  BOOST_TEST(after("return contains({1, 2})") == "missing: contains wants a value as argument 2, got nothing");
  BOOST_TEST(after("return contains(msg.l)", R"({"l":[1]})") ==
             "missing: contains wants a value as argument 2, got nothing");
  BOOST_TEST(after("return contains({1, 2}, nil)") == "false");
  BOOST_TEST(after("return contains('a')") == "missing: contains wants a text as argument 2, got nothing");
  for (const std::string name : {"url.host", "url.normalise", "url.join", "url.escape", "time.format", "time.parse",
                                 "trim", "starts", "lines", "split", "fail"}) {
    BOOST_TEST(after("return " + name + "({})") == "type: " + name + " wants a text as argument 1, got table", name);
  }
  BOOST_TEST(after("return url.join('http://a')") == "missing: url.join wants a text as argument 2, got nothing");
}

BOOST_AUTO_TEST_CASE(mistakes_are_found_without_running) {
  BOOST_TEST(checked("if false then mesg.a = 1 end") == "there is no 'mesg' here (did you mean 'msg'?)");
  BOOST_TEST(
      checked("state.n = 1") ==
      "there is no 'state' here (a 'lua' stage has a table for each key by 'state: {key: …, forget: 1h}' beside it)");
  BOOST_TEST(checked("sleep(1)") == "there is no 'sleep' here (it is known in 'generate' only)");
  BOOST_TEST(checked("emit(1)", Setting::generate) ==
             "there is no 'emit' here (only 'lua:' can call it, on a message)");
  BOOST_TEST(checked("local x = re.match('(', text)") == "the pattern is wrong: missing ): (");
  BOOST_TEST(checked("msg.a = ") == "the code ends too early");
  BOOST_TEST(checked("if msg.a then\n  msg.b = 1\n") == "this 'if' has no `end`");
  BOOST_TEST(checked("if msg.a then msg.b = 1") == "this 'if' has no `end`");
  BOOST_TEST(checked("if msg.a then\n  for i = 1, 2 do msg.b = 1\nend") == "this 'if' has no `end`");
  BOOST_TEST(checked("while msg.a do drop()") == "this 'while' has no `end`");
  BOOST_TEST(checked("local f = function() return 1") == "this 'function' has no `end`");
  BOOST_TEST(checked("msg.a = msg.level == error") ==
             "'error' is a function here, and nothing in a message is equal to it (a text is written \"error\")");
  BOOST_TEST(checked("if warn ~= msg.level then drop() end") == "there is no 'warn' here (a text is written \"warn\")");
  BOOST_TEST(checked("msg.a = msg.b == mgs.c") == "there is no 'mgs' here (did you mean 'msg'?)");
  BOOST_TEST(checked("local type = type(msg.a) msg.b = type == 'number'") == "fine");
  BOOST_TEST(checked("msg.a = type(msg.b) == 'number' and num(msg.c) == 1") == "fine");
  BOOST_TEST(checked("pcall(f)") == "there is no 'pcall' here (use 'try(f, ...)')");
  const std::string cure = " here (use 're.match' or 're.replace', or 'contains' for a plain text)";
  BOOST_TEST(checked("local x = string.find(text, 'a')") == "there is no 'string.find'" + cure);
  BOOST_TEST(checked("msg.a = msg.b:gsub('a', 'b')") == "there is no 'string.gsub'" + cure);
  BOOST_TEST(checked("msg.a = msg.b.name.lower()") ==
             "'msg.b.name' has no function 'lower' (write 'msg.b.name:lower()')");
  BOOST_TEST(checked("if msg.b:startswith('a') then drop() end") ==
             "'msg.b' has no function 'startswith' (use 'starts(msg.b, …)')");
  BOOST_TEST(checked("msg.a = text.contains('x')") == "'text' has no function 'contains' (use 'contains(text, …)')");
  BOOST_TEST(checked("msg.a = msg.b.frobnicate(1)") ==
             "'msg.b' has no function 'frobnicate' (nothing in a message is a function)");
  BOOST_TEST(checked("msg.a = str(msg.b)") == "there is no 'str' here (use 'tostring')");
  for (const auto* good : {"msg.a = msg.b:lower() .. text:sub(1, 2)", "msg.a = msg.b.lower(msg.b)", "msg.a = msg.b.f",
                           "local msg = {f = tostring} return msg.f(1)", "msg.a = string.lower(msg.b)",
                           "msg.a = re.match('a', msg.b)", "msg.a = ('x'):rep(3)"}) {
    BOOST_TEST(checked(good) == "fine", good);
  }
  BOOST_TEST(checked("msg.a = math.random()") == "there is no 'math.random' here");
  BOOST_TEST(checked("msg.a = time.formt(now())") == "there is no 'time.formt' here (did you mean 'time.format'?)");
  BOOST_TEST(checked("msg.a = msg.string.find + meta.time.x") == "fine");
  BOOST_TEST(checked("local string = {find = 1} msg.a = string.find") == "fine");
  BOOST_TEST(checked("local t = {} function t:find(x) return x end msg.a = t:find(1)") == "fine");
  const auto expression = check_expression("msg.a = 1", {});
  BOOST_TEST(
      (expression && told(*expression) == "one expression is wanted, and '=' comes after it (Lua compares with '==')"));
  const auto empty = check_expression("", {});
  BOOST_TEST((empty && told(*empty) == "there is no code here"));
}

BOOST_AUTO_TEST_CASE(what_has_no_end_is_told_where_it_begins) {
  const auto source = config::make_source("p.yaml", "lua: |\n  msg.a = 1\n  if msg.b then\n    msg.c = 1\n");
  const config::Place block{source, 1, 6};
  const auto wrong = check_block("msg.a = 1\nif msg.b then\n  msg.c = 1\n", block);
  BOOST_TEST((wrong && wrong->place.str() == "p.yaml:3:3"), (wrong ? wrong->place.str() : std::string()));
}

BOOST_AUTO_TEST_CASE(mistakes_and_failures_stand_at_their_place_in_the_file) {
  const auto source = config::make_source(
      "p.yaml",
      "stages:\n  a:\n    lua: |\n      local x = 1\n\n      msg.é = msg.a.b\n    where: 'msg.q > nonsense'\n");
  config::Place block{source, 3, 10}, expression{source, 7, 12};
  const std::string code = "local x = 1\n\nmsg['é'] = msg.a.b\n";
  StillHost host;
  Engine engine(host);
  Block compiled;
  BOOST_TEST(!compiled.compile(engine, {code, block}));
  OneMessage one("{}");
  Run run;
  compiled.run(one.message(), run);
  BOOST_TEST(run.failure.place == "p.yaml:6:7");
  const auto error = check_expression("msg.q > nonsense", expression);
  BOOST_TEST((error && error->place.str() == "p.yaml:7:21"));
  BOOST_TEST((error && error->place.length == 8));
}

BOOST_AUTO_TEST_CASE(a_generator_runs_step_by_step) {
  StillHost host;
  Engine engine(host);
  Generator generator;
  BOOST_TEST(!generator.compile(
      engine, {"for n = 1, 2 do sleep('100ms') local waited = yield {n = n} yield('w' .. waited) end sleep(0.5)", {}}));
  const auto story = [&] {
    std::string said;
    Step step;
    for (int i = 0; i < 20; ++i) {
      generator.next(i * 0.25, step);
      switch (step.kind) {
        case Step::Kind::message:
          said += step.payload + " ";
          break;
        case Step::Kind::sleep:
          said += std::to_string(step.sleep.count() / 1'000'000) + "ms ";
          break;
        case Step::Kind::ended:
          return said + "end";
        case Step::Kind::failed:
          return said + told(step.failure);
      }
    }
    return said + "…";
  };
  BOOST_TEST(story() == R"(100ms {"n":1} w0.5 100ms {"n":2} w1.25 500ms end)");
  BOOST_TEST(story() == "end");
  const auto run_all = [&](const std::string& code) {
    if (const auto error = generator.compile(engine, {code, {}})) return told(*error);
    return story();
  };
  BOOST_TEST(run_all("try(function() yield(1) end) yield(2)") == "1 2 end");
  BOOST_TEST(run_all("yield(1) while true do end") == "1 budget: the code was not done after 1000000 instructions");
  BOOST_TEST(run_all("for i = 1, 3 do for j = 1, 2e5 do end yield(i) end") == "1 2 3 end");
  BOOST_TEST(run_all("sleep(-1)") == "type: sleep wants seconds, not below 0");
  BOOST_TEST(run_all("sleep('soon')") == "type: sleep: 'soon' is no duration such as 100ms");
  BOOST_TEST(run_all("yield(1) error('odd')") == "1 user: odd");
  BOOST_TEST(run_all("local s = 'xxxxxxxx' while true do s = s .. s end") ==
             "memory: the code needs more than 16 MiB of memory");
  BOOST_TEST(run_all("local t = {3, 2, 1} table.sort(t, function(a, b) yield(1) return a < b end)") ==
             "type: cannot yield across a C-call boundary");
}
