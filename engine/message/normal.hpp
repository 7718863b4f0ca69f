// JSON values by what they say, however they are written.
#pragma once
#include <string>
#include <string_view>

#include "engine/message/number.hpp"

namespace weir::message {

/// Whether a number is less than another. Exact: an integer is not rounded to be compared with a double. NaN is neither
/// less nor more.
bool less(const Number& left, const Number& right) noexcept;

/// Appends a number so that equal ones get the same text, at any size and with any number of digits: `1.0` and `1e0` as
/// `1`, `-0` as `0`, `2.50` as `2.5`. Integers of up to 40 digits are written out. What is no number is appended as it
/// is.
void append_normal_number(std::string& out, std::string_view text);

/// Appends a JSON value so that equal ones get the same text: numbers as above, strings with no more escapes than they
/// need, no white space. Members stay in their order. The text must be valid JSON.
void append_normal(std::string& out, std::string_view json);

}  // namespace weir::message
