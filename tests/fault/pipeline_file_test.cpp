// Pipeline files that are too large, too deep, no text, or speak of what is not there: 78, and the place and the cure.
#include <sys/stat.h>

#include <filesystem>

#include "engine/message/json.hpp"
#include "tests/support/weir.hpp"

using namespace weir::tests;

namespace {

ChildEnd checked(const std::string& path, const std::string& output = "text") {
  return Child({WEIR_BINARY, "check", path, "--output", output}).end();
}

/// That the file is refused with 78, in these words.
void refused(const std::string& path, const std::string& words) {
  const auto end = checked(path);
  BOOST_TEST(end.code == 78, path << " ended with " << end.code << ": " << end.err);
  BOOST_TEST(contains(end.err, words), end.err);
}

std::string with_secret(const std::string& file) {
  return "secrets: {key: {file: '" + file +
         "'}}\nstages:\n  shown: {exec: {pipe: [sh, -c, 'echo $KEY; echo it is $KEY >&2; exit 3'], env: {KEY: "
         "'${secret.key}'}}}\n  screen: {from: shown, stdout: {}}\n";
}

}  // namespace

BOOST_AUTO_TEST_CASE(more_than_1_mib_is_no_pipeline_and_is_not_read_further) {
  const TemporaryFolder folder;
  const std::string words =
      "error: is larger than 1 MiB\n      = data of this size belongs in a file that a stage reads";
  refused(folder.file("large.yaml", "# " + std::string(1 << 20, 'x') + "\n" + ticking), words);
  refused("/dev/zero", words);
}

BOOST_AUTO_TEST_CASE(values_65_deep_are_refused_where_they_stand) {
  const TemporaryFolder folder;
  refused(folder.file("flow.yaml",
                      "stages: {a: {generate: {each: " + std::string(70, '[') + std::string(70, ']') + "}}}\n"),
          "flow.yaml:1:91: error: more than 64 values inside one another");
  std::string block = "stages:\n";
  for (int i = 1; i < 1000; ++i) block += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  refused(folder.file("block.yaml", block), "block.yaml:65:65: error: more than 64 values inside one another");
  refused(folder.file("open.yaml", "stages: " + std::string(200'000, '[')), "open.yaml:1:");
}

BOOST_AUTO_TEST_CASE(a_pipeline_is_utf_8_without_nul) {
  const TemporaryFolder folder;
  refused(folder.file("nul.yaml", std::string("stages:\n  a: {generate: {range: 1..3\0}}\n", 39)),
          "nul.yaml:2:29: error: a NUL byte");
  refused(folder.file("latin.yaml", "stages:\n  a: {generate: {text: \"\xff\"}}\n"),
          "latin.yaml:2:25: error: this is not UTF-8: byte 0xFF");
}

BOOST_AUTO_TEST_CASE(a_file_with_nothing_in_it_says_what_a_pipeline_has) {
  const TemporaryFolder folder;
  for (const auto* text : {"", "\n\n", "# a comment\n", "---\n"}) {
    refused(folder.file("empty.yaml", text), "empty.yaml: error: the file is empty\n      = a pipeline has stages:");
  }
  refused(folder.file("none.yaml", "stages: {}\n"), "none.yaml:1:1: error: there are no stages");
}

BOOST_AUTO_TEST_CASE(names_that_mean_nothing_are_told_with_what_would_give_them_meaning) {
  const TemporaryFolder folder;
  const auto saying = [&](const std::string& text) {
    return folder.file("p.yaml",
                       "stages:\n  a: {generate: {count: 1, text: '" + text + "'}}\n  b: {from: a, drop: {}}\n");
  };
  refused(saying("${nope}"), "no var is called 'nope'");
  refused(saying("${NO_SUCH_VARIABLE_FOR_WEIR}"), "set it, or give a default: ${NO_SUCH_VARIABLE_FOR_WEIR:-default}");
  refused(saying("${NO_SUCH_VARIABLE_FOR_WEIR:?say where}"), "${NO_SUCH_VARIABLE_FOR_WEIR}: say where");
}

BOOST_AUTO_TEST_CASE(a_secret_that_can_t_be_read_says_why_and_keeps_nobody_waiting) {
  const TemporaryFolder folder;
  const auto fifo = folder.path("fifo");
  BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const auto cure = "\n      = it is a file of at most 64 KiB that holds the secret and nothing else";
  for (const auto& [file, why] :
       {std::pair(folder.path("missing"), "No such file or directory"), std::pair(folder.path(""), "Is a directory"),
        std::pair(fifo, "it is empty"), std::pair(folder.file("empty", "\n"), "it is empty"),
        std::pair(std::string("/dev/zero"), "it is larger than 64 KiB")}) {
    const auto end = checked(folder.file("p.yaml", with_secret(file)));
    BOOST_TEST(end.code == 78, file << " ended with " << end.code << ": " << end.err);
    BOOST_TEST(contains(end.err, "the secret 'key' cannot be read from " + file + ": " + why), end.err);
    BOOST_TEST(contains(end.err, cure), end.err);
  }
}

BOOST_AUTO_TEST_CASE(a_secret_reaches_the_child_and_never_the_log) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("p.yaml", with_secret(folder.file("key", "rosebud-17\n")))});
  BOOST_TEST(end.out == "rosebud-17\n");
  BOOST_TEST(end.code == 1, end.err);
  BOOST_TEST(!contains(end.err, "rosebud"), end.err);
  BOOST_TEST(contains(end.err, "`sh` exited with 3: it is ***"), end.err);
}

BOOST_AUTO_TEST_CASE(no_mistake_in_the_file_and_no_message_that_fails_shows_a_secret) {
  const TemporaryFolder folder;
  const auto key = folder.file("key", "rosebud-17\n");
  const auto posting = [&key](const std::string& url) {
    return "secrets: {key: {file: " + key +
           "}}\nstages:\n  a: {generate: {range: 1..1, msg: {n: 1}}}\n  b: {from: a, http: {post: '" + url +
           "'}}\n  c: {from: b, drop: {}}\n  d: {from: b.failed, set: {why: '{{ failed.text }}'}}\n  e: {from: d, "
           "stdout: {}}\n";
  };
  const auto refused = folder.file("refused.yaml", posting("${secret.key}/hook"));
  for (const auto* output : {"text", "json"}) {
    const auto end = checked(refused, output);
    BOOST_TEST(end.code == 78, end.err);
    BOOST_TEST(contains(end.out + end.err, "'***/hook' is no whole URL"), end.out + end.err);
    BOOST_TEST(!contains(end.out + end.err, "rosebud"), end.out + end.err);
  }
  const auto failing = posting("http://${secret.key}.invalid/");
  const auto of_source = "secrets: {key: {file: " + key +
                         "}}\nstages:\n  a: {exec: {pipe: [sh, -c, 'echo it is $KEY >&2; exit 3'], env: {KEY: "
                         "'${secret.key}'}}}\n  b: {from: a, drop: {}}\n  c: {from: a.failed, lua: 'return {why = "
                         "failed.text}'}\n  d: {from: c, stdout: {}}\n";
  for (const auto& text : {failing, of_source}) {
    const auto end = ran({folder.file("failing.yaml", text)});
    BOOST_TEST(contains(end.out, "***"), end.out + end.err);
    BOOST_TEST(!contains(end.out + end.err, "rosebud"), end.out + end.err);
  }
}

BOOST_AUTO_TEST_CASE(a_pipeline_may_come_through_a_pipe) {
  const TemporaryFolder folder;
  const auto pipeline = folder.file("p.yaml", printing(folder.file("in", "1\n")));
  const auto end = ran_by_shell("cat \"$1\" | weir /dev/stdin", {pipeline});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out == "1\n");
}

BOOST_AUTO_TEST_CASE(a_pipeline_file_of_any_name_runs_and_its_figures_stay_utf_8) {
  const TemporaryFolder folder;
  for (const std::string name : {"a b.yaml", "new\nline\"\\.yaml", "日本.yaml", "-x.yaml", "\xff\xfe.yaml", ".yaml"}) {
    Child child(weir_run({folder.file(name, ticking), "--admin", "127.0.0.1:0"}));
    const auto port = admin_port(child);
    for (const auto* path : {"/graph", "/readyz"}) {
      const auto body = http_get(port, path).body;
      BOOST_TEST(!weir::message::check_json(body).has_value(), body);
    }
    const auto metrics = http_get(port, "/metrics").body;
    BOOST_TEST(!contains(metrics, "\xff"), metrics);
    BOOST_TEST(contains(metrics, "weir_unaccounted_messages{pipeline=\""));
    child.signal(SIGTERM);
    BOOST_TEST(child.end().code == 0);
  }
}

BOOST_AUTO_TEST_CASE(numbers_too_large_are_told_with_the_largest) {
  const TemporaryFolder folder;
  refused(folder.file("p.yaml", "stages:\n  a: {generate: {every: 300000d}}\n  b: {from: a, drop: {}}\n"),
          "expected a duration such as 250ms, found \"300000d\": 106751d is the longest");
  refused(folder.file("p.yaml", "stages:\n  a: {generate: {count: 99999999999999999999}}\n  b: {from: a, drop: {}}\n"),
          "it is larger than 64 bits hold");
}

BOOST_AUTO_TEST_CASE(five_hundred_stages_and_a_hundred_files_are_nothing_special) {
  const TemporaryFolder folder;
  std::string chain = "stages:\n  s0: {generate: {range: 1..200}}\n";
  for (int i = 1; i < 500; ++i) {
    const auto edge = i % 2 == 0 ? std::string("edge: {capacity: 1, bytes: 1B}, ") : std::string();
    chain += "  s" + std::to_string(i) + ": {from: s" + std::to_string(i - 1) + ", " + edge + "pass: {}}\n";
  }
  const auto long_one = ran({folder.file("chain.yaml", chain + "  screen: {from: s499, stdout: {}}\n")});
  BOOST_TEST(long_one.code == 0, long_one.err);
  BOOST_TEST(counted_up(long_one.out) == 200U);

  std::vector<std::string> files;
  for (int i = 0; i < 100; ++i) {
    files.push_back(folder.file("f" + std::to_string(i) + ".yaml",
                                "stages:\n  a: {generate: {range: 1..20}}\n  b: {from: a, stdout: {}}\n"));
  }
  const auto many = ran(files);
  BOOST_TEST(many.code == 0, many.err);
  BOOST_TEST(std::count(many.out.begin(), many.out.end(), '\n') == 2000);
}
