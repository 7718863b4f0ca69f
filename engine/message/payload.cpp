#include "engine/message/payload.hpp"

#include "engine/message/json.hpp"

namespace weir::message {

bool is_json(const Message& message) {
  Batch& batch = message.batch();
  const std::size_t row = message.row();
  if (auto* const document = batch.document_if_any(row)) return document->valid();
  if (batch.known_json(row)) return true;
  Members members;
  if (check_json_padded(batch.payload(row), &members)) return false;
  batch.mark_json(row, members);
  return true;
}

Document* json_of(const Message& message) {
  if (!is_json(message)) return nullptr;
  Document& document = message.document();
  return document.valid() ? &document : nullptr;
}

Failure not_json(const Message& message) {
  const auto wrong = check_json_padded(message.text());
  return {Reason::decode, "the payload is not JSON" +
                              (wrong ? ": " + wrong->what + " at byte " + std::to_string(wrong->offset + 1) : "")};
}

Outcome<Document*> object_of(const Message& message, std::string_view what) {
  Document* const document = json_of(message);
  if (!document) return not_json(message);
  if (document->kind(document->root()) != Kind::object) {
    return Failure(Reason::type, std::string(what) + ", and the payload is none");
  }
  return document;
}

}  // namespace weir::message
