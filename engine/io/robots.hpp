// robots.txt: what a server asks programs not to fetch (RFC 9309).
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/http_client.hpp"

namespace weir::io {

/// What one robots.txt says to one agent. Everything is allowed until something is forbidden.
class Robots {
 public:
  static constexpr std::size_t bytes_most = 512 * 1024;  ///< Of the text; what comes behind is not read.

  Robots() {}
  /// The rules of all groups that name `agent` (in any case; `weirbot` is named by `WeirBot/2.1` too), else of those
  /// for
  /// `*`. A line that can't be understood is skipped.
  Robots(std::string_view text, std::string_view agent);

  /// `path` as in the URL, with its query. The longest pattern that fits decides; of two as long, the one that allows.
  /// Escaped and unescaped forms of a path are the same. /robots.txt itself is always allowed.
  bool allows(std::string_view path) const;

 private:
  struct Rule {
    std::string pattern;
    bool allow;
  };
  std::vector<Rule> rules_;
};

/// Lets through what the robots.txt of its server allows. It is read before the first page and again when an hour old;
/// those who come meanwhile wait for it. The last 1,000 servers are remembered. All members on the core's thread.
class RobotsGate {
 public:
  using Fetch = std::function<runtime::Task<HttpReply>(std::string url)>;  ///< Follows redirects.

  RobotsGate(runtime::Core& core, std::string agent, Fetch fetch);

  /// Fails with robots where `url` is not to be fetched. A server that can't be asked (a time-out, no connection, 429
  /// or 5xx) is not to be crawled: that fails as the asking did, for all who waited, and is not remembered. With any
  /// other status than 2xx there is no such file, and all is allowed. Throws Stopped; whoever waited then reads it
  /// itself.
  runtime::Task<message::Done> ask(std::string url);

 private:
  struct Server;
  std::shared_ptr<Server> server_of(const std::string& origin);
  runtime::Task<> read(Server& server, const std::string& origin);

  runtime::Core& core_;
  const std::string agent_;
  const Fetch fetch_;
  std::map<std::string, std::shared_ptr<Server>> servers_;  // By origin.
};

}  // namespace weir::io
