// What the graph compiler makes of a file: what runs together, what stands between, and what it refuses or warns of.
#include <boost/test/unit_test.hpp>

#include "tests/support/bench.hpp"

using namespace weir;
using namespace weir::tests;

namespace {

/// The stages of each unit, one unit a line.
std::string units(const std::string& yaml) {
  const Bench bench(yaml);
  BOOST_REQUIRE_MESSAGE(bench.mistakes().find("error:") == std::string::npos, bench.mistakes());
  std::string text;
  for (const auto& unit : bench.plan().units) {
    for (std::size_t i = 0; i < unit.stages.size(); ++i) {
      text += (i ? " " : "") + bench.plan().stages[unit.stages[i]].name;
    }
    text += unit.replicas > 1 ? " x" + std::to_string(unit.replicas) + "\n" : "\n";
  }
  return text;
}

std::string mistakes(const std::string& yaml) { return Bench(yaml).mistakes(); }

bool says(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

const std::string chain = R"(
stages:
  a: {generate: {range: 1..3}}
  b: {from: a, pass: {}}
  c: {from: b, where: 'true'}
  d: {from: c, stdout: {}}
)";

}  // namespace

BOOST_AUTO_TEST_CASE(a_chain_of_operators_runs_inside_the_source_before_it) {
  BOOST_TEST(units(chain) == "a b c\nd\n");
}

BOOST_AUTO_TEST_CASE(each_route_runs_inside_its_router_as_long_as_one_stage_reads_it) {
  BOOST_TEST(units(R"(
stages:
  a: {generate: {range: 1..3}}
  r: {from: a, route: {x: 'true'}}
  b: {from: r.x, pass: {}}
  c: {from: r.else, pass: {}}
  d: {from: [b, c], stdout: {}}
)") == "a r b c\nd\n");
}

BOOST_AUTO_TEST_CASE(two_readers_of_one_port_are_two_units) {
  BOOST_TEST(units(R"(
stages:
  a: {generate: {range: 1..3}}
  b: {from: a, pass: {}}
  c: {from: a, drop: {}}
  d: {from: b, drop: {}}
)") == "a\nb d\nc\n");
}

BOOST_AUTO_TEST_CASE(a_stage_with_two_inputs_heads_a_unit) {
  BOOST_TEST(units(R"(
stages:
  a: {generate: {range: 1..3}}
  b: {generate: {range: 1..3}}
  c: {from: [a, b], pass: {}}
  d: {from: c, drop: {}}
)") == "a\nb\nc d\n");
}

BOOST_AUTO_TEST_CASE(an_edge_workers_and_a_batch_are_boundaries) {
  BOOST_TEST(units(R"(
stages:
  a: {generate: {range: 1..3}}
  b: {from: a, pass: {}, edge: {capacity: 4}}
  c: {from: b, pass: {}, workers: 3}
  d: {from: c, pass: {}}
  e: {from: d, batch: {count: 2}}
  f: {from: e, drop: {}}
)") == "a\nb\nc x3\nd\ne f\n");
}

BOOST_AUTO_TEST_CASE(a_call_and_a_sink_are_units_of_their_own_whatever_their_workers) {
  BOOST_TEST(units(R"(
stages:
  a: {generate: {range: 1..3}}
  b: {from: a, exec: {run: [x]}, workers: 5}
  c: {from: b, pass: {}}
  d: {from: c, stdout: {}}
)") == "a\nb c\nd\n");
}

BOOST_AUTO_TEST_CASE(a_circle_is_refused_with_the_way_round) {
  const auto told = mistakes(R"(
stages:
  a: {generate: {range: 1..3}}
  b: {from: [a, d], pass: {}}
  c: {from: b, pass: {}}
  d: {from: c, pass: {}}
)");
  BOOST_TEST(says(told, "error: the stages feed each other in a circle: b → c → d → b"), told);
}

BOOST_AUTO_TEST_CASE(a_circle_is_told_beside_all_other_mistakes) {
  const auto told = mistakes("stages: {a: {from: b, pass: {}}, b: {from: a, pass: {}}, c: {from: aa, stdout: {}}}");
  BOOST_TEST(says(told, "in a circle: a → b → a"), told);
  BOOST_TEST(says(told, "there is no stage 'aa'"), told);
}

BOOST_AUTO_TEST_CASE(a_stage_that_reads_itself_is_a_circle) {
  const auto told = mistakes(R"(
stages:
  a: {generate: {range: 1..3}}
  b: {from: [a, b], pass: {}}
)");
  BOOST_TEST(says(told, "in a circle: b → b"), told);
}

BOOST_AUTO_TEST_CASE(an_unknown_stage_or_port_is_told_with_the_nearest_name) {
  const auto told = mistakes(R"(
stages:
  numbers: {generate: {range: 1..3}}
  b: {from: number, pass: {}}
  c: {from: numbers.faild, drop: {}}
  d: {from: b.main.x, drop: {}}
  e: {from: [b, b], drop: {}}
)");
  BOOST_TEST(says(told, "there is no stage 'number'"), told);
  BOOST_TEST(says(told, "did you mean 'numbers'?"), told);
  BOOST_TEST(says(told, "stage 'numbers' has no port 'faild'"), told);
  BOOST_TEST(says(told, "did you mean 'failed'?"), told);
  BOOST_TEST(says(told, "stage 'b' has no port 'main.x'"), told);
  BOOST_TEST(says(told, "'b' is read twice here"), told);
}

BOOST_AUTO_TEST_CASE(who_reads_failures_of_a_stage_whose_edge_may_fail_is_warned) {
  const auto file = [](const std::string& edge, const std::string& reads) {
    return mistakes("stages:\n  numbers: {generate: {range: 1..3}}\n  b: {from: numbers, drop: {}, edge: " + edge +
                    "}\n  c: {from: " + reads + ", drop: {}}\n");
  };
  const std::string warning = "'b.failed' does not have what finds the edge before 'b' full";
  BOOST_TEST(says(file("{when_full: fail}", "b.failed"), warning));
  BOOST_TEST(says(file("{numbers: {when_full: fail}}", "b.failed"), warning));
  BOOST_TEST(file("{when_full: fail}", "any.failed") == "");
  BOOST_TEST(file("{when_full: drop_newest}", "b.failed") == "");
}

BOOST_AUTO_TEST_CASE(what_an_edge_is_told_has_to_make_sense) {
  const auto told = mistakes(R"(
stages:
  numbers: {generate: {range: 1..3}}
  b: {from: numbers, drop: {}, edge: {after: 1s}}
  c: {from: numbers, drop: {}, edge: {when_full: drop_oldest, after: 1s}}
  d: {from: numbers, drop: {}, edge: {when_full: spill}}
  e: {from: numbers, drop: {}, edge: {capacity: 4, number: {capacity: 3}}}
  f: {from: numbers, drop: {}, edge: {when_full: fail, numbers: {after: 1s, capcity: 3}}}
  g: {from: numbers, drop: {}, edge: {when_full: fail, numbers: {after: 1s}}}
)");
  BOOST_TEST(says(told, ":4:38: error: 'after' is the patience before a message fails or is dropped"), told);
  BOOST_TEST(says(told, "`drop_oldest` takes each message at once"), told);
  BOOST_TEST(says(told, "'spill' comes with a later version of weir"), told);
  BOOST_TEST(says(told, "'e' does not read 'number'"), told);
  BOOST_TEST(says(told, "did you mean 'numbers'?"), told);
  BOOST_TEST(says(told, "edge has no key 'capcity'"), told);
  BOOST_TEST(!says(told, ":10:"), told);
}

BOOST_AUTO_TEST_CASE(an_output_that_nobody_reads_is_a_warning_and_no_mistake) {
  const auto told = mistakes(R"(
stages:
  a: {generate: {range: 1..3}}
  r: {from: a, route: {x: 'true'}}
  b: {from: r.x, pass: {}}
)");
  BOOST_TEST(says(told, "warning: nobody reads what 'b' puts out; it is dropped"), told);
  BOOST_TEST(says(told, "warning: nobody reads 'r.else'; it is dropped"), told);
  BOOST_TEST(!says(told, "error:"), told);
}

BOOST_AUTO_TEST_CASE(fields_that_are_set_of_what_has_none_are_a_warning) {
  const auto told = [](const std::string& source, const std::string& merge = "{said: '{{ result.text }}'}") {
    return mistakes("stages:\n  in: {" + source + "}\n  ask: {from: in, exec: {run: [ask]}, merge: " + merge + "}\n");
  };
  const std::string of_lines = "'ask' sets fields of its messages (`merge`), and those of 'in' are lines";
  BOOST_TEST(says(told("file: {read: names.txt}"), of_lines));
  BOOST_TEST(says(told("file: {follow: names.log}"), "`format: ndjson`; if not, a stage between, `decode:"));
  BOOST_TEST(says(told("stdin: {}"), of_lines));
  BOOST_TEST(says(told("generate: {range: 1..3}"), "those of 'in' are no objects"));
  BOOST_TEST(says(told("generate: {each: [a, 7]}"), "those of 'in' are no objects"));
  BOOST_TEST(told("generate: {each: [a, {n: 7}]}") == "");
  BOOST_TEST(told("generate: {each: [a], text: '{{ item }}'}") == "");
  BOOST_TEST(says(told("generate: {each: [a], text: 'job {{ item }}'}"), "make them some there"));
  BOOST_TEST(told("file: {read: names.ndjson}") == "");
  BOOST_TEST(told("stdin: {format: ndjson}") == "");
  BOOST_TEST(told("generate: {range: 1..3, msg: {n: '{{ i }}'}}") == "");
  BOOST_TEST(told("file: {read: names.txt}", "{}") == "");
}

BOOST_AUTO_TEST_CASE(two_stages_make_no_file_together) {
  const auto told = [](const std::string& one, const std::string& other) {
    return mistakes("stages:\n  in: {generate: {range: 1..3}}\n  a: {from: in, file: {" + one +
                    "}}\n  b: {from: in, file: {" + other + "}}\n");
  };
  BOOST_TEST(says(told("write: x.ndjson", "write: x.ndjson"), "error: 'a' makes the file x.ndjson already"));
  BOOST_TEST(says(told("write: x.ndjson", "write: ./x.ndjson"), "error: 'a' makes the file ./x.ndjson already"));
  BOOST_TEST(says(told("write: s/../x.ndjson", "write: x.ndjson"), "error: 'a' makes the file x.ndjson already"));
  BOOST_TEST(told("write: x.ndjson", "write: y.ndjson") == "");
  BOOST_TEST(told("append: x.ndjson", "append: x.ndjson") == "");
  BOOST_TEST(told("write: /dev/null", "write: /dev/null") == "");
}

BOOST_AUTO_TEST_CASE(a_file_that_is_added_to_behind_where_it_is_read_is_a_warning) {
  const auto told = [](const std::string& in, const std::string& out) {
    return mistakes("stages:\n  in: {file: {" + in +
                    "}}\n  even: {from: in, where: 'true'}\n  out: {from: even, file: {" + out + "}}\n");
  };
  const std::string warning =
      "warning: 'out' adds to logs/all.log, which is read before it: each message comes again and again";
  BOOST_TEST(says(told("read: logs/all.log", "append: logs/all.log"), warning));
  BOOST_TEST(says(told("follow: 'logs/*.log'", "append: logs/all.log"), warning));
  BOOST_TEST(told("follow: 'logs/*.log'", "append: all.log") == "");
  BOOST_TEST(
      says(told("read: logs/all.log", "write: logs/all.log"),
           "warning: 'out' makes logs/all.log anew, which is read before it: what fails or is dropped on the way is "
           "lost"));
  BOOST_TEST(told("read: logs/all.log", "write: logs/new.log") == "");
  BOOST_TEST(told("read: logs/all.log, format: envelope", "append: logs/all.log, format: envelope") == "");
}

BOOST_AUTO_TEST_CASE(what_failed_written_as_json_is_a_warning) {
  const auto told = [](const std::string& from, const std::string& file) {
    return mistakes(
        "stages:\n  in: {file: {read: a.log}}\n  odd: {from: in, set: {a: 1}}\n  out: {from: odd, drop: {}}\n"
        "  dead: {from: " +
        from + ", file: {append: " + file + "}}\n");
  };
  const auto warning = [](const std::string& format) {
    return "warning: 'dead' takes what failed, also what is no JSON, which fails once more as " + format;
  };
  BOOST_TEST(says(told("any.failed", "dead.ndjson"), warning("ndjson")));
  BOOST_TEST(says(told("any.failed", "dead.ndjson"), "`format: envelope` keeps each whole, with why it failed"));
  BOOST_TEST(says(told("[odd, odd.failed]", "dead.txt, format: csv"), warning("csv")));
  BOOST_TEST(told("any.failed", "dead.ndjson, format: envelope") == "");
  BOOST_TEST(told("any.failed", "dead.txt") == "");
  BOOST_TEST(told("odd", "dead.ndjson") == "");
}

BOOST_AUTO_TEST_CASE(a_forward_of_what_nobody_has_asked_is_a_warning) {
  const std::string shop =
      "  shop: {from: in, http: {forward: 'http://127.0.0.1:9001/'}}\n  out: {from: shop, drop: {}}\n";
  BOOST_TEST(says(mistakes("stages:\n  in: {generate: {count: 1}}\n" + shop),
                  "warning: each message fails in 'shop': nobody has asked, so there is nothing to forward"));
  BOOST_TEST(mistakes("stages:\n  in: {http_server: {listen: 127.0.0.1:8080, path: /}}\n" + shop) == "");
}

BOOST_AUTO_TEST_CASE(a_stage_that_nothing_reaches_is_a_warning) {
  const auto told = mistakes("stages: {dead: {from: any.failed, drop: {}}}");
  BOOST_TEST(says(told, "warning: nothing reaches 'dead'"), told);
}

BOOST_AUTO_TEST_CASE(the_plan_is_shown_as_text_a_drawing_and_data) {
  const Bench bench(chain);
  BOOST_TEST(graph::as_text(bench.plan()) ==
             "test\n"
             "  a (generate)\n"
             "    + b (pass) from a, fused\n"
             "    + c (where) from b, fused\n"
             "  d (stdout) from c\n");
  const auto dot = graph::as_dot(bench.plan());
  BOOST_TEST(says(dot, "subgraph cluster_0"), dot);
  BOOST_TEST(says(dot, "\"a\" -> \"b\" [style=dotted];"), dot);
  BOOST_TEST(says(dot, "\"c\" -> \"d\";"), dot);
  const auto json = graph::as_json(bench.plan());
  BOOST_TEST(says(json, R"("units":[["a","b","c"],["d"]])"), json);
  BOOST_TEST(says(json, R"({"from":"c","port":"main","to":"d","fused":false})"), json);
}

BOOST_AUTO_TEST_CASE(workers_are_shown_as_many_as_there_are) {
  const auto plan = [](const std::string& order) {
    return Bench(
        "stages:\n  a: {generate: {range: 1..3}}\n  b: {generate: {range: 1..3}}\n  c: {from: [a, b], pass: {}, " +
        order + "}\n  d: {from: c, stdout: {}}\n");
  };
  const auto three = plan("workers: 3, order: {key: '{{ msg }}'}");
  BOOST_TEST(three.mistakes() == "");
  BOOST_TEST(says(graph::as_text(three.plan()), "c (pass) from a, b, workers 3, order by key\n"));
  BOOST_TEST(says(graph::as_json(three.plan()), R"("name":"c","kind":"pass","fused":false,"workers":3)"));
  // Two that deal in turn would wait for each other.
  const auto one = plan("workers: 3");
  BOOST_TEST(says(one.mistakes(), "'c' reads several stages in order, so one of its workers does all the work"));
  BOOST_TEST(says(one.mistakes(), "write `order: free` or `order: {key: …}`"));
  BOOST_TEST(says(graph::as_text(one.plan()), "c (pass) from a, b, workers 1 of 3\n"));
  BOOST_TEST(says(graph::as_json(one.plan()), R"("name":"c","kind":"pass","fused":false,"workers":1)"));
}

BOOST_AUTO_TEST_CASE(as_many_workers_as_are_best_are_shown_by_that_word_and_are_for_calls_alone) {
  const auto with = [](const std::string& kind) {
    return "stages:\n  a: {generate: {range: 1..3}}\n  b: {from: a, workers: adaptive, " + kind + "}\n" +
           "  c: {from: b, stdout: {}}\n";
  };
  const Bench bench(with("exec: {run: ['true']}"));
  BOOST_TEST(says(graph::as_text(bench.plan()), "b (exec) from a, workers adaptive\n"));
  BOOST_TEST(says(graph::as_json(bench.plan()), R"("workers":"adaptive")"));
  BOOST_TEST(says(mistakes(with("pass: {}")), "only how long calls take says how many are best"));
}

BOOST_AUTO_TEST_CASE(who_waits_with_a_slow_sibling_is_told) {
  const auto warned = [](const std::string& keys, const std::string& other = "") {
    return mistakes("stages:\n  a: {generate: {range: 1..3}}\n  slow: {from: a, exec: {run: ['true']}, merge: {}, " +
                    keys + "}\n  shown: {from: a, pass: {}" + other + "}\n  out: {from: [slow, shown], stdout: {}}\n");
  };
  const std::string sibling = "and 'shown', which reads the same, waits with it once the edge before it is full";
  BOOST_TEST(says(warned("limit: 1/m"), "'slow' may wait long (its limit), " + sibling));
  BOOST_TEST(says(warned("breaker: {failures: 3, recover_after: 1m}"),
                  "'slow' may wait long (its breaker, while it is open), " + sibling));
  for (const auto* keys :
       {"limit: 5/s", "limit: {rate: 1/m, over: fail}", "breaker: {failures: 3}",
        "breaker: {failures: 3, recover_after: 1m, when_open: fail}", "limit: 1/m, edge: {when_full: drop_newest}",
        "limit: 1/m, edge: {a: {when_full: drop_newest}}"}) {
    BOOST_TEST(warned(keys) == "", keys);
  }
  BOOST_TEST(warned("limit: 1/m", ", limit: 1/m") == "");
}

BOOST_AUTO_TEST_CASE(policies_stand_on_stages_that_call) {
  const auto with = [](const std::string& policy) {
    return "stages:\n  a: {generate: {range: 1..3}}\n  b: {from: a, pass: {}, " + policy + "}\n" +
           "  c: {from: b, stdout: {}}\n";
  };
  BOOST_TEST(says(mistakes(with("retry: 3")), "there is nothing to try again"));
  BOOST_TEST(says(mistakes(with("breaker: {failures: 3}")), "there is nothing to stop calling"));
  BOOST_TEST(
      says(mistakes(with("cache: {key: a, fresh: 1s}")), "this stage calls nobody: there is nothing to remember"));
  BOOST_TEST(says(mistakes(with("hedge: 1s")), "this stage calls nobody: there is nothing to do twice"));
  BOOST_TEST(says(mistakes(with("workers: 2, limit: 3/s")), "put a stage `throttle: 10/s` before it"));
  BOOST_TEST(says(mistakes("stages:\n  a: {generate: {range: 1..3}}\n  b: {from: a, batch: {count: 2}, deadline: 3s}\n"
                           "  c: {from: b, stdout: {}, limit: 3/s}\n"),
                  "'batch', which holds messages back, has none in this version of weir"));
  BOOST_TEST(says(mistakes("stages:\n  a: {generate: {range: 1..3}}\n  c: {from: a, stdout: {}, limit: 3/s}\n"),
                  "a limit stands on a stage that calls, listens or computes"));
  const auto call = [](const std::string& policy) {
    return mistakes("stages:\n  a: {generate: {range: 1..3}}\n  b: {from: a, exec: {run: ['true']}, " + policy +
                    "}\n  c: {from: b, stdout: {}}\n");
  };
  BOOST_TEST(says(call("breaker: {recover_after: 1s}"), "it does not say what opens it"));
  BOOST_TEST(says(call("breaker: shop"), "there is no 'shop' under `breakers:`"));
  BOOST_TEST(says(call("retry: {on: [status, open]}"), "nothing is tried again after 'open'"));
  const auto passing = [](const std::string& policy) {
    return mistakes("stages:\n  a: {generate: {range: 1..3}}\n  b: {from: a, lua: 'msg.n = 1', on_error: pass, " +
                    policy + "}\n  c: {from: b, stdout: {}}\n");
  };
  BOOST_TEST(
      says(passing("limit: {rate: 3/s, over: fail}"), "what comes too early or too late would pass through 'lua'"));
  BOOST_TEST(says(passing("deadline: 3s"), "put a stage `pass: {}` with the deadline"));
  BOOST_TEST(passing("limit: 3/s") == "");
  BOOST_TEST(says(call("retry: {on: [conect]}"), "'conect' is no kind of failure"));
  BOOST_TEST(says(call("retry: {budget: many}"), "expected a share such as 10%, found 'many'"));
  BOOST_TEST(says(call("limit: often"), "a rate is written 10/s, 100/m or 1/10s"));
  BOOST_TEST(says(call("limit: {burst: 3}"), "it does not say how much is too much"));
  BOOST_TEST(says(call("limit: {by: cpu}"), "it does not say above what"));
  BOOST_TEST(says(call("limit: {by: cpus, above: 80%}"), "did you mean 'cpu'?"));
  BOOST_TEST(says(call("limit: {by: cpu, above: 0%}"), "expected a share such as 80%, found '0%'"));
  BOOST_TEST(says(call("limit: {by: cpu, above: 80%, burst: 3}"), "'burst' says nothing of the machine's load"));
  BOOST_TEST(says(call("limit: {rate: 3/s, above: 80%}"), "'above' is of a limit `by` the machine's load"));
  BOOST_TEST(says(call("cache: {fresh: 1s}"), "cache needs 'key'"));
  BOOST_TEST(says(call("cache: {key: a}"), "cache needs 'fresh'"));
  BOOST_TEST(says(call("cache: {key: a, fresh: 0s}"), "above 0s, found \"0s\""));
  BOOST_TEST(says(call("hedge: {after: 1s, budget: some}"), "expected a share such as 5%, found 'some'"));
  BOOST_TEST(
      says(mistakes("stages:\n  a: {generate: {range: 1..3}}\n  b: {from: a, http: {post: 'http://a/'}, hedge: 1s}\n"),
           "a POST that is made twice does its work twice"));
}

BOOST_AUTO_TEST_CASE(a_limit_or_a_deadline_before_a_stage_that_computes_is_a_boundary_and_no_stage_of_its_own) {
  const Bench bench(R"(
stages:
  a: {generate: {range: 1..3}}
  b: {from: a, pass: {}, limit: 10/s}
  c: {from: b, deadline: 1s, do: [{set: {a: 1}}, {set: {b: 1}}]}
  d: {from: c, where: msg.a > 0}
  e: {from: [d, b.failed], stdout: {}}
)");
  BOOST_TEST(bench.mistakes() == "");
  BOOST_TEST(graph::as_text(bench.plan()) ==
             "test\n"
             "  a (generate)\n"
             "  b (pass) from a\n"
             "  c (do: set, set) from b\n"
             "    + d (where) from c, fused\n"
             "  e (stdout) from d, b.failed\n");
  const auto json = graph::as_json(bench.plan());
  BOOST_TEST(says(json, R"("do":["set","set"])"), json);
  BOOST_TEST(bench.plan().count() == 5U);
}
