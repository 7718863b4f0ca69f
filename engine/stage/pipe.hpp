// A child that stays: one that prints messages, or takes them and perhaps answers.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "engine/config/values.hpp"
#include "engine/io/child.hpp"
#include "engine/io/frames.hpp"
#include "engine/policy/backoff.hpp"
#include "engine/runtime/processes.hpp"
#include "engine/stage/context.hpp"

namespace weir::stage {

/// How a child that takes messages answers.
enum class Reply : std::uint8_t {
  one,   ///< Its k-th message out answers the k-th in.
  none,  ///< Not at all: a message is done when the child took it.
  free   ///< A message is done when the child took it; what it says is new.
};

/// What a stage says of its child.
struct Pipe {
  runtime::Command command;
  io::Framing framing = io::Framing::lines;
  Reply reply = Reply::one;
  std::optional<config::DurationRange> restart;  ///< Of the pause before it is started again.
  std::vector<std::int64_t> ok;                  ///< Exit codes that are no failure, beside 0.
  std::optional<config::Template> input;         ///< Of each message, what the child gets; none: its payload.
  std::size_t unanswered = 0;                    ///< Messages at the most that wait for an answer.
  int attempts = 0;  ///< So many children may end while a message is the next to be answered.
};

/// The child is a source. What it wants to read is `input`, as it is written.
Task<> read_pipe(const Pipe& pipe, Source& source);
/// Children take the messages: so many, and dealt to them, as `workers` and `order` of the stage say. Each message is
/// given to one child, and again to another only if that ended without an answer to it.
Task<> run_pipe(const Pipe& pipe, Duplex& duplex);

// What stages that run programs have in common.

inline constexpr std::size_t output_bytes_most = 16 * 1024 * 1024;  ///< A message's.
inline constexpr std::size_t error_tail_bytes = 64 * 1024;

bool is_ok(const std::vector<std::int64_t>& ok, const runtime::Exit& exit);
/// How it ended, what stands in `errors`, and how long it ran.
std::shared_ptr<message::Result> result_of(const io::WatchedChild& child, std::string_view errors);
Failure not_started(const runtime::Command& command, const std::system_error& error);
/// The program is missing when the run begins: nothing to wait for.
[[noreturn]] void refuse_to_start(const runtime::Command& command, const std::system_error& error);
/// Of a line of a child's that is too long.
Failure too_long(const io::Line& said);
/// Of a stream that is wrong.
Failure broken(const io::Framer& framer);

/// How long a child that has ended is not started again; the log has it.
Duration pause_before_restart(Context& context, policy::Backoff& backoff, const std::string& because);
/// In the log: the child has ended and its output has not, since another process has it too.
void tell_output_is_held(Context& context);

/// The port that lines of standard error leave by.
inline constexpr Port stderr_port = first_own_port;

/// What a child says on its standard error: its tail, and each line for `.stderr` or for the log.
class ChildErrors {
 public:
  explicit ChildErrors(Context& context);

  std::span<char> space() { return framer_.space(); }
  /// So many bytes stand there now; 0: no more will.
  void came(std::size_t count);
  /// All there is of it.
  void take(std::string_view bytes);
  std::string_view tail() const { return tail_.bytes(); }

  bool pending() const { return !waiting_.empty(); }
  /// Puts out what waits for `.stderr`, until the output is full.
  void put_out();

 private:
  void take_lines();
  void put_by(std::string_view line);

  Context& context_;
  io::LineFramer framer_;
  io::Tail tail_;
  std::deque<std::string> waiting_;
};

}  // namespace weir::stage
