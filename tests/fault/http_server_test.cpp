// http_server and reply as built, asked over real sockets: what each request is
// told, and that the end loses none.
#include <algorithm>
#include <fstream>
#include <memory>

#include "tests/io/http_cases.hpp"
#include "tests/support/weir.hpp"

using namespace weir::tests;

namespace {

/// One connection, on which a request is sent now and its answer read later.
class Client {
 public:
  Client(std::uint16_t port, const std::string& bytes) {
    connected_ = socket_.connect(port);
    if (connected_) socket_.send(bytes);
  }
  bool connected() const { return connected_; }
  /// Within so many milliseconds.
  bool has_answer(int patience = 0) const {
    pollfd ready{socket_.descriptor(), POLLIN, 0};
    return ::poll(&ready, 1, patience) > 0;
  }
  std::string all() { return socket_.receive_all(); }
  int status() {
    const auto answer = all();
    return answer.size() < 12 ? 0 : std::atoi(answer.c_str() + 9);
  }

 private:
  LoopbackSocket socket_;
  bool connected_ = false;
};

std::string request(const std::string& method, const std::string& target, const std::string& body = {},
                    const std::string& fields = {}, bool last = true) {
  return method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + (last ? "Connection: close\r\n" : "") + fields +
         (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body;
}

std::string asked(std::uint16_t port, const std::string& bytes) { return Client(port, bytes).all(); }

bool is(const std::string& answer, int status, const std::string& body) {
  return answer.starts_with("HTTP/1.1 " + std::to_string(status) + " ") && answer.ends_with("\r\n\r\n" + body);
}

const std::string served =
    "stages:\n"
    "  jobs: {http_server: {listen: '127.0.0.1:0', path: '/jobs/{id}', "
    "methods: [GET, POST], max_body: 100B}}\n"
    "  told:\n"
    "    from: jobs\n"
    "    reply:\n"
    "      status: 201\n"
    "      headers: {x-client: '{{ request.client }}', x-agent: '{{ "
    "request.headers.x_agent }}'}\n"
    "      msg: {id: '{{ request.params.id }}', page: '{{ request.query.page "
    "}}', got: '{{ text }}'}\n"
    "  deleted: {http_server: {listen: '127.0.0.1:0', path: '/jobs/*', "
    "methods: [DELETE]}}\n"
    "  gone: {from: deleted, drop: {}}\n"
    "  one: {http_server: {listen: '127.0.0.1:0', path: /jobs/one}}\n"
    "  only: {from: one, reply: {text: 'the one'}}\n"
    "  strict: {http_server: {listen: '127.0.0.1:0', path: /strict, format: "
    "json, auth: {token: abc}}}\n"
    "  back: {from: strict, reply: {}}\n";

/// Whoever asks waits until the file `gate` is there; what has come is printed.
std::string gated(const std::string& gate, const std::string& more = {}) {
  return "stages:\n"
         "  ask: {http_server: {listen: '127.0.0.1:0', path: /ask" +
         more +
         "}}\n"
         "  seen: {from: ask, stdout: {}}\n"
         "  work: {from: ask, edge: {capacity: 1}, exec: {run: [sh, -c, 'until "
         "[ -e \"$0\" ]; do sleep 0.05; done', '" +
         gate + "']}}\n";
}

}  // namespace

BOOST_AUTO_TEST_CASE(several_stages_serve_one_address_and_each_request_is_answered) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("a.yaml", served)}));
  const auto port = port_of(child);
  BOOST_REQUIRE(child.saw_on_err("path=/strict"));

  const auto posted = asked(port, request("POST", "/jobs/a%20b?page=2&x=1", "hello", "X-Agent: me\r\n"));
  BOOST_TEST(is(posted, 201, R"({"id":"a b","page":"2","got":"hello"})"), posted);
  BOOST_TEST(contains(posted, "x-client: 127.0.0.1\r\n"), posted);
  BOOST_TEST(contains(posted, "x-agent: me\r\n"), posted);
  BOOST_TEST(contains(posted, "content-type: application/json\r\n"), posted);
  const auto got = asked(port, request("GET", "/jobs/7"));
  BOOST_TEST(is(got, 201, R"({"id":"7","got":""})"), got);
  BOOST_TEST(!contains(got, "x-agent"), got);
  const auto head = asked(port, request("HEAD", "/jobs/7"));
  BOOST_TEST(is(head, 201, ""), head);
  BOOST_TEST(contains(head, "Content-Length: 19\r\n"), head);

  BOOST_TEST(is(asked(port, request("DELETE", "/jobs/7")), 204, ""));
  BOOST_TEST(is(asked(port, request("PUT", "/jobs/one", "x")), 200, "the one"));
  const auto refused = asked(port, request("PATCH", "/jobs/7", "x"));
  BOOST_TEST(is(refused, 405, "this takes GET, HEAD, POST, DELETE\n"), refused);
  BOOST_TEST(contains(refused, "Allow: GET, HEAD, POST, DELETE\r\n"), refused);
  BOOST_TEST(is(asked(port, request("GET", "/job")), 404, "there is nothing here\n"));
  BOOST_TEST(asked(port, request("POST", "/jobs/7", std::string(101, 'a'))).starts_with("HTTP/1.1 413 "));

  const std::string shown = "Authorization: Bearer abc\r\n";
  BOOST_TEST(asked(port, request("GET", "/strict")).starts_with("HTTP/1.1 401 "));
  BOOST_TEST(asked(port, request("GET", "/strict", "", "Authorization: Bearer abd\r\n")).starts_with("HTTP/1.1 401 "));
  BOOST_TEST(is(asked(port, request("GET", "/strict", "", shown)), 200, "{}"));
  BOOST_TEST(is(asked(port, request("POST", "/strict", R"({"n": 1.50})", shown)), 200, R"({"n": 1.50})"));
  const auto broken = asked(port, request("POST", "/strict", "{", shown));
  BOOST_TEST(broken.starts_with("HTTP/1.1 400 "), broken);
  BOOST_TEST(contains(broken, "the body is no JSON: "), broken);

  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

BOOST_AUTO_TEST_CASE(every_raw_case_is_answered_rightly_by_the_stage_and_by_the_admin_port) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("a.yaml",
                                    "stages:\n  ask: {http_server: {listen: '127.0.0.1:0', path: /*}}\n"
                                    "  told: {from: ask, reply: {}}\n"),
                        "--admin", "127.0.0.1:0"}));
  const auto stage = port_of(child), admin = admin_port(child);
  // What is read rightly is answered in the one way or the other: 204 to
  // OPTIONS of all, by the admin port 403 or 405.
  const auto read = [](std::string all) {
    for (std::size_t at = 0; at < all.size(); at += 4) {
      const auto status = all.substr(at, 3);
      if (status == "204" || status == "403" || status == "405") all.replace(at, 3, "200");
    }
    return all;
  };
  for (const auto& one : http_cases()) {
    for (const auto port : {stage, admin}) {
      LoopbackSocket socket;
      BOOST_REQUIRE(socket.connect(port));
      socket.send(one.bytes);
      ::shutdown(socket.descriptor(), SHUT_WR);
      const auto got = statuses(socket.receive_all());
      BOOST_CHECK_MESSAGE(read(got) == one.answers, (port == stage ? "the stage, " : "the admin port, ")
                                                        << one.name << ": expected `" << one.answers << "`, got `"
                                                        << got << "`");
    }
  }
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

BOOST_AUTO_TEST_CASE(a_reply_comes_in_chunks_where_its_headers_say_so) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("a.yaml",
                                    "stages:\n  ask: {http_server: {listen: '127.0.0.1:0', path: '/{status}'}}\n"
                                    "  told: {from: ask, reply: {status: '{{ request.params.status }}', "
                                    "headers: {Transfer-Encoding: chunked}}}\n")}));
  const auto port = port_of(child);
  const auto told = asked(port, request("POST", "/200", "hello"));
  BOOST_TEST(is(told, 200, "5\r\nhello\r\n0\r\n\r\n"), told);
  BOOST_TEST(contains(told, "\r\nTransfer-Encoding: chunked\r\n"), told);
  BOOST_TEST(!contains(told, "ontent-Length"), told);
  const auto error = asked(port, request("POST", "/404", "no"));
  BOOST_TEST(is(error, 404, "2\r\nno\r\n0\r\n\r\n"), error);
  const auto packed = asked(port, request("POST", "/200", std::string(2000, 'a'), "Accept-Encoding: gzip\r\n"));
  BOOST_TEST(contains(packed, "\r\nTransfer-Encoding: chunked\r\n"), packed);
  BOOST_TEST(contains(packed, "\r\nContent-Encoding: gzip\r\n"), packed);
  BOOST_TEST(packed.size() < 500U);
  for (const auto& bytes : {request("POST", "/204", "x"), request("POST", "/304", "x"), request("HEAD", "/200")}) {
    const auto none = asked(port, bytes);
    BOOST_TEST(!contains(none, "Transfer-Encoding"), none);
    BOOST_TEST(none.ends_with("\r\n\r\n"), none);
  }
  const auto old = asked(port, "POST /200 HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello");
  BOOST_TEST(is(old, 200, "hello"), old);
  BOOST_TEST(contains(old, "\r\nContent-Length: 5\r\n"), old);
  child.signal(SIGTERM);
  BOOST_TEST(child.end().code == 0);
}

BOOST_AUTO_TEST_CASE(requests_sent_one_behind_the_other_are_answered_in_their_order) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("a.yaml", served)}));
  const auto port = port_of(child);
  std::string bytes;
  for (int i = 1; i <= 50; ++i) bytes += request("POST", "/jobs/" + std::to_string(i), "x", "", i == 50);
  const auto all = asked(port, bytes);
  std::size_t from = 0;
  for (int i = 1; i <= 50 && from != std::string::npos; ++i) {
    from = all.find("{\"id\":\"" + std::to_string(i) + "\"", from);
    BOOST_TEST((from != std::string::npos), "no answer " << i);
  }
  child.signal(SIGTERM);
  BOOST_TEST(child.end().code == 0);
}

BOOST_AUTO_TEST_CASE(when_there_is_no_room_the_next_is_told_so_at_once) {
  const TemporaryFolder folder;
  const auto gate = folder.path("gate");
  Child child(weir_run({folder.file("a.yaml", gated(gate, ", waiting: 2")), "--admin", "127.0.0.1:0"}));
  const auto port = port_of(child), admin = admin_port(child);
  // One is worked on, one or two wait for the edge, two before the stage.
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(std::make_unique<Client>(port, request("POST", "/ask", "job")));
  const auto told = [&] {
    return std::count_if(clients.begin(), clients.end(), [](const auto& client) { return client->has_answer(); });
  };
  BOOST_REQUIRE(child.saw_on_out("job"));
  for (auto& client : clients) {
    if (told() >= 5) break;
    (void)client->has_answer(1000);
  }
  BOOST_TEST(told() >= 5);
  const auto late = asked(port, request("POST", "/ask", "job"));
  BOOST_TEST(late.starts_with("HTTP/1.1 503 "), late);
  BOOST_TEST(contains(late, "Retry-After: 1\r\n"), late);
  const auto figures = http_get(admin, "/metrics").body;
  BOOST_TEST(contains(figures,
                      R"(weir_stage_errors_total{pipeline="a",stage="ask",kind="full"} )" + std::to_string(told() + 1)),
             figures);
  std::ofstream(gate) << "";
  int done = 0, refused = 0;
  for (auto& client : clients) {
    const int status = client->status();
    done += status == 204;
    refused += status == 503;
  }
  BOOST_TEST(done + refused == 10);
  BOOST_TEST(done >= 4);
  BOOST_TEST(done <= 5);
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

BOOST_AUTO_TEST_CASE(what_is_in_flight_is_answered_before_the_end_and_nothing_more_is_accepted) {
  const TemporaryFolder folder;
  const auto gate = folder.path("gate");
  Child child(weir_run({folder.file("a.yaml", gated(gate))}));
  const auto port = port_of(child);
  Client idle(port, "");
  Client half(port, "POST /ask HTTP/1.1\r\nHost: a\r\n");
  Client client(port, request("POST", "/ask", "job", "", false));
  BOOST_REQUIRE(child.saw_on_out("job"));
  child.signal(SIGTERM);
  BOOST_REQUIRE(child.saw_on_err("msg=draining"));
  bool refused = false;
  for (int tries = 0; tries < 100'000 && !refused; ++tries) refused = !Client(port, "").connected();
  BOOST_TEST(refused);
  BOOST_TEST(idle.all() == "");
  BOOST_TEST(half.all().starts_with("HTTP/1.1 503 "));
  std::ofstream(gate) << "";
  const auto answer = client.all();
  BOOST_TEST(is(answer, 204, ""), answer);
  BOOST_TEST(contains(answer, "Connection: close\r\n"), answer);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

BOOST_AUTO_TEST_CASE(who_still_waits_when_weir_is_stopped_by_force_is_told_503) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("a.yaml", gated(folder.path("gate")))}));
  const auto port = port_of(child);
  Client client(port, request("POST", "/ask", "job"));
  BOOST_REQUIRE(child.saw_on_out("job"));
  child.signal(SIGTERM);
  BOOST_REQUIRE(child.saw_on_err("msg=draining"));
  child.signal(SIGINT);
  const auto answer = client.all();
  BOOST_TEST(is(answer, 503, "the server is ending\n"), answer);
  BOOST_TEST(child.end().code == 128 + SIGINT);
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_harms_nobody) {
  const TemporaryFolder folder;
  const auto gate = folder.path("gate");
  Child child(weir_run({folder.file("a.yaml", gated(gate) + "  answer: {from: work, reply: {}}\n")}));
  const auto port = port_of(child);
  auto leaving = std::make_unique<Client>(port, request("POST", "/ask", "leaving"));
  BOOST_REQUIRE(child.saw_on_out("leaving"));
  leaving.reset();
  std::ofstream(gate) << "";
  BOOST_TEST(is(asked(port, request("POST", "/ask", "job")), 200, ""));
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

BOOST_AUTO_TEST_CASE(answers_that_nobody_reads_take_no_more_than_the_memory) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("a.yaml",
                                    "run: {memory: 64MiB}\n"
                                    "stages:\n"
                                    "  ask: {http_server: {listen: '127.0.0.1:0', path: /ask}}\n"
                                    "  half: {from: ask, lua: 'local t, s = {}, string.rep(\"x\", "
                                    "65536) for i = 1, 64 do "
                                    "t[i] = s end return table.concat(t)'}\n"
                                    "  told: {from: half, reply: {text: '{{ text }}{{ text }}'}}\n"),
                        "--admin", "127.0.0.1:0"}));
  const auto port = port_of(child), admin = admin_port(child);
  const auto used = [&] {
    const auto figures = http_get(admin, "/metrics").body;
    const std::string name = "\nweir_memory_used_bytes ";
    const auto at = figures.find(name);
    BOOST_REQUIRE(at != figures.npos);
    return std::stod(figures.substr(at + name.size()));
  };
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(std::make_unique<Client>(port, request("GET", "/ask")));
  for (const auto& client : clients) BOOST_REQUIRE(client->has_answer(20'000));
  BOOST_TEST(used() >= 8.0 * 1024 * 1024);
  BOOST_TEST(used() <= 64.0 * 1024 * 1024);
  int refused = 0, whole = 0,
      cut = 0;  // Cut: they are read one after the other, and on a busy machine not soon enough.
  for (const auto& client : clients) {
    const auto answer = client->all();
    refused += answer.starts_with("HTTP/1.1 503 ");
    whole += answer.size() > 8u * 1024 * 1024;
    cut += answer.starts_with("HTTP/1.1 200 ") && answer.size() <= 8u * 1024 * 1024;
  }
  BOOST_TEST(refused >= 1);  // All but seven, where all come before the first is read.
  BOOST_TEST(whole >= 5);
  BOOST_TEST(refused + whole + cut == 20);
  clients.clear();
  for (int tries = 0; tries < 1000 && used() > 0; ++tries) {
  }
  BOOST_TEST(used() == 0);
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

BOOST_AUTO_TEST_CASE(who_is_refused_is_counted_by_what_he_was_told_on_the_stage_he_came_to) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("a.yaml",
                                    "run: {memory: 1MiB}\n"
                                    "stages:\n"
                                    "  first: {http_server: {listen: '127.0.0.1:0', path: /some/thing}}\n"
                                    "  told: {from: first, reply: {}}\n"
                                    "  strict: {http_server: {listen: '127.0.0.1:0', path: '/{x}', max_body: 8MiB, "
                                    "auth: {token: abc}}}\n"
                                    "  back: {from: strict, reply: {}}\n"),
                        "--admin", "127.0.0.1:0"}));
  const auto port = port_of(child), admin = admin_port(child);
  BOOST_REQUIRE(child.saw_on_err("stage=strict msg=listening"));
  const std::string shown = "Authorization: Bearer abc\r\n";
  for (int i = 0; i < 3; ++i) BOOST_TEST(asked(port, request("GET", "/a")).starts_with("HTTP/1.1 401 "));
  BOOST_TEST(asked(port, request("GET", "/not/there")).starts_with("HTTP/1.1 404 "));
  BOOST_TEST(asked(port, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  BOOST_TEST(asked(port, request("POST", "/a", std::string(4 << 20, 'x'), shown)).starts_with("HTTP/1.1 503 "));
  const auto figures = http_get(admin, "/metrics").body;
  const auto counts = [&](const std::string& stage, const std::string& status, const std::string& count) {
    return contains(figures, "\nweir_http_refused_total{pipeline=\"a\",stage=\"" + stage +
                                 "\",kind=\"http_server\",status=\"" + status + "\"} " + count + "\n");
  };
  BOOST_TEST(counts("strict", "401", "3"), figures);
  BOOST_TEST(counts("strict", "503", "1"), figures);
  BOOST_TEST(counts("strict", "404", "0"), figures);
  BOOST_TEST(counts("first", "404", "1"), figures);
  BOOST_TEST(counts("first", "400", "1"), figures);
  BOOST_TEST(counts("first", "503", "0"), figures);
  BOOST_TEST(contains(figures, R"(weir_stage_errors_total{pipeline="a",stage="strict",kind="memory"} 1)"), figures);
  BOOST_TEST(contains(figures, R"(weir_stage_errors_total{pipeline="a",stage="first",kind="memory"} 0)"), figures);
  BOOST_TEST(!contains(figures, R"(stage="told",kind="reply",status=)"), figures);
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(contains(end.err, "stage=strict msg=\"a request was turned away for want of memory\""), end.err);
}

BOOST_AUTO_TEST_CASE(a_certificate_that_is_not_there_at_the_start_ends_it) {
  const TemporaryFolder folder;
  const auto end = ran(
      {folder.file("a.yaml",
                   "stages:\n  a: {http_server: {listen: '127.0.0.1:0', path: /a, "
                   "tls: {cert: " +
                       folder.path("a.pem") + ", key: " + folder.path("a.key") + "}}}\n  b: {from: a, reply: {}}\n")});
  BOOST_TEST(end.code == 69, end.err);
  BOOST_TEST(contains(end.err, "a.pem: No such file or directory"), end.err);
}

BOOST_AUTO_TEST_CASE(an_address_that_is_taken_ends_it_at_once) {
  const TemporaryFolder folder;
  LoopbackSocket socket;
  const auto taken = "127.0.0.1:" + std::to_string(socket.listen());
  const auto end = ran({folder.file(
      "a.yaml", "stages:\n  a: {http_server: {listen: '" + taken + "', path: /a}}\n  b: {from: a, reply: {}}\n")});
  BOOST_TEST(end.code == 69, end.err);
  BOOST_TEST(contains(end.err, "listen on " + taken), end.err);
}

BOOST_AUTO_TEST_CASE(curl_is_answered) {
  if (!machine_can("curl", "curl --version")) return;
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("a.yaml", served)}));
  const auto port = std::to_string(port_of(child));
  const auto said = Child({"sh", "-c",
                           "printf 'in chunks' | curl -sS -m 20 -H "
                           "'Transfer-Encoding: chunked' -T - -X POST "
                           "http://127.0.0.1:" +
                               port +
                               "/jobs/1 -w ' %{http_code}\\n' && "
                               "head -c 100 /dev/zero | tr '\\0' a | curl -sS "
                               "-m 20 -H 'Expect: 100-continue' "
                               "--data-binary @- -o /dev/null -w '%{http_code} "
                               "%{num_connects}\\n' http://127.0.0.1:" +
                               port +
                               "/jobs/2 --next -sS -m 20 -o /dev/null -w "
                               "'%{http_code} %{num_connects}\\n' "
                               "http://127.0.0.1:" +
                               port + "/jobs/one"})
                        .end();
  BOOST_TEST(said.out == "{\"id\":\"1\",\"got\":\"in chunks\"} 201\n201 1\n200 0\n", said.out << said.err);
  child.signal(SIGTERM);
  BOOST_TEST(child.end().code == 0);
}
