// Pipelines of pipelines/ as they stand, with servers and clients of others: nginx, aiohttp, Python's http.server,
// curl. Only times are shortened. What of these is not installed is said and skipped.
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "tests/support/poll_thread.hpp"
#include "tests/support/python_server.hpp"
#include "tests/support/tls.hpp"
#include "tests/support/watched.hpp"

using namespace weir::tests;

namespace {

/// The pipeline in this folder, with what the folder holds on its path; `words` are further ones of the command line.
/// Standard input is the folder's file `input`.
std::unique_ptr<Child> run_of(const std::string& name, const TemporaryFolder& folder,
                              std::vector<std::string> words = {}, std::vector<std::string> environment = {}) {
  if (!std::filesystem::exists(folder.path("input"))) folder.file("input", "");
  words.insert(words.begin(), {folder.path(""), std::string(WEIR_SOURCE_DIR) + "/pipelines/" + name + ".yaml"});
  environment.insert(environment.end(), shell_environment.begin(), shell_environment.end());
  environment.push_back("TMPDIR=" + folder.path(""));
  return std::make_unique<Child>(
      shell("cd \"$1\" && shift && PATH=$PWD:$PATH exec \"$WEIR\" run --admin off \"$@\" <input", std::move(words)),
      std::move(environment));
}

/// Writes a script that can be run.
void script(const TemporaryFolder& folder, const std::string& name, const std::string& lines) {
  std::filesystem::permissions(folder.file(name, "#!/bin/sh\n" + lines), std::filesystem::perms::owner_all);
}

std::uint16_t free_port() {
  std::uint16_t port = 0;
  listen_on_loopback(port, 1).close();
  return port;
}

/// Debian's nginx with these lines in its `server`: the one that is installed, or else its package unpacked.
class Nginx {
 public:
  static bool is_here() {
    // (Not a Child: it may take longer than one may be silent.)
    static const int fetched =
        std::system(("'" WEIR_SOURCE_DIR "/tests/support/fetch_nginx' '" + folder() + "'").c_str());
    BOOST_TEST(fetched == 0);
    return machine_can("nginx", find + "nginx -v");
  }

  Nginx(const TemporaryFolder& folder, std::uint16_t port, const std::string& lines, const std::string& listen = {})
      : port_(port) {
    const auto path = [&](const std::string& name) { return folder.path(name); };
    std::string temporary;
    for (const auto* of : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      temporary += std::string(of) + "_temp_path " + path("nginx_temp") + ";\n";
    }
    const auto config = folder.file(
        "nginx.conf", "daemon off;\nmaster_process off;\npid " + path("nginx.pid") + ";\nerror_log stderr;\n" +
                          "events {}\nhttp {\nlog_format asked '$request_method $uri $server_protocol';\naccess_log " +
                          path("access.log") + " asked;\n" + temporary + "server {\nlisten 127.0.0.1:" +
                          std::to_string(port) + " " + listen + ";\n" + lines + "\n}\n}\n");
    nginx_ =
        std::make_unique<Child>(std::vector<std::string>{"sh", "-c", find + "exec nginx -e stderr -c \"$0\"", config});
    BOOST_REQUIRE(until([&] { return bool(connect_to_loopback(port_)); }));
  }
  void end() {
    nginx_->signal(SIGTERM);
    nginx_->end();
  }

 private:
  static std::string folder() { return std::string(WEIR_SOURCE_DIR) + "/build/nginx"; }
  inline static const std::string find = "PATH=$PATH:/usr/sbin:'" + folder() + "/usr/sbin'; ";

  const std::uint16_t port_;
  std::unique_ptr<Child> nginx_;
};

bool has_aiohttp() { return machine_can("aiohttp", "/usr/bin/python3 -c 'import aiohttp'"); }

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

}  // namespace

BOOST_AUTO_TEST_CASE(subprocess_reports_all_five_commands_the_killed_one_too) {
  const TemporaryFolder folder;
  const auto end = run_of("subprocess", folder, {"--set", "stages.run.timeout=2500ms"})->end();
  BOOST_TEST(end.code == 0, end.err);
  const auto report = text_of(folder.path("report.json"));
  BOOST_TEST(times(report, "\"name\":") == 5U, report);
  for (const auto* part : {"{\"name\":\"kernel\"", "\"code\":3", "\"stderr\":\"oops\"", "\"stdout\":\"done\"",
                           "\"error\":\"timeout\"", "\"error\":\"exit\""}) {
    BOOST_TEST(contains(report, part), part << " is not in " << report);
  }
}

BOOST_AUTO_TEST_CASE(rate_limit_keeps_to_each_tenant_s_rate_and_to_what_aiohttp_asks_of_it) {
  if (!has_aiohttp()) return;
  PythonServer api({"aiohttp"});
  const TemporaryFolder folder;
  std::string orders = "{\"tenant\":\"quick\",\"n\":0,\"item\":\"none\"}\n";
  for (int n = 1; n <= 11; ++n) orders += "{\"tenant\":\"quick\",\"n\":" + std::to_string(n) + "}\n";
  for (int n = 1; n <= 3; ++n) orders += "{\"tenant\":\"busy\",\"n\":" + std::to_string(n) + "}\n";
  folder.file("input", orders);
  const auto begun = std::chrono::steady_clock::now();
  const auto end = run_of("rate_limit", folder, {}, {"API=" + api.url()})->end();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  BOOST_TEST(end.code == 0, end.err);
  for (int n = 1; n <= 11; ++n) BOOST_TEST(contains(end.out, "\"receipt\":\"quick-" + std::to_string(n) + "\"}\n"));
  for (int n = 1; n <= 3; ++n) BOOST_TEST(contains(end.out, "\"receipt\":\"busy-" + std::to_string(n) + "\"}\n"));
  BOOST_TEST(times(end.out, "\n") == 14U);
  BOOST_TEST(took.count() >= 1.2);  // Ten at once, and two more after 600 ms each.
  const auto failed = text_of(folder.path("failed.ndjson"));
  BOOST_TEST(times(failed, "\n") == 1U);
  BOOST_TEST(contains(failed, "\"kind\":\"status\",\"stage\":\"call\",\"text\":\"answered 422 "), failed);
  const auto asked = api.end();
  BOOST_TEST(times(asked, " 429 ") >= 1U);
  BOOST_TEST(times(asked, " 200 ") == 14U);
  BOOST_TEST(times(asked, " 422 ") == 1U);
}

BOOST_AUTO_TEST_CASE(circuit_breaker_answers_curl_while_nginx_is_away_and_when_it_is_back) {
  if (!Nginx::is_here()) return;
  const TemporaryFolder folder;
  const auto port = free_port();
  const std::string shop = "location = /quote { default_type application/json; return 200 '{\"price\":3}'; }";
  auto nginx = std::make_unique<Nginx>(folder, port, shop);
  const auto weir = run_of("circuit_breaker", folder, {"--set", "stages.call.breaker.recover_after=300ms"},
                           {"LISTEN=127.0.0.1:0", "SHOP=http://127.0.0.1:" + std::to_string(port)});
  const auto url = "http://127.0.0.1:" + std::to_string(port_of(*weir)) + "/quote";
  const auto told = [&] { return Child({"curl", "-sS", "-m", "20", "-i", url}).end().out; };
  const auto well = [&] { return contains(told(), "\r\n\r\n{\"price\":3}"); };
  BOOST_TEST(well());
  nginx->end();
  for (int failure = 1; failure <= 5; ++failure) {
    const auto fallback = told();
    BOOST_TEST(contains(fallback, "x-fallback: connect\r\n"), fallback);
    BOOST_TEST(contains(fallback, "\"price\":null"), fallback);
  }
  const auto fallback = told();
  BOOST_TEST(contains(fallback, "x-fallback: open\r\n"), fallback);
  nginx = std::make_unique<Nginx>(folder, port, shop);
  BOOST_TEST(until(well));
  BOOST_TEST(well());
  weir->signal(SIGTERM);
  const auto end = weir->end();
  BOOST_TEST(end.code == 0, end.err);
  nginx->end();
}

BOOST_AUTO_TEST_CASE(worker_pool_converts_what_nginx_serves_each_job_for_itself_and_in_order) {
  if (!Nginx::is_here()) return;
  const TemporaryFolder folder, pictures;
  std::string jobs;
  for (int i = 0; i < 20; ++i) {
    const auto name = std::to_string(i) + ".png";
    if (i != 7) pictures.file(name, "picture");
    jobs += "{\"file\":\"" + name + "\"}\n";
  }
  folder.file("input", jobs);
  const auto port = free_port();
  Nginx nginx(folder, port, "root " + pictures.path("") + ";");
  // The third one fails once.
  script(folder, "convert.sh",
         "[ \"$1\" != 3.png ] || [ -e tried ] || { touch tried; exit 1; }\n"
         "exec curl -sSf -m 20 -o \"$1\" http://127.0.0.1:" +
             std::to_string(port) + "/\"$1\"\n");
  const auto end = run_of("worker_pool", folder, {"--set", "stages.work.retry.backoff=10ms..50ms"})->end();
  BOOST_TEST(end.code == 0, end.err);
  std::size_t last = 0;
  for (int i = 0; i < 20; ++i) {
    const auto name = std::to_string(i) + ".png";
    const auto at = end.out.find("\"file\":\"" + name + "\"");
    BOOST_TEST((at == std::string::npos) == (i == 7), name);
    if (i == 7) continue;
    BOOST_TEST(at >= last, name << " comes too early");
    last = at;
    BOOST_TEST(text_of(folder.path(name)) == "picture");
  }
  const auto failed = text_of(folder.path("failed.ndjson"));
  BOOST_TEST(contains(failed, "\"kind\":\"exit\",\"stage\":\"work\""), failed);
  BOOST_TEST(contains(failed, "\"attempts\":3"), failed);
  BOOST_TEST(contains(failed, "7.png"), failed);
  BOOST_TEST(times(failed, "\n") == 1U, failed);
  nginx.end();
}

BOOST_AUTO_TEST_CASE(task_automation_does_each_job_of_the_night_and_posts_its_report) {
  if (!has_aiohttp()) return;
  PythonServer api({"aiohttp"});
  const TemporaryFolder folder;
  script(folder, "backup.sh", "[ -e tried ] || { touch tried; exit 1; }\n");
  script(folder, "psql", "echo no such database >&2; exit 2\n");
  // The same night, but at once.
  const auto end =
      run_of("task_automation", folder,
             {"--set",
              "stages.night.generate={each: [{name: backup, command: [./backup.sh, --full]}, {name: vacuum, command: "
              "[psql, -c, VACUUM ANALYZE]}, {name: prune, command: [find, ., -name, none]}]}",
              "--set", "stages.run.retry.backoff=10ms..50ms"},
             {"REPORT_URL=" + api.url("/reports")})
          ->end();
  BOOST_TEST(end.code == 0, end.err);
  const auto asked = api.end();
  BOOST_TEST(times(asked, "POST /reports 204 ") == 1U, asked);
  for (const auto& part :
       {R"(\"name\":\"backup\")", R"(\"code\":2)", R"(\"attempts\":3,\"stderr\":\"no such database)"}) {
    BOOST_TEST(contains(asked, part), part << " is not in " << asked);
  }
  std::size_t reports = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path("reports"))) {
    reports += entry.path().extension() == ".json";
  }
  BOOST_TEST(reports == 1U);
  BOOST_TEST(text_of(folder.path("untold.ndjson")) == "");
}

BOOST_AUTO_TEST_CASE(monitor_says_once_that_an_endpoint_is_ill_and_once_that_it_is_well) {
  PythonServer shop({"faulty", "200", "200", "500", "500", "200", "503", "503", "503", "503", "200"});
  const TemporaryFolder folder;
  const auto weir = run_of("monitor", folder, {"--set", "stages.endpoints.generate.every=50ms"},
                           {"ENDPOINT=" + shop.url("/healthz"), "ABOVE=100000"});
  BOOST_TEST(weir->saw_on_out(" is well …"), weir->err());
  weir->signal(SIGTERM);
  const auto end = weir->end();
  BOOST_TEST(end.code == 0, end.err);
  const auto log = text_of(folder.path("weir-alerts.ndjson"));
  BOOST_TEST(times(log, "\n") == 2U, log);
  BOOST_TEST(contains(log, shop.url("/healthz") + " does not answer: answered 503 Service Unavailable\""), log);
  BOOST_TEST(contains(log, shop.url("/healthz") + " is well again\""), log);
  shop.end();
}

BOOST_AUTO_TEST_CASE(a_server_that_says_goaway_in_the_middle_is_sent_everything_once) {
  if (!Nginx::is_here()) return;
  const TemporaryFolder folder;
  const Certificates certificates;
  certificates.make("server");
  const auto port = free_port();
  // A new connection after every seven requests; what is posted is not read.
  Nginx nginx(folder, port,
              "ssl_certificate " + certificates.path("server.pem") + ";\nssl_certificate_key " +
                  certificates.path("server.key") + ";\nkeepalive_requests 7;\nlocation / { return 200 ok; }",
              "ssl http2");
  const std::string url = "https://localhost:" + std::to_string(port);
  const std::string tls = ", tls: {ca: '" + certificates.path("server.pem") + "'}}}\n";
  const auto end = ran(
      {folder.file("p.yaml",
                   "stages:\n"
                   "  numbers: {generate: {range: 1..300}}\n"
                   "  asked: {from: numbers, workers: 8, order: free, http: {get: '" +
                       url + "/a/{{ msg }}'" + tls + "  sent: {from: numbers, workers: 8, order: free, http: {post: '" +
                       url + "/s/{{ msg }}'" + tls + "  end: {from: asked, drop: {}}\n")});
  BOOST_TEST(end.code == 0, end.err);
  nginx.end();
  std::istringstream log(text_of(folder.path("access.log")));
  std::map<std::string, int> arrived;
  for (std::string line; std::getline(log, line);) ++arrived[line];
  for (int i = 1; i <= 300; ++i) {
    const int sent = arrived["POST /s/" + std::to_string(i) + " HTTP/1.1"];
    BOOST_TEST(sent == 1, i << " came " << sent << " times\n" << end.err);
    // A question may be asked again: libcurl does not say whether the server had begun with it.
    const int asked = arrived["GET /a/" + std::to_string(i) + " HTTP/2.0"];
    BOOST_TEST((asked == 1 || asked == 2), i << " came " << asked << " times\n" << end.err);
  }
}
