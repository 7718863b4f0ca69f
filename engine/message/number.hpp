// Numbers as JSON text: how weir writes them and how it reads them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace weir::message {

/// Appends the decimal digits, without a point.
void append_integer(std::string& out, std::int64_t value);

/// Appends the shortest digits that read back as the same double, always recognisable as a float: `2.0`, `100000.0`.
/// With an exponent (`1e+20`, `1e-07`) only from 1e16 on and below 1e-4.
/// False, and nothing appended, for what JSON cannot say: NaN and the infinities.
bool append_float(std::string& out, double value);

/// The longest text that the two above append.
inline constexpr std::size_t number_text_most = 32;
/// The same without a string: writes to `out`, which has room for number_text_most, and returns the end.
char* write_integer(char* out, std::int64_t value) noexcept;
/// Null for NaN and the infinities.
char* write_float(char* out, double value) noexcept;

using Number = std::variant<std::int64_t, double>;
/// By whichever of the two it is.
bool append_number(std::string& out, const Number& number);

/// Reads a number of exactly JSON's grammar. Without point and exponent it is an integer if 64 bits hold it, else the
/// nearest double; what is too small for a double reads as zero. Nothing where the text is not a number, or one
/// beyond the largest double (such a number passes through weir unread, as text, but cannot be computed with).
std::optional<Number> parse_number(std::string_view text) noexcept;

}  // namespace weir::message
