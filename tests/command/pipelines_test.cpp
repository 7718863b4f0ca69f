// The files of pipelines/, as they stand in the repository: every one is good, and what they promise happens.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "engine/command/command.hpp"
#include "tests/support/child.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

namespace fs = std::filesystem;
using weir::tests::Child;
using weir::tests::TemporaryFolder;
using Lines = std::vector<std::string>;

const fs::path pipelines = fs::path(WEIR_SOURCE_DIR) / "pipelines";

Lines lines_of(std::istream&& stream) {
  Lines lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_file_is_good_and_nothing_in_it_is_warned_of) {
  const auto catalog = weir::stage::Catalog::linked();
  int files = 0;
  for (const auto& entry : fs::directory_iterator(pipelines)) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    std::ostringstream out, err;
    weir::command::Streams streams{out, err};
    BOOST_TEST(weir::command::run_command(catalog, {"check", entry.path().string()}, streams) == 0);
    BOOST_TEST(err.str() == "");
  }
  BOOST_TEST(files >= 2);
}

BOOST_AUTO_TEST_CASE(every_file_has_tests_and_they_pass) {
  const auto catalog = weir::stage::Catalog::linked();
  Lines words{"test"};
  for (const auto& entry : fs::directory_iterator(pipelines)) {
    if (entry.path().extension() == ".yaml") words.push_back(entry.path().string());
  }
  std::ostringstream out, err;
  weir::command::Streams streams{out, err};
  BOOST_TEST(weir::command::run_command(catalog, words, streams) == 0, out.str() << err.str());
  BOOST_TEST(out.str().find("no tests") == std::string::npos, out.str());
}

BOOST_AUTO_TEST_CASE(every_example_that_a_kind_gives_of_itself_is_good) {
  const auto catalog = weir::stage::Catalog::linked();
  const TemporaryFolder folder;
  for (const auto& [name, kind] : catalog.all()) {
    BOOST_TEST(!kind->declaration().examples.empty(), name << " has no example");
    for (const auto& example : kind->declaration().examples) {
      std::string stage;
      for (const auto& line : lines_of(std::istringstream(example))) stage += "    " + line + "\n";
      std::string said;
      const std::string made = "generate: {each: [{}]}", asked = "http_server: {listen: 127.0.0.1:80, path: /}";
      const auto good = [&](const std::string& from, const std::string& input) {
        const auto path = folder.file("example.yaml", "stages:\n  input: {" + input +
                                                          "}\n  gone: {from: input, drop: {}}\n"
                                                          "  example:\n" +
                                                          from + stage);
        std::ostringstream out, err;
        weir::command::Streams streams{out, err};
        const int code = weir::command::run_command(catalog, {"check", path}, streams);
        said = err.str();
        return code == 0;
      };
      // By itself; reading what is made; or, if it answers, what somebody asks.
      BOOST_TEST((good("", made) || good("    from: input\n", made) || good("    from: input\n", asked)), said);
    }
  }
}

BOOST_AUTO_TEST_CASE(kinds_runs_to_its_end_and_leaves_what_it_says) {
  const TemporaryFolder folder;
  Child child({WEIR_BINARY, "run", (pipelines / "kinds.yaml").string(), "--admin", "off"},
              {"TMPDIR=" + folder.path(".")});
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(std::count(end.err.begin(), end.err.end(), '\n') == 2, end.err);  // That it runs, and that it has ended.

  Lines expected{
      R"({"kind":"copy","square":256})",
      R"({"kind":"copy","square":324})",
      R"({"kind":"copy","square":400})",
      R"({"line":"one","kind":"line"})",
      R"({"line":"two","kind":"line"})",
      R"({"line":"three","kind":"line"})",
      R"({"kind":"order","id":1,"customer":"Ann","items":["tea","cup"],"note":"by=mail urgent"})",
      R"({"kind":"order","id":2,"customer":"Ann","items":["pot"],"note":"by=foot"})",
      R"({"kind":"order","id":1,"items":["tea","cup"]})",
      R"({"kind":"order","id":2,"items":["pot"]})",
      R"({"kind":"order","items":["tea"]})",
      R"({"kind":"order","items":["pot"]})",
      R"({"kind":"order","id":1,"item":"tea"})",
      R"({"kind":"order","id":1,"item":"cup"})",
      R"({"kind":"order","id":2,"item":"pot"})",
      R"({"items":[{"kind":"order","id":1,"item":"tea","times":1},{"kind":"order","id":1,"item":"cup","times":1}]})",
      R"({"items":[{"kind":"order","id":2,"item":"pot","times":1}]})",
      R"({"kind":"order","items":["tea"],"origin":"shop"})",
      R"({"kind":"order","items":["pot"],"origin":"shop"})",
      R"({"kind":"order","id":1,"cust":"Ann","items":["tea","cup"],"note":"by=mail urgent"})",
      R"({"kind":"order","id":1,"cust":"Ann","items":["tea","cup"],"note":{"by":"mail","urgent":true}})",
      R"({"kind":"order","id":2,"cust":"Ann","items":["pot"],"note":{"by":"foot"}})",
      R"({"kind":"order","id":1,"cust":"Ann","items":"tea,cup","note":"by=mail urgent"})",
      R"({"kind":"order","id":2,"cust":"Ann","items":"pot","note":"by=foot"})",
      R"({"kind":"order","id":1,"cust":"Ann","items":["tea","cup"],"note":"by=mail urgent","way":"mail"})",
      R"({"kind":"order","id":2,"cust":"Ann","items":["pot"],"note":"by=foot","way":"foot"})",
      R"({"kind":"order","id":1,"cust":"Ann","items":["tea","cup"],"note":"by=mail urgent"})",
      R"({"kind":"order","id":2,"cust":"Ann","items":["pot"],"note":"by=foot"})",
      R"({"kind":"order","id":1,"cust":"ANN","items":["tea","cup"],"note":"by=mail urgent"})",
      R"({"kind":"order","id":2,"cust":"ANN","items":["pot"],"note":"by=foot"})",
      R"({"kind":"order","cust":"Ann","orders":2,"last":2})",
      R"({"n":2,"square":4,"kind":"number","following":3})",
      R"({"n":4,"square":16,"kind":"number","following":5})",
      R"({"n":6,"square":36,"kind":"number","following":7})",
      R"({"n":8,"square":64,"kind":"number"})",
      R"({"n":10,"square":100,"kind":"number"})",
      R"({"n":12,"square":144,"kind":"number"})",
      R"({"n":14,"square":196,"kind":"number"})",
      R"({"n":16,"square":256,"kind":"number","seen"})",
      R"({"n":18,"square":324,"kind":"number","seen"})",
      R"({"n":20,"square":400,"kind":"number","seen"})"};
  const auto hosts = lines_of(std::ifstream("/etc/hosts"));
  const auto of_hosts = static_cast<std::size_t>(std::count_if(hosts.begin(), hosts.end(), [](const std::string& line) {
    return line.find_first_not_of(" \t\r\v\f") != line.npos;
  }));

  Lines kept = lines_of(std::ifstream(folder.path("weir-kinds.ndjson")));
  BOOST_TEST(kept.size() == expected.size() + of_hosts);
  for (auto& line : kept) {  // The time is another each day.
    if (const auto seen = line.find("\"seen\":"); seen != line.npos) line = line.substr(0, seen + 6) + "}";
  }
  for (const auto& line : expected) {
    BOOST_TEST((std::find(kept.begin(), kept.end(), line) != kept.end()), "missing: " << line);
  }
  BOOST_TEST(fs::file_size(folder.path("weir-kinds-failed.txt")) == 0U);

  // The screen shows the same messages, five in a list.
  const auto kinds_in = [](const Lines& lines) {
    std::size_t count = 0;
    for (const auto& line : lines) {
      for (auto at = line.find("\"kind\":"); at != line.npos; at = line.find("\"kind\":", at + 1)) ++count;
    }
    return count;
  };
  const Lines shown = lines_of(std::istringstream(end.out));
  for (const auto& line : shown) BOOST_TEST(line.starts_with("[{"), line);
  BOOST_TEST(kinds_in(shown) == kinds_in(kept));
}

BOOST_AUTO_TEST_CASE(filter_prints_what_of_its_input_it_lets_through) {
  Child child({"sh", "-c", R"(printf '{"n":1}\n{"n":2}\nnonsense\n{"n":4}' | "$0" run "$1" --admin off)", WEIR_BINARY,
               (pipelines / "filter.yaml").string()});
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out == "{\"n\":2}\n{\"n\":4}\n");
  BOOST_TEST(end.err.find("nonsense\n") != std::string::npos, end.err);
}

BOOST_AUTO_TEST_CASE(quickstart_shows_this_machine_until_it_is_stopped) {
  Child child({WEIR_BINARY, "run", (pipelines / "quickstart.yaml").string(), "--admin", "off"});
  BOOST_TEST(child.saw_on_out(" load     "));
  BOOST_TEST(child.saw_on_out(" memory   "));
  BOOST_TEST(child.saw_on_out(" over 15 minutes)\n"));
  BOOST_TEST(child.saw_on_out(" MiB free\n"));
  child.signal(SIGINT);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}
