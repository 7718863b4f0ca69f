// encode: writes values as a text in some format.
#include "engine/io/binary_text.hpp"
#include "engine/io/csv.hpp"
#include "engine/stage/kind.hpp"
#include "engine/stage/placing.hpp"
#include "engine/stage/record_lines.hpp"
#include "engine/stage/records.hpp"

namespace weir::stages {
namespace {

using stage::Coding;
using stage::Conversion;

const auto spec =
    config::Spec<Conversion>("encode", "Writes values as a text in some format.")
        .field("format", &Conversion::format,
               "json: any value. csv: one record, of a list, or of the `columns` of an object. logfmt: an object. "
               "text: a text as it is, everything else as JSON. base64, hex: the same, written so.",
               stage::codings())
        .field("of", &Conversion::of, "The value, by its path in the payload. Left out: the payload.",
               config::sample("fields"))
        .field("into", &Conversion::into,
               "Where the text goes, by its path in the payload. Left out: it takes the place of the value. Without "
               "`of` the new payload holds nothing else.",
               config::sample("line"))
        .field("columns", &Conversion::columns,
               "Of csv: the fields of the object, in this order. One that is not there is empty.",
               config::sample("[id, name, amount]"))
        .distinct()
        .needs_value("format", {"csv"}, "only csv has columns")
        .field("delimiter", &Conversion::delimiter, "Of csv: what stands between the fields.", stage::delimiters())
        .needs_value("format", {"csv"}, "only csv has a delimiter")
        .details(
            "In csv and logfmt numbers stay as they are written, null is empty, and a list or an object inside is "
            "written as JSON. A value that does not fit the format fails (type), a field that is not there fails "
            "(missing). With base64 and hex the payload may be any bytes where `of` is left out; with text, bytes that "
            "are not UTF-8 fail (decode).")
        .example("encode: {format: json, of: fields, into: line}", "{fields: [1, 2]}")
        .example("encode: {format: csv, columns: [id, name, amount]}")
        .verify([](const Conversion& conversion, config::Written& written) {
          stage::verify(conversion, "say of which field: `of: line`", written);
        });

class Encode : public stage::MessageOperator<Encode> {
 public:
  using MessageOperator::process;

  Encode(const Conversion& config, stage::Context&)
      : format_(config.format),
        columns_(config.columns),
        delimiter_(static_cast<char>(config.delimiter)),
        whole_(!config.of),
        placing_(config.of, config.into) {}

  void process(stage::Message message, stage::Output& out) {
    made_.clear();
    if (auto failed = encode(message)) return out.fail(message, std::move(*failed));
    if (auto failed = placing_.put_text(message, made_)) return out.fail(message, std::move(*failed));
    out.pass(message);
  }

 private:
  using Kind = message::Kind;

  message::Done encode(const stage::Message& message) {
    if (whole_ && format_ >= Coding::text) return add_bytes(message.text());
    const auto value = placing_.value(message);
    if (!value) return value.failure();
    message::Document& document = message.document();
    const Kind kind = document.kind(*value);
    switch (format_) {
      case Coding::json:
        made_ += document.raw(*value);
        return std::nullopt;
      case Coding::csv:
        return columns_.empty() ? csv_of_list(document, *value) : csv_of_object(document, *value);
      case Coding::logfmt: {
        if (kind != Kind::object) return no("an object");
        if (const auto key = stage::append_logfmt_record(made_, document, *value)) {
          return message::Failure(stage::Reason::type,
                                  "the key '" + *key + "' of " + placing_.name() +
                                      " cannot stand in logfmt: it is empty, or holds a blank, `=` or a quote");
        }
        return std::nullopt;
      }
      default:
        return add_bytes(stage::plain_text(document, *value));
    }
  }

  message::Done csv_of_list(message::Document& document, message::Node list) {
    if (document.kind(list) != Kind::array) return no("a list (`columns` makes a record of an object)");
    const auto only = document.first(list);
    if (!only) return std::nullopt;
    for (auto node = only; node; node = document.next(node)) {
      if (node != only) made_ += delimiter_;
      add_csv(document, node);
    }
    if (made_.empty()) made_ = "\"\"";  // One field that is empty, and no empty line.
    return std::nullopt;
  }
  message::Done csv_of_object(message::Document& document, message::Node object) {
    if (document.kind(object) != Kind::object) return no("an object");
    stage::append_csv_record(made_, document, object, columns_, delimiter_);
    return std::nullopt;
  }
  void add_csv(message::Document& document, message::Node node) {
    if (document.kind(node) != Kind::null) io::append_csv(made_, stage::plain_text(document, node), delimiter_);
  }

  message::Done add_bytes(std::string_view bytes) {
    if (format_ == Coding::base64) {
      io::append_base64(made_, bytes);
    } else if (format_ == Coding::hex) {
      io::append_hex(made_, bytes);
    } else {
      made_ += bytes;
    }
    return std::nullopt;
  }
  message::Failure no(const char* what) const { return {stage::Reason::type, placing_.name() + " is not " + what}; }

  const Coding format_;
  const std::vector<std::string> columns_;
  const char delimiter_;
  const bool whole_;
  const stage::Placing placing_;
  std::string made_;  // Reused.
};

const stage::Register registered(spec, [](auto config) { return stage::operator_of<Encode>(config); });

}  // namespace
}  // namespace weir::stages
