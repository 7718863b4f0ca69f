// What a message carries beside its payload, where it carries more than an id and a time.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/message/failure.hpp"
#include "engine/message/group.hpp"

namespace weir::message {

/// What the last call brought (`result` in Lua). What did not come stays unset.
struct Result {
  std::optional<int> status;  ///< HTTP.
  std::optional<int> code;    ///< exec: the exit code.
  std::optional<std::string> signal;
  std::vector<std::pair<std::string, std::string>> headers;  ///< Lower case, `_` for `-`.
  std::string text;                                          ///< The body or standard output, as it came.
  std::string error_text;                                    ///< Standard error, its tail.
  std::optional<double> seconds;
};

/// What the asker sent (`request` in Lua). Whoever listens fills it in: names of headers in lower case with `_` for
/// `-`, `params` and `query` decoded.
struct Request {
  std::string method, path, client;
  std::string sent_path;   ///< The path as it was sent, each %2F in it; empty where it is not known, or as `path`.
  std::string sent_query;  ///< The query as it was sent; empty where it is not known.
  bool secure = false;     ///< By TLS.
  std::string address;     ///< Of the client, where `client` is the subject of its certificate; otherwise empty.
  std::vector<std::pair<std::string, std::string>> params, query, headers;
};

class Asker;

/// What a message's metadata is called, beside names of the user's own.
inline constexpr std::array metadata_names{"id", "time", "key", "attempt", "event", "alert"};

/// The rarely used columns of one row. Shared between copies of the row and never changed while shared:
/// see Batch::edit_metadata.
struct Metadata {
  std::optional<Failure> failed;
  std::shared_ptr<const Result> result;
  std::shared_ptr<const Request> request;
  std::shared_ptr<Asker> asker;           ///< Who waits for an answer to it; null: nobody.
  std::optional<runtime::Time> deadline;  ///< From then on it is not worth working on.
  std::string key, event, alert;
  int attempt = 1;
  std::optional<std::int64_t> line;        ///< Line of the input it came from, from 1.
  std::map<std::string, std::string> own;  ///< Set by `meta:`; values are JSON text.
  std::vector<GroupMark> groups;           ///< That it is part of, the widest first.
};

}  // namespace weir::message
