// The payload as JSON, for who edits it: checked where nobody has yet, and why not where it is none.
#pragma once
#include <string>
#include <string_view>

#include "engine/message/document.hpp"
#include "engine/message/message.hpp"
#include "engine/message/outcome.hpp"

namespace weir::message {

/// Whether it is, strictly. What the check finds is kept for the view.
bool is_json(const Message& message);
/// The message's view; null where the payload is not JSON, strictly. What the check finds becomes the view.
Document* json_of(const Message& message);
/// Why it is none: `decode`, with the place in bytes.
Failure not_json(const Message& message);
/// The view of a payload that is an object; else `decode`, or `type`: `what` (such as "fields can only be set in an
/// object") and that the payload is none.
Outcome<Document*> object_of(const Message& message, std::string_view what);

}  // namespace weir::message
