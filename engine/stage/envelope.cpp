#include "engine/stage/envelope.hpp"

#include "engine/io/binary_text.hpp"
#include "engine/message/document.hpp"
#include "engine/message/json.hpp"
#include "engine/message/metadata.hpp"
#include "engine/runtime/rfc3339.hpp"

namespace weir::stage {
namespace {

/// One member after the other.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  void text(std::string_view key, std::string_view value) {
    begin(key);
    message::append_quoted(out_, value);
  }
  void text_if_any(std::string_view key, std::string_view value) {
    if (!value.empty()) text(key, value);
  }
  void json(std::string_view key, std::string_view value) {
    begin(key);
    out_ += value;
  }
  void begin(std::string_view key) {
    if (!first_) out_ += ',';
    first_ = false;
    message::append_key(out_, key);
  }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

void append_failed(std::string& out, const message::Failure& failure) {
  Object object(out);
  object.text("kind", message::word(failure.reason));
  object.text("stage", failure.stage);
  object.text("text", failure.text);
  object.text("at", runtime::rfc3339(failure.at));
  object.text_if_any("yaml", failure.place);
  if (failure.line) object.json("line", std::to_string(*failure.line));
  object.json("attempts", std::to_string(failure.attempts));
  object.end();
}

}  // namespace

void append_envelope(std::string& out, const message::Batch& batch, std::size_t row, runtime::WallTime entered) {
  const auto* metadata = batch.metadata(row);
  Object whole(out);
  whole.begin("failed");
  if (metadata && metadata->failed) {
    append_failed(out, *metadata->failed);
  } else {
    out += "null";
  }
  whole.begin("meta");
  {
    Object meta(out);
    meta.json("id", std::to_string(static_cast<std::int64_t>(batch.id(row))));
    meta.text("time", runtime::rfc3339(entered));
    meta.json("attempt", std::to_string(metadata ? metadata->attempt : 1));
    if (metadata) {
      meta.text_if_any("key", metadata->key);
      meta.text_if_any("event", metadata->event);
      meta.text_if_any("alert", metadata->alert);
      for (const auto& [name, value] : metadata->own) meta.json(name, value);
    }
    meta.end();
  }
  const std::string_view payload = batch.payload(row);
  if (message::is_utf8(payload)) {
    whole.text("text", payload);
  } else {
    whole.begin("base64");
    out += '"';
    io::append_base64(out, payload);
    out += '"';
  }
  whole.end();
}

std::string open_envelope(std::string_view line, std::string& text, message::Metadata& metadata) {
  message::Document document;
  document.bind(line);
  const auto root = document.root();
  if (document.kind(root) != message::Kind::object) return "an object was expected";
  const auto encoded = document.find(root, "base64");
  if (encoded) {
    const auto bytes = document.string(encoded);
    text.clear();
    if (!bytes || !io::read_base64(*bytes, text)) return "`base64` is none";
  } else {
    const auto payload = document.string(document.find(root, "text"));
    if (!payload) return "there is no `text`";
    text = *payload;
  }
  const auto meta = document.find(root, "meta");
  if (!meta) return {};
  if (document.kind(meta) != message::Kind::object) return "`meta` is no object";
  std::string scratch;
  for (auto member = document.first(meta); member; member = document.next(member)) {
    const std::string name(document.key(member, scratch));
    if (name == "id" || name == "time" || name == "attempt") continue;
    std::string* const column = name == "key"     ? &metadata.key
                                : name == "event" ? &metadata.event
                                : name == "alert" ? &metadata.alert
                                                  : nullptr;
    if (!column) {
      metadata.own[name] = document.raw(member);
    } else if (const auto value = document.string(member)) {
      *column = *value;
    } else {
      return "`meta." + name + "` is no text";
    }
  }
  return {};
}

}  // namespace weir::stage
