// stdout: prints each message on a line of its own.
#include <system_error>

#include "engine/message/json.hpp"
#include "engine/runtime/files.hpp"
#include "engine/stage/kind.hpp"
#include "engine/stage/lineup.hpp"

namespace weir::stages {
namespace {

enum class Format : std::uint8_t { text, json, table };

struct StdoutConfig {
  Format format = Format::text;
};

void verify(const StdoutConfig& config, config::Written& written) {
  if (config.format == Format::table) {
    written.error("format", "table comes with a later version of weir", "`text` and `json` are there");
  }
}

const auto spec =
    config::Spec<StdoutConfig>("stdout", "Prints each message on a line of its own.")
        .field(
            "format", &StdoutConfig::format,
            "text: the payload as it is. json: a payload that is no JSON as a JSON text, so that every line is JSON. "
            "table comes with a later version.",
            config::one_of({{"text", Format::text}, {"json", Format::json}, {"table", Format::table}}))
        .details(
            "Whoever reads the output may leave (`| head -1`): then the pipeline ends quietly. Where it is a file and "
            "its "
            "disk is full, messages wait.")
        .example("stdout: {}")
        .example("stdout: {format: json}")
        .verify(verify);

stage::Task<> print(const StdoutConfig& config, stage::Driver& driver) {
  const bool json = config.format == Format::json;
  stage::Lineup lines("standard output", json, driver.core.files().standard_output(), driver);
  std::string quoted;
  while (auto delivery = co_await driver.receive()) {
    stage::Batch& batch = **delivery;
    for (std::size_t row = 0; row < batch.size(); ++row) {
      if (!json || batch.is_json(row)) {
        lines.add(row, batch.payload(row));
        continue;
      }
      quoted.clear();
      message::append_quoted(quoted, batch.payload(row));
      lines.add(row, quoted);
    }
    const std::error_code error = co_await lines.write(batch);
    if (error == std::errc::broken_pipe) {
      lines.drop_left(batch, stage::Dropped::gone);
      driver.close();
      co_return;
    }
    if (error) lines.fail_left(batch, error);
  }
}

const stage::Register registered(spec, [](auto config) { return stage::sink_of(config, print).printing(); });

}  // namespace
}  // namespace weir::stages
