// The verbs that run nothing, as a person types them: what they print, where, and with what number they end.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "engine/command/command.hpp"
#include "engine/message/json.hpp"
#include "engine/script/state.hpp"
#include "tests/support/said.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

using weir::tests::catalog;
using weir::tests::check_of;
using weir::tests::contains;
using weir::tests::said_by;
using weir::tests::TemporaryFolder;

constexpr const char* good_file =
    "stages:\n"
    "  numbers:\n"
    "    generate: {range: 1..3}\n"
    "  gone:\n"
    "    from: numbers\n"
    "    drop: {}\n";

}  // namespace

// ----------------------------------------------------------------------------------------------------------- the words

BOOST_AUTO_TEST_CASE(without_a_word_weir_says_how_it_is_used) {
  const auto said = said_by({});
  BOOST_TEST(said.code == 64);
  BOOST_TEST(said.out.empty());
  BOOST_TEST(contains(said.err, "Usage: weir VERB [ARGUMENT...]"));
  BOOST_TEST(contains(said.err, "  run         Runs pipelines"));
}

BOOST_AUTO_TEST_CASE(help_is_no_mistake_and_goes_to_standard_output) {
  for (const auto* word : {"--help", "-h", "help"}) {
    const auto said = said_by({word});
    BOOST_TEST(said.code == 0);
    BOOST_TEST(contains(said.out, "weir VERB --help says more of one."));
    BOOST_TEST(said.err.empty());
  }
}

BOOST_AUTO_TEST_CASE(every_verb_has_a_help_of_its_own) {
  for (const auto* verb :
       {"run", "replay", "check", "test", "graph", "list", "explain", "new", "schema", "completion", "version"}) {
    const auto said = said_by({verb, "--help"});
    BOOST_TEST(said.code == 0, verb << " --help ended with " << said.code);
    BOOST_TEST(contains(said.out, std::string("Usage: weir ") + verb), said.out);
    BOOST_TEST(std::count(said.out.begin(), said.out.end(), '\n') < 25, said.out);
  }
  BOOST_TEST(contains(said_by({"run", "--help"}).out, "--for DURATION"));
}

BOOST_AUTO_TEST_CASE(a_verb_that_is_nearly_right_is_told_by_name) {
  const auto said = said_by({"rum", "a.yaml"});
  BOOST_TEST(said.code == 64);
  BOOST_TEST(said.err == "weir: there is no verb 'rum'\n  = did you mean 'run'?\n");
}

BOOST_AUTO_TEST_CASE(a_verb_that_is_nothing_like_one_points_to_the_help) {
  const auto said = said_by({"frobnicate"});
  BOOST_TEST(said.code == 64);
  BOOST_TEST(said.err == "weir: there is no verb 'frobnicate'\n  = weir --help lists them\n");
}

BOOST_AUTO_TEST_CASE(a_file_where_a_verb_belongs_is_told_how_to_run_it) {
  const auto said = said_by({"orders.yaml"});
  BOOST_TEST(said.code == 64);
  BOOST_TEST(said.err == "weir: there is no verb 'orders.yaml'\n  = weir run orders.yaml runs it\n");
}

BOOST_AUTO_TEST_CASE(verbs_that_are_still_to_come_say_so) {
  for (const auto* verb : {"top", "tap", "why", "tasks"}) {
    const auto said = said_by({verb});
    BOOST_TEST(said.code == 64);
    BOOST_TEST(said.err ==
               std::string("weir: '") + verb + "' comes with a later version\n  = weir --help lists what there is\n");
  }
}

BOOST_AUTO_TEST_CASE(what_splits_a_file_over_machines_is_still_to_come_and_says_so) {
  const auto run = said_by({"run", "a.yaml", "--place", "shop"});
  BOOST_TEST(run.code == 64);
  BOOST_TEST(run.err == "weir: '--place' comes with a later version\n  = weir run --help says what it takes\n");
  const auto explained = said_by({"explain", "places"});
  BOOST_TEST(explained.code == 64);
  BOOST_TEST(contains(explained.err, "weir: 'places' comes with a later version\n"), explained.err);
}

BOOST_AUTO_TEST_CASE(an_option_before_the_verb_is_refused) {
  const auto said = said_by({"--for", "5s", "run", "a.yaml"});
  BOOST_TEST(said.code == 64);
  BOOST_TEST(said.err == "weir: the verb comes first; '--for' is none\n  = weir --help lists them\n");
}

BOOST_AUTO_TEST_CASE(mistakes_in_the_arguments_are_usage_and_say_the_cure) {
  const auto unknown = said_by({"run", "a.yaml", "--fro", "5s"});
  BOOST_TEST(unknown.code == 64);
  BOOST_TEST(unknown.err == "weir: weir run has no option '--fro'\n  = did you mean '--for'?\n");

  const auto missing = said_by({"run"});
  BOOST_TEST(missing.code == 64);
  BOOST_TEST(missing.err == "weir: weir run needs a FILE\n  = weir run --help says what it takes\n");

  const auto duration = said_by({"run", "a.yaml", "--for", "5"});
  BOOST_TEST(duration.code == 64);
  BOOST_TEST(contains(duration.err, "--for: '5' is no duration"), duration.err);

  const auto twice = said_by({"run", "a.yaml", "--for", "1s", "--for", "2s"});
  BOOST_TEST(twice.code == 64);
  BOOST_TEST(twice.err == "weir: --for is said 2 times, and takes one value\n  = weir run --help says what it takes\n");

  const auto choice = said_by({"graph", "a.yaml", "--format", "svg"});
  BOOST_TEST(choice.code == 64);
  BOOST_TEST(contains(choice.err, "--format: takes dot|json|text, got 'svg'"), choice.err);

  const auto many = said_by({"graph", "a.yaml", "b.yaml"});
  BOOST_TEST(many.code == 64);
  BOOST_TEST(many.err == "weir: 'b.yaml' is one argument too many\n  = weir graph --help says what it takes\n");
}

// ------------------------------------------------------------------------------------------------------- about oneself

BOOST_AUTO_TEST_CASE(version_for_people_and_for_programs) {
  BOOST_TEST(said_by({"version"}).out.starts_with("weir "));
  BOOST_TEST(said_by({"--version"}).out == said_by({"version"}).out);
  const auto json = said_by({"version", "--output", "json"});
  BOOST_TEST(json.code == 0);
  BOOST_TEST(json.out.starts_with("{\"name\": \"weir\", \"version\": \""));
}

BOOST_AUTO_TEST_CASE(list_shows_each_kind_on_a_line) {
  const auto said = said_by({"list"});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(contains(said.out, "generate"));
  const auto kinds = weir::stage::Catalog::linked().names();
  BOOST_TEST(static_cast<std::size_t>(std::count(said.out.begin(), said.out.end(), '\n')) == kinds.size());
  const auto json = said_by({"list", "--output=json"});
  BOOST_TEST(!weir::message::check_json(json.out).has_value(), json.out);
}

BOOST_AUTO_TEST_CASE(explain_leaves_no_option_of_any_kind_without_type_meaning_and_a_value_to_write) {
  const auto catalog = weir::stage::Catalog::linked();
  for (const auto& [name, kind] : catalog.all()) {
    const auto& declaration = kind->declaration();
    BOOST_TEST(!declaration.examples.empty(), name);
    std::vector<weir::config::FieldDeclaration> fields = declaration.fields;
    for (const auto& field : declaration.fields) {
      if (field.nested) fields.insert(fields.end(), field.nested->fields.begin(), field.nested->fields.end());
    }
    for (const auto& field : fields) {
      BOOST_TEST(!field.type.empty(), name << "." << field.key);
      BOOST_TEST(!field.help.empty(), name << "." << field.key);
      if (field.nested) continue;
      const bool shown = !weir::config::sample_of(field).empty() || !field.fallback.empty();
      BOOST_TEST(shown, name << "." << field.key << " has neither an example nor a default");
    }
  }
}

BOOST_AUTO_TEST_CASE(explain_says_what_a_kind_takes) {
  const auto said = said_by({"explain", "generate"});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(said.out.starts_with("generate: "));
  BOOST_TEST(contains(said.out, "range"));
}

BOOST_AUTO_TEST_CASE(explain_stage_says_what_all_kinds_have_in_common) {
  const auto said = said_by({"explain", "stage"});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(contains(said.out, "on_error"));
}

BOOST_AUTO_TEST_CASE(explain_of_a_key_says_that_key_and_how_to_see_the_others) {
  const auto merge = said_by({"explain", "merge"});
  BOOST_TEST(merge.code == 0);
  BOOST_TEST(merge.out.starts_with("merge: Keeps the message and sets these fields of it"), merge.out);
  BOOST_TEST(!contains(merge.out, "on_error"), merge.out);
  BOOST_TEST(merge.out.ends_with("\n`weir explain stage` has what else stands there.\n"), merge.out);
  BOOST_TEST(said_by({"explain", "stage.merge"}).out == merge.out);
  const auto read = said_by({"explain", "file.read"});
  BOOST_TEST(read.out.starts_with("read: "), read.out);
  BOOST_TEST(read.out.ends_with("\n`weir explain file` has what else stands there.\n"), read.out);
  BOOST_TEST(contains(said_by({"explain", "retries"}).err, "did you mean 'retry'?"));
  BOOST_TEST(contains(said_by({"explain", "replay"}).err, "'replay' is a verb: Sends what failed"));
  BOOST_TEST(said_by({"explain", "duration"}).out.starts_with("duration: a number and its unit, us, ms, s, m, h or d"));
  const auto burst = said_by({"explain", "limit.burst"});
  BOOST_TEST(burst.out.starts_with("burst: So many may go at once"), burst.out);
  BOOST_TEST(burst.out.ends_with("\n`weir explain limit` has what else stands there.\n"), burst.out);
  BOOST_TEST(!weir::message::check_json(said_by({"explain", "merge", "--output", "json"}).out).has_value());
  BOOST_TEST(said_by({"explain", "file.raed"}).err ==
             "weir: there is no key 'raed' in 'file'\n  = did you mean 'read'?\n");
}

BOOST_AUTO_TEST_CASE(explain_says_in_a_line_what_a_test_may_hold_one_day) {
  const auto said = said_by({"explain", "test"}).out;
  BOOST_TEST(!contains(said, "Comes with a later version."), said);
  BOOST_TEST(contains(said, "With a later version: got, queue, subject, topic, client."), said);
}

BOOST_AUTO_TEST_CASE(check_tells_a_program_where_in_the_file_a_mistake_is) {
  const TemporaryFolder folder;
  const auto said = said_by({"check", "--output", "json",
                             folder.file("a.yaml",
                                         "stages:\n  a: {generat: {range: 1..3}}\n  b: {generate: {range: 1..3}}\n"
                                         "  c: {from: d, drop: {}}\n  d: {from: b.x, drop: {}, rate: 5/s}\n"
                                         "  e: {from: b, drop: {}, retries: 3}\n")});
  for (const auto* path : {"stages.a.generat", "stages.c.from", "stages.d.from", "stages.d.rate", "stages.e.retries"}) {
    BOOST_TEST(contains(said.out, "\"path\":\"" + std::string(path) + "\""), path << ": " << said.out);
  }
  BOOST_TEST(contains(said.out, "did you mean 'limit'?"), said.out);
  BOOST_TEST(contains(said.out, "did you mean 'retry'?"), said.out);
}

BOOST_AUTO_TEST_CASE(explain_functions_says_all_that_code_knows) {
  const auto said = said_by({"explain", "functions"});
  BOOST_TEST(said.code == 0);
  for (const auto& name : weir::script::known_names(weir::script::Form::block, weir::script::Setting::keyed)) {
    BOOST_TEST(contains(said.out, name), name << " is not explained");
  }
  for (const auto& name : weir::script::known_names(weir::script::Form::block, weir::script::Setting::generate)) {
    BOOST_TEST(contains(said.out, name), name << " is not explained");
  }
  const auto json = said_by({"explain", "functions", "--output", "json"});
  BOOST_TEST(!weir::message::check_json(json.out).has_value(), json.out);
  BOOST_TEST(contains(json.out, R"({"name": "re.match", "use": )"), json.out);
  const auto match = said_by({"explain", "re.match"}).out;
  BOOST_TEST(match.starts_with("re.match(pattern, text)  "), match);
  BOOST_TEST(match.ends_with("\n\n`weir explain functions` has all that Lua code knows.\n"), match);
  BOOST_TEST(!contains(match, "re.replace"), match);
  for (const auto* name : {"time.format(", "time.parse(", "time.unix("}) {
    BOOST_TEST(contains(said_by({"explain", "time"}).out, name));
  }
  BOOST_TEST(said_by({"explain", "failed"}).out.starts_with("failed.kind  "), said_by({"explain", "failed"}).out);
  for (const auto* word : {"run", "admin", "secrets"}) BOOST_TEST(said_by({"explain", word}).code == 0, word);
}

BOOST_AUTO_TEST_CASE(explain_functions_and_the_reference_say_what_numbers_and_times_are_bound_to) {
  for (const auto& said : {said_by({"explain", "functions"}), said_by({"reference"})}) {
    BOOST_TEST(contains(said.out, "with 14 digits: for all of them use a text"));
    BOOST_TEST(contains(said.out, "outside the years 1678 to 2261"));
  }
}

BOOST_AUTO_TEST_CASE(explain_says_of_each_word_of_a_file_what_may_stand_there) {
  for (const auto& [word, begins, says] :
       {std::tuple("limits", "limits: Limits by their names: `limit: NAME` on a stage", "max_wait"),
        std::tuple("breakers", "breakers: Breakers by their names", "recover_after"),
        std::tuple("kinds", "kinds: Kinds of one's own, by their names", "one of text, integer, number, boolean"),
        std::tuple("include", "include: Files that this one takes stages", "such as [kinds.yaml, limits.yaml]"),
        std::tuple("vars", "vars: Constants: ${name} in texts, vars.name in Lua.\n\nKeys:\n  NAME  A text",
                   "${ENVIRONMENT:-default}"),
        std::tuple("secrets", "secrets: Secrets by their names", "The file that holds it, and nothing else."),
        std::tuple("tests", "tests: A list of tests, for `weir test`", "restart")}) {
    const auto said = said_by({"explain", word});
    BOOST_TEST(said.code == 0, word);
    BOOST_TEST(said.out.starts_with(begins), said.out);
    BOOST_TEST(contains(said.out, says), said.out);
    const auto json = said_by({"explain", word, "--output", "json"});
    BOOST_TEST(!weir::message::check_json(json.out).has_value(), json.out);
  }
  const auto near = said_by({"explain", "limts"});
  BOOST_TEST(near.err == "weir: there is no kind 'limts'\n  = did you mean 'limits'?\n");
}

BOOST_AUTO_TEST_CASE(a_key_that_has_keys_of_its_own_has_a_page_of_its_own) {
  const auto said = said_by({"explain", "order"});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(said.out.starts_with("order: Whether several workers keep the order of the messages.\n"), said.out);
  BOOST_TEST(contains(said.out, "  kept, unless written: as they came. free: as they are ready.\n"), said.out);
  BOOST_TEST(contains(said.out, "  key  "), said.out);
  const auto limit = said_by({"explain", "limit"}).out;
  BOOST_TEST(limit.starts_with("limit: How often the stage may begin with a message.\n"), limit);
  BOOST_TEST(contains(limit, "  burst  "), limit);
  BOOST_TEST(!contains(limit, "workers  "), limit);
}

BOOST_AUTO_TEST_CASE(explain_of_a_policy_that_takes_more_than_a_line_says_it_alone) {
  const auto said = said_by({"explain", "cache"});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(said.out.starts_with("cache: "));
  BOOST_TEST(contains(said.out, "only a GET"));
  BOOST_TEST(contains(said_by({"explain", "hedge"}).out, "`post` and `patch`"));
}

BOOST_AUTO_TEST_CASE(explain_of_an_unknown_kind_names_the_nearest) {
  const auto said = said_by({"explain", "genrate"});
  BOOST_TEST(said.code == 64);
  BOOST_TEST(said.err == "weir: there is no kind 'genrate'\n  = did you mean 'generate'?\n");
  BOOST_TEST(said_by({"explain", "queue"}).err ==
             "weir: 'queue' comes with a later version\n  = weir list names the kinds there are\n");
  BOOST_TEST(said_by({"explain", "mqtt"}).err ==
             "weir: 'mqtt' comes with a later version\n  = weir list names the kinds there are\n");
}

BOOST_AUTO_TEST_CASE(the_schema_is_json_and_knows_every_kind) {
  const auto said = said_by({"schema"});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(!weir::message::check_json(said.out).has_value());
  BOOST_TEST(contains(said.out, "http://json-schema.org/draft-07/schema#"));
  for (const auto& kind : weir::stage::Catalog::linked().names()) {
    BOOST_TEST(contains(said.out, "{\"$ref\": \"#/definitions/kinds/" + kind + "\"}"), kind);
  }
}

// --------------------------------------------------------------------------------------------------------------- files

BOOST_AUTO_TEST_CASE(a_good_file_is_good) {
  const TemporaryFolder folder;
  const auto path = folder.file("good.yaml", good_file);
  const auto said = said_by({"check", path});
  BOOST_TEST(said.code == 0, said.err);
  BOOST_TEST(said.out == path + ": good, 2 stages\n");
  BOOST_TEST(said.err.empty());
}

BOOST_AUTO_TEST_CASE(all_mistakes_of_all_files_are_told_at_once) {
  const TemporaryFolder folder;
  const auto first = folder.file("first.yaml", "stages:\n  numbers:\n    genrate: {range: 1..3}\n");
  const auto second = folder.file("second.yaml", "stages:\n  numbers:\n    generate: {rnage: 1..3, count: many}\n");
  const auto third = folder.file("third.yaml", good_file);
  const auto said = said_by({"check", first, second, third});
  BOOST_TEST(said.code == 78);
  BOOST_TEST(contains(said.err, first + ":3:5: error:"), said.err);
  BOOST_TEST(contains(said.err, "'generate'"), said.err);
  BOOST_TEST(contains(said.err, second + ":3:16: error:"), said.err);
  BOOST_TEST(contains(said.err, second + ":3:36: error:"), said.err);
  BOOST_TEST(said.out == third + ": good, 2 stages\n");
}

BOOST_AUTO_TEST_CASE(mistakes_in_code_are_found_without_running_it) {
  const TemporaryFolder folder;
  const auto path =
      folder.file("code.yaml", std::string(good_file) + "  some:\n    from: numbers\n    where: msg.n >\n");
  const auto said = said_by({"check", path});
  BOOST_TEST(said.code == 78);
  BOOST_TEST(contains(said.err, path + ":9:"), said.err);
}

BOOST_AUTO_TEST_CASE(check_for_programs_is_json_on_standard_output) {
  const TemporaryFolder folder;
  const auto bad = folder.file("bad.yaml", "stages:\n  numbers:\n    genrate: {range: 1..3}\n");
  const auto said = said_by({"check", bad, "--output", "json"});
  BOOST_TEST(said.code == 78);
  BOOST_TEST(said.err.empty());
  BOOST_TEST(!weir::message::check_json(said.out).has_value(), said.out);
  BOOST_TEST(contains(said.out, "\"line\""), said.out);
  const auto good = said_by({"check", folder.file("good.yaml", good_file), "--output", "json"});
  BOOST_TEST(good.code == 0);
  BOOST_TEST(!weir::message::check_json(good.out).has_value(), good.out);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_missing_empty_or_a_directory_is_a_matter_of_configuration) {
  const TemporaryFolder folder;
  for (const auto& path : {folder.path("missing.yaml"), folder.file("empty.yaml", ""), folder.path("")}) {
    for (const auto* verb : {"check", "graph", "run"}) {
      const auto said = said_by({verb, path});
      BOOST_TEST(said.code == 78, verb << " " << path << " ended with " << said.code);
      BOOST_TEST(contains(said.err, "error: "), said.err);
      BOOST_TEST(said.out.empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(what_follows_only_from_what_was_refused_is_not_told) {
  const TemporaryFolder folder;
  const auto errors_of = [&folder](const std::string& yaml) {
    const auto said = said_by({"check", folder.file("a.yaml", yaml)}).err;
    std::string errors;
    for (std::size_t at = said.find(" error: "); at != std::string::npos; at = said.find(" error: ", at + 1)) {
      errors += said.substr(at + 8, said.find('\n', at) - at - 7);
    }
    return errors;
  };
  BOOST_TEST(errors_of("stages:\n  in: {nats: {subscribe: a}}\n  a: {from: in, pass: {}}\n"
                       "  b: {from: [a, any.failed], reply: {status: 200}}\n"
                       "tests:\n  - {name: a, expect: [{got: in, client: c, at: 1s, times: 1, text: a}]}\n") ==
             "'nats' comes with a later version of weir\n`got` comes with a later version of weir\n");
  BOOST_TEST(errors_of("stages:\n  in: {queue: {store: disk}}\n  a: {from: in, expand: {each: x}}\n"
                       "  b: {from: a, html: {of: x}}\n  c: {from: b, gather: {of: a, into: y}}\n"
                       "  d: {from: c, drop: {}}\n") ==
             "'queue' comes with a later version of weir\n'html' comes with a later version of weir\n");
  BOOST_TEST(contains(errors_of("stages:\n  in: {generate: {count: 1}}\n  a: pass\n  b: {from: a, drop: {}}\n"),
                      "expected the stage 'a' as a map"));
  BOOST_TEST(!contains(errors_of("stages:\n  in: {generate: {count: 1}}\n  a: pass\n  b: {from: a, drop: {}}\n"),
                       "there is no stage"));
  BOOST_TEST(errors_of("stages:\n  in: {generate: {count: 1}}\n  a: {from: in, route: [big]}\n"
                       "  b: {from: a.big, drop: {}}\n") == "expected a map of lua, found a list\n");
  BOOST_TEST(errors_of("secrets: {a: x}\nstages:\n  in: {exec: {pipe: [x], stdin: '${secret.a}'}}\n"
                       "  b: {from: in, drop: {}}\n") == "expected a map of options for the secret 'a', found \"x\"\n");
}

BOOST_AUTO_TEST_CASE(a_port_that_opens_by_an_option_says_by_which) {
  const auto said = check_of(
      "  in: {generate: {count: 1}}\n  sums: {from: in, aggregate: {window: 1s, fields: {n: count()}}}\n"
      "  out: {from: sums, drop: {}}\n  late: {from: sums.late, drop: {}}\n");
  BOOST_TEST(contains(said.err, "stage 'sums' has no port 'late'"), said.err);
  BOOST_TEST(
      contains(said.err, "its ports: failed; `.late` is there with `time: FIELD`: by arrival nothing comes late"),
      said.err);
}

BOOST_AUTO_TEST_CASE(a_key_that_stands_beside_its_kind_is_told_to_go_inside) {
  const auto said = check_of("  in:\n    generate:\n    range: 1..3\n  out: {from: in, drop: {}}\n");
  BOOST_TEST(contains(said.err, ":4:5: error: stage 'in' has no key 'range'"), said.err);
  BOOST_TEST(contains(said.err, "it is said of 'generate': write it inside, generate: {range: …}"), said.err);
}

BOOST_AUTO_TEST_CASE(a_key_of_every_stage_that_stands_inside_its_kind_is_told_to_go_beside_it) {
  const auto said = check_of(
      "  in: {generate: {count: 1}}\n  a: {from: in, http: {get: 'http://a/', timeout: 5s, workers: 3}}\n"
      "  b: {do: [{decode: {from: a, format: json}}], from: a}\n  out: {from: b, drop: {}}\n");
  for (const auto* what : {":3:42: error: 'timeout' is said of the stage, not of its 'http'",
                           ":3:55: error: 'workers' is said of the stage, not of its 'http'",
                           ":4:22: error: 'from' is said of the stage, not of its 'decode'"}) {
    BOOST_TEST(contains(said.err, what), what << "\n" << said.err);
  }
  BOOST_TEST(contains(said.err, "write it beside `do`, not inside"), said.err);
  BOOST_TEST(!contains(said.err, "has no key"), said.err);
}

BOOST_AUTO_TEST_CASE(a_kind_of_ones_own_that_nobody_uses_is_checked) {
  const TemporaryFolder folder;
  const std::string end = "stages:\n  in: {generate: {count: 1}}\n  out: {from: in, drop: {}}\n";
  const auto bad = folder.file("bad.yaml",
                               "kinds:\n"
                               "  up:\n"
                               "    options: {url: {type: text}, n: {type: integer}, m: {type: map}}\n"
                               "    stages:\n"
                               "      call: {htp: {get: '${url}'}}\n"
                               "      near: {from: cal, where: 'msg.n > ${n}'}\n"
                               "      late: {from: near, timeout: 5, http: {get: '${urll}'}}\n"
                               "      big: {from: late, route: '${m}'}\n"
                               "      end: {from: big.any, workers: '${n}', lua: 'msg.a = = 1'}\n" +
                                   end);
  const auto said = said_by({"check", bad});
  BOOST_TEST(said.code == 78);
  for (const auto* what :
       {":5:14: error: stage 'up/call' has no kind, and 'htp' is none",
        ":6:20: error: there is no stage 'cal' inside 'up'", ":6:32: error: `${…}` is not filled in here",
        "`meta: {n: '${n}'}` in a stage or step before it makes `meta.n`",
        ":7:35: error: expected a duration such as 250ms", ":7:50: error: no var is called 'urll'",
        ":9:59: error: unexpected symbol near '='"}) {
    BOOST_TEST(contains(said.err, what), what << "\n" << said.err);
  }
  BOOST_TEST(!contains(said.err, "has no port"), said.err);
  BOOST_TEST(said_by({"graph", bad}).code == 0);  // What does not use it runs.

  const auto good = folder.file(
      "good.yaml",
      "kinds:\n"
      "  up:\n"
      "    options: {url: {type: text}, w: {type: duration}, n: {type: integer}, m: {type: map}, c: {type: lua},\n"
      "              f: {type: text}, l: {type: list}, r: {type: rate}}\n"
      "    stages:\n"
      "      call: {http: {get: '${url}'}, timeout: '${w}', limit: '${r}', workers: '${n}', order: {key: a}, merge: "
      "{}}\n"
      "      sums: {from: call, aggregate: {window: '${w}', slide: 5m, fields: '${m}'}}\n"
      "      split: {from: sums, route: '${m}'}\n"
      "      some: {from: split.some, where: '${c}'}\n"
      "      read: {from: some, limit: '${f}', decode: {format: '${f}'}}\n"
      "      put: {from: read, state: {key: a, forget: '${w}'}, lua: '${c}'}\n"
      "      other: {from: '${f}', gather: {of: '${f}', into: x}}\n"
      "      kept: {from: [put, other], file: {append: '${f}', format: '${f}'}}\n" +
          end);
  const auto none = said_by({"check", good});
  BOOST_TEST(none.code == 0, none.err);
}

BOOST_AUTO_TEST_CASE(the_tests_of_a_file_of_kinds_bring_their_stages) {
  const TemporaryFolder folder;
  const std::string kinds = "kinds: {twice: {options: {by: {type: integer}}, stages: {a: {set: {n: '${by}'}}}}}\n";
  const std::string test = "    send: [{to: in, msg: {}}]\n    expect: [{from: a, msg: {n: 2}}]\n";
  const auto library = folder.file("lib.yaml", kinds +
                                                   "tests:\n  - name: it sets\n"
                                                   "    set: {stages: {in: {stdin: {}}, a: {from: in, twice: {by: 2}}, "
                                                   "end: {from: a, drop: {}}}}\n" +
                                                   test);
  const auto ran = said_by({"test", library});
  BOOST_TEST(ran.out == library + "\n  passed  it sets (0s)\n1 test: 1 passed\n");
  BOOST_TEST(ran.code == 0, ran.err);
  BOOST_TEST(said_by({"check", library}).out == library + ": good, no stages, 1 kind, 1 test\n");
  const auto user = folder.file("main.yaml", "include: lib.yaml\nstages: {x: {stdin: {}}, y: {from: x, drop: {}}}\n");
  BOOST_TEST(said_by({"check", user}).code == 0);
  const auto none = folder.file("none.yaml", kinds + "tests:\n  - name: it sets\n" + test);
  for (const char* const verb : {"test", "check"}) {
    const auto said = said_by({verb, none});
    BOOST_TEST(said.code == 78);
    BOOST_TEST(contains(said.err, "none.yaml:3:5: error: the file has no stages, and this test brings none"), said.err);
    BOOST_TEST(contains(said.err, "= such as set: {stages: {"), said.err);
  }
  const auto lost = folder.file("lost.yaml", kinds + "run: {drain: 1s}\n");
  BOOST_TEST(contains(said_by({"test", lost}).err, "a pipeline has stages"));
}

BOOST_AUTO_TEST_CASE(a_file_of_kinds_alone_is_for_others_and_is_checked) {
  const TemporaryFolder folder;
  const auto library = folder.file(
      "lib.yaml", "kinds: {twice: {options: {c: {type: lua}}, stages: {a: {where: '${c}'}}}}\nlimits: {some: 1/s}\n");
  BOOST_TEST(said_by({"check", library}).out == library + ": good, no stages, 1 kind\n");
  BOOST_TEST(said_by({"test", library}).code == 0);
  BOOST_TEST(contains(said_by({"graph", library}).err, "the file has no stages"));
  const auto bad =
      folder.file("bad.yaml", "kinds: {twice: {stages: {a: {where: true, wrkers: 2}}}}\nlimits: {some: 1 per s}\n");
  const auto said = said_by({"check", bad});
  BOOST_TEST(said.code == 78);
  BOOST_TEST(contains(said.err, "has no key 'wrkers'"), said.err);
  BOOST_TEST(contains(said.err, "'1 per s' is no rate"), said.err);
}

BOOST_AUTO_TEST_CASE(a_library_may_use_what_the_file_has_that_includes_it) {
  const TemporaryFolder folder;
  const auto library = folder.file(
      "lib.yaml",
      "vars: {base: 'http://${host}', ring: '${base}'}\n"
      "limits: {here: '${fast}'}\n"
      "kinds:\n"
      "  ask: {options: {p: {type: text}}, stages: {g: {http: {get: '${ring}/${p}'}, limit: shared, breaker: b}}}\n"
      "  some: {stages: {x: {where: msg.n > vars.least, workers: '${many}'}}}\n"
      "  told: {stages: {x: {http: {post: 'https://a/', headers: {t: '${secret.token}'}}, timeout: '${patience}'}}}\n"
      "  kept: {options: {n: {type: integer}}, stages: {x: {take: '${n}'}}}\n"
      "  made: {stages: {g: {theirs: {}}, k: {from: g, kept: {n: '${many}'}}, h: {from: g.odd, pass: {}}}}\n"
      "  list: {stages: {g: {gather: {of: night, into: all}}}}\n"
      "  wide: {stages: {g: {set: {a: 1}, workers: 2}}}\n");
  const auto said = said_by({"check", library});
  BOOST_TEST(said.out == library + ": good, no stages, 7 kinds\n");
  BOOST_TEST(said.err == "");
  // Whoever includes it need not have what only a kind needs that it does not use.
  const auto user =
      folder.file("user.yaml",
                  "include: lib.yaml\nvars: {host: a.b, fast: 5/s}\n"
                  "stages: {n: {generate: {count: 2}}, a: {from: n, kept: {n: 1}}, o: {from: a, drop: {}}}\n");
  BOOST_TEST(said_by({"check", user}).out == user + ": good, 3 stages\n");
  // A kind of its own that it does not use is another matter, but for stages, which its plan does not have.
  const auto own = folder.file("own.yaml",
                               "kinds:\n  a: {stages: {x: {where: msg.n > vars.least, limit: shared}}}\n"
                               "  b: {stages: {x: {gather: {of: parts, into: all}}}}\n"
                               "stages: {n: {generate: {count: 2}}, o: {from: n, drop: {}}}\n");
  const auto wrong = said_by({"check", own});
  BOOST_TEST(contains(wrong.err, "no var is called 'least'"), wrong.err);
  BOOST_TEST(contains(wrong.err, "there is no 'shared' under `limits:`"), wrong.err);
  BOOST_TEST(!contains(wrong.err, "parts"), wrong.err);
}

BOOST_AUTO_TEST_CASE(a_child_of_a_kind_that_nobody_uses_may_be_fed_or_not) {
  const TemporaryFolder folder;
  const auto library = folder.file(
      "lib.yaml",
      "kinds:\n"
      "  fed: {stages: {x: {exec: {pipe: [cat], stdin: '{{ msg.n }}'}, merge: {a: '{{ result.text }}'}, timeout: "
      "5s}}}\n"
      "  not: {stages: {x: {exec: {pipe: [cat], framing: raw}, attempts: 3}, e: {from: x.stderr, pass: {}}}}\n");
  const auto said = said_by({"check", library});
  BOOST_TEST(said.out == library + ": good, no stages, 2 kinds\n");
  BOOST_TEST(said.err == "");
}

BOOST_AUTO_TEST_CASE(a_kind_of_a_library_that_is_nearly_one_of_weirs_is_warned_of) {
  const TemporaryFolder folder;
  const auto library = folder.file("lib.yaml", "kinds: {a: {stages: {x: {wher: true}, y: {from: x, theirs: {}}}}}\n");
  const auto said = said_by({"check", library});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(contains(said.err, "lib.yaml:1:26: warning: 'wher' is no kind of weir's or of this file"), said.err);
  BOOST_TEST(contains(said.err, "did you mean 'where'?"), said.err);
  BOOST_TEST(!contains(said.err, "theirs'"), said.err);
}

BOOST_AUTO_TEST_CASE(tests_of_an_included_file_are_checked_and_not_run) {
  const TemporaryFolder folder;
  folder.file("lib.yaml",
              "stages: {in: {stdin: {}}}\n"
              "tests:\n  - {name: a, send: [{to: inn, text: a}], expect: [{exit: 0}]}\n");
  const auto file = folder.file("a.yaml",
                                "include: lib.yaml\nstages: {out: {from: in, stdout: {}}}\n"
                                "tests: [{name: b, send: [{to: in, text: a}], expect: [{from: out, text: a}]}]\n");
  const auto said = said_by({"check", file});
  BOOST_TEST(said.code == 78);
  BOOST_TEST(contains(said.err, "lib.yaml:3:27: error: there is no stage 'inn'"), said.err);
  BOOST_TEST(contains(said_by({"test", file}).out, "1 test: 1 passed\n"));
}

BOOST_AUTO_TEST_CASE(code_that_is_folded_is_told_where_it_is_wrong) {
  const auto said = check_of(
      "  in: {generate: {count: 1}}\n"
      "  a:\n    from: in\n    lua: >\n      local a = 1\n      local b = = 2\n      msg.c = a\n"
      "  out: {from: a, drop: {}}\n");
  BOOST_TEST(contains(said.err, ":7:17: error: unexpected symbol near '='"), said.err);
}

BOOST_AUTO_TEST_CASE(a_text_that_looks_like_code_is_warned_of_unless_it_is_quoted) {
  const auto warned = [](const std::string& kind) {
    return check_of("  in: {generate: {count: 1}}\n  a: {from: in, " + kind + "}\n  out: {from: a, drop: {}}\n");
  };
  BOOST_TEST(contains(warned("set: {b: msg.n * 2}").err, "warning: 'msg.n * 2' is a text here, as it stands\n"));
  BOOST_TEST(contains(warned("dedupe: {key: msg.id}").err, "is filled in by '{{ msg.id }}'"));
  BOOST_TEST(contains(warned("keep: [msg.id]").err, "write 'id'"));
  for (const auto* kind :
       {"set: {b: 'msg.n * 2'}", "set: {b: 'of {{ msg.n }}'}", "set: {b: result.json}", "set: {b: msg}"}) {
    BOOST_TEST(warned(kind).err == "", kind);
  }
}

BOOST_AUTO_TEST_CASE(two_files_of_one_name_are_refused) {
  const TemporaryFolder folder;
  const auto path = folder.file("same.yaml", good_file);
  const auto said = said_by({"check", path, path});
  BOOST_TEST(said.code == 78);
  BOOST_TEST(contains(said.err, "the pipeline 'same' is there already, from " + path), said.err);
}

BOOST_AUTO_TEST_CASE(set_changes_a_value_of_the_file) {
  const TemporaryFolder folder;
  const auto path = folder.file("good.yaml", good_file);
  BOOST_TEST(said_by({"check", path, "--set", "stages.numbers.generate.count=2", "--set", "run.threads=1"}).code == 0);
  const auto bad = said_by({"check", "--set", "stages.numbers.generate.count=two", path});
  BOOST_TEST(bad.code == 78);
  BOOST_TEST(contains(bad.err, "--set stages.numbers.generate.count=two:1:31: error:"), bad.err);
}

BOOST_AUTO_TEST_CASE(graph_shows_the_wiring_in_three_forms) {
  const TemporaryFolder folder;
  const auto path = folder.file("good.yaml", good_file);
  const auto text = said_by({"graph", path});
  BOOST_TEST(text.code == 0);
  BOOST_TEST(contains(text.out, "numbers"));
  BOOST_TEST(contains(said_by({"graph", path, "--format", "dot"}).out, "digraph"));
  const auto json = said_by({"graph", path, "--format=json"});
  BOOST_TEST(!weir::message::check_json(json.out).has_value(), json.out);
}

// ------------------------------------------------------------------------------------------------------ the admin port

BOOST_AUTO_TEST_CASE(an_admin_address_is_checked_before_anything_runs) {
  const TemporaryFolder folder;
  const auto path = folder.file("good.yaml", good_file);
  const auto word = said_by({"run", path, "--admin", "somewhere"});
  BOOST_TEST(word.code == 64);
  BOOST_TEST(word.err ==
             "weir: --admin: 'somewhere' is no address with a port, and not 'off'\n"
             "  = such as 127.0.0.1:9797 or [::1]:9797\n");
  const auto open = said_by({"run", path, "--admin", "0.0.0.0:9797"});
  BOOST_TEST(open.code == 78);
  BOOST_TEST(open.err ==
             "weir: --admin: 0.0.0.0:9797 can be reached from other machines and there is no token\n"
             "  = admin: {token: '${secret.NAME}'}, or listen on 127.0.0.1\n");
  const auto file = folder.file("open.yaml", std::string(good_file) + "admin: {listen: '[::]:9797'}\n");
  const auto written = said_by({"run", file});
  BOOST_TEST(written.code == 78);
  BOOST_TEST(contains(written.err, file + ":7:8: error: [::]:9797 can be reached"), written.err);
}

BOOST_AUTO_TEST_CASE(a_mistake_in_code_hides_no_other_of_its_stage) {
  const TemporaryFolder folder;
  const auto path = folder.file("a.yaml",
                                "stages:\n"
                                "  g: {generate: {range: 1..3}}\n"
                                "  b: {from: g, where: x > 1, retry: {attempts: 2}, timeout: 3s}\n"
                                "  o: {from: b, stdout: {}}\n");
  const auto said = said_by({"check", path}).err;
  for (const auto* what : {":3:23: error: there is no 'x' here", ":3:30: error: ", ":3:52: error: only a stage"}) {
    BOOST_TEST(contains(said, path + what), said);
  }
}

BOOST_AUTO_TEST_CASE(a_condition_that_holds_for_every_message_is_warned_of) {
  const TemporaryFolder folder;
  const auto told = [&folder](const std::string& where) {
    const auto path = folder.file("a.yaml",
                                  "stages:\n"
                                  "  g: {generate: {range: 1..3}}\n"
                                  "  w:\n"
                                  "    from: g\n"
                                  "    where: " +
                                      where +
                                      "\n"
                                      "  o: {from: w, stdout: {}}\n");
    return said_by({"check", path}).err;
  };
  const auto said = told(R"(msg.level == "error" or "warn")");
  BOOST_TEST(contains(said, "warning: this holds for every message"), said);
  BOOST_TEST(contains(said, R"(write `or msg.level == "warn"`)"), said);
  BOOST_TEST(contains(told(R"('"error"')"), "such as `msg.level == \"error\"`"));
  for (const auto* fine : {R"((msg.level or "none") == "error")", R"(msg.a == (msg.b or "x"))", "msg.a or msg.b"}) {
    BOOST_TEST(told(fine) == "", fine);
  }
}

BOOST_AUTO_TEST_CASE(explain_of_what_is_no_kind_says_where_it_stands) {
  BOOST_TEST(contains(said_by({"explain", "burst"}).err, "limit.burst"));
  BOOST_TEST(contains(said_by({"explain", "envelope"}).err, "weir explain file.format"));
  BOOST_TEST(contains(said_by({"explain", "fake"}).err, "weir explain test.fake"));
  BOOST_TEST(contains(said_by({"explain", "any.failed"}).err, "weir explain stage.from"));
  BOOST_TEST(contains(said_by({"explain", "nonsense"}).err, "weir list names them"));
}

BOOST_AUTO_TEST_CASE(true_in_place_of_options_is_told_to_be_none) {
  const TemporaryFolder folder;
  const auto path = folder.file("a.yaml", "stages:\n  g: {generate: {range: 1..3}}\n  o: {from: g, stdout: true}\n");
  BOOST_TEST(contains(said_by({"check", path}).err, "= write stdout: {}\n"));
}

BOOST_AUTO_TEST_CASE(all_unknown_names_of_a_block_are_told_at_once) {
  const TemporaryFolder folder;
  const auto path = folder.file("a.yaml",
                                "stages:\n"
                                "  g: {generate: {range: 1..3}}\n"
                                "  l:\n"
                                "    from: g\n"
                                "    lua: |\n"
                                "      msg = {q = aa, r = bb}\n"
                                "      y = aa\n"
                                "  o: {from: l, stdout: {}}\n");
  const auto said = said_by({"check", path}).err;
  for (const auto* what : {":6:7: error: 'msg' would be a global", ":6:18: error: there is no 'aa' here",
                           ":6:26: error: there is no 'bb' here", ":7:7: error: 'y' would be a global"}) {
    BOOST_TEST(contains(said, path + what), said);
  }
  BOOST_TEST(!contains(said, ":7:11:"), said);  // A name is told once.
}

BOOST_AUTO_TEST_CASE(as_json_each_mistake_names_its_path) {
  const TemporaryFolder folder;
  const auto path = folder.file("a.yaml",
                                "stages:\n"
                                "  a: {generate: {range: 1..3}}\n"
                                "  b: {from: a, where: msg > 1}\n"
                                "  c: {from: b, stdout: {}}\n"
                                "tests:\n"
                                "  - name: one\n"
                                "    fake: {a: [{msg: 1}]}\n"
                                "    expect:\n"
                                "      - {from: b, times: 3}\n"
                                "      - {from: nobody, msg: 1}\n"
                                "      - {of: c, breaker: open}\n"
                                "  - {name: two, for: 1s, send: [{to: a, at: 2s}], expect: [{from: b}]}\n"
                                "  - {name: one, expect: [{from: b}]}\n");
  const auto said = said_by({"check", path, "--output", "json"}).out;
  for (const auto* where : {"tests.0.fake.a", "tests.0.expect.1.from", "tests.0.expect.2.breaker", "tests.2.name",
                            "tests.1.send.0.to", "tests.1.send.0.at"}) {
    BOOST_TEST(contains(said, R"("path":")" + std::string(where) + "\""), where << " in " << said);
  }
  BOOST_TEST(!contains(said, R"("path":"")"), said);
}

BOOST_AUTO_TEST_CASE(check_says_of_an_admin_address_what_run_says) {
  const TemporaryFolder folder;
  const std::string nowhere = " is no address with a port, and not 'off'\n";
  for (const auto& [listen, what, cure] :
       {std::tuple("nonsense", "'nonsense'" + nowhere, "such as 127.0.0.1:9797 or [::1]:9797"),
        std::tuple("127.0.0.1:99999", "'127.0.0.1:99999'" + nowhere, "such as 127.0.0.1:9797 or [::1]:9797"),
        std::tuple(":9900", "':9900'" + nowhere, "such as 127.0.0.1:9797 or [::1]:9797"),
        std::tuple("0.0.0.0:9797",
                   std::string("0.0.0.0:9797 can be reached from other machines and there is no token\n"),
                   "admin: {token: '${secret.NAME}'}, or listen on 127.0.0.1")}) {
    const std::string line = "admin: {listen: '" + std::string(listen) + "'}";
    const auto path = folder.file("a.yaml", good_file + line + "\n");
    const auto said = said_by({"check", path});
    BOOST_TEST(said.code == 78);
    BOOST_TEST(said.out == "");
    BOOST_TEST(said.err ==
               path + ":7:8: error: " + what + "    7 | " + line + "\n      |        ^\n      = " + cure + "\n");
    BOOST_TEST(said_by({"run", path}).err == said.err);
    BOOST_TEST(contains(said_by({"check", path, "--output", "json"}).out, R"("path":"admin.listen")"));
  }
  const auto secret = folder.file("secret", "s3cret");
  const auto guarded = folder.file("b.yaml", std::string(good_file) + "secrets: {a: {file: '" + secret +
                                                 "'}}\nadmin: {listen: '0.0.0.0:9797', token: '${secret.a}'}\n");
  BOOST_TEST(said_by({"check", guarded}).code == 0);
  BOOST_TEST(said_by({"check", folder.file("c.yaml", std::string(good_file) + "admin: {listen: 'off'}\n")}).code == 0);
}
