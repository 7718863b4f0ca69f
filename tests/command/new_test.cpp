// `weir new`: what it prints is taken as it is by `weir check` and `weir test`, for every kind and application there
// is.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "engine/command/command.hpp"
#include "engine/command/new_file.hpp"
#include "tests/support/said.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

namespace fs = std::filesystem;
using weir::tests::catalog;
using weir::tests::contains;
using weir::tests::said_by;
using weir::tests::TemporaryFolder;
using weir::tests::text_of;

/// The lines of a text.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// Of a file that was written, the line that says how to run it; empty where none does.
std::string run_line_of(const std::string& text) {
  for (const auto& line : lines_of(text)) {
    if (contains(line, "weir run ")) return line;
  }
  return {};
}

std::string without_comments(const std::string& text) {
  std::string kept;
  for (const auto& line : lines_of(text)) {
    if (!line.substr(std::min(line.find_first_not_of(' '), line.size())).starts_with('#')) kept += line + "\n";
  }
  return kept;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_printed_for_a_kind_is_good_says_nothing_else_and_passes_its_own_test) {
  const TemporaryFolder folder;
  for (const auto& kind : catalog().names()) {
    const auto made = said_by({"new", kind});
    BOOST_TEST(made.code == 0, kind << ": " << made.err);
    const auto path = folder.file(kind + ".yaml", made.out);
    const auto checked = said_by({"check", path});
    BOOST_TEST(checked.code == 0, checked.err << made.out);
    BOOST_TEST(checked.err.empty(), checked.err << made.out);
    BOOST_TEST(contains(checked.out, "1 test"), checked.out);
    const auto tested = said_by({"test", path});
    BOOST_TEST(tested.code == 0, tested.out << tested.err << made.out);
  }
}

BOOST_AUTO_TEST_CASE(each_application_says_in_a_line_and_a_whole_sentence_what_it_is) {
  for (const auto& application : weir::command::applications()) {
    const auto line = application.text.substr(0, application.text.find('\n'));
    BOOST_TEST((line.ends_with('.') || line.ends_with(':')), application.name << ": " << line);
  }
}

BOOST_AUTO_TEST_CASE(what_is_written_names_the_file_that_it_is_written_to) {
  const TemporaryFolder folder;
  const auto path = folder.path("watch.yaml");
  BOOST_TEST(said_by({"new", "monitor", "-o", path}).code == 0);
  BOOST_TEST(run_line_of(text_of(path)) == "#   weir run " + path);
  BOOST_TEST(run_line_of(said_by({"new", "monitor"}).out) == "#   weir run monitor.yaml");
}

BOOST_AUTO_TEST_CASE(it_names_every_option_of_the_kind_and_what_it_is_when_left_out) {
  for (const auto& [name, kind] : catalog().all()) {
    const auto text = said_by({"new", name}).out;
    for (const auto& field : kind->declaration().fields) {
      const bool written = contains(text, "\n      " + field.key + ":");
      const bool to_write = contains(text, "\n      #" + field.key + ":");
      BOOST_TEST((written || to_write), name << " does not show " << field.key << "\n" << text);
      if (!field.fallback.empty()) BOOST_TEST(contains(text, "default " + field.fallback), name << " " << field.key);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_option_without_its_mark_stands_where_it_belongs_and_is_read) {
  const TemporaryFolder folder;
  for (const auto& kind : catalog().names()) {
    auto lines = lines_of(said_by({"new", kind}).out);
    for (auto& line : lines) {
      const auto mark = line.find('#');
      if (mark == std::string::npos || line[mark + 1] == ' ' || mark + 1 == line.size() || mark < 4) continue;
      const std::string before = line;
      line.erase(mark, 1);
      std::string text;
      for (const auto& one : lines) text += one + "\n";
      const auto checked = said_by({"check", folder.file(kind + ".yaml", text)});
      // What does not go together with the example is told; but nothing is misspelt, misplaced or of another type.
      for (const auto* wrong : {"has no key", "no option", "expected ", "YAML", "indent", "goes on", "stands"}) {
        const auto place = checked.err.find(wrong);
        const auto line_end = checked.err.find('\n', place);
        const bool told = place != std::string::npos && !contains(checked.err, "comes with a later version");
        BOOST_TEST(!told, kind << ": " << before << "\n" << checked.err.substr(0, line_end));
      }
      line = before;
    }
  }
}

BOOST_AUTO_TEST_CASE(applications_are_the_files_of_pipelines_in_the_words_of_who_has_only_the_program) {
  const TemporaryFolder folder;
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(WEIR_SOURCE_DIR) / "pipelines")) {
    if (entry.path().extension() != ".yaml") continue;
    ++count;
    const auto name = entry.path().stem().string();
    const auto made = said_by({"new", name});
    BOOST_TEST(made.code == 0, made.err);
    BOOST_TEST(!contains(made.out, "engine/run"));
    BOOST_TEST(without_comments(made.out) == without_comments(text_of(entry.path())), name);
    BOOST_TEST(said_by({"check", folder.file(name + ".yaml", made.out)}).code == 0, name);
  }
  BOOST_TEST(count == weir::command::applications().size());
}

BOOST_AUTO_TEST_CASE(applications_that_are_to_come_say_what_they_wait_for) {
  const auto said = said_by({"new", "chat"});
  BOOST_TEST(said.code == 64);
  BOOST_TEST(said.err ==
             "weir: 'chat' comes with a later version: it needs websocket_server\n  = weir new lists what there is\n");
  for (const auto* name : {"microservices", "web_crawler", "iot"}) {
    BOOST_TEST(contains(said_by({"new", name}).err, "comes with a later version: it needs "), name);
  }
  BOOST_TEST(said_by({"new", "mqtt"}).err ==
             "weir: 'mqtt' comes with a later version\n  = weir new lists what there is\n");
}

BOOST_AUTO_TEST_CASE(a_name_that_is_nearly_right_is_told) {
  const auto said = said_by({"new", "data_pipline"});
  BOOST_TEST(said.code == 64);
  BOOST_TEST(said.out.empty());
  BOOST_TEST(said.err == "weir: there is no kind or application 'data_pipline'\n  = did you mean 'data_pipeline'?\n");
}

BOOST_AUTO_TEST_CASE(alone_it_lists_everything_there_is_to_start_from) {
  const auto said = said_by({"new"});
  BOOST_TEST(said.code == 0);
  for (const auto& kind : catalog().names()) BOOST_TEST(contains(said.out, "\n  " + kind + " "), kind);
  for (const auto& application : weir::command::applications()) {
    BOOST_TEST(contains(said.out, "\n  " + std::string(application.name) + " "), std::string(application.name));
    BOOST_TEST(application.summary().size() > 10, std::string(application.name));
  }
}

BOOST_AUTO_TEST_CASE(a_file_is_written_only_where_none_is) {
  const TemporaryFolder folder;
  const auto path = folder.path("mine.yaml");
  const auto first = said_by({"new", "where", "-o", path});
  BOOST_TEST(first.code == 0, first.err);
  BOOST_TEST(first.out.empty());
  BOOST_TEST(first.err ==
             "weir: wrote " + path + "\n  = weir test " + path + " tries it, weir run " + path + " runs it\n");
  BOOST_TEST(text_of(path) == said_by({"new", "where"}).out);
  const auto second = said_by({"new", "route", "-o", path});
  BOOST_TEST(second.code == 64);
  BOOST_TEST(second.err ==
             "weir: " + path + ": is there already\n  = weir new writes over nothing: choose another name\n");
  BOOST_TEST(text_of(path) == said_by({"new", "where"}).out);
  const auto nowhere = said_by({"new", "where", "-o", folder.path("none/mine.yaml")});
  BOOST_TEST(nowhere.code == 71);
  BOOST_TEST(nowhere.err == "weir: " + folder.path("none/mine.yaml") + ": No such file or directory\n");
}
