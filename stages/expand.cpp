// expand: makes a message of each element of a list.
#include "engine/message/expanded.hpp"
#include "engine/message/json.hpp"
#include "engine/message/paths.hpp"
#include "engine/message/payload.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct ExpandConfig {
  std::optional<config::Path> each, as;
  std::vector<config::Path> keep;
};

std::string_view first_part(std::string_view path) { return path.substr(0, path.find('.')); }

const auto spec =
    config::Spec<ExpandConfig>("expand", "Makes a message of each element of a list.")
        .field("each", &ExpandConfig::each, "The list, by its path in the payload. Left out: the payload is the list.",
               config::sample("order.items"))
        .field("as", &ExpandConfig::as,
               "Where the element stands in the new payload. Left out: the element is the new payload.",
               config::sample("item"))
        .field("keep", &ExpandConfig::keep,
               "Fields of the old payload that each new one has as well, in the same place. Without `as` they are set "
               "in the element, which must be an object; they take the place of its own.",
               config::sample("[id, customer.name]"))
        .details(
            "The new messages have the metadata of the old one, which is done when all of them are. An empty list is "
            "filtered, and none that a `gather` waits for; no list there fails (missing, type).")
        .example("expand: {each: items, as: item, keep: [id, customer.name]}",
                 "{id: 7, customer: {name: Ann}, items: [tea, cup]}")
        .example("expand: {}")
        .verify([](const ExpandConfig& config, config::Written& written) {
          if (config.keep.empty()) return;
          if (!config.each) {
            return written.error("keep", "a payload that is a list has no fields to keep", "name the list by `each`");
          }
          for (const auto& path : config.keep) {
            if (config.as && first_part(path.text) == first_part(config.as->text)) {
              written.error(
                  "as", "the element and what is kept would both stand at '" + std::string(first_part(path.text)) + "'",
                  "another name for the element");
            }
          }
        });

class Expand : public stage::Operator {
 public:
  Expand(const ExpandConfig& config, stage::Context& context)
      : each_(config.each), in_field_(config.as), groups_(context.opens) {
    for (const auto& path : config.keep) kept_.add(path.text);
    if (!in_field_) return;
    std::string_view path = config.as->text;
    while (true) {
      const std::size_t dot = path.find('.');
      message::append_key(opening_, path.substr(0, dot));
      if (dot == path.npos) break;
      opening_ += '{';
      closing_ += '}';
      path.remove_prefix(dot + 1);
    }
    closing_ += '}';
  }

  std::size_t process(stage::Batch& in, std::size_t from, stage::Output& out, runtime::Time) override {
    std::size_t row = from;
    for (; row < in.size() && out.may_go_on(); ++row) {
      const stage::Message message(in, row);
      if (!element_) {
        out.mark(in, row);
        auto first = first_element(message);
        if (!first) {
          out.fail(message, std::move(first.failure()));
          continue;
        }
        if (!*first) {
          out.filter(message);
          continue;
        }
        element_ = *first;
        if (groups_) list_.begin(groups_.get(), std::make_shared<const message::Expanded>(message));
      }
      // One message may become more than may be put out at once: then it goes on here when called again.
      message::Document& document = message.document();
      for (auto next = document.next(element_); next; next = document.next(element_)) {
        if (out.full()) return row;
        const auto made = out.create(stage::main_port, payload(document.raw(element_)), message);
        made.batch().mark_json(made.row());
        if (!in_field_) set_kept(made);
        join_group(made);
        element_ = next;
      }
      if (out.full()) return row;
      // The last one is made of the message itself.
      const std::string_view last = payload(document.raw(element_));
      message.rewrite(last.size(), [last](char* to) {
        std::copy(last.begin(), last.end(), to);
        return last.size();
      });
      in.mark_json(row);
      if (!in_field_) set_kept(message);
      element_ = {};
      join_group(message);
      list_.end();
      out.pass(message);
    }
    return row;
  }

 private:
  /// None where the list is empty. What is kept is read meanwhile.
  message::Outcome<message::Node> first_element(const stage::Message& message) {
    message::Document* const document = message::json_of(message);
    if (!document) return message::not_json(message);
    const auto root = document->root();
    const auto list = each_ ? document->find_path(each_->text) : root;
    if (!list) return message::Failure(stage::Reason::missing, "there is no '" + each_->text + "' in the payload");
    const std::string name = each_ ? "'" + each_->text + "'" : "the payload";
    if (document->kind(list) != message::Kind::array) {
      return message::Failure(stage::Reason::type, name + " is no list");
    }
    const auto first = document->first(list);
    if (!in_field_ && !kept_.parts.empty()) {
      for (auto node = first; node; node = document->next(node)) {
        if (document->kind(node) == message::Kind::object) continue;
        return message::Failure(stage::Reason::type, "an element of " + name +
                                                         " is no object, so nothing can be kept in it; `as` gives it a "
                                                         "field of its own");
      }
    }
    kept_text_.clear();
    values_.clear();
    for (const auto& part : kept_.parts) {
      const auto node = document->step(root, part.name);
      const std::size_t begin = kept_text_.size();
      if (node && part.write(*document, node, kept_text_)) {
        values_.push_back({&part.name, begin, kept_text_.size() - begin});
      }
    }
    frame_.clear();
    if (!in_field_) return first;
    frame_ = "{";
    for (const auto& value : values_) {
      message::append_key(frame_, *value.name);
      frame_.append(kept_text_, value.begin, value.size);
      frame_ += ',';
    }
    frame_ += opening_;
    return first;
  }

  std::string_view payload(std::string_view element) {
    if (!in_field_) return element;
    made_.assign(frame_);
    made_ += element;
    made_ += closing_;
    return made_;
  }

  void join_group(const stage::Message& made) {
    if (list_) made.edit_metadata().groups.push_back(list_.next());
  }

  void set_kept(const stage::Message& made) {
    if (values_.empty()) return;
    message::Document& document = made.document();
    for (const auto& value : values_) {
      document.set(document.root(), *value.name,
                   message::Value::json(std::string_view(kept_text_).substr(value.begin, value.size)));
    }
  }

  const std::optional<config::Path> each_;
  const bool in_field_;
  const std::shared_ptr<message::Groups> groups_;  // Null where nobody gathers.
  message::PathTree kept_;
  std::string opening_, closing_;  // What stands around the element in the new payload, beside what is kept.
  // Of the message at hand.
  struct Kept {
    const std::string* name;
    std::size_t begin, size;  // In kept_text_.
  };
  message::Node element_;  // The next to become a message; none between two messages.
  std::string kept_text_;
  std::vector<Kept> values_;
  std::string frame_, made_;
  message::OpenList list_;  // Of the message at hand.
};

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::operator_of<Expand>(config);
  configured.opens_groups = true;
  return configured;
});

}  // namespace
}  // namespace weir::stages
