#include "engine/io/robots.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "engine/config/trimmed.hpp"
#include "engine/io/binary_text.hpp"
#include "engine/runtime/wait.hpp"

namespace weir::io {

namespace {

using config::trimmed;
using message::Failure;
using message::Reason;

constexpr runtime::Duration kept = std::chrono::hours(1);
constexpr std::size_t servers_most = 1000;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool same(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}
bool of_name(char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '_'; }

/// One way to write a path or a pattern: unreserved characters as they are, percent signs in capitals, and escaped what
/// can't stand in a URL.
std::string canonical(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  const auto escape = [&](unsigned char byte) {
    out += '%';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      const auto meant = static_cast<unsigned char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      const char c = static_cast<char>(meant);
      if (of_name(c) || (c >= '0' && c <= '9') || c == '.' || c == '~') {
        out += c;
      } else {
        escape(meant);
      }
      i += 2;
    } else if (byte <= ' ' || byte >= 127) {
      escape(byte);
    } else {
      out += text[i];
    }
  }
  return out;
}

/// `*` is any text, `$` at the end is the end; else whatever follows fits too. Each part is looked for as far left as
/// it can be, so that no pattern takes long.
bool fits(std::string_view pattern, std::string_view path) {
  const bool to_the_end = pattern.ends_with('$');
  if (to_the_end) pattern.remove_suffix(1);
  bool first = true;
  for (std::size_t at = 0;;) {
    const auto star = pattern.find('*');
    const auto part = pattern.substr(0, star);
    const bool last = star == std::string_view::npos;
    if (last && to_the_end) {
      if (first) return path == part;
      return path.size() >= at + part.size() && path.ends_with(part);
    }
    const auto found = first ? (path.starts_with(part) ? 0 : std::string_view::npos) : path.find(part, at);
    if (found == std::string_view::npos) return false;
    if (last) return true;
    at = found + part.size();
    pattern.remove_prefix(star + 1);
    first = false;
  }
}

/// `https://host:8443` and what stands behind it; the host in lower case, without user and fragment.
struct Parts {
  std::string origin;
  std::string path = "/";
};
Parts parts_of(std::string_view url) {
  Parts parts;
  url = url.substr(0, url.find('#'));
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return parts;
  const auto end = std::min(url.find_first_of("/?", scheme + 3), url.size());
  auto host = url.substr(scheme + 3, end - scheme - 3);
  if (const auto user = host.rfind('@'); user != std::string_view::npos) host.remove_prefix(user + 1);
  parts.origin = std::string(url.substr(0, scheme + 3)).append(host);
  std::transform(parts.origin.begin(), parts.origin.end(), parts.origin.begin(), [](char c) { return lower(c); });
  if (end < url.size()) parts.path = (url[end] == '?' ? "/" : "") + std::string(url.substr(end));
  return parts;
}

}  // namespace

// --------------------------------------------------------------------------------------------------------- the text

Robots::Robots(std::string_view text, std::string_view agent) {
  enum class Group { none, any, ours };
  Group group = Group::none;
  bool names_end = true;  // Rules have begun: the next name opens a new group.
  bool named = false;     // Some group names us: what is said to all is not said to us.
  std::vector<Rule> to_all;
  text = text.substr(0, bytes_most);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of("\r\n"), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = trimmed(line.substr(0, line.find('#')));
    auto colon = line.find(':');
    if (colon == std::string_view::npos) colon = line.find_first_of(" \t");  // Forgotten often enough.
    if (colon == std::string_view::npos) continue;
    const auto key = trimmed(line.substr(0, colon)), value = trimmed(line.substr(colon + 1));
    if (same(key, "user-agent")) {
      if (std::exchange(names_end, false)) group = Group::none;
      const auto name = value.substr(
          0, static_cast<std::size_t>(std::find_if_not(value.begin(), value.end(), of_name) - value.begin()));
      if (!name.empty() && same(name, agent)) {
        group = Group::ours;
        named = true;
      } else if (value.starts_with('*') && group == Group::none) {
        group = Group::any;
      }
      continue;
    }
    const bool allow = same(key, "allow");
    if (!allow && !same(key, "disallow")) continue;
    names_end = true;
    if (value.empty() || group == Group::none) continue;
    (group == Group::ours ? rules_ : to_all).push_back({canonical(value), allow});
  }
  if (!named) rules_ = std::move(to_all);
}

bool Robots::allows(std::string_view path) const {
  const std::string meant = canonical(path);
  if (meant == "/robots.txt") return true;
  const Rule* deciding = nullptr;
  for (const Rule& rule : rules_) {
    if (deciding && (rule.pattern.size() < deciding->pattern.size() ||
                     (rule.pattern.size() == deciding->pattern.size() && !rule.allow))) {
      continue;
    }
    if (fits(rule.pattern, meant)) deciding = &rule;
  }
  return !deciding || deciding->allow;
}

// --------------------------------------------------------------------------------------------------------- the gate

struct RobotsGate::Server {
  std::optional<Robots> robots;
  runtime::Time read_at{}, used_at{};
  bool reading = false;
  std::uint64_t readings = 0;  // That came to an end, which for the last one is `failure` or `robots`.
  message::Done failure;
  std::vector<runtime::Waiter*> waiting;
};

RobotsGate::RobotsGate(runtime::Core& core, std::string agent, Fetch fetch)
    : core_(core), agent_(std::move(agent)), fetch_(std::move(fetch)) {}

std::shared_ptr<RobotsGate::Server> RobotsGate::server_of(const std::string& origin) {
  if (const auto found = servers_.find(origin); found != servers_.end()) return found->second;
  if (servers_.size() == servers_most) {
    const auto oldest = std::min_element(servers_.begin(), servers_.end(), [](const auto& one, const auto& other) {
      return one.second->used_at < other.second->used_at;
    });
    servers_.erase(oldest);  // Whoever is at it holds it.
  }
  return servers_.emplace(origin, std::make_shared<Server>()).first->second;
}

runtime::Task<> RobotsGate::read(Server& server, const std::string& origin) {
  /// However the reading ends, those who wait look again: at what came of it, or, if it was stopped, for it themselves.
  struct Reading {
    explicit Reading(Server& of) : server(of) { server.reading = true; }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    ~Reading() {
      server.reading = false;
      for (auto* waiter : server.waiting) waiter->wake();
    }
    Server& server;
  };
  const Reading reading(server);
  HttpReply reply = co_await fetch_(origin + "/robots.txt");
  ++server.readings;
  server.failure.reset();
  const std::string trouble = "its robots.txt can't be read: ";
  // Of one that is too large what came counts; where nothing did, nobody knows what it forbids.
  const bool cut = reply.failure && reply.failure->reason == Reason::size && !reply.body.empty();
  if (reply.failure && !cut && reply.failure->reason != Reason::status) {
    server.failure = std::move(reply.failure);
    server.failure->text = trouble + server.failure->text;
  } else if (reply.status == 429 || reply.status >= 500) {
    server.failure = Failure(Reason::status, trouble + "answered " + std::to_string(reply.status));
    server.failure->may_pass = true;
  } else {
    server.robots = reply.status >= 200 && reply.status < 300 ? Robots(reply.body, agent_) : Robots();
    server.read_at = core_.now();
  }
}

runtime::Task<message::Done> RobotsGate::ask(std::string url) {
  const Parts parts = parts_of(url);
  const auto server = server_of(parts.origin);
  server->used_at = core_.now();
  while (!server->robots || core_.now() - server->read_at >= kept) {
    if (!server->reading) {
      co_await read(*server, parts.origin);
      if (server->failure) co_return server->failure;
      continue;
    }
    const auto before = server->readings;
    struct Place {
      Place(Server& of, runtime::Core& core) : server(of), waiter(core) { server.waiting.push_back(&waiter); }
      Place(const Place&) = delete;
      Place& operator=(const Place&) = delete;
      ~Place() { std::erase(server.waiting, &waiter); }
      Server& server;
      runtime::Waiter waiter;
    };
    Place place(*server, core_);
    co_await place.waiter.wait();
    if (server->readings != before && server->failure) co_return server->failure;
  }
  if (server->robots->allows(parts.path)) co_return std::nullopt;
  // (Path and query may hold a secret.)
  co_return Failure(Reason::robots, parts.origin + "/robots.txt does not let '" + agent_ + "' fetch it");
}

}  // namespace weir::io
