// Who may ask the admin port, where it may listen, and how a run is told on one line.
#include "engine/command/admin.hpp"

#include <boost/test/unit_test.hpp>

#include "engine/command/progress.hpp"
#include "engine/message/json.hpp"

namespace {

using namespace std::chrono_literals;
using weir::command::AdminRules;
using weir::command::progress_line;
using weir::command::refusal;
using weir::io::HttpRequest;
using weir::io::parse_address;

HttpRequest asking(const std::string& path, const std::string& host = "localhost:9797") {
  HttpRequest request;
  request.method = "GET";
  request.path = path;
  request.headers.emplace_back("host", host);
  return request;
}

HttpRequest showing(const std::string& authorization, const std::string& host = "localhost:9797") {
  auto request = asking("/metrics", host);
  request.headers.emplace_back("authorization", authorization);
  return request;
}

int status_of(const HttpRequest& request, const AdminRules& rules) {
  const auto refused = refusal(request, rules);
  return refused ? refused->status : 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_address_needs_a_port_and_is_never_looked_up) {
  BOOST_TEST(parse_address("127.0.0.1:9797")->text() == "127.0.0.1:9797");
  BOOST_TEST(parse_address("[::1]:80")->text() == "[::1]:80");
  BOOST_TEST(parse_address("localhost:0")->text() == "127.0.0.1:0");
  for (const auto* text : {"", "off", "9797", ":9797", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                           "127.0.0.1:-1", "::1:80", "[::1]", "example.org:80", "1.2.3:80"}) {
    BOOST_TEST(!parse_address(text).has_value(), "'" << text << "' was taken for an address");
  }
}

BOOST_AUTO_TEST_CASE(only_loopback_is_loopback) {
  BOOST_TEST(parse_address("127.3.2.1:1")->is_loopback());
  BOOST_TEST(parse_address("[::1]:1")->is_loopback());
  BOOST_TEST(!parse_address("0.0.0.0:1")->is_loopback());
  BOOST_TEST(!parse_address("[::]:1")->is_loopback());
  BOOST_TEST(!parse_address("10.0.0.1:1")->is_loopback());
}

BOOST_AUTO_TEST_CASE(a_stranger_s_name_that_points_here_gets_nothing) {
  const AdminRules rules;
  for (const auto* host : {"localhost", "LOCALHOST:9797", "127.0.0.1:9797", "[::1]:9797"}) {
    BOOST_TEST(status_of(asking("/metrics", host), rules) == 0, host);
  }
  for (const auto* host : {"evil.example", "localhost.evil.example:9797", "127.0.0.1.evil.example"}) {
    BOOST_TEST(status_of(asking("/metrics", host), rules) == 403, host);
  }
}

BOOST_AUTO_TEST_CASE(with_a_token_only_who_shows_it_is_answered) {
  AdminRules rules;
  rules.token = "rosebud";
  BOOST_TEST(status_of(asking("/metrics"), rules) == 401);
  BOOST_TEST(status_of(asking("/readyz"), rules) == 401);
  BOOST_TEST(status_of(asking("/livez"), rules) == 0);
  BOOST_TEST(status_of(showing("Bearer rosebud"), rules) == 0);
  BOOST_TEST(status_of(showing("bearer rosebud"), rules) == 0);
  for (const auto* wrong : {"Bearer rosebu", "Bearer rosebudd", "Bearer Rosebud", "Bearer ", "Bearer", "rosebud",
                            "Basic rosebud", "Bearer  rosebud"}) {
    BOOST_TEST(status_of(showing(wrong), rules) == 401, wrong);
  }
}

BOOST_AUTO_TEST_CASE(on_a_public_address_the_token_stands_in_for_the_name) {
  AdminRules rules;
  rules.address.host = "0.0.0.0";
  rules.token = "rosebud";
  BOOST_TEST(status_of(showing("Bearer rosebud", "metrics.example.org:9797"), rules) == 0);
  BOOST_TEST(status_of(asking("/metrics", "metrics.example.org:9797"), rules) == 401);
}

BOOST_AUTO_TEST_CASE(nothing_is_changed_from_outside) {
  auto request = asking("/metrics");
  request.method = "POST";
  BOOST_TEST(status_of(request, AdminRules()) == 405);
  request.method = "HEAD";
  BOOST_TEST(status_of(request, AdminRules()) == 0);
}

BOOST_AUTO_TEST_CASE(graph_and_readyz_are_json_whatever_the_names) {
  std::vector<weir::command::Supervisor::Pipeline> pipelines(1);
  pipelines[0].name = "a\"b";
  weir::observe::Snapshot snapshot;
  auto& live = snapshot.pipelines.emplace_back();
  live.pipeline = "a\"b";
  auto& stage = live.stages.emplace_back();
  stage.stage = "work";
  stage.kind = "lua";
  stage.in = 3;
  stage.out = {{"main", 2}};
  stage.in_flight = 1;
  live.channels.emplace_back().from = "work";
  const auto graph = weir::command::graph_json(pipelines, snapshot);
  BOOST_TEST(!weir::message::check_json(graph).has_value(), graph);
  BOOST_TEST(graph.find("\"unaccounted\": 0") != std::string::npos, graph);
  BOOST_TEST(weir::command::ready_json(pipelines, false) ==
             "{\"ready\": false, \"pipelines\": [{\"pipeline\": \"a\\\"b\", \"phase\": \"starting\"}]}\n");
}

BOOST_AUTO_TEST_CASE(progress_is_one_line) {
  BOOST_TEST(progress_line("orders", 12345.4, 0.456, 12s) == "orders  12,345 msg/s · 45 % · 00:12 left");
  BOOST_TEST(progress_line("orders", 0, std::nullopt, std::nullopt) == "orders  0 msg/s");
  BOOST_TEST(progress_line("orders", 1234567, 1.0, 3h + 2min + 1s) == "orders  1,234,567 msg/s · 100 % · 3:02:01 left");
}
