// weir replay: what failed is sent to a stage again.
#include "engine/command/replay.hpp"

#include <filesystem>

#include "tests/support/weir.hpp"

using namespace weir::tests;

namespace {

std::vector<std::string> weir_replay(std::vector<std::string> words) {
  words.insert(words.begin(), {WEIR_BINARY, "replay"});
  words.insert(words.end(), {"--admin", "off"});
  return words;
}

/// Orders whose amount is above what is allowed fail.
std::string orders(const TemporaryFolder& folder) {
  return "vars: {most: '${MOST:-10}'}\n"
         "stages:\n"
         "  in: {file: {read: '" +
         folder.path("in.ndjson") +
         "'}}\n"
         "  noted: {from: in, do: [meta: {seen: '{{ msg.n }}'}]}\n"
         "  checked: {from: noted, lua: 'if msg.n > num(vars.most) then fail(\"too much\") end'}\n"
         "  line: {from: checked, set: {seen: '{{ meta.seen }}', n: '{{ msg.n }}'}}\n"
         "  out: {from: line, file: {append: '" +
         folder.path("out") +
         "'}}\n"
         "  dead: {from: any.failed, file: {append: '" +
         folder.path("dead.ndjson") +
         "', format: envelope}}\n"
         "tests: [{name: none, expect: []}]\n";
}

/// It has run once, with 20 and 30 failed; what failed is moved aside.
struct AfterARun {
  AfterARun() {
    folder.file("in.ndjson", "{\"n\":1}\n{\"n\":20}\n{\"n\":30}\n");
    pipeline = folder.file("p.yaml", orders(folder));
    const auto end = ran({pipeline});
    BOOST_TEST(end.code == 0, end.err);
    BOOST_TEST(text_of(folder.path("out")) == "{\"n\":1,\"seen\":1}\n");
    dead = folder.path("dead.ndjson");
    aside = folder.path("again.ndjson");
    std::filesystem::rename(dead, aside);
  }
  ChildEnd replay(const std::string& to, const std::string& most, const std::string& file = {}) {
    return Child(weir_replay({file.empty() ? aside : file, pipeline, "--to", to}), {"MOST=" + most}).end();
  }
  TemporaryFolder folder;
  std::string pipeline, dead, aside;
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_failed_goes_to_the_stage_again_with_its_meta_and_on_from_there) {
  AfterARun after;
  const auto end = after.replay("checked", "100");
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(text_of(after.folder.path("out")) ==
             "{\"n\":1,\"seen\":1}\n{\"n\":20,\"seen\":20}\n{\"n\":30,\"seen\":30}\n");
}

BOOST_AUTO_TEST_CASE(what_fails_again_goes_where_failures_go_and_does_not_come_round) {
  AfterARun after;
  const auto before = text_of(after.aside);
  const auto end = after.replay("checked", "25");
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(text_of(after.folder.path("out")) == "{\"n\":1,\"seen\":1}\n{\"n\":20,\"seen\":20}\n");
  BOOST_TEST(text_of(after.aside) == before);
  const auto now = text_of(after.dead);
  BOOST_TEST(std::count(now.begin(), now.end(), '\n') == 1);
  BOOST_TEST(contains(now, R"("text":"{\"n\":30}")"), now);
}

BOOST_AUTO_TEST_CASE(a_file_that_the_pipeline_adds_to_is_not_replayed_by_whatever_name) {
  AfterARun after;
  std::filesystem::rename(after.aside, after.dead);
  std::filesystem::create_symlink(after.dead, after.folder.path("link"));
  const auto before = text_of(after.dead);
  for (const auto& name : {after.dead, after.folder.path("./dead.ndjson"), after.folder.path("link")}) {
    const auto end = after.replay("checked", "25", name);
    BOOST_TEST(end.code == 78, name << ": " << end.err);
    BOOST_TEST(contains(end.err, "'dead' adds to " + after.dead +
                                     ", the file that is replayed: what fails again would stand there twice"),
               end.err);
    BOOST_TEST(contains(end.err, "move it aside first, and replay that: mv " + name + " " + name + ".again"), end.err);
  }
  BOOST_TEST(text_of(after.dead) == before);
  BOOST_TEST(text_of(after.folder.path("out")) == "{\"n\":1,\"seen\":1}\n");
}

BOOST_AUTO_TEST_CASE(of_envelopes_that_are_read_and_added_to_none_comes_round) {
  const TemporaryFolder folder;
  const auto dead = folder.file("dead.ndjson", "{\"text\":\"1\"}\n{\"text\":\"2\"}\n");
  const auto end = ran({folder.file("p.yaml", "stages:\n  in: {file: {read: '" + dead +
                                                  "', format: envelope}}\n  never: {from: in, lua: fail('no')}\n"
                                                  "  out: {from: never, drop: {}}\n  dead: {from: any.failed, file: "
                                                  "{append: '" +
                                                  dead + "', format: envelope}}\n")});
  BOOST_TEST(end.code == 0, end.err);
  const auto now = text_of(dead);
  BOOST_TEST(std::count(now.begin(), now.end(), '\n') == 4, now);
}

BOOST_AUTO_TEST_CASE(to_make_a_file_anew_which_holds_something_is_refused) {
  const TemporaryFolder folder;
  const auto file = folder.file("dead", "{\"text\":\"1\"}\n");
  const auto out = folder.file("out.txt", "2\n"), other = folder.path("other.txt");
  const auto pipeline = folder.file("p.yaml",
                                    "stages:\n  in: {generate: {range: 2..3}}\n  work: {from: in, pass: {}}\n"
                                    "  out: {from: work, file: {write: '" +
                                        out + "', format: lines}}\n");
  const auto kept =
      Child(weir_replay({file, pipeline, "--to", "work", "--set", "stages.out.file.write=" + other})).end();
  BOOST_TEST(kept.code == 0, kept.err);
  BOOST_TEST(!contains(kept.err, "anew"), kept.err);
  BOOST_TEST(text_of(out) == "2\n");
  BOOST_TEST(text_of(other) == "1\n");

  auto end = Child(weir_replay({file, pipeline, "--to", "work"})).end();
  BOOST_TEST(end.code == 78, end.err);
  BOOST_TEST(contains(end.err, "error: 'out' makes " + out + " anew: what stands there now would be lost"), end.err);
  BOOST_TEST(contains(end.err, "move it aside, or write another: --set stages.out.file.write=PATH"), end.err);
  BOOST_TEST(text_of(out) == "2\n");

  folder.file("out.txt", "");
  end = Child(weir_replay({file, pipeline, "--to", "work"})).end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(text_of(out) == "1\n");
}

BOOST_AUTO_TEST_CASE(to_make_files_anew_whose_names_come_of_messages_is_refused_where_one_is_there) {
  const TemporaryFolder folder;
  const auto file = folder.file("dead", "{\"text\":\"1\"}\n");
  std::filesystem::create_directory(folder.path("sums"));
  const auto pipeline = folder.file("p.yaml",
                                    "stages:\n  in: {generate: {range: 2..3}}\n  work: {from: in, pass: {}}\n"
                                    "  out: {from: work, file: {write: '" +
                                        folder.path("sums/of-") + "{{ msg }}.txt', format: lines}}\n");
  BOOST_TEST(Child(weir_replay({file, pipeline, "--to", "work"})).end().code == 0);
  BOOST_TEST(text_of(folder.path("sums/of-1.txt")) == "1\n");
  const auto end = Child(weir_replay({file, pipeline, "--to", "work"})).end();
  BOOST_TEST(end.code == 78, end.err);
  BOOST_TEST(contains(end.err, "error: 'out' makes " + folder.path("sums/of-1.txt") + " anew"), end.err);
}

BOOST_AUTO_TEST_CASE(files_in_the_wrong_order_are_told) {
  const auto end = Child(weir_replay({"p.yaml", "dead.ndjson", "--to", "work"})).end();
  BOOST_TEST(end.code == 64);
  BOOST_TEST(contains(end.err, "= weir replay dead.ndjson p.yaml --to work"), end.err);
}

BOOST_AUTO_TEST_CASE(it_may_be_told_how_long_as_run_may) {
  AfterARun after;
  const auto told = [&](const std::string& time) {
    return Child(weir_replay({after.aside, after.pipeline, "--to", "checked", "--for", time}), {"MOST=100"}).end();
  };
  BOOST_TEST(told("1h").code == 0);
  const auto end = told("long");
  BOOST_TEST(end.code == 64);
  BOOST_TEST(contains(end.err, "'long' is no duration: write it as 5s or 250ms"), end.err);
}

BOOST_AUTO_TEST_CASE(to_a_source_it_is_as_if_that_had_read_it) {
  AfterARun after;
  const auto end = after.replay("in", "100");
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(text_of(after.folder.path("out")) ==
             "{\"n\":1,\"seen\":1}\n{\"n\":20,\"seen\":20}\n{\"n\":30,\"seen\":30}\n");
}

BOOST_AUTO_TEST_CASE(what_a_source_made_json_of_is_checked_and_what_it_could_not_read_fails) {
  const TemporaryFolder folder;
  const auto in = folder.file("in.csv", "id,n\n1,x\n2,20\n"), dead = folder.path("dead"), out = folder.path("out");
  const auto pipeline = [&](const std::string& most) {
    return folder.file("p.yaml", "stages:\n  in: {file: {read: '" + in +
                                     "', types: {n: integer}}}\n  big: {from: in, lua: 'if msg.n > " + most +
                                     " then fail() end'}\n  out: {from: in, file: {append: '" + out +
                                     "'}}\n  end: {from: big, drop: {}}\n  dead: {from: any.failed, file: {append: '" +
                                     dead + "', format: envelope}}\n");
  };
  BOOST_TEST(ran({pipeline("10")}).code == 0);
  BOOST_TEST(text_of(out) == "{\"id\":\"2\",\"n\":20}\n");
  const auto aside = folder.path("aside");
  std::filesystem::rename(dead, aside);
  const auto end = Child(weir_replay({aside, pipeline("100"), "--to", "in"})).end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(
      contains(end.err,
               "weir: warning: --to: what 'in' could not read as csv is not read again as that, it fails\n"
               "  = correct the `text` in " +
                   aside + R"( to the object that its record should have become, such as "text": "{\"id\": 9}")"),
      end.err);
  BOOST_TEST(text_of(out) == "{\"id\":\"2\",\"n\":20}\n{\"id\":\"2\",\"n\":20}\n");
  const auto again = text_of(dead);
  BOOST_TEST(contains(again, R"("kind":"decode","stage":"in")"), again);
  BOOST_TEST(contains(again, R"("text":"1,x")"), again);
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_text_come_back_as_they_were) {
  const TemporaryFolder folder;
  const std::string bytes("a\xff\x00\xc3(\n", 6);
  const auto in = folder.file("in", bytes), dead = folder.path("dead");
  const auto end = ran({folder.file("p.yaml", "stages:\n  in: {file: {read: '" + in +
                                                  "', format: whole}}\n  never: {from: in, lua: fail('no')}\n"
                                                  "  out: {from: never, drop: {}}\n  dead: {from: any.failed, file: "
                                                  "{append: '" +
                                                  dead + "', format: envelope}}\n")});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(contains(text_of(dead), "\"base64\":\"Yf8AwygK\"}\n"), text_of(dead));
  const auto again =
      folder.file("q.yaml", "stages:\n  none: {generate: {each: [1]}}\n  out: {from: none, file: {write: '" +
                                folder.path("out") + "', format: whole}}\n");
  const auto replayed = Child(weir_replay({dead, again, "--to", "out"})).end();
  BOOST_TEST(replayed.code == 0, replayed.err);
  BOOST_TEST((text_of(folder.path("out")) == bytes));
}

BOOST_AUTO_TEST_CASE(what_is_no_envelope_is_a_failure) {
  AfterARun after;
  const auto file = after.folder.file("mixed", "{\"text\":\"{\\\"n\\\":2}\"}\n{\"n\":3}\n\nnothing\n");
  const auto end = after.replay("line", "100", file);
  BOOST_TEST(end.code == 0, end.err);  // The dead letters are heard.
  BOOST_TEST(contains(text_of(after.dead), "no envelope: there is no `text`"));
  BOOST_TEST(contains(text_of(after.dead), "not JSON"));
}

BOOST_AUTO_TEST_CASE(an_unheard_failure_is_told_by_the_exit_code) {
  const TemporaryFolder folder;
  const auto file = folder.file("dead", "{\"text\":\"1\"}\n");
  const auto pipeline =
      folder.file("p.yaml",
                  "stages:\n  in: {generate: {range: 1..3}}\n  never: {from: in, lua: 'fail(\"no\")'}\n"
                  "  out: {from: never, stdout: {}}\n");
  BOOST_TEST(Child(weir_replay({file, pipeline, "--to", "never"})).end().code == 1);
  const auto end = Child(weir_replay({file, pipeline, "--to", "out"})).end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out == "1\n");
}

BOOST_AUTO_TEST_CASE(a_stage_that_is_not_there_and_a_file_that_is_not_there_are_told_apart) {
  AfterARun after;
  auto end = after.replay("cheked", "1");
  BOOST_TEST(end.code == 64);
  BOOST_TEST(end.err ==
             "weir: --to: there is no stage 'cheked' in " + after.pipeline + "\n  = did you mean 'checked'?\n");
  end = after.replay("checked", "1", after.folder.path("none"));
  BOOST_TEST(end.code == 69, end.err);
  end = Child(weir_replay({after.aside, after.folder.path("none.yaml"), "--to", "x"})).end();
  BOOST_TEST(end.code == 78, end.err);
  end = Child(weir_replay({after.aside, after.pipeline})).end();
  BOOST_TEST(end.code == 64);
  BOOST_TEST(contains(end.err, "weir replay needs --to"), end.err);
}

namespace {

/// Two stages inside an instance, the second of which fails above what is allowed; the first reads outside.
struct InstanceAfterARun {
  InstanceAfterARun() {
    folder.file("in.ndjson", "{\"n\":1}\n{\"n\":20}\n");
    pipeline = folder.file("p.yaml",
                           "vars: {most: '${MOST:-10}'}\n"
                           "kinds:\n"
                           "  frontend:\n"
                           "    options: {path: {type: text}}\n"
                           "    stages:\n"
                           "      a: {file: {read: '${path}'}}\n"
                           "      b: {from: a, lua: 'if msg.n > num(vars.most) then fail(\"too much\") end'}\n"
                           "      c: {from: b, set: {seen: true}}\n"
                           "stages:\n"
                           "  fe: {frontend: {path: '" +
                               folder.path("in.ndjson") +
                               "'}}\n"
                               "  out: {from: fe, file: {append: '" +
                               folder.path("out") +
                               "'}}\n"
                               "  dead: {from: fe.failed, file: {append: '" +
                               folder.path("dead.ndjson") + "', format: envelope}}\n");
    const auto end = ran({pipeline});
    BOOST_TEST(end.code == 0, end.err);
    BOOST_TEST(text_of(folder.path("out")) == "{\"n\":1,\"seen\":true}\n");
    dead = folder.path("dead.ndjson");
    BOOST_TEST(contains(text_of(dead), "\"stage\":\"fe/b\""), text_of(dead));
    aside = folder.path("again.ndjson");
    std::filesystem::rename(dead, aside);
  }
  ChildEnd replay(const std::string& to, const std::string& most) {
    return Child(weir_replay({aside, pipeline, "--to", to}), {"MOST=" + most}).end();
  }
  TemporaryFolder folder;
  std::string pipeline, dead, aside;
};

}  // namespace

BOOST_AUTO_TEST_CASE(to_a_stage_inside_an_instance_it_goes_through_that_stage_and_those_behind_it) {
  InstanceAfterARun after;
  auto end = after.replay("fe/b", "100");
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(text_of(after.folder.path("out")) == "{\"n\":1,\"seen\":true}\n{\"n\":20,\"seen\":true}\n");
  end = after.replay("fe/a", "15");  // As if the source inside had read it: it fails again.
  BOOST_TEST(end.code == 0, end.err);
  const auto now = text_of(after.dead);
  BOOST_TEST(std::count(now.begin(), now.end(), '\n') == 1, now);
  BOOST_TEST(text_of(after.folder.path("out")) == "{\"n\":1,\"seen\":true}\n{\"n\":20,\"seen\":true}\n");
}

BOOST_AUTO_TEST_CASE(to_an_instance_that_reads_outside_itself_it_is_refused_with_the_stages_that_take_it) {
  InstanceAfterARun after;
  const auto end = after.replay("fe", "100");
  BOOST_TEST(end.code == 64);
  BOOST_TEST(end.err ==
             "weir: --to: 'fe' reads nothing that could be replaced: its messages begin inside of it\n"
             "  = one of fe/a, fe/b, fe/c\n");
  BOOST_TEST(text_of(after.folder.path("out")) == "{\"n\":1,\"seen\":true}\n");
  const auto wrong = after.replay("fe/bb", "100");
  BOOST_TEST(wrong.code == 64);
  BOOST_TEST(contains(wrong.err, "there is no stage 'fe/bb'"), wrong.err);
  BOOST_TEST(contains(wrong.err, "did you mean 'fe/"), wrong.err);
}

BOOST_AUTO_TEST_CASE(to_an_instance_that_reads_it_goes_where_what_the_instance_reads_goes) {
  const TemporaryFolder folder;
  const auto file = folder.file("dead", "{\"text\":\"1\"}\n");
  const auto pipeline =
      folder.file("p.yaml",
                  "kinds:\n"
                  "  inner: {stages: {x: {lua: 'return msg + 1'}}}\n"
                  "  outer: {stages: {first: {inner: {}}, then: {from: first, lua: 'return msg * 10'}}}\n"
                  "stages:\n"
                  "  in: {generate: {range: 1..3}}\n"
                  "  both: {from: in, outer: {}}\n"
                  "  out: {from: both, stdout: {}}\n");
  for (const auto& [to, out] :
       {std::pair{"both", "20\n"}, {"both/first", "20\n"}, {"both/first/x", "20\n"}, {"both/then", "10\n"}}) {
    const auto end = Child(weir_replay({file, pipeline, "--to", to})).end();
    BOOST_TEST(end.code == 0, to << ": " << end.err);
    BOOST_TEST(end.out == out, to << ": " << end.out);
  }
}

BOOST_AUTO_TEST_CASE(replies_to_what_is_replayed_go_nowhere) {
  const TemporaryFolder folder;
  const auto file = folder.file("dead", "{\"text\":\"{}\"}\n");
  const auto pipeline = folder.file("p.yaml",
                                    "stages:\n"
                                    "  api: {http_server: {listen: '127.0.0.1:0', path: /}}\n"
                                    "  work: {from: api, set: {done: true}}\n"
                                    "  kept: {from: work, stdout: {}}\n"
                                    "  answer: {from: work, reply: {status: 201, msg: {id: '{{ request.path }}'}}}\n");
  for (const auto* to : {"work", "api", "answer"}) {
    const auto end = Child(weir_replay({file, pipeline, "--to", to})).end();
    BOOST_TEST(end.code == 0, to << ": " << end.err);
    BOOST_TEST(!contains(end.err, "nobody waits"), end.err);
  }
}

BOOST_AUTO_TEST_CASE(what_is_wrong_only_because_a_part_is_run_says_so) {
  const TemporaryFolder folder;
  const auto file = folder.file("dead", "{\"text\":\"1\"}\n");
  const auto pipeline = folder.file("p.yaml",
                                    "stages:\n"
                                    "  in: {generate: {each: [{list: [1, 2]}]}}\n"
                                    "  parts: {from: in, expand: {each: list}}\n"
                                    "  work: {from: parts, pass: {}}\n"
                                    "  all: {from: work, gather: {of: parts, into: list}}\n"
                                    "  out: {from: all, stdout: {}}\n");
  const auto end = Child(weir_replay({file, pipeline, "--to", "work"})).end();
  BOOST_TEST(end.code == 78);
  BOOST_TEST(contains(end.err, "there is no stage 'parts'"), end.err);
  BOOST_TEST(
      contains(end.err, "the file is right: this is so because `weir replay --to work` runs only what is behind it"),
      end.err);
}

BOOST_AUTO_TEST_CASE(mistakes_of_the_file_are_told_as_check_tells_them) {
  const TemporaryFolder folder;
  const auto file = folder.file("dead", "{\"text\":\"1\"}\n");
  const auto pipeline = folder.file("p.yaml",
                                    "stages:\n  in: {generate: {range: 1..3}}\n  work: {from: im, pass: {}}\n"
                                    "  out: {from: work, stdout: {}}\n");
  const auto end = Child(weir_replay({file, pipeline, "--to", "work"})).end();
  BOOST_TEST(end.code == 78);
  BOOST_TEST(contains(end.err, "there is no stage 'im'"), end.err);
  BOOST_TEST(!contains(end.err, "weir replay"), end.err);
}
