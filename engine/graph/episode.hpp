// Something that may happen with every message, for a log that has a line when it begins and one when it is over.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/runtime/core.hpp"
#include "engine/stage/context.hpp"

namespace weir::graph {

/// It begins as it happens, and is over when it has not happened for ten seconds. Its core's thread only.
class Episode {
 public:
  static constexpr runtime::Duration quiet = std::chrono::seconds(10);

  /// The words of the two lines; they and the context outlive it.
  Episode(stage::Context& context, observe::Level level, std::string_view begins, std::string_view over)
      : context_(context), level_(level), begins_(begins), over_(over) {}

  /// It happens now. True: that begins it, and `say` is to follow. (Texts for a line are not made with every message.)
  bool happens();
  void say(std::initializer_list<observe::Field> more = {});
  void retire() noexcept;

 private:
  void look();
  void arm(runtime::Time when);

  stage::Context& context_;
  const observe::Level level_;
  const std::string_view begins_, over_;
  bool goes_on_ = false;
  runtime::Time began_{}, last_{};
  std::uint64_t times_ = 0;
  std::unique_ptr<runtime::Alarm> alarm_, rung_;  // Not replaced inside its own call: two take turns.
};

}  // namespace weir::graph
