// Many HTTP clients of one server at once, each of which knows how long its answer took.
#pragma once
#include <string>
#include <vector>

#include "tests/support/poll_thread.hpp"

namespace weir::tests {

struct Told {
  int status = 0;  ///< 0: there was no answer.
  std::string head, body;
  std::chrono::duration<double, std::milli> took{0};  ///< From the begin of the request until the answer began.
};

/// `GET` and the like, without a body where that is empty; the connection ends with the answer.
std::string asking(const std::string& target, const std::string& body = {}, const std::string& method = "POST");

/// Each over a connection of its own, one `apart` behind the other, whether those before it have been answered or not;
/// the answers in their order. When the last one has asked, all go on waiting for so long at the most.
std::vector<Told> ask_at_once(std::uint16_t port, const std::vector<std::string>& requests,
                              std::chrono::microseconds apart = {},
                              std::chrono::milliseconds patience = std::chrono::seconds(30));

}  // namespace weir::tests
