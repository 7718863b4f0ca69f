// What a source hears of its messages, and what it does about those that failed (semantics 11 to 13).
#include <boost/test/unit_test.hpp>

#include "tests/support/bench.hpp"

using namespace std::chrono_literals;
using namespace weir;
using namespace weir::tests;

namespace {

/// A program that ends with 1 so many times for each argument in `failing`, and then well.
void fails(Bench& bench, const std::string& name, std::map<std::string, int> failing) {
  bench.runtime.programs().script(name, [failing](const runtime::Command& command) mutable {
    runtime::Behaviour behaviour;
    behaviour.exit.code = failing[command.argv.at(1)]-- > 0 ? 1 : 0;
    return behaviour;
  });
}

/// Three numbers, of which `work` fails for some.
std::string pipeline(const std::string& more = "", const std::string& of_work = "") {
  return "stages:\n"
         "  numbers: {generate: {range: 1..3}}\n"
         "  work: {from: numbers, exec: {run: [work, '{{ msg }}']}, merge: {}" +
         of_work +
         "}\n"
         "  shown: {from: work, stdout: {}}\n" +
         more;
}

}  // namespace

BOOST_AUTO_TEST_CASE(only_the_message_that_failed_is_sent_again) {
  Bench bench(pipeline());
  fails(bench, "work", {{"2", 2}});
  bench.run();
  BOOST_TEST(bench.output() == "1\n3\n2\n");
  BOOST_TEST(bench.stage("numbers").ack_replayed.value() == 2U);
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(after_three_attempts_it_has_failed_for_good_and_is_owned_up_to) {
  Bench bench(pipeline());
  fails(bench, "work", {{"2", 1000}});
  bench.run();
  BOOST_TEST(bench.output() == "1\n3\n");
  BOOST_TEST(bench.runtime.programs().started() == 5U);
  BOOST_TEST(bench.ending().unheard == 1U);
  BOOST_TEST(bench.log.find("a message failed and nobody listens") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(it_is_sent_again_after_a_pause_and_what_did_not_fail_goes_on_meanwhile) {
  Bench bench(
      "stages:\n"
      "  numbers: {generate: {range: 1..100, every: 1ms}}\n"
      "  work: {from: numbers, exec: {run: [work, '{{ msg }}']}, merge: {}}\n"
      "  shown: {from: work, stdout: {}}\n");
  fails(bench, "work", {{"2", 2}});
  bench.start();
  bench.advance(99ms);
  BOOST_TEST(bench.stage("numbers").ack_replayed.value() == 0U);
  BOOST_TEST(bench.stage("numbers").ack_pending.value() == 1);
  BOOST_TEST(bench.out("work") >= 98U);
  bench.run();
  BOOST_TEST(bench.stage("numbers").ack_replayed.value() == 2U);
  BOOST_TEST(bench.output().ends_with("\n2\n"));
  BOOST_TEST(bench.runtime.now().time_since_epoch() >= 300ms);  // 100 ms, then 200.
  BOOST_TEST(bench.runtime.now().time_since_epoch() <= 310ms);
}

BOOST_AUTO_TEST_CASE(who_says_when_to_come_again_is_left_alone_until_then) {
  Bench bench(
      "stages:\n"
      "  numbers: {generate: {range: 1..3}}\n"
      "  work: {from: numbers, exec: {run: [work, '{{ msg }}']}, merge: {}, limit: {rate: 1/10m, burst: 1, over: "
      "fail}}\n"
      "  shown: {from: work, stdout: {}}\n");
  fails(bench, "work", {});
  bench.run();
  BOOST_TEST(bench.ending().unheard == 0U, bench.log);
  BOOST_TEST(bench.output() == "1\n2\n3\n");
}

BOOST_AUTO_TEST_CASE(a_source_reads_no_more_while_too_much_waits_to_be_sent_again) {
  Bench bench(
      "stages:\n"
      "  numbers: {generate: {range: 1..100000}}\n"
      "  work: {from: numbers, exec: {run: [work, '{{ msg }}']}, merge: {}, limit: {rate: 1/1h, burst: 1, over: "
      "fail}}\n"
      "  shown: {from: work, stdout: {}}\n");
  fails(bench, "work", {});
  bench.options.unacked_most = 1000;
  bench.start();
  bench.advance(1min);
  BOOST_TEST(bench.stage("numbers").created <= 1300U);
}

BOOST_AUTO_TEST_CASE(then_it_leaves_by_its_source_as_it_came_in) {
  Bench bench(
      pipeline("  dead: {from: numbers.failed, file: {append: dead.txt}}\n"
               "  others: {from: any.failed, file: {append: others.txt}}\n"));
  fails(bench, "work", {{"2", 1000}});
  bench.run();
  BOOST_TEST(bench.files().text("dead.txt") == "2\n");
  BOOST_TEST(bench.files().text("others.txt") == "");
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(where_nobody_listens_to_the_source_it_leaves_by_any_failed) {
  Bench bench(pipeline("  dead: {from: any.failed, file: {append: dead.txt}}\n"));
  fails(bench, "work", {{"1", 1000}, {"3", 1000}});
  bench.run();
  BOOST_TEST(bench.files().text("dead.txt") == "1\n3\n");
  BOOST_TEST(bench.out("numbers", "any") == 2U);
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(all_that_was_made_of_a_message_and_failed_leaves_by_any_failed) {
  Bench parts(R"(
stages:
  a: {generate: {range: 1..2, msg: {n: '{{ i }}', l: [x, y]}}}
  b: {from: a, expand: {each: l, as: x, keep: [n]}}
  c: {from: b, lua: 'fail("no")'}
  dead: {from: any.failed, file: {append: dead.txt}}
)");
  parts.run();
  BOOST_TEST(parts.files().text("dead.txt") ==
             "{\"n\":1,\"x\":\"x\"}\n{\"n\":1,\"x\":\"y\"}\n{\"n\":2,\"x\":\"x\"}\n{\"n\":2,\"x\":\"y\"}\n");
  BOOST_TEST(parts.ending().unheard == 0U);
  Bench branches(R"(
stages:
  a: {generate: {range: 1..1}}
  b: {from: a, lua: 'fail("no")'}
  c: {from: a, lua: 'fail("nor")'}
  why: {from: any.failed, do: [lua: 'return failed.stage .. " " .. failed.text']}
  shown: {from: why, stdout: {}}
)");
  branches.run();
  BOOST_TEST((branches.output() == "b no\nc nor\n" || branches.output() == "c nor\nb no\n"), branches.output());
  // Where nobody listens each is told.
  Bench unheard(
      "stages: {a: {generate: {range: 1..1, msg: {l: [1, 2, 3]}}}, b: {from: a, expand: {each: l}}, c: {from: b, lua: "
      "'fail(\"no\")'}}");
  unheard.run();
  BOOST_TEST(unheard.ending().unheard == 3U);
  // The source itself speaks of its own messages, each once.
  Bench once(
      "stages: {a: {generate: {range: 1..1, msg: {l: [1, 2]}}}, b: {from: a, expand: {each: l}}, c: {from: b, lua: "
      "'fail(\"no\")'}, d: {from: a.failed, stdout: {}}}");
  once.run();
  BOOST_TEST(once.output() == "{\"l\":[1,2]}\n");
}

BOOST_AUTO_TEST_CASE(of_what_one_message_became_so_many_failures_are_kept_and_the_others_are_owned_up_to) {
  constexpr std::uint64_t beyond = 3;
  const auto made = std::to_string(message::Token::failures_most + beyond);
  const std::string all_fail = R"(
stages:
  a: {generate: {range: 1..1}}
  b: {from: a, lua: 'local l = {} for i = 1, )" +
                               made + R"( do l[i] = i end return l'}
  c: {from: b, expand: {}}
  d: {from: c, lua: 'fail("no")'}
)";
  Bench unheard(all_fail);
  unheard.run();
  BOOST_TEST(unheard.ending().unheard == message::Token::failures_most + beyond);
  Bench each(all_fail + "  e: {from: any.failed, drop: {}}\n");
  each.run();
  BOOST_TEST(each.out("a", "any") == message::Token::failures_most);
  BOOST_TEST(each.ending().unheard == beyond);
  // The source tells of its own message, whatever became of it.
  Bench whole(all_fail + "  e: {from: a.failed, drop: {}}\n");
  whole.run();
  BOOST_TEST(whole.out("a", "failed") == 1U);
  BOOST_TEST(whole.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(failures_are_kept_for_each_message_however_many_the_others_of_its_batch_have) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..64}}
  b: {from: a, lua: 'local l = {} for i = 1, 300 do l[i] = i end return l'}
  c: {from: b, expand: {}}
  d: {from: c, lua: 'fail("no")'}
  e: {from: any.failed, drop: {}}
)");
  bench.run();
  BOOST_TEST(bench.out("a", "any") == 64U * 300U);
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(of_what_a_do_made_of_one_message_all_that_fails_leaves_as_that_message) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1, msg: {id: 7, l: [1, 2, 3]}}}
  b: {from: a, do: [{set: {more: 1}}, {expand: {each: l}}, {lua: 'if msg ~= 2 then fail("no") end'}]}
  c: {from: b, drop: {}}
  d: {from: b.failed, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() == "{\"id\":7,\"l\":[1,2,3]}\n{\"id\":7,\"l\":[1,2,3]}\n");
  Bench sent(R"(
stages:
  a: {generate: {range: 1..1, msg: {id: 7}}}
  b: {from: a, do: [{lua: 'emit({c = 1}) return {c = 2}'}, {lua: 'fail("no")'}]}
  c: {from: b, drop: {}}
  d: {from: b.failed, stdout: {}}
)");
  sent.run();
  BOOST_TEST(sent.output() == "{\"id\":7}\n{\"id\":7}\n");
}

BOOST_AUTO_TEST_CASE(what_may_pass_is_sent_again_though_something_else_of_it_may_not) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1}}
  b: {from: a, lua: 'fail("no")'}
  work: {from: a, exec: {run: [work, '{{ text }}']}}
  dead: {from: any.failed, file: {append: dead.txt}}
  good: {from: work, stdout: {}}
)");
  fails(bench, "work", {{"1", 2}});
  bench.run();
  BOOST_TEST(bench.stage("a").ack_replayed.value() == 2U);
  BOOST_TEST(bench.files().text("dead.txt") == "1\n");
}

BOOST_AUTO_TEST_CASE(how_often_a_source_sends_again_is_the_users) {
  for (const auto& [attempts, started] : {std::pair(1, 3U), std::pair(2, 4U), std::pair(5, 7U)}) {
    Bench bench(R"(
stages:
  numbers: {generate: {range: 1..3}, attempts: )" +
                std::to_string(attempts) + R"(}
  work: {from: numbers, exec: {run: [work, '{{ text }}']}}
  out: {from: work, stdout: {}}
)");
    fails(bench, "work", {{"2", 1000}});
    bench.run();
    BOOST_TEST(bench.runtime.programs().started() == started);
    BOOST_TEST(bench.ending().unheard == 1U);
  }
  const auto mistakes = [](const std::string& stages) {
    return Bench("stages: {a: {generate: {count: 1}}, " + stages + "}").mistakes();
  };
  BOOST_TEST(
      mistakes("b: {from: a, pass: {}, attempts: 2}, c: {from: b, drop: {}}").find("only a source sends again") !=
      std::string::npos);
  BOOST_TEST(mistakes("b: {from: a, exec: {run: [x]}, attempts: 2}, c: {from: b, drop: {}}")
                 .find("a stage that calls says `retry`") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_fails_behind_a_take_that_has_its_number_is_not_sent_to_nobody) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..10}}
  b: {from: a, take: 2}
  work: {from: b, exec: {run: [work, '{{ text }}']}}
  out: {from: work, stdout: {}}
  dead: {from: any.failed, file: {append: dead.txt}}
)");
  fails(bench, "work", {{"1", 1000}, {"2", 1000}});
  bench.run();
  BOOST_TEST(bench.files().text("dead.txt") == "1\n2\n");
}

BOOST_AUTO_TEST_CASE(by_any_failed_it_carries_what_was_noted_on_its_way) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..2}}
  b: {from: a, meta: {tenant: 't{{ msg }}'}}
  c: {from: b, lua: 'fail("no")'}
  e: {from: any.failed, lua: 'return {tenant = meta.tenant, at = failed.stage}'}
  f: {from: e, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() == "{\"at\":\"c\",\"tenant\":\"t1\"}\n{\"at\":\"c\",\"tenant\":\"t2\"}\n");
}

BOOST_AUTO_TEST_CASE(whoever_listens_where_it_failed_ends_it_there) {
  Bench bench(pipeline("  dead: {from: work.failed, file: {append: dead.txt}}\n"));
  fails(bench, "work", {{"2", 1}});
  bench.run();
  BOOST_TEST(bench.files().text("dead.txt") == "2\n");
  BOOST_TEST(bench.runtime.programs().started() == 3U);
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(what_cannot_pass_is_not_tried_again) {
  Bench bench(R"(
stages:
  numbers: {generate: {range: 1..3}}
  check: {from: numbers, lua: 'if msg == 2 then fail("no twos") end'}
  shown: {from: check, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() == "1\n3\n");
  BOOST_TEST(bench.stage("numbers").ack_replayed.value() == 0U);
  BOOST_TEST(bench.ending().unheard == 1U);
}

BOOST_AUTO_TEST_CASE(dropped_and_passed_failures_are_done) {
  for (const std::string what : {"drop", "pass"}) {
    Bench bench(pipeline("", ", on_error: " + what));
    fails(bench, "work", {{"2", 1}});
    bench.run();
    BOOST_TEST(bench.output() == (what == "drop" ? "1\n3\n" : "1\n2\n3\n"));
    BOOST_TEST(bench.runtime.programs().started() == 3U);
    BOOST_TEST(bench.ending().unheard == 0U);
  }
}

BOOST_AUTO_TEST_CASE(what_a_source_cannot_read_is_dropped_or_passed_where_it_says_so) {
  const auto run = [](const std::string& on_error) {
    Bench bench("stages:\n  in: {file: {read: in.ndjson}, on_error: " + on_error +
                "}\n"
                "  told: {from: in, lua: 'return {what = failed and failed.kind or msg.n}'}\n"
                "  print: {from: told, stdout: {}}\n");
    bench.files().put("in.ndjson", "{\"n\":1}\nbad\n{\"n\":2}\n");
    bench.run();
    BOOST_TEST(bench.ending().unheard == (on_error == "fail" ? 1U : 0U));
    return bench.output();
  };
  const std::string first = "{\"what\":1}\n", second = "{\"what\":2}\n";
  BOOST_TEST(run("fail") == first + second);
  BOOST_TEST(run("drop") == first + second);
  BOOST_TEST(run("pass") == first + "{\"what\":\"decode\"}\n" + second);
}

BOOST_AUTO_TEST_CASE(filtered_messages_are_done) {
  Bench bench("stages: {a: {generate: {range: 1..100}}, b: {from: a, where: 'false'}, c: {from: b, stdout: {}}}");
  bench.run();
  BOOST_TEST(bench.stage("b").filtered == 100U);
  BOOST_TEST(bench.stage("a").ack_pending.value() == 0);
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(one_branch_that_fails_fails_the_message_for_all_and_it_is_sent_again_to_all) {
  Bench bench(R"(
stages:
  numbers: {generate: {range: 1..3}}
  good: {from: numbers, file: {append: good.txt}}
  work: {from: numbers, exec: {run: [work, '{{ msg }}']}, merge: {}}
)");
  fails(bench, "work", {{"2", 1}});
  bench.run();
  BOOST_TEST(bench.files().text("good.txt") == "1\n2\n3\n2\n");
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(no_call_is_made_whose_answer_could_be_put_nowhere) {
  Bench bench(R"(
stages:
  in: {generate: {each: [7, peter, {n: 1}], text: '{{ item }}'}}
  work: {from: in, exec: {run: [work, '{{ text }}']}, merge: {code: '{{ result.code }}'}}
  shown: {from: work, stdout: {}}
  why: {from: work.failed, lua: 'return failed.kind .. ": " .. failed.text'}
  told: {from: why, file: {write: told.txt, format: lines}}
)");
  fails(bench, "work", {});
  bench.run();
  BOOST_TEST(bench.output() == "{\"n\":1,\"code\":0}\n");
  BOOST_TEST(bench.runtime.programs().started() == 1U);
  BOOST_TEST(bench.files().text("told.txt") ==
             "type: fields can only be set in an object, and the payload is none: `decode: {format: text, into: line}` "
             "makes one of a text\n"
             "decode: the payload is not JSON: expected a value at byte 1; fields can only be set in an object, and "
             "`decode: {format: text, into: line}` makes one of a text\n");
}

BOOST_AUTO_TEST_CASE(what_passes_although_it_fails_is_called_about_all_the_same) {
  Bench bench(R"(
stages:
  in: {generate: {each: [peter], text: '{{ item }}'}}
  work: {from: in, exec: {run: [work, '{{ text }}']}, merge: {code: '{{ result.code }}'}, on_error: pass}
  shown: {from: work, stdout: {}}
)");
  fails(bench, "work", {});
  bench.run();
  BOOST_TEST(bench.output() == "peter\n");
  BOOST_TEST(bench.runtime.programs().started() == 1U);
}

BOOST_AUTO_TEST_CASE(messages_that_became_one_fail_and_are_sent_again_each_by_itself) {
  Bench bench(R"(
stages:
  numbers: {generate: {range: 1..4}}
  pairs: {from: numbers, batch: {count: 2}}
  work: {from: pairs, exec: {run: [work, '{{ #msg }}{{ msg[1] }}']}, merge: {}}
  shown: {from: work, stdout: {}}
)");
  fails(bench, "work", {{"21", 1}});
  bench.run();
  BOOST_TEST(bench.output() == "[3,4]\n[1,2]\n");
  BOOST_TEST(bench.stage("numbers").ack_replayed.value() == 2U);
}

BOOST_AUTO_TEST_CASE(a_failure_that_fails_on_its_way_out_is_not_sent_round_for_ever) {
  Bench bench(R"(
stages:
  numbers: {generate: {range: 1..2}}
  check: {from: numbers, lua: 'fail("no")'}
  dead: {from: any.failed, lua: 'fail("neither")'}
  end: {from: [check, dead], drop: {}}
)");
  bench.run();
  BOOST_TEST(bench.ending().unheard == 2U);
}

BOOST_AUTO_TEST_CASE(a_source_waits_when_so_many_are_open_and_what_is_collected_is_let_go) {
  Bench bench(R"(
stages:
  numbers: {generate: {range: 1..500}}
  held: {from: numbers, batch: {count: 400, within: 1h, as: lines}}
  shown: {from: held, stdout: {}}
)");
  bench.options.unacked_most = 100;
  bench.run();
  BOOST_TEST(bench.out("numbers") == 500U);
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(what_fails_behind_an_aggregate_leaves_by_any_failed_or_is_told_of) {
  const std::string stages =
      "stages:\n"
      "  n: {generate: {range: 1..6, every: 1s}}\n"
      "  m: {from: n, aggregate: {window: 2s, fields: {c: count()}}}\n"
      "  p: {from: m, set: {more: 1}}\n"
      "  b: {from: p, batch: {count: 1}}\n"
      "  h: {from: b, lua: 'fail(\"no\")'}\n"
      "  out: {from: h, file: {append: out.txt}}\n";
  {
    Bench bench(stages +
                "  dead: {from: any.failed, lua: 'return {why = failed.text, stage = failed.stage}'}\n"
                "  written: {from: dead, file: {append: dead.txt}}\n"
                "  again: {from: dead, lua: 'fail(\"this as well\")'}\n");
    bench.run();
    const std::string one = "{\"stage\":\"h\",\"why\":\"no\"}\n";
    const auto dead = bench.files().text("dead.txt");
    BOOST_TEST(dead.size() >= 3 * one.size());
    for (std::size_t at = 0; at < dead.size(); at += one.size()) BOOST_TEST(dead.substr(at, one.size()) == one);
    BOOST_TEST(bench.ending().unheard == dead.size() / one.size());  // What fails once more.
  }
  {
    Bench bench(stages + "  dead: {from: h.failed, file: {append: dead.txt}}\n");
    bench.run();
    BOOST_TEST(bench.files().text("dead.txt") != "");
    BOOST_TEST(bench.ending().unheard == 0U);
  }
  Bench bench(stages);
  bench.run();
  BOOST_TEST(bench.ending().unheard >= 3U);
  BOOST_TEST(bench.log.find("a message failed and nobody listens\" failed_stage=h why=no yaml=test.yaml:6:22") !=
                 std::string::npos,
             bench.log);
}

BOOST_AUTO_TEST_CASE(what_nobody_hears_of_is_told_with_its_line_and_the_place_in_the_file) {
  Bench bench("stages:\n  people: {file: {read: people.csv}}\n  out: {from: people, stdout: {}}\n");
  bench.files().put("people.csv", "name,age\npeter,7\npaul\n");
  bench.run();
  BOOST_TEST(bench.log.find("failed_stage=people why=\"the record has 1 field, but 2 are named\" line=3 "
                            "yaml=test.yaml:2:3\n") != std::string::npos,
             bench.log);
}

BOOST_AUTO_TEST_CASE(what_is_made_of_many_has_been_tried_as_often_as_any_of_them) {
  Bench bench(R"(
stages:
  numbers: {generate: {range: 1..3}}
  first: {from: numbers, exec: {run: [first, '{{ msg }}']}, merge: {}}
  many: {from: first, batch: {count: 3}}
  work: {from: many, exec: {run: [work, '{{ text }}']}, merge: {}}
  said: {from: work.failed, lua: 'return {msg, failed.attempts, meta.attempt}'}
  shown: {from: said, stdout: {}}
)");
  fails(bench, "first", {{"2", 1}});
  fails(bench, "work", {{"[1,3]", 9}, {"[2]", 9}});
  bench.run();
  BOOST_TEST(bench.output() == "[[1,3],1,1]\n[[2],2,2]\n");
}
