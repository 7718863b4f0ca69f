// One address with a desk for each stage, over real sockets: who gets a request, and what ends.
#include "engine/io/http_site.hpp"

#include <sys/resource.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/io/http_server.hpp"
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

BOOST_AUTO_TEST_CASE(a_request_is_not_taken_any_more_once_its_client_has_left) {
  OnCore on;
  flow::Budget budget(1 << 20);
  const auto story = [](runtime::Core& core, flow::Budget& memory) -> runtime::Task<> {
    auto serves = service("/a/{id}");
    serves.memory = &memory;
    io::HttpDesk desk(core, "127.0.0.1", 0, std::move(serves));
    LoopbackSocket stays;
    auto left_before = std::make_unique<LoopbackSocket>(), leaves = std::make_unique<LoopbackSocket>();
    BOOST_REQUIRE(left_before->connect(desk.port()));
    left_before->send("GET /a/6 HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto taken = co_await next(desk);
    BOOST_REQUIRE(leaves->connect(desk.port()));
    leaves->send(get + "Content-Length: 100000\r\n\r\n" + std::string(100'000, 'x'));
    while (memory.used() < 100'000) co_await core.yield();
    co_await desk.wait();
    leaves.reset();
    left_before.reset();
    while (taken.asker->waits()) co_await core.yield();  // One look sees both.
    BOOST_REQUIRE(stays.connect(desk.port()));
    stays.send("GET /a/8 HTTP/1.1\r\nHost: a\r\n\r\n");
    auto asked = co_await next(desk);
    BOOST_TEST(asked.request->path == "/a/8");
    BOOST_TEST(memory.used() == 0);
    co_await desk.ended();
  };
  on.run(story(on.core(), budget));
}

BOOST_AUTO_TEST_CASE(what_is_refused_is_told_to_the_stage_whose_request_it_was) {
  OnCore on;
  flow::Budget budget(1 << 20);
  const auto story = [](runtime::Core& core, flow::Budget& memory) -> runtime::Task<> {
    std::string first, second;
    const auto desk_of = [&](const std::string& path, std::string& told) {
      auto serves = service(path, {"POST"});
      serves.memory = &memory;
      serves.body_bytes = 4 << 20;
      serves.token = "t";
      serves.on_refused = [&told](const io::HttpRefused& refused) {
        told += std::to_string(refused.status) + (refused.why ? " " + std::string(message::word(*refused.why)) : "");
        told += (refused.words.empty() ? "" : ", " + std::string(refused.words)) + "; ";
      };
      return serves;
    };
    io::HttpDesk one(core, "127.0.0.1", 0, desk_of("/one/thing", first));
    io::HttpDesk other(core, "127.0.0.1", 0, desk_of("/{any}", second));
    const auto ask = [port = one.port()](const std::string& bytes) {
      LoopbackSocket client;
      BOOST_REQUIRE(client.connect(port));
      client.send(bytes);
      ::shutdown(client.descriptor(), SHUT_WR);
      client.receive_all();
    };
    const std::string shown = " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\n";
    const std::string unknown = " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    std::function<void()> all = [&] {
      ask("POST /x" + shown + "Content-Length: 3000000\r\n\r\n" + std::string(2 << 20, 'x'));
      ask("POST /x" + unknown + "\r\n");                              // Its head alone,
      ask("POST /x" + unknown + "Content-Length: 1000000\r\n\r\nx");  // or before a body.
      ask("POST /x" + shown + "Content-Length: 9000000\r\n\r\nx");    // More than any desk takes.
      ask("GET /x" + unknown + "\r\n");
      ask("POST /no/where" + unknown + "\r\n");
      ask("nonsense\r\n\r\n");
      ask("OPTIONS *" + unknown + "\r\n");
    };
    co_await core.blocking(std::move(all));
    BOOST_TEST(second == "503 memory, a request was turned away for want of memory; 401; 401; 413; 405; ");
    BOOST_TEST(first == "404; 400; ");
    other.close();
    co_await one.ended();
    co_await other.ended();
  };
  on.run(story(on.core(), budget));
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
    other.close();  // The server has not heard of the third.
    posted.asker->done();
    co_await one->ended();
    co_await other.ended();
    BOOST_TEST(first.receive_all().find("\r\n\r\ntaken") != std::string::npos);
    BOOST_TEST(second.receive_all().starts_with("HTTP/1.1 204 "));
    BOOST_TEST(third.receive_all().starts_with("HTTP/1.1 503 "));
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

BOOST_AUTO_TEST_CASE(an_answer_for_which_there_is_no_memory_is_lost_and_told_so) {
  OnCore on;
  flow::Budget budget(1 << 20);
  std::map<message::Reason, int> refused;
  const auto story = [](runtime::Core& core, flow::Budget& memory,
                        std::map<message::Reason, int>& told) -> runtime::Task<> {
    auto serves = service("/a/*");
    serves.memory = &memory;
    serves.on_refused = [&told](const io::HttpRefused& refused) { ++told[refused.why.value()]; };
    io::HttpDesk desk(core, "127.0.0.1", 0, std::move(serves));
    for (const bool elsewhere : {false, true}) {
      LoopbackSocket client;
      BOOST_REQUIRE(client.connect(desk.port()));
      client.send(get + "Content-Length: 100000\r\nConnection: close\r\n\r\n" + std::string(100'000, 'x'));
      auto asked = co_await next(desk);
      BOOST_TEST(memory.used() == 100'000);
      asked.memory.hold(0);
      message::Answer large(200);
      large.body = std::string(2 << 20, 'x');
      bool taken = true;
      std::function<void()> answer = [&] { taken = asked.asker->answer(std::move(large)); };
      if (elsewhere) {
        co_await core.blocking(std::move(answer));
      } else {
        answer();
      }
      BOOST_TEST(!taken);
      BOOST_TEST(!asked.asker->waits());
      while (told[message::Reason::memory] < (elsewhere ? 2 : 1)) co_await core.yield();
      std::string all;
      std::function<void()> receive = [&] { all = client.receive_all(); };
      co_await core.blocking(std::move(receive));
      BOOST_TEST(all.starts_with("HTTP/1.1 503 "), all);
      BOOST_TEST(all.find("Retry-After: 1\r\n") != std::string::npos, all);
    }
    BOOST_TEST(memory.used() == 0);

    LoopbackSocket client;
    BOOST_REQUIRE(client.connect(desk.port()));
    client.send(get + "Connection: close\r\n\r\n");
    auto asked = co_await next(desk);
    message::Answer fits(200);
    fits.body = std::string(1'000'000, 'x');
    BOOST_TEST(asked.asker->answer(std::move(fits)));
    BOOST_TEST(memory.used() == 1'000'000);
    std::string all;
    std::function<void()> receive = [&] { all = client.receive_all(); };
    co_await core.blocking(std::move(receive));
    BOOST_TEST(all.size() > 1'000'000U);
    co_await desk.ended();
    BOOST_TEST(memory.used() == 0);
  };
  on.run(story(on.core(), budget, refused));
}

BOOST_AUTO_TEST_CASE(as_many_may_wait_as_a_desk_has_room_for_and_the_next_are_told_and_counted) {
  static constexpr std::size_t many = 2'000;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const auto before = files.rlim_cur;
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, std::max<rlim_t>(before, 2 * many + 200));
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 2 * many + 200) {
    BOOST_TEST_MESSAGE("skipped: this machine grants too few descriptors");
    return;
  }
  OnCore on;
  const auto story = [](runtime::Core& core) -> runtime::Task<> {
    int refused = 0;
    auto serves = service("/a/*");
    serves.waiting = many;
    serves.on_refused = [&refused](const io::HttpRefused& told) {
      refused += told.why == message::Reason::full ? 1 : 0;
    };
    io::HttpDesk desk(core, "127.0.0.1", 0, std::move(serves));
    std::vector<std::unique_ptr<LoopbackSocket>> clients;
    std::function<void()> come = [&clients, port = desk.port()] {
      for (std::size_t i = 0; i < many + 10; ++i) {
        clients.push_back(std::make_unique<LoopbackSocket>());
        BOOST_REQUIRE(clients.back()->connect(port));
        clients.back()->send(get + "Connection: close\r\n\r\n");
      }
    };
    co_await core.blocking(std::move(come));
    while (refused < 10) co_await core.yield();
    std::size_t taken = 0, told = 0;
    for (auto asked = desk.take(); asked; asked = desk.take(), ++taken) asked->asker->done();
    BOOST_TEST(taken == many);
    std::function<void()> receive = [&] {
      for (const auto& client : clients) told += client->receive_all().starts_with("HTTP/1.1 503 ") ? 1 : 0;
    };
    co_await core.blocking(std::move(receive));
    BOOST_TEST(told == 10U);
    BOOST_TEST(refused == 10);
    co_await desk.ended();
  };
  on.run(story(on.core()));
  files.rlim_cur = before;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

BOOST_AUTO_TEST_CASE(what_the_head_decides_is_told_before_the_body_is_there) {
  OnCore on;
  const auto story = [](runtime::Core& core) -> runtime::Task<> {
    auto guarded = service("/guarded", {"POST"});
    guarded.token = "t";
    guarded.body_bytes = 64 << 20;
    auto small = service("/small", {"POST"});
    small.body_bytes = 1000;
    io::HttpDesk one(core, "127.0.0.1", 0, std::move(guarded));
    io::HttpDesk other(core, "127.0.0.1", 0, std::move(small));
    const auto told = [&](const std::string& head, const std::string& body) {
      LoopbackSocket client;
      BOOST_REQUIRE(client.connect(one.port()));
      client.send(head + "\r\nHost: a\r\n" + body);
      return client.receive_all();
    };
    std::function<void()> ask = [&] {
      for (const std::string body : {"Expect: 100-continue\r\nContent-Length: 2000\r\n\r\n",
                                     "Content-Length: 1000000\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n1\r\n"}) {
        const auto stranger = told("POST /guarded HTTP/1.1", body);
        BOOST_TEST(stranger.starts_with("HTTP/1.1 401 "), body << stranger);
        BOOST_TEST(stranger.find("WWW-Authenticate: ") != std::string::npos, stranger);
        BOOST_TEST(stranger.find("Connection: close\r\n") != std::string::npos, stranger);
        BOOST_TEST(told("POST /nowhere HTTP/1.1", body).starts_with("HTTP/1.1 404 "), body);
        const auto method = told("PUT /small HTTP/1.1", body);
        BOOST_TEST(method.starts_with("HTTP/1.1 405 "), body << method);
        BOOST_TEST(method.find("Allow: POST\r\n") != std::string::npos, method);
      }
      for (const std::string body : {"Expect: 100-continue\r\nContent-Length: 2000\r\n\r\n",
                                     "Content-Length: 1000000\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n3e9\r\n"}) {
        BOOST_TEST(told("POST /small HTTP/1.1", body).starts_with("HTTP/1.1 413 "), body);
      }
      // Of a little the rest is read over, and the connection is kept.
      LoopbackSocket client;
      BOOST_REQUIRE(client.connect(one.port()));
      client.send("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
      client.send("defghi");
      client.send("GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      const auto both = client.receive_all();
      BOOST_TEST(both.rfind("HTTP/1.1 404 ") > both.find("HTTP/1.1 404 "), both);
    };
    co_await core.blocking(std::move(ask));
    BOOST_TEST(!one.take());
    BOOST_TEST(!other.take());
    other.close();
    co_await one.ended();
    co_await other.ended();
  };
  on.run(story(on.core()));
}

BOOST_AUTO_TEST_CASE(a_crowd_that_comes_at_once_is_no_hoard_while_some_are_taken) {
  OnCore on;
  const auto story = [](runtime::Core& core) -> runtime::Task<> {
    auto serves = service("/a/*");
    serves.waiting = 2;
    io::HttpDesk desk(core, "127.0.0.1", 0, std::move(serves));
    std::vector<std::unique_ptr<LoopbackSocket>> clients(100);
    for (auto& client : clients) {
      client = std::make_unique<LoopbackSocket>();
      BOOST_REQUIRE(client->connect(desk.port()));
      client->send(get + "Connection: close\r\n\r\n");
    }
    // One each turn, as by a stage whose room comes back bit by bit.
    for (std::size_t taken = 0; taken < clients.size(); co_await core.yield()) {
      if (auto asked = desk.take()) {
        ++taken;
        asked->asker->done();
      }
    }
    std::size_t done = 0;
    std::function<void()> receive = [&] {
      for (const auto& client : clients) done += client->receive_all().starts_with("HTTP/1.1 204 ") ? 1 : 0;
    };
    co_await core.blocking(std::move(receive));
    BOOST_TEST(done == clients.size());
    co_await desk.ended();
  };
  on.run(story(on.core()));
}

BOOST_AUTO_TEST_CASE(an_answer_that_is_still_being_sent_when_a_desk_ends_is_sent_to_its_end) {
  OnCore on;
  const auto story = [](runtime::Core& core) -> runtime::Task<> {
    io::HttpDesk desk(core, "127.0.0.1", 0, service("/a/*"));
    LoopbackSocket client;
    BOOST_REQUIRE(client.connect(desk.port()));
    client.send(get + "\r\n");
    auto asked = co_await next(desk);
    message::Answer large(200);
    large.body = std::string(20 << 20, 'x');
    BOOST_TEST(asked.asker->answer(std::move(large)));
    desk.close();
    bool over = false;
    const auto ending = core.spawn(desk.ended(), [&over](std::exception_ptr) { over = true; });
    // Longer than the second that is left to them once the program stops.
    const auto begun = core.now();
    while (core.now() - begun < 1100ms) co_await core.sleep(20ms);
    BOOST_TEST(!over);
    std::string all;
    std::function<void()> receive = [&] { all = client.receive_all(); };
    co_await core.blocking(std::move(receive));
    BOOST_TEST(all.size() > 20U << 20);
    while (!over) co_await core.yield();
  };
  on.run(story(on.core()));
}
