// reply: answers whoever asked.
#include <algorithm>

#include "engine/io/http_request.hpp"
#include "engine/message/arena.hpp"
#include "engine/message/asker.hpp"
#include "engine/message/document.hpp"
#include "engine/script/text.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

using message::Answer;
using message::Document;
using message::Kind;
using stage::Failure;
using stage::Message;
using stage::Reason;

constexpr int status_least = 200, status_most = 599;

struct ReplyConfig {
  config::Template status{"200"};
  std::optional<config::Value> headers;
  std::optional<config::Value> msg;
  std::optional<config::Template> text;
};

/// Whoever sends the answer writes it anew.
bool is_the_servers(std::string_view name) { return io::http_is_of_the_hop(name) || name == "date"; }

void verify(const ReplyConfig& config, config::Written& written) {
  using Written = config::Value::Kind;
  if (config.status.constant()) {
    const auto status = config::parse_integer(config.status.text());
    if (!status || *status < status_least || *status > status_most) {
      written.error("status", "'" + config.status.text() + "' is no status of an answer", "one from 200 to 599");
    }
  }
  if (!config.headers) return;
  if (config.headers->kind != Written::map) {
    const bool whole = config.headers->kind == Written::text && config.headers->text.lone();
    if (!whole) {
      written.error("headers", "headers are a mapping, or one template that gives a table",
                    "such as {x-reason: '{{ failed.kind }}'} or '{{ result.headers }}'");
    }
    return;
  }
  for (const auto& [name, value] : config.headers->fields) {
    if (!io::http_is_token(name)) {
      written.error("headers", "'" + name + "' is no name of a header");
    } else if (io::http_lower(name) == "transfer-encoding") {
      if (value.text.unset || (value.kind == Written::text && io::http_lower(value.text.text()) == "chunked")) continue;
      written.error("headers", "the only `" + name + "` that is sent is `chunked`",
                    "write that, or leave it out: then the answer has a length");
    } else if (is_the_servers(io::http_lower(name))) {
      written.error("headers", "`" + name + "` is written by the server itself");
    } else if (value.kind == Written::list || value.kind == Written::map) {
      written.error("headers", "`" + name + "` is a text");
    }
  }
}

const auto spec =
    config::Spec<ReplyConfig>("reply", "Answers whoever asked: the HTTP client whose request became this message.")
        .field("status", &ReplyConfig::status, "The status.", config::sample("'{{ result.status }}'"))
        .field("headers", &ReplyConfig::headers,
               "Headers by their names; one whose value is nil is left out. Or one template that gives a table of "
               "them, as a call brings it: then `_` in a name is written as `-`, and what belongs to the connection "
               "that it came by is left out.",
               config::sample("{x-reason: '{{ failed.kind }}'}"))
        .field("msg", &ReplyConfig::msg, "The body, as a mapping; becomes JSON.",
               config::sample("{id: '{{ msg.id }}'}"))
        .field("text", &ReplyConfig::text, "The body, as text.", config::sample("'thank you'"))
        .excludes({"msg"})
        .details(
            "Left out, the body is the payload. Unless a header says otherwise, `msg`, and a payload that is an object "
            "or a list in JSON, is application/json, everything else text/plain.\n"
            "An answer has a length; with `headers: {transfer-encoding: chunked}` it comes in chunks instead, but for "
            "HTTP/1.0.\n"
            "It stands anywhere behind a stage that listens, such as `http_server`, also behind what failed; not "
            "behind one that makes one message of many, such as `batch`. The first answer counts: a message whose "
            "asker has had "
            "one, or has gone, is dropped (gone). A message that nobody asked for fails (missing). Who gets no reply "
            "hears that it is done (204), or by its status why it failed.")
        .example("reply: {status: 201, msg: {id: '{{ msg.id }}'}}", "{id: 7}")
        .example("reply: {status: '{{ result.status }}', headers: '{{ result.headers }}'}")
        .example("reply: {status: 503, headers: {retry-after: '5'}, text: 'later, please'}")
        .verify(verify);

class Replier {
 public:
  Replier(const ReplyConfig& config, stage::Context& context) {
    context.compile(status_, config.status);
    if (status_.constant()) constant_status_ = number_of(status_.constant_text());
    if (config.headers) {
      context.compile(headers_.emplace(), *config.headers);
      as_they_came_ = config.headers->kind != config::Value::Kind::map;
    }
    if (config.msg) context.compile(msg_.emplace(), *config.msg);
    if (config.text) context.compile(text_.emplace(), *config.text);
  }

  void reply(Message message, stage::Output& out) {
    const auto* metadata = message.metadata();
    if (!metadata || !metadata->asker) {
      return out.fail(message, {Reason::missing, "nobody asked for this message"});
    }
    const auto asker = metadata->asker;
    if (!asker->waits()) return out.drop(message, stage::Dropped::gone);
    Answer answer;
    if (auto failure = fill(message, answer)) return out.fail(message, std::move(*failure));
    const bool success = answer.status < 400;
    if (!asker->answer(std::move(answer))) return out.drop(message, stage::Dropped::gone);
    if (success) asker->note_success();
    out.pass(message);
  }

 private:
  static std::optional<int> number_of(std::string_view text) {
    const auto status = config::parse_integer(text);
    if (!status || *status < status_least || *status > status_most) return std::nullopt;
    return static_cast<int>(*status);
  }

  message::Done fill(Message message, Answer& answer) {
    if (constant_status_) {
      answer.status = *constant_status_;
    } else {
      made_.clear();
      if (auto failure = status_.fill(message, made_)) return failure;
      const auto status = number_of(made_);
      if (!status) return Failure(Reason::type, "'" + made_ + "' is no status of an answer: one from 200 to 599");
      answer.status = *status;
    }
    if (headers_) {
      if (auto failure = fill_headers(message, answer)) return failure;
    }
    bool json = false;
    if (msg_) {
      auto made = msg_->json(message, answer.body);
      if (!made) return std::move(made.failure());
      if (!*made) answer.body = "null";
      json = true;
    } else if (text_) {
      if (auto failure = text_->fill(message, answer.body)) return failure;
    } else {
      const auto payload = message.text();
      json = (payload.starts_with('{') || payload.starts_with('[')) && message.batch().is_json(message.row());
      answer.body = payload;
    }
    const bool typed = std::any_of(answer.headers.begin(), answer.headers.end(),
                                   [](const auto& header) { return io::http_lower(header.first) == "content-type"; });
    // Of what is empty there is none: a cache would take the type of a 304 for that of the page.
    if (!typed && !answer.body.empty())
      answer.headers.emplace_back("content-type", json ? "application/json" : "text/plain; charset=utf-8");
    return std::nullopt;
  }

  message::Done fill_headers(Message message, Answer& answer) {
    made_.clear();
    auto made = headers_->json(message, made_);
    if (!made) return std::move(made.failure());
    if (!*made) return std::nullopt;
    const std::size_t size = made_.size();
    made_.append(message::padding, '\0');
    table_.bind({made_.data(), size});
    auto failure = take_headers(answer);
    table_.unbind();
    return failure;
  }

  message::Done take_headers(Answer& answer) {
    const auto root = table_.root();
    // An empty table of Lua's is a list as well.
    if (table_.kind(root) != Kind::object && !(table_.kind(root) == Kind::array && table_.size(root) == 0)) {
      return Failure(Reason::type, "the headers are no table");
    }
    for (auto member = table_.first(root); member; member = table_.next(member)) {
      std::string name(table_.key(member, scratch_));
      if (as_they_came_) {
        std::replace(name.begin(), name.end(), '_', '-');
        const auto low = io::http_lower(name);
        if (is_the_servers(low)) continue;
      }
      if (!io::http_is_token(name)) return Failure(Reason::type, "'" + name + "' is no name of a header");
      if (auto failure = take_value(name, member, answer)) return failure;
    }
    return std::nullopt;
  }

  /// A list is a header for each of its elements, as cookies are set.
  message::Done take_value(const std::string& name, message::Node value, Answer& answer) {
    if (table_.kind(value) == Kind::null) return std::nullopt;
    if (table_.kind(value) == Kind::array) {
      for (auto element = table_.first(value); element; element = table_.next(element)) {
        if (table_.kind(element) == Kind::array) return Failure(Reason::type, "the header " + name + " is no text");
        if (auto failure = take_value(name, element, answer)) return failure;
      }
      return std::nullopt;
    }
    if (table_.kind(value) == Kind::object) return Failure(Reason::type, "the header " + name + " is no text");
    const auto text = table_.string(value);
    std::string written(text ? *text : table_.raw(value));
    if (written.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return Failure(Reason::type, "the header " + name + " goes over several lines");
    }
    if (!io::http_is_value(written)) {
      return Failure(Reason::type, "the header " + name + " holds a control character");
    }
    answer.headers.emplace_back(name, std::move(written));
    return std::nullopt;
  }

  script::Text status_;
  std::optional<int> constant_status_;
  std::optional<script::Tree> headers_, msg_;
  std::optional<script::Text> text_;
  bool as_they_came_ = false;  // The headers are one table, as a call has brought it.
  Document table_;
  std::string made_, scratch_;
};

stage::Task<> reply_to_all(const ReplyConfig& config, stage::Driver& driver) {
  Replier replier(config, driver);
  while (auto delivery = co_await driver.receive()) {
    stage::Batch& batch = **delivery;
    for (std::size_t row = 0; row < batch.size(); ++row) replier.reply({batch, row}, driver.out);
  }
}

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::sink_of(config, reply_to_all);
  configured.replies = true;
  return configured;
});

}  // namespace
}  // namespace weir::stages
