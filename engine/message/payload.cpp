#include "engine/message/payload.hpp"

#include "engine/message/json.hpp"

namespace weir::message {

Document* json_of(const Message& message) {
  Batch& batch = message.batch();
  const std::size_t row = message.row();
  if (!batch.document_if_any(row) && !batch.known_json(row)) {
    Members members;
    if (check_json_padded(batch.payload(row), &members)) return nullptr;
    batch.mark_json(row, members);
  }
  Document& document = batch.document(row);
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
