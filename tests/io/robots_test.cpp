// What a robots.txt allows: the cases of RFC 9309 and of what stands in the field.
#include "engine/io/robots.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "engine/runtime/simulated.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;
using io::HttpReply;
using io::Robots;
using io::RobotsGate;
using runtime::Core;
using runtime::SimulatedRuntime;
using runtime::Task;

/// Which of these the text forbids weirbot.
std::vector<std::string> forbidden(std::string_view text, const std::vector<std::string>& paths) {
  const Robots robots(text, "weirbot");
  std::vector<std::string> left;
  for (const auto& path : paths) {
    if (!robots.allows(path)) left.push_back(path);
  }
  return left;
}
using Paths = std::vector<std::string>;

/// Servers as a gate sees them, and what it came to.
struct Web {
  explicit Web(SimulatedRuntime& on)
      : runtime(on), gate(on.core(), "weirbot", [this](std::string url) { return fetch(std::move(url)); }) {}

  Task<HttpReply> fetch(std::string url) {
    fetched.push_back(url);
    const HttpReply reply = answer;
    co_await runtime.core().sleep(1s);
    co_return reply;
  }
  Task<> ask(std::string url) {
    const auto failure = co_await gate.ask(std::move(url));
    came.push_back(failure ? std::string(word(failure->reason)) + (failure->may_pass ? ", may pass" : "") : "allowed");
  }
  void begin(const std::string& url) {
    asking.push_back(runtime.core().spawn(ask(url), [](std::exception_ptr) {}));
  }
  std::vector<std::string> outcome(const std::string& url) {
    begin(url);
    runtime.run_until_idle();
    return std::exchange(came, {});
  }

  SimulatedRuntime& runtime;
  HttpReply answer;
  std::vector<std::string> fetched, came;
  RobotsGate gate;
  std::vector<std::unique_ptr<runtime::Coroutine>> asking;
};

HttpReply answered(int status, std::string body = {}) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_not_forbidden_is_allowed) {
  BOOST_TEST(Robots().allows("/anything"));
  for (const auto* text :
       {"", "\n\n", "user-agent: *\ndisallow:\n", "disallow: /\n", "nonsense", "user-agent: other\ndisallow: /",
        "user-agent: *\nallow: /\n", "# user-agent: *\n# disallow: /"}) {
    BOOST_TEST_CONTEXT(text) BOOST_TEST(Robots(text, "weirbot").allows("/a"));
  }
  BOOST_TEST(forbidden("user-agent: *\ndisallow: /", {"/", "/a", "/robots.txt"}) == (Paths{"/", "/a"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_groups_that_name_us_count_together_and_else_those_for_all) {
  const auto* text =
      "user-agent: *\ndisallow: /all\n\n"
      "user-agent: WeirBot/2.1\nuser-agent: other\ndisallow: /one\n"
      "sitemap: http://example.org/map\ndisallow: /two\n"
      "user-agent: third\ndisallow: /three\n"
      "user-agent: weirbot\ndisallow: /four\n"
      "user-agent: weirbottle\ndisallow: /five\n";
  BOOST_TEST(forbidden(text, {"/all", "/one", "/two", "/three", "/four", "/five"}) == (Paths{"/one", "/two", "/four"}),
             boost::test_tools::per_element());
  // Who is named with nothing forbidden may go where all others may not.
  BOOST_TEST(Robots("user-agent: *\ndisallow: /\nuser-agent: weirbot\ndisallow:\n", "weirbot").allows("/a"));
  // The star among the names of a group counts too, and a name behind it is no rule's end.
  BOOST_TEST(!Robots("user-agent: *\nuser-agent: other\ndisallow: /\n", "weirbot").allows("/a"));
}

BOOST_AUTO_TEST_CASE(the_longest_pattern_decides_and_of_two_as_long_the_one_that_allows) {
  const auto* text =
      "user-agent: *\n"
      "disallow: /folder\nallow: /folder/page\n"
      "allow: /same\ndisallow: /same\n"
      "allow: /$\ndisallow: /\n";
  BOOST_TEST(forbidden(text, {"/folder", "/folder/x", "/folder/page", "/folder/page2", "/same", "/", "/else"}) ==
                 (Paths{"/folder", "/folder/x", "/else"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_star_is_any_text_and_a_dollar_the_end) {
  const auto fits = [](const std::string& pattern, const std::string& path) {
    return !Robots("user-agent: *\ndisallow: " + pattern, "weirbot").allows(path);
  };
  for (const auto* path : {"/fish", "/fish.html", "/fish/salmon.html", "/fishheads", "/fish.php?id=anything"}) {
    BOOST_TEST_CONTEXT(path) BOOST_TEST((fits("/fish", path) && fits("/fish*", path)));
  }
  for (const auto* path : {"/Fish.asp", "/catfish", "/?id=fish", "/desert/fish"}) {
    BOOST_TEST_CONTEXT(path) BOOST_TEST(!fits("/fish", path));
  }
  for (const auto* path :
       {"/index.php", "/filename.php", "/folder/filename.php?parameters", "/folder/any.php.file.html"}) {
    BOOST_TEST_CONTEXT(path) BOOST_TEST(fits("/*.php", path));
  }
  BOOST_TEST(!fits("/*.php", "/windows.PHP"));
  BOOST_TEST(fits("/*.php$", "/folder/filename.php"));
  BOOST_TEST(fits("/*.php$", "/a.php.php"));
  for (const auto* path : {"/filename.php?parameters", "/filename.php/", "/filename.php5"}) {
    BOOST_TEST_CONTEXT(path) BOOST_TEST(!fits("/*.php$", path));
  }
  BOOST_TEST(fits("/fish*.php", "/fishheads/catfish.php?parameters"));
  BOOST_TEST(fits("*", "/"));
  BOOST_TEST(fits("/a$", "/a"));
  BOOST_TEST(!fits("/a$", "/ab"));
  BOOST_TEST(!fits("/ab*ba$", "/aba"));  // What one part took the next one can't have.
  BOOST_TEST(fits("/a$b", "/a$b"));
}

BOOST_AUTO_TEST_CASE(escaped_or_not_a_path_is_the_same) {
  const auto fits = [](const std::string& pattern, const std::string& path) {
    return !Robots("user-agent: *\ndisallow: " + pattern, "weirbot").allows(path);
  };
  BOOST_TEST(fits("/foo/bar/\u30C4", "/foo/bar/%e3%83%84"));
  BOOST_TEST(fits("/foo/bar/%E3%83%84", "/foo/bar/\u30C4"));
  BOOST_TEST(fits("/foo/bar/%62%61%7A", "/foo/bar/baz"));
  BOOST_TEST(fits("/foo/bar/baz", "/foo/bar/%62%61%7A"));
  BOOST_TEST(fits("/a%3cd.html", "/a%3Cd.html"));
  BOOST_TEST(!fits("/a%2fb", "/a/b"));  // A slash in a name is no slash.
  BOOST_TEST(fits("/100%", "/100%"));
}

BOOST_AUTO_TEST_CASE(what_people_write_is_understood) {
  for (const auto* text :
       {"\xEF\xBB\xBFuser-agent: *\ndisallow: /a", "USER-AGENT:*\r\nDISALLOW:/a\r\n", "User-Agent : *\rDisallow : /a",
        "user-agent *\ndisallow /a", "  user-agent: *  # all\n  disallow: /a  # not this\n",
        "user-agent: *\ncrawl-delay: 10\ndisallow: /a", "user-agent: *\n\n\ndisallow: /a"}) {
    BOOST_TEST_CONTEXT(text) {
      BOOST_TEST(!Robots(text, "weirbot").allows("/a"));
      BOOST_TEST(Robots(text, "weirbot").allows("/b"));
    }
  }
  const std::string late = "user-agent: *\n" + std::string(Robots::bytes_most, '#') + "\ndisallow: /\n";
  BOOST_TEST(Robots(late, "weirbot").allows("/a"));
  std::string stars = "user-agent: *\ndisallow: /", path = "/";
  for (int i = 0; i < 5000; ++i) stars += "a*";
  path.append(20'000, 'a');
  BOOST_TEST(Robots(stars + "b$", "weirbot").allows(path));
}

BOOST_AUTO_TEST_CASE(a_server_is_asked_once_an_hour_however_many_want_its_pages) {
  SimulatedRuntime runtime(1);
  Web web(runtime);
  web.answer = answered(200, "user-agent: *\ndisallow: /private");
  for (int i = 0; i < 3; ++i) web.begin("http://Example.org/page?private=" + std::to_string(i));
  web.begin("http://user@example.org/private#x");
  runtime.run_until_idle();
  std::sort(web.came.begin(), web.came.end());
  BOOST_TEST(std::exchange(web.came, {}) == (Paths{"allowed", "allowed", "allowed", "robots"}),
             boost::test_tools::per_element());
  BOOST_TEST(web.outcome("http://example.org") == (Paths{"allowed"}), boost::test_tools::per_element());
  BOOST_TEST(web.outcome("http://example.org?/private") == (Paths{"allowed"}), boost::test_tools::per_element());
  BOOST_TEST(web.fetched == (Paths{"http://example.org/robots.txt"}), boost::test_tools::per_element());
  web.outcome("https://example.org:8443/");
  runtime.run_for(1h);
  web.answer = answered(200);
  BOOST_TEST(web.outcome("http://example.org/private") == (Paths{"allowed"}), boost::test_tools::per_element());
  BOOST_TEST(web.fetched == (Paths{"http://example.org/robots.txt", "https://example.org:8443/robots.txt",
                                   "http://example.org/robots.txt"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_server_without_the_file_allows_all_and_one_that_cannot_be_asked_nothing) {
  SimulatedRuntime runtime(1);
  Web web(runtime);
  for (const int status : {404, 403, 401, 410, 304}) {
    web.answer = answered(status, "user-agent: *\ndisallow: /");
    BOOST_TEST(web.outcome("http://" + std::to_string(status) + ".test/") == (Paths{"allowed"}),
               boost::test_tools::per_element());
  }
  for (const int status : {429, 500, 503}) {
    web.answer = answered(status);
    BOOST_TEST(web.outcome("http://a.test/") == (Paths{"status, may pass"}), boost::test_tools::per_element());
  }
  // All who wait hear of the one attempt, and the next one makes a new one.
  web.answer.failure = message::Failure(message::Reason::connect, "refused");
  web.fetched.clear();
  web.begin("http://a.test/1");
  web.begin("http://a.test/2");
  runtime.run_until_idle();
  BOOST_TEST(std::exchange(web.came, {}) == (Paths{"connect", "connect"}), boost::test_tools::per_element());
  BOOST_TEST(web.fetched.size() == 1U);
  web.answer = answered(200);
  BOOST_TEST(web.outcome("http://a.test/") == (Paths{"allowed"}), boost::test_tools::per_element());
  // One that is too large counts as far as it came.
  web.answer = answered(200, "user-agent: *\ndisallow: /\n");
  web.answer.failure = message::Failure(message::Reason::size, "too large");
  BOOST_TEST(web.outcome("http://large.test/") == (Paths{"robots"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(who_waits_reads_it_itself_when_the_reader_is_stopped) {
  SimulatedRuntime runtime(1);
  Web web(runtime);
  web.answer = answered(200);
  web.begin("http://a.test/1");
  runtime.run_for(500ms);
  web.begin("http://a.test/2");
  runtime.run_for(100ms);
  web.asking.front()->stop();
  runtime.run_until_idle();
  BOOST_TEST(web.came == (Paths{"allowed"}), boost::test_tools::per_element());
  BOOST_TEST(web.fetched.size() == 2U);
}
