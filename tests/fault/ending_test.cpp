// How it ends in the middle of something: signals early, late, twice; a terminal that goes away.
#include <fcntl.h>
#include <stdlib.h>

#include <filesystem>

#include "tests/support/weir.hpp"

using namespace weir::tests;

namespace {

/// A terminal of the test's own. What is written to it is read here.
class Terminal {
 public:
  Terminal() : ours_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    BOOST_REQUIRE(ours_ >= 0);
    BOOST_REQUIRE(::grantpt(ours_) == 0 && ::unlockpt(ours_) == 0);
    name_ = ::ptsname(ours_);
  }
  ~Terminal() { hang_up(); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  const std::string& name() const { return name_; }
  void hang_up() {
    if (ours_ >= 0) ::close(std::exchange(ours_, -1));
  }
  void type(const std::string& keys) {
    BOOST_TEST(::write(ours_, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
  }
  /// Reads until this stands there; false where half a minute passes first.
  bool saw(const std::string& text) {
    std::array<char, 4096> bytes;
    while (!contains(said_, text)) {
      pollfd ready{ours_, POLLIN, 0};
      if (::poll(&ready, 1, 30'000) <= 0) return false;
      const auto count = ::read(ours_, bytes.data(), bytes.size());
      if (count > 0) said_.append(bytes.data(), static_cast<std::size_t>(count));
      if (count == 0) return false;
    }
    return true;
  }
  const std::string& said() const { return said_; }

 private:
  int ours_;
  std::string name_, said_;
};

/// In a session of its own with this terminal; standard error is it, and where `out_too` standard output.
std::vector<std::string> on_terminal(const Terminal& terminal, const std::string& file, bool out_too) {
  return shell("exec setsid -c sh -c 'exec \"$WEIR\" run --admin off \"$1\" " + std::string(out_too ? ">&0 " : "") +
                   "2>&0' sh \"$1\" <>\"$2\"",
               {file, terminal.name()});
}

}  // namespace

BOOST_AUTO_TEST_CASE(sigterm_under_load_loses_no_message_from_file_to_file) {
  const TemporaryFolder folder;
  const auto input = folder.path("in.ndjson");
  {
    std::ofstream file(input, std::ios::binary);
    for (int i = 0; i < 1'000'000; ++i) file << "{\"n\": " << i << ", \"text\": \"0123456789\"}\n";
  }
  const auto out = folder.path("out.ndjson");
  Child child(weir_run({folder.file(
      "p.yaml", "stages:\n  lines: {file: {read: '" + input + "'}}\n" + "  some: {from: lines, where: msg.n >= 0}\n" +
                    "  more: {from: some, set: {twice: '{{ msg.n * 2 }}'}}\n" + "  kept: {from: more, file: {write: '" +
                    out + "'}}\n" + "  begun: {from: more, where: msg.n == 5000}\n" +
                    "  screen: {from: begun, stdout: {}}\n")}));
  BOOST_TEST(child.saw_on_out("\n"));  // A million lines are still to come.
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  std::istringstream lines(text_of(out));
  std::string line;
  std::uint64_t count = 0, wrong = 0;
  while (std::getline(lines, line)) {
    wrong += line != "{\"n\": " + std::to_string(count) +
                         ", \"text\": \"0123456789\",\"twice\":" + std::to_string(2 * count) + "}";
    ++count;
  }
  BOOST_TEST(wrong == 0U);
  BOOST_TEST(count > 1000U);
  BOOST_TEST(!std::filesystem::exists(out + ".part"));
}

BOOST_AUTO_TEST_CASE(a_drain_that_begins_with_the_run_ends_it) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("p.yaml", ticking), "--for", "0s", "--set", "run.drain=5s"});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(!contains(end.err, "the drain time ran out"), end.err);
}

BOOST_AUTO_TEST_CASE(signals_that_come_as_soon_as_it_takes_any_are_obeyed) {
  const TemporaryFolder folder;
  const auto file = folder.file("p.yaml", ticking);
  for (int i = 0; i < 20; ++i) {
    Child child(weir_run({file, "--set", "run.drain=5s"}));
    BOOST_TEST(child.saw_on_err("msg=running"));
    child.signal(SIGTERM);
    const auto end = child.end();
    BOOST_TEST(end.code == 0, end.err);
  }
}

BOOST_AUTO_TEST_CASE(a_hangup_begins_the_drain_and_a_second_one_hastens_nothing) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("p.yaml", ticking)}));
  BOOST_TEST(child.saw_on_err("msg=running"));
  child.signal(SIGHUP);
  child.signal(SIGHUP);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(contains(end.err, "msg=draining why=SIGHUP"), end.err);
}

BOOST_AUTO_TEST_CASE(under_nohup_a_hangup_is_nothing) {
  const TemporaryFolder folder;
  Child child(shell("trap '' HUP; exec \"$WEIR\" run --admin off \"$1\"", {folder.file("p.yaml", ticking)}),
              shell_environment);
  BOOST_TEST(child.saw_on_err("msg=running"));
  child.signal(SIGHUP);
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(!contains(end.err, "SIGHUP"), end.err);
  BOOST_TEST(contains(end.err, "msg=draining why=SIGTERM"), end.err);
}

BOOST_AUTO_TEST_CASE(progress_is_shown_on_a_terminal_with_the_share_that_is_read) {
  const TemporaryFolder folder;
  const auto fast = "stages:\n  ticks: {generate: {every: 1ms}}\n  gone: {from: ticks, drop: {}}\n";
  Terminal terminal;
  Child child(on_terminal(terminal, folder.file("shown.yaml", fast), false), shell_environment);
  BOOST_TEST(terminal.saw("\r\x1b[Kshown  "), terminal.said());
  BOOST_TEST(terminal.saw(" msg/s"), terminal.said());
  child.signal(SIGINT);
  BOOST_TEST(child.end().code == 0);
}

BOOST_AUTO_TEST_CASE(a_terminal_that_is_closed_ends_the_run_in_order) {
  const TemporaryFolder folder;
  const auto file = folder.file("p.yaml",
                                "stages:\n  ticks: {generate: {every: 1ms}}\n  screen: {from: ticks, stdout: {}}\n"
                                "  kept: {from: ticks, file: {write: '" +
                                    folder.path("out.txt") + "'}}\n");
  Terminal terminal;
  Child child(on_terminal(terminal, file, true), shell_environment);
  BOOST_TEST(terminal.saw("{}\r\n{}\r\n"), terminal.said());
  terminal.hang_up();
  const auto end = child.end();
  BOOST_TEST(end.code == 0, "ended with " << end.code << ", signal " << end.signal);
  // Who had read until then is no reason to lose what the other stage kept.
  BOOST_TEST(std::filesystem::exists(folder.path("out.txt")));
}

BOOST_AUTO_TEST_CASE(what_is_typed_is_read_line_by_line_until_ctrl_d_or_the_terminal_goes_away) {
  const TemporaryFolder folder;
  const auto file = folder.file("p.yaml", "stages:\n  typed: {stdin: {}}\n  screen: {from: typed, stdout: {}}\n");
  for (const bool by_hand : {true, false}) {
    Terminal terminal;
    // Not its own session's terminal: nothing but the read tells that it is gone.
    Child child(shell("exec \"$WEIR\" run --admin off \"$1\" <\"$2\"", {file, terminal.name()}), shell_environment);
    BOOST_TEST(child.saw_on_err("msg=running"));
    terminal.type("one\n");
    BOOST_TEST(child.saw_on_out("one\n"));
    if (by_hand) {
      terminal.type("two\n\x04");
    } else {
      terminal.hang_up();
    }
    const auto end = child.end();
    BOOST_TEST(end.code == 0, end.err);
    BOOST_TEST(end.out == (by_hand ? "one\ntwo\n" : "one\n"));
  }
}
