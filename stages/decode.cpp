// decode: makes values of a text that is written in some format.
#include "engine/io/binary_text.hpp"
#include "engine/io/csv.hpp"
#include "engine/io/logfmt.hpp"
#include "engine/message/json.hpp"
#include "engine/stage/kind.hpp"
#include "engine/stage/placing.hpp"
#include "engine/stage/records.hpp"

namespace weir::stages {
namespace {

using stage::Coding;
using stage::Conversion;

const auto spec =
    config::Spec<Conversion>("decode", "Makes values of a text that is written in some format.")
        .field("format", &Conversion::format,
               "json: a value. csv: one record; a list of its fields, or with `columns` an object. logfmt: an object; "
               "a key that stands alone is true. text: the text as it is. base64, hex: the text that is written so; "
               "base64 in one line or several.",
               stage::codings())
        .field("of", &Conversion::of, "The text, by its path in the payload. Left out: the payload is the text.",
               config::sample("line"))
        .field("into", &Conversion::into,
               "Where the value goes, by its path in the payload. Left out: it takes the place of the text. Without "
               "`of` the new payload holds nothing else.",
               config::sample("fields"))
        .field("columns", &Conversion::columns, "Of csv: the names of the fields, which must then be as many.",
               config::sample("[id, name, amount]"))
        .distinct()
        .needs_value("format", {"csv"}, "only csv has columns")
        .field("delimiter", &Conversion::delimiter, "Of csv: what stands between the fields.", stage::delimiters())
        .needs_value("format", {"csv"}, "only csv has a delimiter")
        .details(
            "What csv and logfmt hold is text. Of a key of logfmt that comes again the last counts. A text that is not "
            "of the format, or not UTF-8, fails (decode), a field that is not there fails (missing), one that is no "
            "text fails (type). The bytes of base64 and hex may be any where they are the whole payload.")
        .example("decode: {format: json, of: message}", "{message: '[1, 2]'}")
        .example("decode: {format: csv, columns: [id, name, amount]}")
        .example("decode: {format: text, into: line}")
        .verify([](const Conversion& conversion, config::Written& written) {
          stage::check_columns(conversion.columns, written);
          stage::verify(conversion, "say where the text goes: `into: line`", written);
        });

class Decode : public stage::MessageOperator<Decode> {
 public:
  using MessageOperator::process;

  Decode(const Conversion& config, stage::Context&)
      : format_(config.format),
        columns_(config.columns),
        delimiter_(static_cast<char>(config.delimiter)),
        placing_(config.of, config.into) {}

  void process(stage::Message message, stage::Output& out) {
    const auto text = placing_.text(message);
    if (!text) return out.fail(message, text.failure());
    made_.clear();
    auto failed = decode(message, *text);
    if (failed) return out.fail(message, std::move(*failed));
    out.pass(message);
  }

 private:
  message::Done decode(const stage::Message& message, std::string_view text) {
    switch (format_) {
      case Coding::json:
        if (auto wrong = message::check_json(text)) return no(wrong->what, wrong->offset);
        if (placing_.whole()) {  // It stays as it is, known to be good.
          message.batch().mark_json(message.row());
          return std::nullopt;
        }
        return placing_.put(message, text);
      case Coding::csv:
        if (auto wrong = io::read_csv(text, fields_, scratch_, delimiter_)) return no(wrong->what, wrong->offset);
        if (!columns_.empty() && fields_.size() != columns_.size()) {
          return message::Failure(stage::Reason::decode, placing_.name() + " has " + std::to_string(fields_.size()) +
                                                             " fields, not " + std::to_string(columns_.size()));
        }
        made_ = columns_.empty() ? '[' : '{';
        for (std::size_t i = 0; i < fields_.size(); ++i) {
          if (i > 0) made_ += ',';
          if (!columns_.empty()) message::append_key(made_, columns_[i]);
          message::append_quoted(made_, fields_[i]);
        }
        made_ += columns_.empty() ? ']' : '}';
        return placing_.put(message, made_);
      case Coding::logfmt:
        if (auto wrong = io::read_logfmt(text, pairs_, scratch_)) return no(wrong->what, wrong->offset);
        io::keep_last(pairs_);
        made_ = '{';
        for (const auto& pair : pairs_) {
          if (made_.size() > 1) made_ += ',';
          message::append_key(made_, pair.key);
          if (pair.value) {
            message::append_quoted(made_, *pair.value);
          } else {
            made_ += "true";
          }
        }
        made_ += '}';
        return placing_.put(message, made_);
      case Coding::text:
        return placing_.put_text(message, text);
      case Coding::base64:
        if (!io::read_base64(text, made_)) return message::Failure(stage::Reason::decode, says("is no base64"));
        return placing_.put_text(message, made_);
      case Coding::hex:
        if (!io::read_hex(text, made_)) return message::Failure(stage::Reason::decode, says("is not hexadecimal"));
        return placing_.put_text(message, made_);
    }
    return std::nullopt;
  }

  std::string says(const char* what) const { return placing_.name() + " " + what; }
  message::Failure no(const std::string& what, std::size_t offset) const {
    const char* const name = format_ == Coding::json ? "JSON" : format_ == Coding::csv ? "CSV" : "logfmt";
    return {stage::Reason::decode,
            placing_.name() + " is not " + name + ": " + what + " at byte " + std::to_string(offset + 1)};
  }

  const Coding format_;
  const std::vector<std::string> columns_;
  const char delimiter_;
  const stage::Placing placing_;
  // Reused.
  std::string made_, scratch_;
  std::vector<std::string_view> fields_;
  std::vector<io::LogfmtPair> pairs_;
};

const stage::Register registered(spec, [](auto config) { return stage::operator_of<Decode>(config); });

}  // namespace
}  // namespace weir::stages
