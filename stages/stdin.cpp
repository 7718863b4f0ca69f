// stdin: reads the standard input message by message.
#include "engine/runtime/files.hpp"
#include "engine/stage/intake.hpp"
#include "engine/stage/kind.hpp"
#include "engine/stage/records.hpp"

namespace weir::stages {
namespace {

using stage::Format;

struct StdinConfig {
  Format format = Format::lines;
  config::Map<std::string> types;
  std::vector<std::string> columns;
  io::Delimiter delimiter = io::Delimiter::comma;
  config::Size max_message{16 * 1024 * 1024};
};

stage::RecordRules rules_of(const StdinConfig& config) {
  return {config.types, static_cast<char>(config.delimiter), config.columns};
}

void verify(const StdinConfig& config, config::Written& written) {
  stage::check_reading(config.format, rules_of(config), written);
}

const auto spec =
    config::Spec<StdinConfig>("stdin", "Reads the standard input message by message.")
        .field(
            "format", &StdinConfig::format,
            "lines: each line is a message. ndjson: each line is JSON. json: all of it is one JSON value. whole: all "
            "of it is one message, whatever it holds. csv: the first record names the fields, each further one is an "
            "object. logfmt: each line is an object. envelope: each line is one, of which the text is the message.",
            stage::formats())
        .field("types", &StdinConfig::types,
               "Of the fields of csv and logfmt, those that are not text: integer, number or boolean. An empty one is "
               "null. What does not fit, and what is not UTF-8, fails (decode).",
               config::sample("{id: integer}"))
        .field("columns", &StdinConfig::columns,
               "Of csv: the fields, where the first record does not name them but is one like the others.",
               config::sample("[id, name, amount]"))
        .distinct()
        .needs_value("format", {"csv"}, "only csv has columns")
        .field("delimiter", &StdinConfig::delimiter, "Of csv: what stands between the fields.", stage::delimiters())
        .needs_value("format", {"csv"}, "only csv has a delimiter")
        .field("max_message", &StdinConfig::max_message, "A longer line, or input, fails (size).", config::above(0),
               config::at_most(1024.0 * 1024 * 1024))
        .details(
            "It ends with the input: at the end of the file, when whoever writes the pipe has left, or by Ctrl-D on a "
            "terminal. When weir ends first, a line whose end has not come is no message. There is one standard input, "
            "so one stage of a program reads it.")
        .example("stdin: {}")
        .example("stdin: {format: ndjson}")
        .verify(verify);

stage::Task<> read_input(const StdinConfig& config, stage::Source& source) {
  const auto reader = source.core.files().standard_input();
  source.all_bytes = reader->size().value_or(0);
  const stage::Intake intake(config.format, config.max_message, "the input", rules_of(config));
  co_await intake.read(*reader, source);
}

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::source_of(config, read_input).reading_input();
  if (config->format == Format::lines) configured.makes = stage::Makes::lines;
  configured.reads_json_of = stage::json_of(config->format);
  return configured;
});

}  // namespace
}  // namespace weir::stages
