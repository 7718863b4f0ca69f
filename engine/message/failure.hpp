// Why a message failed: a closed list of kinds, and what is told to whoever listens.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/runtime/time.hpp"

namespace weir::message {

/// The closed list of reasons. Metric label, `failed.kind` and the YAML word are the same text: see word().
enum class Reason : std::uint8_t {
  decode,
  missing,
  type,
  user,
  budget,
  memory,
  size,
  status,
  exit,
  connect,
  timeout,
  deadline,
  limit,
  open,
  full,
  unrouted,
  io,
  tls,
  robots,
  remote,
  stopped,
  fault
};
inline constexpr int reasons = 22;

constexpr std::string_view word(Reason reason) {
  constexpr std::string_view words[reasons] = {
      "decode",   "missing", "type", "user", "budget",   "memory", "size", "status", "exit",   "connect", "timeout",
      "deadline", "limit",   "open", "full", "unrouted", "io",     "tls",  "robots", "remote", "stopped", "fault"};
  return words[static_cast<int>(reason)];
}

/// All of them, in their order.
inline std::vector<std::string> reason_words() {
  std::vector<std::string> all;
  for (int reason = 0; reason < reasons; ++reason) all.emplace_back(word(static_cast<Reason>(reason)));
  return all;
}
inline std::optional<Reason> reason_named(std::string_view text) {
  for (int reason = 0; reason < reasons; ++reason) {
    if (word(static_cast<Reason>(reason)) == text) return static_cast<Reason>(reason);
  }
  return std::nullopt;
}

/// One message's failure, as `failed` shows it. A value; copied freely.
struct Failure {
  Failure() = default;
  Failure(Reason why, std::string what) : reason(why), text(std::move(what)) {}

  Reason reason = Reason::fault;
  std::string text;                  ///< For a person; never holds a secret.
  std::string stage;                 ///< Where; filled in by the engine when empty.
  std::string place;                 ///< FILE:LINE:COLUMN of the YAML that failed, or empty.
  std::optional<std::int64_t> line;  ///< Line of the input it came from, from 1.
  runtime::WallTime at{};            ///< Filled in by the engine.
  int attempts = 1;
  bool may_pass = false;  ///< Whether trying again may help; see transient().
  bool lasts = false;     ///< It doesn't, whatever the reason.
  bool of_peer = false;   ///< Whoever was called is to blame, by a reply that is none.
  /// How long whoever failed asks to be left alone (Retry-After), from `at` on.
  std::optional<runtime::Duration> retry_after;
};

/// Of a message whose deadline has passed.
inline Failure deadline_passed() { return {Reason::deadline, "its time was over"}; }
inline Failure engine_stopped() { return {Reason::stopped, "the engine stopped before it was done"}; }

/// Whether a source that can replay sends such a message again (semantics 12). A status counts only when 429 or 5xx:
/// whoever fails with one sets Failure::may_pass.
constexpr bool transient(Reason reason) {
  switch (reason) {
    case Reason::connect:
    case Reason::timeout:
    case Reason::exit:
    case Reason::full:
    case Reason::open:
    case Reason::limit:
    case Reason::io:
    case Reason::remote:
      return true;
    default:
      return false;
  }
}

}  // namespace weir::message
