#include "engine/message/asker.hpp"

#include <algorithm>

namespace weir::message {
namespace {

using namespace std::chrono_literals;

/// What a stranger is told. The failure's own text may name stages, hosts and paths; only of what the asker itself sent
/// is it repeated.
std::string said(const Failure& why) {
  constexpr auto of_others = "who was asked for it gave no good answer";
  if (why.of_peer) return of_others;
  switch (why.reason) {
    case Reason::decode:
      return why.text.empty() ? "the request can't be read" : why.text;
    case Reason::unrouted:
      return "nothing here is responsible for this";
    case Reason::limit:
      return "too many requests";
    case Reason::full:
      return "there is no room for more at the moment";
    case Reason::open:
      return "this is out of order at the moment";
    case Reason::stopped:
      return "the server is ending";
    case Reason::timeout:
    case Reason::deadline:
      return "it took too long";
    case Reason::status:
    case Reason::connect:
      return of_others;
    default:
      return "it failed";
  }
}

/// Whole seconds, at least one: who comes earlier comes in vain.
std::string retry_after(runtime::Duration time) {
  return std::to_string(std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(time).count()));
}

}  // namespace

int status_of(Reason reason) noexcept {
  switch (reason) {
    case Reason::decode:
      return 400;
    case Reason::unrouted:
      return 404;
    case Reason::limit:
      return 429;
    case Reason::full:
    case Reason::open:
    case Reason::stopped:
      return 503;
    case Reason::timeout:
    case Reason::deadline:
      return 504;
    case Reason::status:
    case Reason::connect:
      return 502;
    default:
      return 500;
  }
}

Answer Asker::answer_to(const Failure& why) {
  Answer answer(why.of_peer ? 502 : status_of(why.reason));
  answer.headers.emplace_back("content-type", "text/plain; charset=utf-8");
  const bool comes_back = answer.status == 429 || answer.status == 503;
  if (comes_back || why.retry_after) {
    answer.headers.emplace_back("retry-after", retry_after(why.retry_after.value_or(1s)));
  }
  answer.body = said(why) + "\n";
  answer.failed = why;
  return answer;
}

}  // namespace weir::message
