// The form of log lines, what they never hold, and how repetition is limited.
#include "engine/observe/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace weir::observe;
using namespace std::chrono_literals;
using namespace std::string_literals;
using weir::runtime::WallTime;

/// A log with a clock moved by hand, its lines caught.
struct Caught {
  explicit Caught(Log::Format format = Log::Format::logfmt) {
    Log::Options options;
    options.format = format;
    options.clock = [this] { return now; };
    options.sink = [this](std::string_view line) { lines.emplace_back(line); };
    log.set(std::move(options));
  }
  std::string last() const { return lines.empty() ? "" : lines.back(); }

  WallTime now{1'700'000'000s + 7ms};
  std::vector<std::string> lines;
  Log log;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_line_is_time_level_place_message_and_then_the_rest) {
  Caught caught;
  caught.log(Level::info, "file opened",
             {{"path", "/tmp/a b"},
              {"bytes", 12},
              {"stage", "lines"},
              {"pipeline", "orders"},
              {"rotated", false},
              {"rate", 0.5}});
  BOOST_TEST(caught.last() ==
             "ts=2023-11-14T22:13:20.007Z level=info pipeline=orders stage=lines msg=\"file opened\" "
             "path=\"/tmp/a b\" bytes=12 rotated=false rate=0.5\n");
}

BOOST_AUTO_TEST_CASE(json_has_the_same_keys_and_types) {
  Caught caught(Log::Format::json);
  caught.log(Level::warn, "slow",
             {{"stage", "s"}, {"ms", 1.5}, {"n", -3}, {"ok", true}, {"what", "a\"b\\"}, {"odd", NAN}});
  BOOST_TEST(caught.last() ==
             R"({"ts":"2023-11-14T22:13:20.007Z","level":"warn","stage":"s","msg":"slow","ms":1.5,"n":-3,"ok":true,)"
             R"("what":"a\"b\\","odd":"nan"})"
             "\n");
}

BOOST_AUTO_TEST_CASE(without_a_clock_there_is_no_time_and_no_limit) {
  std::vector<std::string> lines;
  Log::Options options;
  options.sink = [&](std::string_view line) { lines.emplace_back(line); };
  Log log(std::move(options));
  log(Level::error, "gone");
  log(Level::error, "gone");
  BOOST_TEST(lines.size() == 2u);
  BOOST_TEST(lines.front() == "level=error msg=gone\n");
}

BOOST_AUTO_TEST_CASE(what_is_below_the_level_is_not_written) {
  Caught caught;
  caught.log(Level::debug, "detail");
  BOOST_TEST(caught.lines.empty());
}

BOOST_AUTO_TEST_CASE(no_value_breaks_out_of_its_place) {
  for (const auto format : {Log::Format::logfmt, Log::Format::json}) {
    Caught caught(format);
    caught.log(
        Level::info, "event",
        {{"a", "x\nlevel=error msg=forged"}, {"b", "\x1b[2J\x7f\r\t"}, {"c", "\xc2\x9b"}, {"d", "\0"s}, {"e", ""}});
    const auto line = caught.last();
    BOOST_TEST(line.find('\n') == line.size() - 1);
    for (const unsigned char byte : line.substr(0, line.size() - 1)) BOOST_TEST((byte >= 0x20 && byte < 0x7f));
    BOOST_TEST(line.find(R"(x\nlevel=error msg=forged")") != std::string::npos);
    BOOST_TEST(line.find(R"(\u001b[2J\u007f\r\t)") != std::string::npos);
    BOOST_TEST(line.find(R"(\u009b)") != std::string::npos);
    BOOST_TEST(line.find(R"(\u0000)") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(utf_8_passes_and_what_is_none_is_replaced) {
  Caught caught(Log::Format::json);
  caught.log(Level::info, "event", {{"good", "häß→😀"}, {"bad", "a\xff\xc0\x80\xed\xa0\x80z"}});
  BOOST_TEST(caught.last().find("\"good\":\"häß→😀\"") != std::string::npos);
  BOOST_TEST(caught.last().find("\"bad\":\"a������z\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_line_fits_one_write_to_a_pipe) {
  for (const auto format : {Log::Format::logfmt, Log::Format::json}) {
    Caught caught(format);
    caught.log(Level::info, "event", {{"a", std::string(100'000, 'x')}, {"b", std::string(5'000, '"')}, {"c", 7}});
    BOOST_TEST(caught.last().size() <= 4096u);
    BOOST_TEST(caught.last().find("x…") != std::string::npos);
    BOOST_TEST(caught.last().find(format == Log::Format::json ? "\"c\":7}" : " c=7") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_secret_never_appears) {
  Caught caught;
  caught.log.redact("hunter2");
  caught.log.redact("hunter2-and-more");
  caught.log.redact("q\"u\n");
  caught.log.redact("");
  caught.log.redact("4711");
  caught.log(Level::info, "login with hunter2",
             {{"url", "https://u:hunter2-and-more@h/?p=hunter2"}, {"escaped", "a q\"u\n b"}, {"pin", 4711}});
  BOOST_TEST(caught.last() ==
             "ts=2023-11-14T22:13:20.007Z level=info msg=\"login with ***\" url=\"https://u:***@h/?p=***\" "
             "escaped=\"a *** b\" pin=***\n");
}

BOOST_AUTO_TEST_CASE(equal_lines_come_once_in_ten_seconds_with_a_count) {
  Caught caught;
  for (int i = 0; i < 100; ++i) caught.log(Level::warn, "refused", {{"stage", "a"}});
  BOOST_TEST(caught.lines.size() == 1u);
  caught.now += 10s;
  caught.log(Level::warn, "refused", {{"stage", "a"}});
  BOOST_REQUIRE(caught.lines.size() == 2u);
  BOOST_TEST(caught.last().find("msg=refused suppressed=99\n") != std::string::npos);
  caught.now += 10s;
  caught.log(Level::warn, "refused", {{"stage", "a"}});
  BOOST_TEST(caught.last().find("suppressed") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(lines_that_differ_in_their_data_come_ten_at_a_time) {
  Caught caught;
  for (int i = 0; i < 1'000'000 / 1000; ++i) caught.log(Level::warn, "bad line", {{"stage", "a"}, {"line", i}});
  BOOST_TEST(caught.lines.size() == 10u);
  caught.log(Level::warn, "bad line", {{"stage", "b"}, {"line", 1}});
  caught.log(Level::error, "bad line", {{"stage", "a"}, {"line", 1}});
  caught.log(Level::warn, "good line", {{"stage", "a"}, {"line", 1}});
  BOOST_TEST(caught.lines.size() == 13u);
}

BOOST_AUTO_TEST_CASE(what_was_suppressed_is_told_by_the_next_line_of_any_kind_or_by_flush) {
  Caught caught;
  for (int i = 0; i < 3; ++i) caught.log(Level::warn, "refused");
  caught.now += 11s;
  caught.log(Level::info, "something else");
  BOOST_REQUIRE(caught.lines.size() == 3u);
  BOOST_TEST(caught.lines[1].find("msg=refused suppressed=2\n") != std::string::npos);
  for (int i = 0; i < 5; ++i) caught.log(Level::warn, "refused");
  caught.log.flush();
  BOOST_TEST(caught.last().find("msg=refused suppressed=4\n") != std::string::npos);
  const auto before = caught.lines.size();
  caught.log.flush();
  BOOST_TEST(caught.lines.size() == before);
}

BOOST_AUTO_TEST_CASE(a_clock_set_back_does_not_silence_the_log) {
  Caught caught;
  caught.log(Level::warn, "refused");
  caught.now -= 24h;
  caught.log(Level::warn, "refused");
  BOOST_TEST(caught.lines.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_sink_that_throws_ends_nothing) {
  Log::Options options;
  options.sink = [](std::string_view) { throw std::runtime_error("full"); };
  Log log(std::move(options));
  log(Level::error, "event");
}

BOOST_AUTO_TEST_CASE(a_reader_that_does_not_read_standard_error_holds_nobody_and_is_told_what_it_missed) {
  int ends[2];
  BOOST_REQUIRE(::pipe(ends) == 0);
  const int kept = ::dup(STDERR_FILENO);
  BOOST_REQUIRE(::fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
  BOOST_REQUIRE(::dup2(ends[1], STDERR_FILENO) >= 0);
  Log log;
  const std::string text(2000, 'x');
  for (int i = 0; i < 100; ++i) log(Level::info, "event", {{"text", text}});  // Would wait for ever on a plain write.
  std::string got(1 << 16, 0);
  BOOST_REQUIRE(::read(ends[0], got.data(), got.size()) > 0);
  log(Level::info, "last");
  const auto length = ::read(ends[0], got.data(), got.size());
  ::dup2(kept, STDERR_FILENO);
  for (const int fd : {kept, ends[0], ends[1]}) ::close(fd);
  BOOST_REQUIRE(length > 0);
  const auto line = got.substr(0, static_cast<std::size_t>(length));
  BOOST_TEST(line.find("msg=last lost=9") != std::string::npos);
}
