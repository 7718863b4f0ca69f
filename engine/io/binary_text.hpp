// Bytes as text that travels anywhere: base64 (RFC 4648) and hexadecimal.
#pragma once
#include <string>
#include <string_view>

namespace weir::io {

void append_base64(std::string& out, std::string_view bytes);
/// Appends the bytes. Takes both alphabets, with or without `=` behind, and line breaks anywhere; nothing else, and no
/// bits left over. False, and nothing appended, otherwise.
bool read_base64(std::string_view text, std::string& out);

/// Of a digit of either size; -1 of anything else.
int hex_value(char digit);
void append_hex(std::string& out, std::string_view bytes);  ///< Small letters.
bool read_hex(std::string_view text, std::string& out);     ///< As above; letters of either size.
void append_percent(std::string& out, char byte);           ///< As in a URL: %C3.

}  // namespace weir::io
