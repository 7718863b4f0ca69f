// http_server as built, asked by clients that are not ours (curl, openssl, aiohttp, wrk): pages, gzip, TLS, who may
// ask, and the pipelines that serve.
#include <filesystem>
#include <fstream>

#include "tests/support/peer.hpp"
#include "tests/support/weir.hpp"

using namespace weir::tests;

namespace {

/// Standard output of a program that did what it was told.
std::string said(std::vector<std::string> words) {
  const auto end = Child(std::move(words)).end();
  BOOST_CHECK_MESSAGE(end.code == 0, end.err << end.out);
  return end.out;
}

/// Head and body of an answer.
std::string curl(std::vector<std::string> words) {
  words.insert(words.begin(), {"curl", "-sS", "-i", "-m", "20"});
  return said(std::move(words));
}
/// The status, or what curl says that it failed with: `curl 56`.
std::string status(std::vector<std::string> words) {
  words.insert(words.begin(), {"curl", "-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}"});
  const auto end = Child(std::move(words)).end();
  return end.code == 0 ? end.out : "curl " + std::to_string(end.code);
}

std::string url(std::uint16_t port, const std::string& path, const std::string& scheme = "http") {
  return scheme + "://localhost:" + std::to_string(port) + path;
}

/// The value of a header of an answer; empty where it does not stand.
std::string header(const std::string& answer, const std::string& name) {
  const auto at = answer.find("\r\n" + name + ": ");
  if (at == std::string::npos) return {};
  const auto begin = at + name.size() + 4;
  return answer.substr(begin, answer.find("\r\n", begin) - begin);
}
std::string body(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }
std::string code(const std::string& answer) { return answer.substr(9, 3); }

bool there_is_curl() { return machine_can("curl", "curl --version"); }

void end_well(Child& child) {
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

std::uint64_t peak_kib(int id) {
  std::ifstream status("/proc/" + std::to_string(id) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6));
  }
  return 0;
}

std::string echoing(const std::string& more) {
  return "stages:\n  ask: {http_server: {listen: '127.0.0.1:0', path: '/{name}'" + more +
         "}}\n  told: {from: ask, reply: {headers: {x-client: '{{ request.client }}', x-name: '{{ request.params.name "
         "}}'}}}\n";
}

}  // namespace

// --------------------------------------------------------------------------------------------------------------- pages

namespace {

/// A folder of pages, served at /.
class Pages {
 public:
  Pages() {
    namespace fs = std::filesystem;
    fs::create_directories(folder_.path("pages/sub"));
    fs::create_directories(folder_.path("pages/.git"));
    fs::create_directories(folder_.path("elsewhere"));
    folder_.file("pages/index.html", "<p>hello");
    folder_.file("pages/sub/index.html", "<p>below");
    folder_.file("pages/sp ace.txt", "0123456789");
    folder_.file("pages/empty.txt", "");
    folder_.file("pages/.secret", "secret");
    folder_.file("pages/.git/config", "secret");
    folder_.file("elsewhere/secret", "secret");
    folder_.file("pages/long.css", std::string(10'000, 'a'));
    folder_.file("pages/large.bin", std::string(300'000, 'b'));
    fs::create_symlink("../elsewhere/secret", folder_.path("pages/link"));
    fs::create_directory_symlink("../elsewhere", folder_.path("pages/linked"));
    BOOST_REQUIRE(::mkfifo(folder_.path("pages/fifo").c_str(), 0600) == 0);
    const auto large = folder_.file("pages/huge.bin", "");
    fs::resize_file(large, 256 << 20);
    child_ = std::make_unique<Child>(weir_run({folder_.file(
        "a.yaml",
        "stages:\n  pages: {http_server: {listen: '127.0.0.1:0', path: /*, files: '" + folder_.path("pages") +
            "'}}\n  ask: {http_server: {listen: '127.0.0.1:0', path: /api/ask}}\n  told: {from: ask, reply: {}}\n")}));
    port_ = port_of(*child_);
  }
  ~Pages() { end_well(*child_); }
  std::string get(const std::string& path, std::vector<std::string> words = {}) const {
    words.insert(words.end(), {"--path-as-is", url(port_, path)});
    return curl(std::move(words));
  }
  std::string code_of(const std::string& path, std::vector<std::string> words = {}) const {
    words.insert(words.end(), {"--path-as-is", url(port_, path)});
    return status(std::move(words));
  }
  int id() const { return child_->id(); }
  std::string path(const std::string& name) const { return folder_.path(name); }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<Child> child_;
  std::uint16_t port_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_CASE(pages_are_served_with_their_types_and_nothing_outside_of_their_folder) {
  if (!there_is_curl()) return;
  const Pages pages;
  const auto first = pages.get("/");
  BOOST_TEST(code(first) == "200", first);
  BOOST_TEST(body(first) == "<p>hello");
  BOOST_TEST(header(first, "Content-Type") == "text/html; charset=utf-8");
  BOOST_TEST(header(first, "X-Content-Type-Options") == "nosniff");
  BOOST_TEST(body(pages.get("/index.html?x=y")) == "<p>hello");
  const auto text = pages.get("/sp%20ace.txt");
  BOOST_TEST(body(text) == "0123456789");
  BOOST_TEST(header(text, "Content-Type") == "text/plain; charset=utf-8");
  BOOST_TEST(body(pages.get("/sub/")) == "<p>below");
  BOOST_TEST(header(pages.get("/sub?x=y"), "Location") == "/sub/?x=y");
  const auto head = pages.get("/large.bin", {"-I"});
  BOOST_TEST(header(head, "Content-Length") == "300000");
  BOOST_TEST(body(pages.get("/large.bin")) == std::string(300'000, 'b'));
  BOOST_TEST(header(pages.get("/empty.txt"), "Content-Length") == "0");
  BOOST_TEST(header(pages.get("/empty.txt", {"-I"}), "Content-Length") == "0");
  BOOST_TEST(code(pages.get("/api/ask")) == "200");

  for (const auto* path :
       {"/.secret", "/.git/config", "/link", "/linked/secret", "/fifo", "/none", "/sub/none", "/index.html/",
        "/index.html/x", "/sub//index.html", "//index.html", "/sub%2Findex.html", "/%2Fetc/passwd", "/api"}) {
    BOOST_TEST(pages.code_of(path) == "404", path);
  }
  for (const auto* path :
       {"/../elsewhere/secret", "/%2e%2e/elsewhere/secret", "/sub/..%2f..%2felsewhere/secret", "/a%00b"}) {
    BOOST_TEST(pages.code_of(path) == "400", path);
  }
  const auto posted = pages.get("/index.html", {"-d", "x"});
  BOOST_TEST(code(posted) == "405", posted);
  BOOST_TEST(header(posted, "Allow") == "GET, HEAD");
}

BOOST_AUTO_TEST_CASE(a_page_that_is_known_already_is_not_sent_again) {
  if (!there_is_curl()) return;
  const Pages pages;
  const auto first = pages.get("/sp%20ace.txt");
  const auto tag = header(first, "ETag"), date = header(first, "Last-Modified");
  BOOST_TEST(tag.starts_with("\"a-"), first);
  for (const auto& field : {"If-None-Match: " + tag, "If-None-Match: \"x\", W/" + tag, std::string("If-None-Match: *"),
                            "If-Modified-Since: " + date}) {
    const auto again = pages.get("/sp%20ace.txt", {"-H", field});
    BOOST_TEST(code(again) == "304", field);
    BOOST_TEST(body(again) == "");
    BOOST_TEST(header(again, "ETag") == tag);
  }
  const std::string long_ago = "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT";
  BOOST_TEST(pages.code_of("/sp%20ace.txt", {"-H", "If-None-Match: \"x\""}) == "200");
  BOOST_TEST(pages.code_of("/sp%20ace.txt", {"-H", "If-None-Match: \"x\"", "-H", "If-Modified-Since: " + date}) ==
             "200");
  BOOST_TEST(pages.code_of("/sp%20ace.txt", {"-H", long_ago}) == "200");
  BOOST_TEST(pages.code_of("/sp%20ace.txt", {"-H", "If-Modified-Since: yesterday"}) == "200");
}

BOOST_AUTO_TEST_CASE(a_part_of_a_page_can_be_asked_for) {
  if (!there_is_curl()) return;
  const Pages pages;
  const auto part = [&](const std::string& range, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"-H", "Range: " + range});
    const auto answer = pages.get("/sp%20ace.txt", std::move(more));
    return code(answer) + " " + header(answer, "Content-Range") + " " + (code(answer) == "416" ? "" : body(answer));
  };
  BOOST_TEST(part("bytes=2-5") == "206 bytes 2-5/10 2345");
  BOOST_TEST(part("bytes=7-") == "206 bytes 7-9/10 789");
  BOOST_TEST(part("bytes=-3") == "206 bytes 7-9/10 789");
  BOOST_TEST(part("bytes=-99") == "206 bytes 0-9/10 0123456789");
  BOOST_TEST(part("bytes=8-99999999999999999999999") == "206 bytes 8-9/10 89");
  BOOST_TEST(part("bytes=10-") == "416 bytes */10 ");
  BOOST_TEST(part("bytes=-0") == "416 bytes */10 ");
  for (const auto* all : {"bytes=5-2", "bytes=1-2,4-5", "bytes=a-b", "bytes=-", "lines=1-2", "bytes"}) {
    BOOST_TEST(part(all) == "200  0123456789", all);
  }
  const auto tag = header(pages.get("/sp%20ace.txt"), "ETag");
  BOOST_TEST(part("bytes=2-5", {"-H", "If-Range: " + tag}) == "206 bytes 2-5/10 2345");
  BOOST_TEST(part("bytes=2-5", {"-H", "If-Range: \"x\""}) == "200  0123456789");
  const auto large = pages.get("/large.bin", {"-H", "Range: bytes=1000-200999"});
  BOOST_TEST(body(large) == std::string(200'000, 'b'));
}

BOOST_AUTO_TEST_CASE(a_page_is_packed_for_who_takes_that_and_a_large_one_is_never_held) {
  if (!there_is_curl()) return;
  const Pages pages;
  const auto packed = pages.get("/long.css", {"-H", "Accept-Encoding: br, gzip;q=0.5"});
  BOOST_TEST(header(packed, "Content-Encoding") == "gzip");
  BOOST_TEST(header(packed, "Vary") == "Accept-Encoding");
  BOOST_TEST(header(packed, "ETag").starts_with("W/\""));
  BOOST_TEST(body(packed).size() < 1'000u);
  BOOST_TEST(body(pages.get("/long.css", {"--compressed"})) == std::string(10'000, 'a'));
  BOOST_TEST(pages.code_of("/long.css", {"-H", "If-None-Match: " + header(packed, "ETag")}) == "304");
  for (const auto* field :
       {"Accept-Encoding: gzip;q=0", "Accept-Encoding: identity", "Accept-Encoding: *;q=0", "X: y"}) {
    const auto plain = pages.get("/long.css", {"-H", field});
    BOOST_TEST(header(plain, "Content-Encoding") == "", field);
    BOOST_TEST(header(plain, "Vary") == "Accept-Encoding");
    BOOST_TEST(body(plain).size() == 10'000u);
  }
  BOOST_TEST(header(pages.get("/large.bin", {"--compressed"}), "Content-Encoding") == "");

  const auto before = peak_kib(pages.id());
  BOOST_TEST(pages.code_of("/huge.bin") == "200");
#ifndef __SANITIZE_ADDRESS__  // It keeps what is freed.
  BOOST_TEST(peak_kib(pages.id()) < before + 8 * 1024);
#else
  (void)before;
#endif
}

// ---------------------------------------------------------------------------------------------------------------- gzip

BOOST_AUTO_TEST_CASE(bodies_are_unpacked_within_limits_and_answers_packed) {
  if (!there_is_curl()) return;
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("a.yaml", echoing(", max_body: 2MiB"))}));
  const auto port = port_of(child);
  const std::string text(50'000, 'x');
  const auto packed = [&](const std::string& name, const std::string& content) {
    const auto file = folder.file(name, content);
    said({"gzip", "-k", file});
    return file + ".gz";
  };
  const auto post = [&](const std::string& file, const std::string& coding = "gzip") {
    return curl({"-H", "Content-Encoding: " + coding, "--data-binary", "@" + file, url(port, "/a")});
  };
  const auto good = packed("good", text);
  BOOST_TEST(body(post(good)) == text);
  BOOST_TEST(body(post(good, "x-gzip")) == text);
  BOOST_TEST(body(post(folder.file("plain", "abc"), "identity")) == "abc");
  const auto answer = curl({"-H", "Content-Encoding: gzip", "-H", "Accept-Encoding: gzip", "--data-binary", "@" + good,
                            "-H", "Transfer-Encoding: chunked", url(port, "/a")});
  BOOST_TEST(header(answer, "Content-Encoding") == "gzip");
  BOOST_TEST(header(answer, "Vary") == "Accept-Encoding");
  BOOST_TEST(header(curl({"--compressed", "-d", "short", url(port, "/a")}), "Content-Encoding") == "");

  BOOST_TEST(code(post(folder.file("damaged", text_of(good).substr(0, 40)))) == "400");
  BOOST_TEST(code(post(folder.file("no gzip", "abc"))) == "400");
  BOOST_TEST(code(post(packed("large", std::string(3'000'000, 'x')))) == "413");
  const auto bomb = post(packed("bomb", std::string(1'900'000, '\0')));  // Within max_body, but 1,000 to 1.
  BOOST_TEST(code(bomb) == "413");
  BOOST_TEST(body(bomb) == "the body is more than 200 times as large when it is unpacked\n");
  const auto unknown = post(good, "br");
  BOOST_TEST(code(unknown) == "415", unknown);
  BOOST_TEST(header(unknown, "Accept-Encoding") == "gzip");
  BOOST_TEST(code(post(good, "gzip, gzip")) == "415");
  end_well(child);
}

// ----------------------------------------------------------------------------------------------------------------- TLS

namespace {

/// Certificates of two servers, of an authority, and of a client that it knows and one that it does not.
class Certificates {
 public:
  Certificates() {
    self_signed("server", "/CN=localhost", "DNS:localhost");
    self_signed("other", "/CN=other", "DNS:other.example,DNS:*.wild.example");
    self_signed("authority", "/CN=authority", "DNS:authority");
    self_signed("stranger", "/CN=stranger", "DNS:stranger");
    said(
        {"sh", "-c",
         "cd \"$0\" && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /O=acme/CN=alice "
         "-keyout alice.key 2>/dev/null | openssl x509 -req -CA authority.pem -CAkey authority.key -CAcreateserial "
         "-days 3650 -out alice.pem 2>/dev/null",
         folder.path("")});
  }
  std::string path(const std::string& name) const { return folder.path(name); }
  std::string pair(const std::string& name) const {
    return "cert: '" + path(name + ".pem") + "', key: '" + path(name + ".key") + "'";
  }
  TemporaryFolder folder;

 private:
  void self_signed(const std::string& name, const std::string& subject, const std::string& names) const {
    said({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
          "3650", "-subj", subject, "-addext", "subjectAltName=" + names, "-keyout", path(name + ".key"), "-out",
          path(name + ".pem")});
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_client_is_shown_the_certificate_of_the_name_it_asks_for) {
  if (!there_is_curl()) return;
  const Certificates made;
  Child child(weir_run({made.folder.file(
      "a.yaml", echoing(", tls: {" + made.pair("server") + ", more: [{" + made.pair("other") + "}]}"))}));
  const auto port = port_of(child);
  const auto at = std::to_string(port);
  const auto ask = [&](const std::string& name, const std::string& believed, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--cacert", made.path(believed + ".pem"), "--resolve", name + ":" + at + ":127.0.0.1",
                             "https://" + name + ":" + at + "/a"});
    return status(std::move(more));
  };
  BOOST_TEST(ask("localhost", "server") == "200");
  BOOST_TEST(ask("localhost", "server", {"--tls-max", "1.2"}) == "200");
  BOOST_TEST(ask("localhost", "server", {"--http2"}) == "200");
  BOOST_TEST(ask("localhost", "server", {"--http1.0"}) == "200");  // And that is all that it offers.
  BOOST_TEST(ask("other.example", "other") == "200");
  BOOST_TEST(ask("a.wild.example", "other") == "200");
  BOOST_TEST(ask("other.example", "server") == "curl 60");
  BOOST_TEST(ask("third.example", "other") == "curl 60");  // It is shown the first.
  BOOST_TEST(ask("localhost", "server", {"--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0"}) == "curl 35");
  for (const auto* method : {"GET", "POST"}) {
    const auto told = curl({"-X", method, url(port, "/a")});
    BOOST_TEST(code(told) == "400", method);
    BOOST_TEST(body(told) == "this port speaks https\n", method);
  }
  const auto other_protocol =
      Child({"sh", "-c", "openssl s_client -alpn h2 -connect 127.0.0.1:" + at + " </dev/null 2>&1"}).end();
  BOOST_TEST(contains(other_protocol.out, "no application protocol"), other_protocol.out);

  // Much both ways, in many records; and several requests of one connection.
  const std::string text(900'000, 'x');
  const auto file = made.folder.file("body", text);
  const auto answer = curl(
      {"--cacert", made.path("server.pem"), "-H", "Expect:", "--data-binary", "@" + file, url(port, "/a", "https")});
  BOOST_TEST((body(answer) == text));
  const auto twice =
      said({"curl", "-sS", "-m", "20", "--cacert", made.path("server.pem"), "-o", "/dev/null", "-o", "/dev/null", "-w",
            "%{http_code} %{num_connects}\n", url(port, "/a", "https"), url(port, "/b", "https")});
  BOOST_TEST(twice == "200 1\n200 0\n");
  end_well(child);
}

BOOST_AUTO_TEST_CASE(only_clients_that_the_authority_knows_are_let_in_and_they_are_called_by_their_subject) {
  if (!there_is_curl()) return;
  const Certificates made;
  Child child(weir_run({made.folder.file(
      "a.yaml", echoing(", tls: {" + made.pair("server") + ", ca: '" + made.path("authority.pem") + "'}"))}));
  const auto port = port_of(child);
  const auto with = [&](const std::string& who) {
    return std::vector<std::string>{"--cacert",
                                    made.path("server.pem"),
                                    "--cert",
                                    made.path(who + ".pem"),
                                    "--key",
                                    made.path(who + ".key"),
                                    url(port, "/a", "https")};
  };
  const auto answer = curl(with("alice"));
  BOOST_TEST(code(answer) == "200");
  BOOST_TEST(header(answer, "x-client") == "CN=alice,O=acme");
  for (const auto* most : {"1.2", "1.3"}) {
    auto words = with("stranger");
    words.insert(words.end(), {"--tls-max", most});
    BOOST_TEST(status(words).starts_with("curl "), most);
    BOOST_TEST(status({"--cacert", made.path("server.pem"), "--tls-max", most, url(port, "/a", "https")})
                   .starts_with("curl "));
  }
  end_well(child);
}

BOOST_AUTO_TEST_CASE(certificates_that_are_none_are_told_before_anything_runs) {
  const Certificates made;
  const auto& folder = made.folder;
  const auto run = [&](const std::string& tls) {
    return ran({folder.file("a.yaml", echoing(", tls: {" + tls + "}"))});
  };
  const auto damaged = folder.file("damaged.pem", "no certificate\n");
  auto end = run("cert: '" + damaged + "', key: '" + made.path("server.key") + "'");
  BOOST_TEST(end.code == 78);
  BOOST_TEST(contains(end.err, "a.yaml:2:"), end.err);
  BOOST_TEST(contains(end.err, "damaged.pem: this is no certificate in PEM"), end.err);
  end = run("cert: '" + made.path("server.pem") + "', key: '" + made.path("other.key") + "'");
  BOOST_TEST(end.code == 78);
  BOOST_TEST(contains(end.err, "other.key: this is not the key of " + made.path("server.pem")), end.err);
  end = run("cert: '" + made.path("server.pem") + "', key: '" + damaged + "'");
  BOOST_TEST(contains(end.err, "damaged.pem: this is no key in PEM, or it has a pass phrase"), end.err);
  end = run(made.pair("server") + ", ca: '" + damaged + "'");
  BOOST_TEST(contains(end.err, "damaged.pem: these are no certificates in PEM"), end.err);
  end = run("cert: '" + made.path("none.pem") + "', key: '" + made.path("server.key") + "'");
  BOOST_TEST(end.code == 69);
  BOOST_TEST(contains(end.err, "none.pem: No such file or directory"), end.err);
  end =
      ran({folder.file("b.yaml", "stages:\n  a: {http_server: {listen: '127.0.0.1:0', path: /*, files: /nowhere}}\n")});
  BOOST_TEST(end.code == 69, end.err);
}

// -------------------------------------------------------------------------------------------------------- who may ask

BOOST_AUTO_TEST_CASE(who_gives_neither_token_nor_password_is_told_what_is_wanted) {
  if (!there_is_curl()) return;
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("a.yaml", echoing(", auth: {token: abc, user: weir, password: 'a:b'}"))}));
  const auto port = port_of(child);
  const auto refused = curl({url(port, "/a")});
  BOOST_TEST(code(refused) == "401");
  BOOST_TEST(contains(refused, "WWW-Authenticate: Bearer\r\n"), refused);
  BOOST_TEST(contains(refused, "WWW-Authenticate: Basic realm=\"weir\", charset=\"UTF-8\"\r\n"), refused);
  BOOST_TEST(status({"-u", "weir:a:b", url(port, "/a")}) == "200");
  BOOST_TEST(status({"--oauth2-bearer", "abc", url(port, "/a")}) == "200");
  for (const auto* pair : {"weir:a", "weir:", "Weir:a:b", "weir:a:b:", ":a:b"}) {
    BOOST_TEST(status({"-u", pair, url(port, "/a")}) == "401", pair);
  }
  BOOST_TEST(status({"-H", "Authorization: Basic", url(port, "/a")}) == "401");
  BOOST_TEST(status({"-H", "Authorization: Basic abc", url(port, "/a")}) == "401");
  BOOST_TEST(status({"-u", "weir:abc", url(port, "/a")}) == "401");
  end_well(child);
}

// ------------------------------------------------------------------------------------------------------ what goes on

BOOST_AUTO_TEST_CASE(an_escaped_slash_and_a_client_survive_being_forwarded) {
  if (!there_is_curl()) return;
  const TemporaryFolder folder;
  Child behind(weir_run({folder.file("behind.yaml", echoing(""))}));
  const auto target = "http://127.0.0.1:" + std::to_string(port_of(behind));
  Child before(weir_run({folder.file("before.yaml",
                                     "stages:\n  ask: {http_server: {listen: '127.0.0.1:0', path: /*}}\n"
                                     "  sent: {from: ask, http: {forward: '" +
                                         target +
                                         "'}}\n"
                                         "  told: {from: sent, reply: {headers: '{{ result.headers }}'}}\n")}));
  const auto port = port_of(before);
  BOOST_TEST(header(curl({url(port, "/a%2Fb%20c%3F")}), "x-name") == "a/b c?");
  BOOST_TEST(header(curl({url(port, "/plain")}), "x-name") == "plain");
  BOOST_TEST(header(curl({"-H", "X_Name: evil", url(port, "/plain")}), "x-name") == "plain");
  end_well(before);
  end_well(behind);
}

BOOST_AUTO_TEST_CASE(a_query_is_forwarded_as_it_was_sent) {
  if (!there_is_curl()) return;
  const TemporaryFolder folder;
  Peer peer(replies([](const std::string& request) {
    const auto line = request.substr(0, request.find(" HTTP"));
    return "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(line.size()) + "\r\n\r\n" + line;
  }));
  Child before(weir_run({folder.file("before.yaml",
                                     "stages:\n  ask: {http_server: {listen: '127.0.0.1:0', path: /*}}\n"
                                     "  sent: {from: ask, http: {forward: '" +
                                         peer.url("/?own=1") +
                                         "'}}\n"
                                         "  told: {from: sent, reply: {}}\n")}));
  const auto port = port_of(before);
  for (const std::string query : {"wsdl", "sig=a/b+c:d", "a;b;c", "a=%2f%2F&a=&=b"}) {
    BOOST_TEST(body(curl({url(port, "/a?" + query)})) == "GET /a?own=1&" + query);
  }
  end_well(before);
}

BOOST_AUTO_TEST_CASE(files_that_listen_on_one_address_share_it) {
  if (!there_is_curl()) return;
  const TemporaryFolder folder;
  std::uint16_t free = 0;
  {
    LoopbackSocket socket;
    free = socket.listen();
  }
  const auto serving = [&](const std::string& path, const std::string& text) {
    return folder.file(text + ".yaml", "stages:\n  ask: {http_server: {listen: '127.0.0.1:" + std::to_string(free) +
                                           "', path: " + path + "}}\n  told: {from: ask, reply: {text: " + text +
                                           "}}\n");
  };
  const auto one = serving("/one", "first"), two = serving("/two", "second"), same = serving("/one", "third");
  Child child(weir_run({one, two}));
  BOOST_REQUIRE(child.saw_on_err("path=/one") && child.saw_on_err("path=/two"));
  BOOST_TEST(body(curl({url(free, "/one")})) == "first");
  BOOST_TEST(body(curl({url(free, "/two")})) == "second");
  end_well(child);
  const auto end = ran({one, same});
  BOOST_TEST(end.code == 69);
  BOOST_TEST(contains(end.err, "serves /one already"), end.err);
}

// ----------------------------------------------------------------------------------------------- pipelines that serve

namespace {

bool there_is_aiohttp() { return machine_can("aiohttp", "/usr/bin/python3 -c 'import aiohttp'"); }
bool there_is_wrk() { return machine_can("wrk", "command -v wrk"); }

/// What wrk counted: requests, and those of them that were answered by no 2xx or 3xx.
std::pair<int, int> counted_by_wrk(const std::string& url) {
  const auto out = said({"wrk", "-t1", "-c8", "-d1s", url});
  const auto number_before = [&](const std::string& words) {
    const auto at = out.find(words);
    return at == std::string::npos ? 0 : std::atoi(out.c_str() + out.rfind('\n', at) + 1);
  };
  const std::string refused = "Non-2xx or 3xx responses: ";
  const auto at = out.find(refused);
  BOOST_TEST(!contains(out, "Socket errors"), out);
  return {number_before(" requests in "), at == std::string::npos ? 0 : std::atoi(out.c_str() + at + refused.size())};
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_gateway_stands_between_curl_wrk_and_a_server_of_aiohttp) {
  if (!there_is_curl() || !there_is_aiohttp()) return;
  Child upstream({"/usr/bin/python3", "tests/fault/http_peers.py", "serve"});
  BOOST_REQUIRE(upstream.saw_on_out("\n"));
  const auto behind = "http://127.0.0.1:" + upstream.out().substr(0, upstream.out().find('\n'));
  Child gateway(weir_run({"pipelines/api_gateway.yaml"}),
                {"LISTEN=127.0.0.1:0", "ORDERS=" + behind, "SEARCH=" + behind, "USERS=http://127.0.0.1:1"});
  const auto port = port_of(gateway);
  const auto answer =
      curl({"-d", "hello", "-H", "X-Hop: 1", "-H", "Connection: X-Hop, close", url(port, "/orders/a%2Fb?c=d%26e")});
  BOOST_TEST(code(answer) == "200", answer);
  BOOST_TEST(header(answer, "x-upstream") == "aiohttp");
  BOOST_TEST(
      body(answer) ==
      R"({"method": "POST", "path": "/orders/a%2Fb?c=d%26e", "body": "hello", "for": "127.0.0.1", "hop": null})");
  BOOST_TEST(status({url(port, "/users/7")}) == "502");   // Nobody is there.
  BOOST_TEST(status({url(port, "/search/x")}) == "504");  // It has 300 ms.
  BOOST_TEST(status({url(port, "/other")}) == "404");
  if (there_is_wrk()) {
    const auto [all, refused] = counted_by_wrk(url(port, "/orders/1"));
    // 100 at once and 50 a second, of which some are used up; wrk's second may be a long one.
    BOOST_TEST(all > 100);
    BOOST_TEST(all - refused >= 50);
    BOOST_TEST(all - refused <= 100 + 50 * 4);
    const auto late = curl({url(port, "/orders/1")});
    BOOST_TEST((code(late) == "200" || (code(late) == "429" && header(late, "retry-after") == "1")), late);
  }
  BOOST_TEST(status({"-H", "X-Api-Key: another", url(port, "/orders/1")}) == "200");
  end_well(gateway);
}

BOOST_AUTO_TEST_CASE(the_service_answers_aiohttp_and_wrk) {
  if (!there_is_aiohttp()) return;
  const TemporaryFolder folder;
  auto text = text_of("pipelines/service.yaml");
  for (const std::string fixed = "127.0.0.1:8080, "; contains(text, fixed);) {
    text.replace(text.find(fixed), fixed.size(), "'127.0.0.1:0', ");
  }
  Child service(weir_run({folder.file("service.yaml", text)}));
  const auto port = port_of(service);
  const auto asked =
      Child({"/usr/bin/python3", "tests/fault/http_peers.py", "ask", "http://127.0.0.1:" + std::to_string(port)}).end();
  BOOST_TEST(asked.out == "good\n", asked.out << asked.err);
  if (there_is_wrk()) {
    const auto [all, refused] = counted_by_wrk(url(port, "/hello/you"));
    BOOST_TEST(all > 100);
    BOOST_TEST(refused == 0);
  }
  end_well(service);
}
