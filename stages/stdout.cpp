// stdout: prints each message on a line of its own.
#include <algorithm>
#include <system_error>

#include "engine/message/document.hpp"
#include "engine/message/json.hpp"
#include "engine/runtime/files.hpp"
#include "engine/stage/kind.hpp"

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
        .details("Whoever reads the output may leave (`| head -1`): then the pipeline ends quietly.")
        .example("stdout: {}")
        .example("stdout: {format: json}")
        .verify(verify);

void append_line(std::string& lines, stage::Batch& batch, std::size_t row, Format format) {
  const std::string_view payload = batch.payload(row);
  if (format == Format::text) {
    lines += payload;
  } else if (!batch.is_json(row)) {
    message::append_quoted(lines, payload);
  } else {
    // A line break in JSON is white space: a string can't hold one.
    const std::size_t begin = lines.size();
    lines += payload;
    std::replace_if(
        lines.begin() + static_cast<std::ptrdiff_t>(begin), lines.end(), [](char c) { return c == '\n' || c == '\r'; },
        ' ');
  }
  lines += '\n';
}

/// A disk that was full takes the rest of a message's bytes no more: the next one must not be glued to what it took.
/// What is no regular file has no end to cut.
void cut_off(runtime::Writer& writer, std::size_t bytes) {
  const std::uint64_t size = writer.size();
  if (bytes > 0 && size >= bytes) writer.truncate(size - bytes);
}

stage::Task<> print(const StdoutConfig& config, stage::Driver& driver) {
  const auto writer = driver.core.files().standard_output();
  std::string lines;
  std::array<std::size_t, message::batch_rows> ends;  // Of each row's line in `lines`.
  while (auto delivery = co_await driver.receive()) {
    stage::Batch& batch = **delivery;
    lines.clear();
    for (std::size_t row = 0; row < batch.size(); ++row) {
      append_line(lines, batch, row, config.format);
      ends[row] = lines.size();
    }
    std::error_code error;
    try {
      co_await writer->write(lines);
    } catch (const std::system_error& failed) {
      error = failed.code();
    }
    const std::size_t written = error ? writer->written() : lines.size();
    std::size_t whole = 0;  // Bytes of the messages that are printed to their end, line breaks of their own included.
    for (std::size_t row = 0; row < batch.size(); ++row) {
      if (ends[row] <= written) {
        whole = ends[row];
        driver.out.pass(batch, row);
      } else if (error == std::errc::broken_pipe) {
        driver.out.drop(batch, row, stage::Dropped::gone);
      } else {
        driver.out.fail(batch, row, {stage::Reason::io, "standard output: " + error.message()});
      }
    }
    if (error && error != std::errc::broken_pipe) cut_off(*writer, written - whole);
    if (error == std::errc::broken_pipe) {
      driver.close();
      co_return;
    }
  }
}

const stage::Register registered(spec, [](auto config) { return stage::sink_of(config, print).printing(); });

}  // namespace
}  // namespace weir::stages
