// Words of the language that several rooms must know alike.
#pragma once
#include <array>
#include <string_view>

namespace weir::config {

/// What every stage's own ways out are called, and the way out of a route that no condition chose.
inline constexpr std::string_view main_word = "main", failed_word = "failed", else_word = "else";
/// `any.failed`: what failed and nobody else listens to. So no stage is called that; inside it is a source's last port.
inline constexpr std::string_view any_word = "any", any_failed = "any.failed";

/// What nobody may call a port: they mean something already, or would be taken for it.
inline constexpr std::array taken_ports{main_word, failed_word, else_word, any_word};

}  // namespace weir::config
