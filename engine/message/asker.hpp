// Who waits for an answer to a message: an HTTP client, or a test that plays one.
#pragma once
#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/message/failure.hpp"

namespace weir::message {

/// What an asker gets. Names of headers as they are written: `content-type`.
class Answer {
 public:
  Answer() {}
  explicit Answer(int code) : status(code) {}
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::optional<Failure> failed;  ///< Why, where weir itself says that the message failed.
};

/// Who waits for an answer to a message. All copies of the message and all that is made of it share it (Metadata). The
/// first answer counts. Any thread.
///
/// Whoever replies answers it; else it is told the first failure that nobody listens to (Batch::fail), and where there
/// was none that the message is done, once all of it is (the source that opened its token); or why it was shed, where
/// all of it was: of a part that is shed it hears nothing, for it would ask for the others again.
class Asker {
 public:
  virtual ~Asker() = default;
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  /// False: it has had its answer, or has gone.
  virtual bool answer(Answer answer) noexcept = 0;
  /// Whether it still waits for one. By the time that this is looked at it may not.
  virtual bool waits() const noexcept = 0;

  bool fail(const Failure& why) noexcept { return waits() && answer(answer_to(why)); }
  /// Nobody was responsible for it, or for a part of it: then that is what done() tells.
  void note_unrouted() noexcept { unrouted_.store(true, std::memory_order_relaxed); }
  bool done() noexcept {
    if (!waits()) return false;
    return answer(unrouted_.load(std::memory_order_relaxed) ? answer_to(Failure(Reason::unrouted, {})) : Answer(204));
  }
  /// A reply has told it that all went well. What fails after that, nobody has told it.
  void note_success() noexcept { succeeded_.store(true, std::memory_order_relaxed); }
  bool succeeded() const noexcept { return succeeded_.load(std::memory_order_relaxed); }

  /// By the kind of failure; with Retry-After where weir knows when to come again. Says nothing of the inside but of
  /// what the asker sent.
  static Answer answer_to(const Failure& why);

 protected:
  Asker() = default;

 private:
  std::atomic<bool> succeeded_ = false, unrouted_ = false;
};

/// The same by itself: 400, 404, 429, 503, 504, 502 or 500.
int status_of(Reason reason) noexcept;

}  // namespace weir::message
