#include "engine/stage/placing.hpp"

#include "engine/message/json.hpp"

namespace weir::stage {

using message::Failure;
using message::Reason;

config::Extra codings() {
  return config::one_of({{"json", Coding::json},
                         {"csv", Coding::csv},
                         {"logfmt", Coding::logfmt},
                         {"text", Coding::text},
                         {"base64", Coding::base64},
                         {"hex", Coding::hex}});
}

void verify(const Conversion& conversion, const char* cure, config::Written& written) {
  if (conversion.format == Coding::text && !conversion.into && !conversion.of) {
    written.error("format", "this would leave the payload as it is", cure);
  }
}

Placing::Placing(const std::optional<config::Path>& of, const std::optional<config::Path>& into)
    : of_(of), into_(into), name_(of ? "'" + of->text + "'" : "the payload") {
  if (of || !into) return;
  for (std::string_view path = into->text;;) {
    const std::size_t dot = path.find('.');
    opening_ += '{';
    message::append_key(opening_, path.substr(0, dot));
    closing_ += '}';
    if (dot == path.npos) break;
    path.remove_prefix(dot + 1);
  }
}

message::Outcome<std::string_view> Placing::text(const message::Message& message) const {
  if (!of_) return message.text();
  const auto node = value(message);
  if (!node) return node.failure();
  const auto text = message.document().string(*node);
  if (!text) return Failure(Reason::type, name_ + " is no text");
  return *text;
}

message::Outcome<message::Node> Placing::value(const message::Message& message) const {
  if (!of_) {
    message::Document* const document = message::json_of(message);
    if (!document) return message::not_json(message);
    return document->root();
  }
  const auto object = message::object_of(message, "fields can only be set in an object");
  if (!object) return object.failure();
  const auto node = (*object)->find_path(of_->text);
  if (!node) return Failure(Reason::missing, "there is no " + name_ + " in the payload");
  return node;
}

message::Done Placing::put(const message::Message& message, std::string_view json) const {
  if (!of_) {
    const std::size_t size = opening_.size() + json.size() + closing_.size();
    message.rewrite(size, [&](char* to) {
      to = std::copy(opening_.begin(), opening_.end(), to);
      to = std::copy(json.begin(), json.end(), to);
      std::copy(closing_.begin(), closing_.end(), to);
      return size;
    });
    message.batch().mark_json(message.row());
    return std::nullopt;
  }
  const std::string& path = into_ ? into_->text : of_->text;
  if (message.document().set_path(path, message::Value::json(json))) return std::nullopt;
  return Failure(Reason::type, "'" + path + "' cannot be set: something on the way is no object, or it is too deep");
}

message::Done Placing::put_text(const message::Message& message, std::string_view text) const {
  if (whole()) {
    message.replace(text);
    return std::nullopt;
  }
  if (!message::is_utf8(text)) return Failure(Reason::decode, name_ + " holds bytes that are no text");
  std::string json;
  message::append_quoted(json, text);
  return put(message, json);
}

}  // namespace weir::stage
