// What the tests of this room share: an engine, a message, and both in one line.
#pragma once
#include <optional>
#include <string>
#include <utility>

#include "engine/config/yaml.hpp"
#include "engine/message/document.hpp"
#include "engine/message/metadata.hpp"
#include "engine/script/block.hpp"
#include "engine/script/condition.hpp"
#include "engine/script/generator.hpp"
#include "engine/script/text.hpp"

namespace weir::script {

/// A world that stands still: 2026-01-31 08:05:09.123 UTC, and chance that counts.
class StillHost final : public Host {
 public:
  runtime::WallTime now() override { return runtime::WallTime(std::chrono::milliseconds(1769846709123)); }
  std::uint64_t random() override { return 0x0123456789abcdefull + ++drawn_; }
  runtime::WallTime wall(runtime::Time when) override { return runtime::WallTime(when.time_since_epoch()); }

 private:
  std::uint64_t drawn_ = 0;
};

/// One message in a batch of its own.
class OneMessage {
 public:
  explicit OneMessage(const std::string& payload) : batch(message::Batch::make()) { batch->append(payload, {}); }
  message::Message message() { return {*batch, 0}; }
  std::string text() { return std::string(message().text()); }

  message::Batch::Pointer batch;
};

inline std::string told(const message::Failure& failure) {
  return std::string(word(failure.reason)) + ": " + failure.text;
}
inline std::string told(const CompileError& error) {
  return error.what + (error.hint.empty() ? "" : " (" + error.hint + ")");
}

/// What a block makes of a payload: the payload, `dropped`, or how it failed; then each message more.
inline std::string after(Engine& engine, const std::string& code, const std::string& payload = "{}",
                         Block::Path path = Block::Path::automatic) {
  Block block;
  if (const auto error = block.compile(engine, {code, {}}, Setting::message, path)) return "compile: " + told(*error);
  OneMessage one(payload);
  Run run;
  block.run(one.message(), run);
  std::string said = run.verdict == Verdict::pass   ? one.text()
                     : run.verdict == Verdict::drop ? "dropped"
                                                    : told(run.failure);
  for (const auto& emitted : run.emitted) {
    said += " | ";
    if (emitted.port != Emitted::main) said += block.ports()[static_cast<std::size_t>(emitted.port)] + ": ";
    said += emitted.payload;
  }
  if (run.verdict == Verdict::fail && one.text() != payload) said += " | the payload was changed to " + one.text();
  return said;
}

inline std::string after(const std::string& code, const std::string& payload = "{}") {
  StillHost host;
  Engine engine(host);
  return after(engine, code, payload);
}

inline std::string checked(const std::string& code, Setting setting = Setting::message) {
  const auto error = check_block(code, {}, setting);
  return error ? told(*error) : "fine";
}

}  // namespace weir::script
