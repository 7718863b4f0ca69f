// Completion in a real bash: what Tab would offer. Of zsh and fish, where they are installed, whether they can read it.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "engine/command/completion.hpp"
#include "engine/command/new_file.hpp"
#include "tests/support/weir.hpp"

namespace {

using weir::command::Shell;
using weir::tests::Child;
using weir::tests::machine_can;
using weir::tests::TemporaryFolder;

std::string script(Shell shell) { return weir::command::completion(weir::stage::Catalog::linked(), shell); }

/// What bash offers for these words, the last of which is being typed; sorted.
std::vector<std::string> offered(const std::vector<std::string>& typed, const std::string& folder = ".") {
  const TemporaryFolder place;
  const auto file = place.file("completion.bash", script(Shell::bash));
  // As bash itself does: the registered function is called with the line apart in words.
  const std::string driver =
      "source \"$1\" || exit 1; cd \"$2\"; shift 2\n"
      "COMP_WORDS=(\"$@\"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE=\"$*\"; COMP_POINT=${#COMP_LINE}\n"
      "function=$(complete -p weir | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
      "$function weir \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      "for reply in \"${COMPREPLY[@]}\"; do printf '%s\\n' \"$reply\"; done\n";
  std::vector<std::string> words{"bash", "--norc", "-c", driver, "bash", file, folder, "weir"};
  words.insert(words.end(), typed.begin(), typed.end());
  const auto end = Child(words).end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.err.empty(), end.err);
  std::vector<std::string> replies;
  std::istringstream lines(end.out);
  for (std::string line; std::getline(lines, line);) replies.push_back(line);
  std::sort(replies.begin(), replies.end());
  return replies;
}

using Words = std::vector<std::string>;

bool offers(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

BOOST_AUTO_TEST_CASE(bash_completes_verbs) {
  BOOST_TEST(offered({"ch"}) == Words{"check"}, boost::test_tools::per_element());
  const auto all = offered({""});
  for (const auto& verb : weir::command::vocabulary()) BOOST_TEST(offers(all, verb.verb), verb.verb);
  BOOST_TEST(!offers(all, "reference"));
}

BOOST_AUTO_TEST_CASE(bash_completes_the_options_of_the_verb_and_their_values) {
  BOOST_TEST(offered({"run", "--lo"}) == (Words{"--log-format", "--log-level"}), boost::test_tools::per_element());
  BOOST_TEST(offered({"graph", "--"}) == (Words{"--format", "--help", "--set"}), boost::test_tools::per_element());
  BOOST_TEST(offered({"graph", "--format", ""}) == (Words{"dot", "json", "text"}), boost::test_tools::per_element());
  // Bash takes the word apart at the sign.
  BOOST_TEST(offered({"graph", "--format", "=", "d"}) == Words{"dot"}, boost::test_tools::per_element());
  BOOST_TEST(offered({"graph", "--format", "="}).size() == 3u);
  BOOST_TEST(offered({"run", "--admin", ""}) == Words{"off"}, boost::test_tools::per_element());
  BOOST_TEST(offered({"run", "--for", ""}).empty());
}

BOOST_AUTO_TEST_CASE(bash_completes_kinds_for_explain_and_new_as_the_catalog_has_them) {
  auto explained = offered({"explain", ""});
  auto started = offered({"new", ""});
  for (const auto& kind : weir::stage::Catalog::linked().names()) {
    BOOST_TEST(offers(explained, kind), kind);
    BOOST_TEST(offers(started, kind), kind);
  }
  for (const auto* word : {"stage", "do", "test"}) BOOST_TEST(offers(explained, word), word);
  for (const auto& application : weir::command::applications()) {
    BOOST_TEST(offers(started, std::string(application.name)), std::string(application.name));
  }
  BOOST_TEST(offered({"explain", "agg"}) == Words{"aggregate"}, boost::test_tools::per_element());
  BOOST_TEST(offered({"completion", ""}) == (Words{"bash", "fish", "zsh"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bash_completes_pipeline_files_and_folders_and_no_others) {
  const TemporaryFolder folder;
  for (const auto* name : {"orders.yaml", "old orders.yml", "orders.csv"}) folder.file(name, "");
  std::filesystem::create_directory(folder.path("out"));
  BOOST_TEST(offered({"run", "o"}, folder.path("")) == (Words{"old orders.yml", "orders.yaml", "out"}),
             boost::test_tools::per_element());
  BOOST_TEST(offered({"check", "a.yaml", "ord"}, folder.path("")) == Words{"orders.yaml"},
             boost::test_tools::per_element());
  BOOST_TEST(offered({"new", "where", "-o", "ord"}, folder.path("")) == (Words{"orders.csv", "orders.yaml"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(replay_is_given_a_file_of_any_kind_and_a_pipeline) {
  const TemporaryFolder folder;
  for (const auto* name : {"dead.ndjson", "orders.yaml"}) folder.file(name, "");
  BOOST_TEST(offered({"replay", ""}, folder.path("")) == (Words{"dead.ndjson", "orders.yaml"}),
             boost::test_tools::per_element());
  BOOST_TEST(offered({"replay", "dead.ndjson", "ord"}, folder.path("")) == Words{"orders.yaml"},
             boost::test_tools::per_element());
  const auto zsh = script(Shell::zsh);
  const auto begin = zsh.find("\n    replay)\n");
  const auto of_replay = zsh.substr(begin, zsh.find(";;", begin) - begin);
  BOOST_TEST(weir::tests::contains(of_replay, "'1:file:_files'"), of_replay);
  BOOST_TEST(weir::tests::contains(of_replay, "'*:pipeline:_files"), of_replay);
  BOOST_TEST(weir::tests::contains(script(Shell::fish), "'__fish_seen_subcommand_from replay' -F\n"));
}

BOOST_AUTO_TEST_CASE(nothing_is_offered_where_nothing_is_known) {
  BOOST_TEST(offered({"frobnicate", ""}).empty());
  BOOST_TEST(offered({"version", "x"}).empty());
}

BOOST_AUTO_TEST_CASE(an_interactive_bash_offers_it_by_tab) {
  const TemporaryFolder folder;
  const auto file = folder.file("completion.bash", script(Shell::bash));
  // Readline completes only where somebody types; a terminal that records does for it.
  if (!machine_can("python3 with pty", "python3 -c 'import pty'")) return;
  const std::string typist =
      "import os, pty, sys, select\n"
      "pid, fd = pty.fork()\n"
      "if pid == 0:\n"
      "    os.environ.update(PS1='ready> ', TERM='dumb', INPUTRC='/dev/null', HISTFILE='')\n"
      "    os.execvp('bash', ['bash', '--norc', '--noprofile', '-i'])\n"
      "seen = b''\n"
      "def until(mark):\n"
      "    global seen\n"
      "    while mark not in seen:\n"
      "        if not select.select([fd], [], [], 20)[0]: sys.exit('not seen: %r in %r' % (mark, seen))\n"
      "        seen += os.read(fd, 4096)\n"
      "    seen = b''\n"
      "until(b'ready> ')\n"
      "os.write(fd, b'source ' + sys.argv[1].encode() + b'\\n'); until(b'ready> ')\n"
      "os.write(fd, b'weir expl\\t'); until(b'explain ')\n"
      "os.write(fd, b'aggr\\t'); until(b'aggregate ')\n"
      "os.write(fd, b'\\x15exit\\n')\n"
      "os.waitpid(pid, 0)\n";
  const auto end = Child({"python3", "-c", typist, file}).end();
  BOOST_TEST(end.code == 0, end.err);
}

BOOST_AUTO_TEST_CASE(zsh_and_fish_can_read_what_is_made_for_them) {
  const TemporaryFolder folder;
  const auto zsh = folder.file("_weir", script(Shell::zsh));
  const auto fish = folder.file("weir.fish", script(Shell::fish));
  for (const auto& [shell, file] : {std::pair{"zsh", zsh}, std::pair{"fish", fish}}) {
    if (!machine_can(shell, std::string("command -v ") + shell)) continue;
    const auto end = Child({shell, "-n", file}).end();
    BOOST_TEST(end.code == 0, shell << ": " << end.err);
  }
}

BOOST_AUTO_TEST_CASE(zsh_and_fish_are_given_every_verb_option_and_kind) {
  const auto zsh = script(Shell::zsh), fish = script(Shell::fish);
  for (const auto& verb : weir::command::vocabulary()) {
    BOOST_TEST(weir::tests::contains(zsh, "\n    " + verb.verb + ")\n"), verb.verb);
    BOOST_TEST(weir::tests::contains(fish, "-n __fish_use_subcommand -a " + verb.verb + " -d "), verb.verb);
    for (const auto& option : verb.options) {
      BOOST_TEST(weir::tests::contains(zsh, option.names.front() + "["), option.names.front());
    }
  }
  for (const auto& kind : weir::stage::Catalog::linked().names()) {
    BOOST_TEST(weir::tests::contains(zsh, kind + " "), kind);
    BOOST_TEST(weir::tests::contains(fish, kind + " "), kind);
  }
}
