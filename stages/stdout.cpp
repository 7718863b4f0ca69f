// stdout: prints each message on a line of its own.
#include <system_error>

#include "engine/message/json.hpp"
#include "engine/runtime/files.hpp"
#include "engine/stage/kind.hpp"
#include "engine/stage/lineup.hpp"
#include "engine/stage/table.hpp"

namespace weir::stages {
namespace {

enum class Format : std::uint8_t { text, json, table };

struct StdoutConfig {
  Format format = Format::text;
};

const auto spec =
    config::Spec<StdoutConfig>("stdout", "Prints each message on a line of its own.")
        .field(
            "format", &StdoutConfig::format,
            "text: the payload as it is. json: a payload that is no JSON as a JSON text, so that every line is JSON. "
            "table: for people, the fields of objects in columns under a header.",
            config::one_of({{"text", Format::text}, {"json", Format::json}, {"table", Format::table}}))
        .details(
            "Whoever reads the output may leave (`| head -1`): then the pipeline ends quietly. Where it is a file and "
            "its disk is full, messages wait.\n"
            "The first objects that come together decide the columns of a table and how wide they are; what is wider "
            "than 40 characters, or than the terminal, is cut and ends in `…`, and a row with further fields does so "
            "as well. What is no object stands in one column, as it is.")
        .example("stdout: {}")
        .example("stdout: {format: json}")
        .example("stdout: {format: table}");

/// The row as one line: without a table the payload, or what JSON makes of it.
std::string_view line_of(stage::Batch& batch, std::size_t row, const StdoutConfig& config, stage::Table& table,
                         std::string& made) {
  made.clear();
  if (config.format == Format::table) {
    table.line(batch, row, made);
  } else if (config.format == Format::json && !batch.is_json(row)) {
    message::append_quoted(made, batch.payload(row));
  } else {
    return batch.payload(row);
  }
  return made;
}

stage::Task<> print(const StdoutConfig& config, stage::Driver& driver) {
  stage::Lineup lines("standard output", config.format == Format::json, driver.core.files().standard_output(), driver);
  stage::Table table(lines.columns());
  std::string made;
  while (true) {
    stage::Deliveries deliveries = co_await stage::receive_some(driver);
    if (deliveries.empty()) break;
    for (auto& delivery : deliveries) {
      stage::Batch& batch = *delivery;
      if (config.format == Format::table) table.look_at(batch);
      for (std::size_t row = 0; row < batch.size(); ++row) {
        lines.add({batch, row}, line_of(batch, row, config, table, made));
      }
    }
    const std::error_code error = co_await lines.write();
    if (error == std::errc::broken_pipe) {
      lines.drop_left(stage::Dropped::gone);
      driver.close();
      co_return;
    }
    if (error) lines.fail_left(error);
  }
}

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::sink_of(config, print).in_bulk().printing();
  configured.looks_inside = config->format == Format::table;
  return configured;
});

}  // namespace
}  // namespace weir::stages
