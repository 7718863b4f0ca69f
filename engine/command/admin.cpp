#include "engine/command/admin.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include "engine/config/diagnostics.hpp"
#include "engine/io/http_request.hpp"
#include "engine/observe/metrics.hpp"

namespace weir::command {
namespace {

using namespace std::chrono_literals;
using config::json_text;
using io::HttpRequest;
using io::HttpResponse;

constexpr int ports_to_try = 100;
constexpr auto snapshot_patience = 2s;
constexpr std::string_view json_type = "application/json";
constexpr std::string_view text_type = "text/plain; charset=utf-8";

struct Page {
  std::string_view path;
  std::string_view about;
};
constexpr std::array pages{
    Page{"/metrics", "figures for Prometheus"},
    Page{"/livez", "200 while weir can answer at all"},
    Page{"/readyz", "200 while every pipeline runs, otherwise 503; JSON"},
    Page{"/graph", "the pipelines and what flows through them now; JSON"},
};

/// Nobody else may keep what was true a moment ago, guess its type, or show it in a frame.
HttpResponse page(int status, std::string_view type, std::string text) {
  HttpResponse response(status, std::string(type), std::move(text));
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  return response;
}

HttpResponse error_page(int status, const std::string& what) {
  return page(status, json_type, "{\"error\": " + json_text(what) + "}\n");
}

std::string index_text() {
  std::string text = "weir " WEIR_VERSION "\n\n";
  for (const auto& [path, about] : pages) {
    text += std::string(path) + std::string(10 - path.size(), ' ') + std::string(about) + "\n";
  }
  return text;
}

std::string number(std::string_view key, std::int64_t value) { return json_text(key) + ": " + std::to_string(value); }
std::string number(std::string_view key, std::uint64_t value) { return json_text(key) + ": " + std::to_string(value); }

std::string counts(const observe::Counts& all) {
  std::string text;
  for (const auto& [word, count] : all) text += (text.empty() ? "" : ", ") + number(word, count);
  return "{" + text + "}";
}

std::string dropped(const observe::StageSnapshot& stage) {
  std::string text;
  for (std::size_t i = 0; i < observe::drop_reasons; ++i) {
    if (stage.dropped[i] == 0) continue;
    text += (text.empty() ? "" : ", ") + number(observe::word(static_cast<observe::Dropped>(i)), stage.dropped[i]);
  }
  return "{" + text + "}";
}

std::string seconds(const observe::StageSnapshot& stage) {
  std::string text;
  for (std::size_t i = 0; i < observe::states; ++i) {
    text += (text.empty() ? "" : ", ") + json_text(observe::word(static_cast<observe::State>(i))) + ": " +
            config::show(stage.state_s[i]);
  }
  return "{" + text + "}";
}

/// What stands around its calls, as far as it does.
std::string policies(const observe::StageSnapshot& stage) {
  std::string text;
  const auto add = [&text](const std::string& shown) { text += (text.empty() ? "" : ", ") + shown; };
  const auto real = [](std::string_view word, double value) { return json_text(word) + ": " + config::show(value); };
  if (stage.breaker) {
    add("\"breaker\": {\"state\": " + json_text(*stage.breaker) + ", " +
        number("not_closed", stage.breaker_not_closed.value_or(0)) + "}");
  }
  if (stage.limit_waiting || stage.limit_tokens || stage.limit_overflowed || stage.limit_load) {
    std::string limit =
        number("waiting", stage.limit_waiting.value_or(0)) + ", " + real("waited_s", stage.limit_wait_s.value_or(0));
    if (stage.limit_tokens) limit += ", " + real("tokens", *stage.limit_tokens);
    if (stage.limit_overflowed) limit += ", " + number("overflowed", *stage.limit_overflowed);
    if (stage.limit_load) limit += ", " + real("load", *stage.limit_load);
    if (stage.limit_busy) limit += std::string(", \"busy\": ") + (*stage.limit_busy ? "true" : "false");
    add("\"limit\": {" + limit + "}");
  }
  if (stage.retries) add(number("retries", *stage.retries));
  if (stage.hedges) {
    add("\"hedge\": {" + number("made", *stage.hedges) + ", " + number("won", stage.hedges_won.value_or(0)) + "}");
  }
  if (const auto& cache = stage.cache) {
    add("\"cache\": {" + number("fresh", cache->fresh) + ", " + number("stale", cache->stale) + ", " +
        number("miss", cache->miss) + ", " + number("shared", cache->shared) + ", " +
        number("evicted", cache->evicted) + ", " + number("entries", cache->entries) + ", " +
        number("bytes", cache->bytes) + "}");
  }
  return "{" + text + "}";
}

std::string stage_json(const observe::StageSnapshot& stage) {
  return "{\"stage\": " + json_text(stage.stage) + ", \"kind\": " + json_text(stage.kind) + ", " +
         number("in", stage.in) + ", " + number("created", stage.created) + ", \"out\": " + counts(stage.out) + ", " +
         number("filtered", stage.filtered) + ", " + number("absorbed", stage.absorbed) +
         ", \"dropped\": " + dropped(stage) + ", " + number("failed", stage.failed) + ", " +
         number("in_flight", stage.in_flight) + ", " + number("workers", stage.workers) + ", " +
         number("restarts", stage.restarts) + ", \"fused\": " + (stage.fused ? "true" : "false") +
         ", \"seconds\": " + seconds(stage) + ", \"policies\": " + policies(stage) + "}";
}

std::string channel_json(const observe::ChannelSnapshot& channel) {
  return "{\"channel\": " + json_text(channel.name()) + ", \"from\": " + json_text(channel.from) +
         ", \"port\": " + json_text(channel.port) + ", \"to\": " + json_text(channel.to) + ", " +
         number("capacity", channel.capacity) + ", " + number("depth", channel.depth) + ", " +
         number("held", channel.held) + ", " + number("credits", channel.credits) + ", " +
         number("bytes", channel.bytes) + ", \"oldest_s\": " + config::show(channel.oldest_s) + "}";
}

std::string live_json(const observe::PipelineSnapshot& live) {
  std::string stages, channels;
  for (const auto& stage : live.stages) stages += (stages.empty() ? "\n    " : ",\n    ") + stage_json(stage);
  for (const auto& channel : live.channels) {
    channels += (channels.empty() ? "\n    " : ",\n    ") + channel_json(channel);
  }
  return "{" + number("unaccounted", observe::unaccounted(live)) + ", \"config_hash\": " + json_text(live.config_hash) +
         ", \"stages\": [" + stages + "], \"channels\": [" + channels + "]}";
}

}  // namespace

std::optional<AdminMistake> listen_at(const std::string& listen, AdminRules& rules) {
  const auto address = io::parse_address(listen);
  if (!address) {
    return AdminMistake{"'" + listen + "' is no address with a port, and not 'off'",
                        "such as 127.0.0.1:9797 or [::1]:9797", exit_code::usage};
  }
  if (!address->is_loopback() && rules.token.empty()) {
    return AdminMistake{address->text() + " can be reached from other machines and there is no token",
                        "admin: {token: '${secret.NAME}'}, or listen on 127.0.0.1"};
  }
  rules.address = *address;
  rules.as_written = true;
  return std::nullopt;
}

std::optional<HttpResponse> refusal(const HttpRequest& request, const AdminRules& rules) {
  // A page of a stranger may let its own name point to 127.0.0.1; a name that is ours it can't have. On a public
  // address nobody knows by what name it is called, and the token, which a stranger's page can't show, stands in.
  if (rules.address.is_loopback()) {
    const bool six = rules.address.host.find(':') != std::string::npos;
    const std::array<std::string, 4> names{"localhost", "127.0.0.1", "[::1]",
                                           six ? "[" + rules.address.host + "]" : rules.address.host};
    const auto host = request.header("host");
    if (host && !io::http_host_allowed(*host, names)) {
      return error_page(403, "this port answers to localhost, 127.0.0.1, [::1] and the address it listens on");
    }
  }
  if (!rules.token.empty() && request.path != "/livez" && !io::http_shows_token(request, rules.token)) {
    auto response = error_page(401, "this port wants its token: Authorization: Bearer TOKEN");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  if (request.method != "GET" && request.method != "HEAD") {
    auto response = error_page(405, "only GET and HEAD here");
    response.headers.emplace_back("Allow", "GET, HEAD");
    return response;
  }
  return std::nullopt;
}

std::string graph_json(const std::vector<Supervisor::Pipeline>& pipelines, const observe::Snapshot& snapshot) {
  std::string text;
  for (const auto& pipeline : pipelines) {
    const observe::PipelineSnapshot* live = nullptr;
    for (const auto& candidate : snapshot.pipelines) {
      if (candidate.pipeline == pipeline.name) live = &candidate;
    }
    text += (text.empty() ? "\n  " : ",\n  ");
    text += "{\"pipeline\": " + json_text(pipeline.name) + ", \"phase\": " + json_text(word(pipeline.phase)) +
            ",\n   \"graph\": " + (pipeline.plan ? graph::as_json(*pipeline.plan) : "null") +
            ",\n   \"live\": " + (live ? live_json(*live) : "null") + "}";
  }
  return "{\"pipelines\": [" + text + "]}\n";
}

std::string ready_json(const std::vector<Supervisor::Pipeline>& pipelines, bool ready) {
  std::string text;
  for (const auto& pipeline : pipelines) {
    text += (text.empty() ? "" : ", ");
    text += "{\"pipeline\": " + json_text(pipeline.name) + ", \"phase\": " + json_text(word(pipeline.phase)) + "}";
  }
  return std::string("{\"ready\": ") + (ready ? "true" : "false") + ", \"pipelines\": [" + text + "]}\n";
}

Admin::Admin(runtime::Core& control, Supervisor& supervisor, AdminRules rules)
    : supervisor_(supervisor),
      rules_(std::move(rules)),
      server_(std::make_unique<io::HttpServer>(control, io::HttpServerOptions(),
                                               [this](HttpRequest& request) { return answer(std::move(request)); })) {}

void Admin::listen() {
  const int first = rules_.address.port;
  const int last = rules_.as_written || first == 0 ? first : std::min(first + ports_to_try - 1, 65535);
  for (int port = first; port <= last; ++port) {
    try {
      rules_.address.port = server_->listen(rules_.address.host, static_cast<std::uint16_t>(port));
      return;
    } catch (const std::system_error& error) {
      const bool taken = error.code() == std::errc::address_in_use;
      if (!taken || port == last) throw;
    }
  }
}

runtime::Task<> Admin::close() {
  server_->close();
  co_await server_->closed();
  server_.reset();
}

runtime::Task<HttpResponse> Admin::answer(HttpRequest request) {
  if (auto refused = refusal(request, rules_)) co_return std::move(*refused);
  const std::string& path = request.path;
  if (path == "/") co_return page(200, text_type, index_text());
  if (path == "/livez") co_return page(200, text_type, "ok\n");
  if (path == "/readyz") {
    const bool ready = supervisor_.ready();
    co_return page(ready ? 200 : 503, json_type, ready_json(supervisor_.pipelines(), ready));
  }
  if (path == "/metrics") {
    auto snapshot = co_await supervisor_.snapshot(snapshot_patience);
    snapshot.process = observe::read_process();
    co_return page(200, observe::exposition_type, observe::exposition(snapshot));
  }
  if (path == "/graph") {
    const auto snapshot = co_await supervisor_.snapshot(snapshot_patience);
    co_return page(200, json_type, graph_json(supervisor_.pipelines(), snapshot));
  }
  co_return error_page(404, "there is nothing at " + path + "; / lists what there is");
}

}  // namespace weir::command
