// The names of a message inside Lua.
#include <boost/test/unit_test.hpp>

#include "tests/script/bench.hpp"

using namespace weir;
using namespace weir::script;

BOOST_AUTO_TEST_CASE(fields_are_read_and_written_in_place) {
  BOOST_TEST(after("msg.c = msg.a / 2 msg.b = nil", R"({"a": 1.50, "b":2, "z":[1, 2]})") ==
             R"({"a": 1.50,"z":[1, 2],"c":0.75})");
  BOOST_TEST(after("msg.o.p.q = msg.l[2]", R"({"l":[1,"two"],"o":{"p":{}}})") ==
             R"({"l":[1,"two"],"o":{"p":{"q":"two"}}})");
  BOOST_TEST(after("msg.a = 2^53 msg.b = 7 // 2 msg.c = 1e100 msg.d = 2.0 msg.e = 0.1 + 0.2") ==
             R"({"a":9007199254740992.0,"b":3,"c":1e+100,"d":2.0,"e":0.30000000000000004})");
  BOOST_TEST(after("msg.n = msg.id + 1", R"({"id":1152921504606846975})") ==
             R"({"id":1152921504606846975,"n":1152921504606846976})");
}

BOOST_AUTO_TEST_CASE(tables_become_json_with_sorted_names) {
  BOOST_TEST(after("return {z = 1, a = {1, 'x', {b = true}}, e = {}, n = null}") ==
             R"({"a":[1,"x",{"b":true}],"e":{},"n":null,"z":1})");
  BOOST_TEST(after("msg.parts = split('a,b', ',') msg.none = lines('')") == R"({"parts":["a","b"],"none":[]})");
  BOOST_TEST(after("return msg.l", R"({"l":[]})") == "[]");
  BOOST_TEST(after("return {1, nil, 3}") ==
             "type: the value is a list with holes, which JSON cannot say: put 'null' there");
  BOOST_TEST(after("return {1, x = 2}") == "type: the value has both positions and names; JSON knows one or the other");
  BOOST_TEST(after("msg.t = {a = {[true] = 1}}") == "type: a has a boolean as key; JSON knows only text");
  BOOST_TEST(after("local t = {} t.t = t return t") == "type: t is nested too deeply, or holds itself");
  BOOST_TEST(after("msg.f = type") == "type: the value is a function, which JSON cannot say");
}

BOOST_AUTO_TEST_CASE(what_json_cannot_say_fails_with_the_field) {
  BOOST_TEST(after("msg.a = {rate = 1 / 0}") == "type: rate is infinite, which JSON cannot say");
  BOOST_TEST(after("msg.o.rate = 0 / 0", R"({"o":{}})") == "type: msg.o.rate is not a number, which JSON cannot say");
}

BOOST_AUTO_TEST_CASE(missing_is_nil_and_null_is_null) {
  BOOST_TEST(after("msg.x = {msg.q == nil, msg.n == null, msg.n == nil, type(msg.n)}", R"({"n":null})") ==
             R"({"n":null,"x":[true,true,false,"null"]})");
  BOOST_TEST(after("msg.x = msg.q.z") == "missing: q is missing");
  BOOST_TEST(after("msg.x = msg.n.z", R"({"n":null})") == "missing: n is null");
  BOOST_TEST(after("msg.x = msg.q + 1") == "type: cannot perform arithmetic on a nil value (field 'q')");
  BOOST_TEST(after("msg.x = msg.n + 1", R"({"n":null})") ==
             "type: cannot perform arithmetic on a null value (field 'n')");
  BOOST_TEST(after("msg.x = 'a' .. msg.q") == "type: cannot concatenate a nil value (field 'q')");
  BOOST_TEST(after("for _, x in ipairs(msg.q) do end") == "missing: ipairs wants a list, got nil");
  BOOST_TEST(after("msg.x = trim(msg.q)") == "missing: trim wants a text as argument 1, got nil");
}

BOOST_AUTO_TEST_CASE(lists_are_walked_and_changed) {
  const std::string payload = R"({"l":[10,{"a":1},null,"x"]})";
  BOOST_TEST(after("for i, x in ipairs(msg.l) do emit{i = i, x = x} end drop()", payload) ==
             R"(dropped | {"i":1,"x":10} | {"i":2,"x":{"a":1}} | {"i":3,"x":null} | {"i":4,"x":"x"})");
  BOOST_TEST(after("local k = {} for name, v in pairs(msg) do k[#k + 1] = name end return k", R"({"b":1,"a":2})") ==
             R"(["b","a"])");
  BOOST_TEST(after("msg.n = #msg.l msg.l[#msg.l + 1] = {1} msg.l[1] = nil == msg.l[9]", payload) ==
             R"({"l":[true,{"a":1},null,"x",[1]],"n":4})");
  BOOST_TEST(after("msg.l[4] = nil", payload) == R"({"l":[10,{"a":1},null]})");
  BOOST_TEST(after("table.remove(msg.l, 1)", payload) == R"({"l":[{"a":1},null,"x"]})");
  BOOST_TEST(after("msg.s = table.concat(msg.l, '-')", R"({"l":["a","b"]})") == R"({"l":["a","b"],"s":"a-b"})");
  BOOST_TEST(after("table.sort(msg.l)", R"({"l":[3,1,2]})") == R"({"l":[1,2,3]})");
  BOOST_TEST(after("msg.l[1] = nil", payload) ==
             "type: only the last of msg.l can become nil: use table.remove, or 'null'");
  BOOST_TEST(after("msg.l[9] = 1", payload) == "type: msg.l would become a list with holes");
  BOOST_TEST(after("msg.l.x = 1", payload) == "type: msg.l is a list: its positions are 1, 2, …");
  BOOST_TEST(after("msg[1] = 1", payload) == "type: msg has names, not positions");
  BOOST_TEST(after("return #msg", payload) == "type: msg has names, not positions, so it has no length");
  BOOST_TEST(after("return msg[2]", "[1,[2]]") == "[2]");
}

BOOST_AUTO_TEST_CASE(parts_of_the_message_are_copied_as_they_stand) {
  BOOST_TEST(after("msg.b = msg.a", R"({"a":{"n":1.50}})") == R"({"a":{"n":1.50},"b":{"n":1.50}})");
  BOOST_TEST(after("msg.self = msg", R"({"a":1})") == R"({"a":1,"self":{"a":1}})");
  BOOST_TEST(after("return {got = msg.a, all = msg}", R"({"a":[1]})") == R"({"all":{"a":[1]},"got":[1]})");
  BOOST_TEST(after("msg.same = msg.a == msg.a", R"({"a":[1]})") == R"({"a":[1],"same":true})");
}

BOOST_AUTO_TEST_CASE(what_a_variable_holds_stays_what_it_is_when_its_place_is_overwritten) {
  const std::string payload = R"({"l":[{"p":3},{"p":1},{"p":2}],"a":{"v":1},"b":{"v":2}})";
  const auto list = [&](const std::string& code) { return after(code + " return msg.l", payload); };
  BOOST_TEST(list("table.sort(msg.l, function(x, y) return x.p < y.p end)") == R"([{"p":1},{"p":2},{"p":3}])");
  BOOST_TEST(list("msg.l[1], msg.l[2] = msg.l[2], msg.l[1]") == R"([{"p":1},{"p":3},{"p":2}])");
  BOOST_TEST(list("local f = msg.l[1] table.insert(msg.l, 1, {p = 0}) msg.l[5] = f") ==
             R"([{"p":0},{"p":3},{"p":1},{"p":2},{"p":3}])");
  BOOST_TEST(after("local x = table.remove(msg.l, 1) return {x, msg.l}", payload) == R"([{"p":3},[{"p":1},{"p":2}]])");
  BOOST_TEST(after("msg.a, msg.b = msg.b, msg.a return {msg.a, msg.b}", payload) == R"([{"v":2},{"v":1}])");
  BOOST_TEST(after("local a = msg.a msg.a = {v = 7} a.w = 8 return {a, a.v, msg.a}", payload) ==
             R"([{"v":1,"w":8},1,{"v":7}])");
  BOOST_TEST(after("local a = msg.a a.deep = {x = 1} local d = a.deep msg.a = 5 d.x = 2 return {a, d}", payload) ==
             R"([{"v":1,"deep":{"x":2}},{"x":2}])");
  BOOST_TEST(after("local a = msg.a msg.a = {v = 7} return {a == msg.a, msg.a == msg.a, a == a}", payload) ==
             "[false,true,true]");
  BOOST_TEST(after("msg.a = {} local e = msg.a e[1] = 5 e[2] = 6 return {msg.a, e == msg.a}", payload) ==
             "[[5,6],true]");
  BOOST_TEST(after("msg.a = {} local t = msg.a t[1] = 'a' msg.a = {9, 9} t[2] = 'q' return {msg.a, t}", payload) ==
             R"([[9,9],["a","q"]])");
  BOOST_TEST(after("local n = 0 for i, x in ipairs(msg.l) do msg.l = {} n = n + x.p end return {n, msg.l}", payload) ==
             "[6,{}]");
}

BOOST_AUTO_TEST_CASE(a_payload_that_is_one_value_is_that_value) {
  BOOST_TEST(after("return msg * 2", "21") == "42");
  BOOST_TEST(after("return {x = msg}", "\"hello\"") == R"({"x":"hello"})");
  StillHost host;
  Engine engine(host);
  BOOST_TEST(after(engine, "return msg + 1", "1") == "2");
  BOOST_TEST(after(engine, "return msg.a + 1", R"({"a":1})") == "2");
  BOOST_TEST(after(engine, "return msg.a", "1") == "type: cannot index a number value (global 'msg')");
}

BOOST_AUTO_TEST_CASE(text_is_the_payload_as_it_is) {
  BOOST_TEST(after("return {line = text}", "a \"b\"") == R"({"line":"a \"b\""})");
  BOOST_TEST(after("return text .. '!'", "a") == "a!");
  BOOST_TEST(after("msg.x = 1", "a") == "decode: the payload is not JSON: expected a value at byte 1");
}

BOOST_AUTO_TEST_CASE(meta_tells_of_the_message_and_takes_what_is_ones_own) {
  StillHost host;
  Engine engine(host);
  OneMessage one("{}");
  one.batch->set_identity(0, 7, nullptr);
  auto& metadata = one.batch->edit_metadata(0);
  metadata.key = "k";
  metadata.attempt = 2;
  metadata.own["old"] = "\"x\"";
  Block block;
  BOOST_TEST(!block.compile(
      engine, {"meta.mine = msg.a == nil meta.old = nil "
               "return {meta.id, meta.time, meta.key, meta.attempt, meta.event == nil, meta.mine, meta.old == nil}",
               {}}));
  Run run;
  block.run(one.message(), run);
  BOOST_TEST(one.text() == R"([7,"1970-01-01T00:00:00.000Z","k",2,true,true,true])");
  BOOST_TEST(one.batch->metadata(0)->own.size() == 1U);
  BOOST_TEST(one.batch->metadata(0)->own.at("mine") == "true");
  BOOST_TEST(after("meta.id = 1") == "type: meta.id is set by weir");
  BOOST_TEST(after("meta.x = {}") == "type: meta.x holds a text, a number, true or false");
}

BOOST_AUTO_TEST_CASE(result_request_and_failed_tell_what_happened) {
  StillHost host;
  Engine engine(host);
  const auto run_with = [&](const std::string& code) {
    OneMessage one("{}");
    auto& metadata = one.batch->edit_metadata(0);
    auto result = std::make_shared<message::Result>();
    result->status = 201;
    result->headers = {
        {"content_type", "x"}, {"via", "a"}, {"set_cookie", "a=1"}, {"via", "b"}, {"set_cookie", "b=2, c"}};
    result->text = R"({"id":[5]})";
    metadata.result = result;
    auto request = std::make_shared<message::Request>();
    request->method = "GET";
    request->query = {{"q", "1"}};
    metadata.request = request;
    metadata.failed = message::Failure(message::Reason::status, "it said 500");
    Block block;
    if (const auto error = block.compile(engine, {code, {}})) return told(*error);
    Run run;
    block.run(one.message(), run);
    return run.verdict == Verdict::fail ? told(run.failure) : one.text();
  };
  BOOST_TEST(run_with("return {result.status, result.headers.content_type, result.msg.id[1], result.code == nil}") ==
             R"([201,"x",5,true])");
  BOOST_TEST(run_with("return {result.headers.via, result.headers.set_cookie}") == R"(["a, b",["a=1","b=2, c"]])");
  BOOST_TEST(run_with("msg.r = result.msg") == R"({"r":{"id":[5]}})");
  BOOST_TEST(run_with("result.msg.id = 1") == "type: only msg and state can be changed");
  BOOST_TEST(run_with("return {request.method, request.query.q, failed.kind, failed.text, failed.attempts}") ==
             R"(["GET","1","status","it said 500",1])");
  BOOST_TEST(after("return {result.status == nil, result.msg == nil, request == nil, failed == nil}") ==
             "[true,true,true,true]");
  BOOST_TEST(after("return request.path") == "missing: request is missing");
}

BOOST_AUTO_TEST_CASE(vars_are_constants) {
  config::Value list;
  list.kind = config::Value::Kind::list;
  list.items.resize(2);
  list.items[0].kind = config::Value::Kind::number;
  list.items[0].number = "1.5";
  list.items[1].kind = config::Value::Kind::text;
  list.items[1].text = config::Template("x");
  config::Value none;
  none.kind = config::Value::Kind::list;
  StillHost host;
  Engine engine(host, {{"list", list}, {"none", none}});
  BOOST_TEST(
      after(engine, "msg.a = vars.list msg.n = #vars.list msg.s = vars.list[2] msg.e = vars.none msg.v = vars") ==
      R"({"a":[1.5,"x"],"n":2,"s":"x","e":[],"v":{"list":[1.5,"x"],"none":[]}})");
  BOOST_TEST(after(engine, "for i, x in ipairs(vars.list) do emit(x) end for k in pairs(vars) do emit(k) end").size() ==
             std::string("{} | 1.5 | x | none | list").size());
  BOOST_TEST(after(engine, "vars.list[1] = 2") == "type: this cannot be changed");
}

BOOST_AUTO_TEST_CASE(a_failure_leaves_the_message_as_it_was) {
  StillHost host;
  Engine engine(host);
  BOOST_TEST(after(engine, "msg.a = 2 emit('x') meta.m = 1 fail('no')", R"({"a":1})") == "user: no");
  OneMessage one(R"({"a":1})");
  Block first, second;
  BOOST_TEST(!first.compile(engine, {"msg.b = 1", {}}));
  BOOST_TEST(!second.compile(engine, {"msg.c = 1 meta.m = 1 fail('no')", {}}));
  Run run;
  first.run(one.message(), run);
  second.run(one.message(), run);
  BOOST_TEST(one.text() == R"({"a":1,"b":1})");
  BOOST_TEST(one.batch->metadata(0) == nullptr);
}
