// A block of ordinary statements that weir runs itself.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/config/values.hpp"
#include "engine/message/message.hpp"
#include "engine/script/block.hpp"

namespace weir::script {

namespace native {
class Run;
}

/// Locals, `if`, loops over lists, tables, arithmetic, texts and the plainest functions: it takes a third of what Lua
/// takes for them, and gives the same. Movable; the engine must outlive it. One core.
class Native {
 public:
  enum class Outcome : std::uint8_t {
    unclear,   ///< Only Lua can tell, or how it fails; the message is as before.
    kept,      ///< The message goes on, edited.
    replaced,  ///< By `out`, which is JSON.
    text,      ///< By `out`, which may be anything.
    dropped
  };

  /// Nothing where there is anything in the code that only Lua runs. `code` compiles.
  static std::optional<Native> of(Engine& engine, const config::Lua& code, const std::vector<std::string>& ports,
                                  Setting setting = Setting::message);
  Native(Native&&) noexcept;
  Native& operator=(Native&&) noexcept;
  ~Native();

  /// What it did to `state` is in the table after keep() alone, which must follow unless Lua is to run it after all.
  Outcome run(const message::Message& message, std::string& out, std::vector<Emitted>& emitted,
              KeyTable* key_table = nullptr) const;
  void keep(KeyTable& key_table) const;

 private:
  explicit Native(std::unique_ptr<native::Run> run);
  std::unique_ptr<native::Run> run_;
};

}  // namespace weir::script
