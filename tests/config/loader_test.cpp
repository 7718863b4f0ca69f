// A pipeline file's top level: what it must have, what it may not, and --set.
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "engine/config/loader.hpp"
#include "engine/config/yaml.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

using namespace weir::config;
using namespace std::chrono_literals;

struct Loaded {
  std::optional<Pipeline> pipeline;
  std::string told;
};

Loaded load_text(const std::string& text, const std::vector<std::string>& overrides = {}) {
  Diagnostics diagnostics;
  Loaded loaded;
  loaded.pipeline = load(make_source("jobs/orders.yaml", text), overrides, {}, diagnostics);
  loaded.told = diagnostics.render();
  return loaded;
}

BOOST_AUTO_TEST_CASE(a_pipeline_is_read) {
  const auto got = load_text(R"(vars: {depth: 3, hosts: [a, b]}
run: {data: /tmp/x, memory: 64MiB, threads: 2, pin: true, drain: 5s}
admin: {listen: 127.0.0.1:9000}
stages:
  load: {generate: {every: 1s}}
  out:
    from: load
    drop:
tests: [{name: a}]
)");
  BOOST_TEST(got.told == "");
  BOOST_REQUIRE(got.pipeline.has_value());
  const Pipeline& pipeline = *got.pipeline;
  BOOST_TEST(pipeline.name == "orders");
  BOOST_REQUIRE(pipeline.stages.size() == 2u);
  BOOST_TEST(pipeline.stages[1].name == "out");
  BOOST_TEST(pipeline.stages[1].place.str() == "jobs/orders.yaml:6:3");
  BOOST_TEST(pipeline.find("load") == &pipeline.stages[0]);
  BOOST_TEST(pipeline.find("nobody") == nullptr);
  BOOST_TEST(pipeline.vars[1].second.json() == R"(["a","b"])");
  BOOST_CHECK(pipeline.run.drain == Duration(5s));
  BOOST_TEST(pipeline.run.threads.value() == 2);
  BOOST_TEST(pipeline.run.pin);
  BOOST_TEST(pipeline.admin.listen.value() == "127.0.0.1:9000");
  BOOST_TEST(pipeline.tests.is_list());
}

BOOST_AUTO_TEST_CASE(the_hash_is_of_what_is_run_and_not_of_how_it_is_laid_out) {
  const auto hash = [](const std::string& text, const std::vector<std::string>& overrides = {}) {
    return load_text(text, overrides).pipeline->hash;
  };
  const std::string text =
      "vars: {host: '${HOST:-here}'}\nstages:\n  a: {generate: {every: 1s}}\n  b: {from: a, drop: {}}\n";
  BOOST_TEST(hash(text).size() == 16u);
  BOOST_TEST(hash(text) == hash("# Mine.\n" + text + "tests: [{name: a}]\n"));
  BOOST_TEST(hash(text) == hash("vars:\n  host: '${HOST:-here}'\nstages:\n  a:\n    generate:\n      every: 1s\n  b: "
                                "{from: a, drop: {}}\n"));
  BOOST_TEST(hash(text) != hash(text, {"stages.a.generate.every=2s"}));
  BOOST_TEST(hash(text) != hash("vars: {host: '${HOST:-there}'}" + text.substr(text.find('\n'))));
  // What the parts are must tell as well as their text.
  BOOST_TEST(hash("stages: {a: {generate: {each: [[1], 2]}}}") != hash("stages: {a: {generate: {each: [[1, 2]]}}}"));
}

BOOST_AUTO_TEST_CASE(defaults) {
  const auto got = load_text("stages: {a: {pass: {}}}");
  BOOST_TEST(got.pipeline->run.data == "./weir-data");
  BOOST_TEST(got.pipeline->run.memory.bytes == 256u << 20);
  BOOST_CHECK(got.pipeline->run.drain == Duration(30s));
  BOOST_TEST(!got.pipeline->admin.listen.has_value());
  BOOST_TEST(got.pipeline->tests.is_null());
}

BOOST_AUTO_TEST_CASE(files_without_a_pipeline) {
  for (const char* empty : {"", "\n\n", "# nothing\n", "---\n", "~"})
    BOOST_TEST(load_text(empty).told ==
                   "jobs/orders.yaml: error: the file is empty\n      = a pipeline has stages: {NAME: {KIND: …}}\n",
               empty);
  BOOST_TEST(load_text("vars: {a: 1}").told ==
             "jobs/orders.yaml: error: the file has no stages\n      = a pipeline has stages: {NAME: {KIND: …}}\n");
  BOOST_TEST(load_text("stages:\n").told == R"(jobs/orders.yaml:1:1: error: there are no stages
    1 | stages:
      | ^~~~~~
      = a pipeline has stages: {NAME: {KIND: …}}
)");
  BOOST_TEST(load_text("stages: {}").told.find("there are no stages") != std::string::npos);
  BOOST_TEST(load_text("- a").told.find("expected a pipeline, found a list") != std::string::npos);
  BOOST_TEST(load_text("hello").told.find("expected a pipeline, found \"hello\"") != std::string::npos);
  BOOST_TEST(load_text("stages: [a]").told.find("expected a map of names and stages, found a list") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(names_of_stages) {
  BOOST_TEST(
      load_text("stages: {any: {pass: {}}, Bad-Name: {pass: {}}, 1a: {pass: {}}, x: , y: 5}").told ==
      R"(jobs/orders.yaml:1:10: error: 'any' is no name of a stage: any.failed is what failed and nobody else listens to
    1 | stages: {any: {pass: {}}, Bad-Name: {pass: {}}, 1a: {pass: {}}, x: , y: 5}
      |          ^~~
      = choose another name
jobs/orders.yaml:1:27: error: 'Bad-Name' is no name of a stage: small letters, digits and _, a letter first
    1 | stages: {any: {pass: {}}, Bad-Name: {pass: {}}, 1a: {pass: {}}, x: , y: 5}
      |                           ^~~~~~~~
      = write 'bad_name'
jobs/orders.yaml:1:49: error: '1a' is no name of a stage: small letters, digits and _, a letter first
    1 | stages: {any: {pass: {}}, Bad-Name: {pass: {}}, 1a: {pass: {}}, x: , y: 5}
      |                                                 ^~
jobs/orders.yaml:1:65: error: expected the stage 'x' as a map, found nothing
    1 | stages: {any: {pass: {}}, Bad-Name: {pass: {}}, 1a: {pass: {}}, x: , y: 5}
      |                                                                 ^
      = a stage has one kind, such as pass: {}, and from: of whom it reads
jobs/orders.yaml:1:73: error: expected the stage 'y' as a map, found "5"
    1 | stages: {any: {pass: {}}, Bad-Name: {pass: {}}, 1a: {pass: {}}, x: , y: 5}
      |                                                                         ^
      = a stage has one kind, such as pass: {}, and from: of whom it reads
)");
}

BOOST_AUTO_TEST_CASE(keys_that_a_pipeline_has_not) {
  BOOST_TEST(load_text("stage: {}\nplaces: {}\nfoo: 1\nstages: {a: {pass: {}}}\n").told ==
             R"(jobs/orders.yaml:1:1: error: a pipeline has no key 'stage'
    1 | stage: {}
      | ^~~~~
      = did you mean 'stages'? its keys are stages, vars, secrets, limits, breakers, run, admin, kinds, include, tests
jobs/orders.yaml:2:1: error: 'places' comes with a later version of weir
    2 | places: {}
      | ^~~~~~
jobs/orders.yaml:3:1: error: a pipeline has no key 'foo'
    3 | foo: 1
      | ^~~
      = its keys are stages, vars, secrets, limits, breakers, run, admin, kinds, include, tests
)");
}

BOOST_AUTO_TEST_CASE(settings_are_checked) {
  BOOST_TEST(
      load_text("run: {drain: 1h30m, memory: 1KiB, threads: 0}\nsecrets: {api: {path: x}}\nstages: {a: {pass: {}}}")
          .told ==
      R"(jobs/orders.yaml:1:14: error: expected a duration such as 250ms, found "1h30m": a duration has one unit: 90m, not 1h30m
    1 | run: {drain: 1h30m, memory: 1KiB, threads: 0}
      |              ^~~~~
jobs/orders.yaml:1:29: error: expected a size at least 1MiB, found "1KiB"
    1 | run: {drain: 1h30m, memory: 1KiB, threads: 0}
      |                             ^~~~
jobs/orders.yaml:1:44: error: expected an integer at least 1, found "0"
    1 | run: {drain: 1h30m, memory: 1KiB, threads: 0}
      |                                            ^
jobs/orders.yaml:2:16: error: the secret 'api' needs 'file'
    2 | secrets: {api: {path: x}}
      |                ^
      = The file that holds it, and nothing else.
jobs/orders.yaml:2:17: error: the secret 'api' has no key 'path'
    2 | secrets: {api: {path: x}}
      |                 ^~~~
      = its keys are file
)");
}

BOOST_AUTO_TEST_CASE(values_are_set_from_outside) {
  const auto got = load_text("vars: {a: 1, l: [x, y]}\nstages: {w: {from: a, workers: 4}, b: {drop: {}}}",
                             {"stages.w.workers=1", "vars.a=many words", "vars.l.1=z", "run.drain=5s",
                              "stages.b.drop={x: [1]}", "vars.new='5'"});
  BOOST_TEST(got.told == "");
  BOOST_TEST(got.pipeline->stages[0].body.find("workers")->text == "1");
  BOOST_TEST(got.pipeline->stages[0].body.find("workers")->plain);
  BOOST_TEST(got.pipeline->vars[0].second.json() == "\"many words\"");
  BOOST_TEST(got.pipeline->vars[1].second.json() == R"(["x","z"])");
  BOOST_TEST(got.pipeline->vars[2].second.json() == "\"5\"");
  BOOST_CHECK(got.pipeline->run.drain == Duration(5s));
  BOOST_TEST(got.pipeline->stages[1].body.find("drop")->is_map());
}

BOOST_AUTO_TEST_CASE(what_cannot_be_set_is_told) {
  const auto told = [](const std::string& assignment) {
    return load_text("stages: {work: {from: a, workers: 4, drop: {}}}", {assignment}).told;
  };
  BOOST_TEST(told("stages.wrk.workers=1") == R"(--set stages.wrk.workers=1:1:8: error: 'stages' has no 'wrk'
    1 | stages.wrk.workers=1
      |        ^~~
      = did you mean 'work'?
)");
  BOOST_TEST(told("workers").find("expected PATH=VALUE") != std::string::npos);
  BOOST_TEST(told("stages..workers=1").find("a name is missing here") != std::string::npos);
  BOOST_TEST(told("stages.work.workers.x=1").find("'stages.work.workers' is no map") != std::string::npos);
  BOOST_TEST(told("stages.work.from=*x").find("--set stages.work.from=*x:1:18: error: '*x' is an alias to YAML") !=
             std::string::npos);
  BOOST_TEST(
      told("run.drain=5").find("--set run.drain=5:1:11: error: expected a duration such as 250ms, found \"5\"") !=
      std::string::npos);
}

BOOST_AUTO_TEST_CASE(files_that_are_missing_or_cannot_be_read) {
  const auto told = [](const std::string& path) {
    Diagnostics diagnostics;
    BOOST_TEST(!load_file(path, {}, {}, diagnostics).has_value());
    return diagnostics.render();
  };
  BOOST_TEST(told("nowhere.yaml") == "nowhere.yaml: error: no such file\n");
  BOOST_TEST(told("/tmp") == "/tmp: error: is a directory\n      = name the pipeline file inside it\n");
  const std::string path = "config_loader_test.yaml";
  std::ofstream(path) << "stages: {a: {pass: {}}}";
  ::chmod(path.c_str(), 0);
  if (::geteuid() != 0)
    BOOST_TEST(told(path) == path + ": error: cannot be read: Permission denied\n      = check its permissions\n");
  ::chmod(path.c_str(), 0600);
  Diagnostics diagnostics;
  BOOST_TEST(load_file(path, {}, {}, diagnostics)->name == "config_loader_test");
  std::remove(path.c_str());
}

BOOST_AUTO_TEST_CASE(the_name_of_a_pipeline) {
  BOOST_TEST(pipeline_name("a/b/orders.yaml") == "orders");
  BOOST_TEST(pipeline_name("orders.yml") == "orders");
  BOOST_TEST(pipeline_name("/dev/stdin") == "stdin");
  BOOST_TEST(pipeline_name(".yaml") == ".yaml");
}

/// The first of these files, with the others beside it.
Loaded load_first(const weir::tests::TemporaryFolder& folder,
                  std::initializer_list<std::pair<const char*, std::string>> files) {
  for (const auto& [name, text] : files) folder.file(name, text);
  Diagnostics diagnostics;
  Loaded loaded;
  loaded.pipeline = load_file(folder.path(files.begin()->first), {}, {}, diagnostics);
  loaded.told = diagnostics.render();
  return loaded;
}

BOOST_AUTO_TEST_CASE(an_included_file_gives_stages_vars_and_kinds) {
  const weir::tests::TemporaryFolder folder;
  const auto got =
      load_first(folder, {{"main.yaml",
                           "include: [kinds.yaml, more.yaml]\nvars: {depth: 3}\nstages: {a: {generate: {range: 1..3}}, "
                           "b: {from: a, small: {most: 2}}}\n"},
                          {"kinds.yaml",
                           "include: more.yaml\nvars: {depth: 1, wide: 9}\nkinds: {small: {options: {most: {type: "
                           "integer}}, stages: {w: {where: 'true'}}}}\ntests: [{name: its own}]\n"},
                          {"more.yaml", "stages: {c: {from: b, drop: {}}}\n"}});
  BOOST_TEST(got.told == "");
  BOOST_REQUIRE(got.pipeline.has_value());
  BOOST_TEST(got.pipeline->name == "main");
  BOOST_TEST(got.pipeline->find("c"));
  BOOST_TEST(got.pipeline->find("b/w"));
  BOOST_TEST(got.pipeline->vars[0].second.json() == "3");
  BOOST_TEST(got.pipeline->vars[1].second.json() == "9");
  BOOST_TEST(got.pipeline->tests.is_null());
}

BOOST_AUTO_TEST_CASE(kinds_that_multiply_are_refused_before_they_fill_the_memory) {
  std::string text = "kinds:\n";
  for (int k = 1; k <= 30; ++k) {
    const std::string next = "k" + std::to_string(k + 1);
    text += "  k" + std::to_string(k) + ": {stages: {x: {" + next + ": {}}, y: {from: x, " + next + ": {}}}}\n";
  }
  text += "  k31: {stages: {x: {pass: {}}}}\nstages: {a: {generate: {range: 1..3}}, b: {from: a, k1: {}}}\n";
  const auto told = load_text(text).told;
  BOOST_TEST(told.find("the kinds make more than 5000 stages of this file") != told.npos, told);
  BOOST_TEST(told.size() < 1000u);
}

BOOST_AUTO_TEST_CASE(a_file_is_one_however_it_is_spelt_and_two_that_are_included_may_not_give_the_same_var) {
  const weir::tests::TemporaryFolder folder;
  const auto told =
      load_first(
          folder,
          {{"main.yaml",
            "include: [more.yaml, ./more.yaml, other.yaml, ./main.yaml]\nstages: {a: {generate: {range: 1..3}}}\n"},
           {"more.yaml", "include: ./more.yaml\nvars: {depth: 1}\nstages: {c: {from: a, drop: {}}}\n"},
           {"other.yaml", "vars: {depth: 2}\n"}})
          .told;
  BOOST_TEST(told.find("other.yaml:1:8: error: 'depth' is also in ") != told.npos, told);
  BOOST_TEST(told.find("'c' is also in") == told.npos, told);
  BOOST_TEST(told.find("'a' is also in") == told.npos, told);
}

BOOST_AUTO_TEST_CASE(a_limit_and_a_breaker_of_one_name_in_several_files_are_refused_like_a_var) {
  const weir::tests::TemporaryFolder folder;
  const auto got = load_first(folder, {{"main.yaml",
                                        "include: [one.yaml, two.yaml]\nlimits: {shop: 1/s}\n"
                                        "stages: {a: {generate: {range: 1..3}}, b: {from: a, drop: {}}}\n"},
                                       {"one.yaml", "limits: {shop: 2/s, mail: 1/s}\nbreakers: {b: {failures: 1}}\n"},
                                       {"two.yaml", "breakers:\n  b: {failures: 5}\n  c: {failures: 5}\n"}});
  BOOST_TEST(got.told == folder.path("one.yaml") + ":1:10: error: 'shop' is also in " + folder.path("main.yaml") +
                             ":2:10\n    1 | limits: {shop: 2/s, mail: 1/s}\n      |          ^~~~\n"
                             "      = one of them needs another name\n" +
                             folder.path("two.yaml") + ":2:3: error: 'b' is also in " + folder.path("one.yaml") +
                             ":2:12\n    2 |   b: {failures: 5}\n      |   ^\n"
                             "      = one of them needs another name\n");
  BOOST_REQUIRE(got.pipeline.has_value());
  BOOST_TEST(got.pipeline->limits.find("mail"));
  BOOST_TEST(got.pipeline->breakers.find("c"));
}

BOOST_AUTO_TEST_CASE(what_another_file_uses_is_told_with_that_file) {
  const weir::tests::TemporaryFolder folder;
  folder.file("lib.yaml",
              "kinds: {k: {options: {n: {type: text}}, stages: {s: {set: {a: 1}}}}}\nsecrets: {s: {file: '${n}'}}\n");
  folder.file("main.yaml", "include: lib.yaml\nvars: {n: [1]}\nstages: {a: {generate: {range: 1..3}}}\n");
  Diagnostics diagnostics;
  load_file(folder.path("main.yaml"), {}, {}, diagnostics);
  BOOST_TEST(diagnostics.render() == folder.path("main.yaml") +
                                         ":2:11: error: expected a text, found a list\n    2 | vars: {n: [1]}\n"
                                         "      |           ^\n      = used at " +
                                         folder.path("lib.yaml") + ":2:21\n");
  BOOST_TEST(diagnostics.json().find("\"hint\":\"used at " + folder.path("lib.yaml") + ":2:21\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(mistakes_of_an_included_file_are_told_where_they_stand) {
  const weir::tests::TemporaryFolder folder;
  const auto told =
      load_first(folder,
                 {{"main.yaml", "include: [other.yaml, gone.yaml, 7.yaml/]\nstages: {a: {generate: {range: 1..3}}}\n"},
                  {"other.yaml",
                   "include: main.yaml\nrun: {drain: 1s}\nstges: {}\nstages:\n  a: {drop: {}}\n  B: {drop: {}}\n"}})
          .told;
  BOOST_TEST(told.find("other.yaml:5:3: error: 'a' is also in " + folder.path("main.yaml") + ":2:10") != told.npos,
             told);
  BOOST_TEST(told.find("other.yaml:2:1: error: 'run' belongs to the file that is run") != told.npos, told);
  BOOST_TEST(told.find("other.yaml:3:1: error: a pipeline has no key 'stges'") != told.npos, told);
  BOOST_TEST(told.find("other.yaml:6:3: error: 'B' is no name of a stage") != told.npos, told);
  BOOST_TEST(told.find("main.yaml:1:23: error: ") != told.npos, told);
  BOOST_TEST(told.find("paths are relative to the file that includes") != told.npos, told);
}

}  // namespace
