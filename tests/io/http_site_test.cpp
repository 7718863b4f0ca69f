// One address with a desk for each stage, over real sockets: who gets a request, and what ends.
#include "engine/io/http_site.hpp"

#include <boost/test/unit_test.hpp>
#include <future>
#include <memory>
#include <string>

#include "engine/runtime/real.hpp"
#include "engine/runtime/wait.hpp"
#include "tests/support/http_get.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;
using tests::LoopbackSocket;

/// A core on a thread of its own.
class OnCore {
 public:
  OnCore() : runtime_(runtime::make_real({})), core_(runtime_->service("http")) {}

  runtime::Core& core() { return core_; }
  /// Runs it there and waits for its end.
  void run(runtime::Task<> body) {
    std::promise<void> done;
    auto moved = std::make_shared<runtime::Task<>>(std::move(body));
    std::shared_ptr<std::unique_ptr<runtime::Coroutine>> running =
        std::make_shared<std::unique_ptr<runtime::Coroutine>>();
    core_.post([&, moved, running] {
      *running = core_.spawn(std::move(*moved), [&, running](std::exception_ptr fault) {
        running->reset();
        if (fault) {
          done.set_exception(fault);
        } else {
          done.set_value();
        }
      });
    });
    done.get_future().get();
  }

 private:
  std::unique_ptr<runtime::RealRuntime> runtime_;
  runtime::Core& core_;
};

io::HttpService service(const std::string& path, std::vector<std::string> methods = {}) {
  std::string why;
  io::HttpService made(*io::HttpPath::parse(path, why));
  made.methods = std::move(methods);
  return made;
}

runtime::Task<io::HttpAsked> next(io::HttpDesk& desk) {
  for (;;) {
    if (auto asked = desk.take()) co_return std::move(*asked);
    co_await desk.wait();
  }
}

const std::string get = "GET /a/7 HTTP/1.1\r\nHost: a\r\n";

}  // namespace

BOOST_AUTO_TEST_CASE(a_client_that_leaves_is_seen_to_have_gone) {
  OnCore on;
  const auto story = [](runtime::Core& core) -> runtime::Task<> {
    io::HttpDesk desk(core, "127.0.0.1", 0, service("/a/{id}"));
    auto client = std::make_unique<LoopbackSocket>();
    BOOST_REQUIRE(client->connect(desk.port()));
    client->send(get + "\r\n");
    auto asked = co_await next(desk);
    BOOST_TEST(asked.request->params.front().second == "7");
    BOOST_TEST(asked.asker->waits());
    client.reset();
    while (asked.asker->waits()) co_await core.sleep(20ms);
    BOOST_TEST(!asked.asker->answer(message::Answer(200)));
    co_await desk.ended();
  };
  on.run(story(on.core()));
}

BOOST_AUTO_TEST_CASE(desks_of_one_address_share_its_port_until_the_last_is_closed) {
  OnCore on;
  const auto story = [](runtime::Core& core) -> runtime::Task<> {
    auto one = std::make_unique<io::HttpDesk>(core, "127.0.0.1", 0, service("/a/*"));
    io::HttpDesk other(core, "127.0.0.1", 0, service("/a/{id}", {"GET"}));
    const auto port = one->port();
    BOOST_TEST(port == other.port());
    LoopbackSocket first, second, third;
    BOOST_REQUIRE(first.connect(port) && second.connect(port));
    first.send(get + "Connection: close\r\n\r\n");
    second.send("POST /a/7 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    auto got = co_await next(other);
    auto posted = co_await next(*one);
    BOOST_TEST(got.request->method == "GET");
    BOOST_TEST(posted.request->method == "POST");
    message::Answer answer(202);
    answer.body = "taken";
    BOOST_TEST(got.asker->answer(std::move(answer)));
    BOOST_TEST(!got.asker->answer(message::Answer(203)));

    one->close();
    BOOST_TEST(third.connect(port));
    third.send("POST /a/8 HTTP/1.1\r\nHost: a\r\n\r\n");
    other.close();
    posted.asker->done();
    co_await one->ended();
    co_await other.ended();
    BOOST_TEST(first.receive_all().find("\r\n\r\ntaken") != std::string::npos);
    BOOST_TEST(second.receive_all().starts_with("HTTP/1.1 204 "));
    LoopbackSocket late;
    BOOST_TEST(!late.connect(port));
  };
  on.run(story(on.core()));
}

BOOST_AUTO_TEST_CASE(whoever_waits_when_a_desk_ends_is_told_503) {
  OnCore on;
  const auto story = [](runtime::Core& core) -> runtime::Task<> {
    io::HttpDesk desk(core, "127.0.0.1", 0, service("/a/*"));
    LoopbackSocket client;
    BOOST_REQUIRE(client.connect(desk.port()));
    client.send(get + "\r\n");
    const auto asked = co_await next(desk);
    co_await desk.ended();
    BOOST_TEST(!asked.asker->waits());
    const auto answer = client.receive_all();
    BOOST_TEST(answer.starts_with("HTTP/1.1 503 "), answer);
    BOOST_TEST(answer.find("Connection: close") != std::string::npos, answer);
  };
  on.run(story(on.core()));
}

BOOST_AUTO_TEST_CASE(an_answer_may_come_from_any_thread) {
  OnCore on;
  const auto story = [](runtime::Core& core) -> runtime::Task<> {
    io::HttpDesk desk(core, "127.0.0.1", 0, service("/a/*"));
    LoopbackSocket client;
    BOOST_REQUIRE(client.connect(desk.port()));
    for (int i = 0; i < 200; ++i) {
      client.send(i == 199 ? get + "Connection: close\r\n\r\n" : get + "\r\n");
      auto asked = co_await next(desk);
      std::function<void()> elsewhere = [&] { BOOST_TEST(asked.asker->answer(message::Answer(204))); };
      co_await core.blocking(std::move(elsewhere));
    }
    const auto all = client.receive_all();
    std::size_t count = 0;
    for (auto at = all.find("HTTP/1.1 204"); at != all.npos; at = all.find("HTTP/1.1 204", at + 1)) ++count;
    BOOST_TEST(count == 200U);
    co_await desk.ended();
  };
  on.run(story(on.core()));
}
