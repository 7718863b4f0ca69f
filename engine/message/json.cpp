#include "engine/message/json.hpp"

#include <emmintrin.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bit>
#include <bitset>
#include <cstring>
#include <memory>
#include <vector>

#include "engine/message/arena.hpp"

namespace weir::message {

static_assert(padding >= simdjson::SIMDJSON_PADDING);

namespace {

// Behind a payload an arena's writer may be writing the next one, on another core: whole vectors that reach there are
// read, and what is behind the payload changes nothing. ThreadSanitizer can't know that, so under it no byte of it is
// read.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr bool read_exactly = true;
#else
constexpr bool read_exactly = false;
#endif
#else
constexpr bool read_exactly = false;
#endif

// The members of longer texts are not noted: whoever asks looks for them.
constexpr std::size_t noted_bytes = 32 * 1024;
// A thread keeps tables for texts up to this size; a larger one gets its own, which go when it has been looked at.
constexpr std::size_t kept_bytes = 1024 * 1024;
// Strings up to this size are written in one piece.
constexpr std::size_t short_string = 124;
// Offsets are 32 bits, here and in simdjson.
constexpr std::size_t text_bytes_most = 0xffffff00;

// Where the next sixteen bytes need a look: a bit for each quote, backslash, control character and what is not ASCII.
unsigned stops_at(const unsigned char* at) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  const __m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  const __m128i others = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));  // Signed: below are those of 0x80 and more, too.
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, backslashes), others)));
}

// Of a byte in a string. 0: as it is; 1: \u00XX; 2: not ASCII; else the letter behind the backslash.
constexpr auto treatment = [] {
  std::array<char, 256> table{};
  for (int c = 0; c < 0x20; ++c) table[c] = 1;
  for (int c = 0x80; c < 0x100; ++c) table[c] = 2;
  table['"'] = '"', table['\\'] = '\\', table['\n'] = 'n', table['\t'] = 't', table['\r'] = 'r';
  table['\b'] = 'b', table['\f'] = 'f';
  return table;
}();

bool digit(unsigned char c) { return c >= '0' && c <= '9'; }
bool blank(unsigned char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

int hex(unsigned char c) {
  if (digit(c)) return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The four digits of \uXXXX, or -1.
int hex4(const unsigned char* at, const unsigned char* end) {
  if (end - at < 4) return -1;
  int code = 0;
  for (int i = 0; i < 4; ++i) {
    const int value = hex(at[i]);
    if (value < 0) return -1;
    code = code * 16 + value;
  }
  return code;
}

// Bytes of the UTF-8 sequence that begins here, which is not ASCII; 0 where there is none.
int sequence(const unsigned char* at, const unsigned char* end) {
  const unsigned char lead = *at;
  const auto follows = [&](int i, unsigned char from = 0x80, unsigned char to = 0xbf) {
    return end - at > i && at[i] >= from && at[i] <= to;
  };
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const bool second = lead == 0xe0 ? follows(1, 0xa0) : lead == 0xed ? follows(1, 0x80, 0x9f) : follows(1);
    return second && follows(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool second = lead == 0xf0 ? follows(1, 0x90) : lead == 0xf4 ? follows(1, 0x80, 0x8f) : follows(1);
    return second && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

// Reads a JSON text from left to right and stops at the first byte that is wrong.
class Checker {
 public:
  explicit Checker(std::string_view text)
      : begin_(reinterpret_cast<const unsigned char*>(text.data())), at_(begin_), end_(begin_ + text.size()) {}

  std::optional<JsonError> check() {
    skip_blanks();
    if (at_ == end_) return error("expected a value, found nothing");
    value();
    if (!what_) {
      skip_blanks();
      if (at_ != end_) what_ = "expected the end: one value is all";
    }
    if (!what_) return std::nullopt;
    if (at_ == end_) return error(std::string(what_) + ", found the end");
    return error(what_);
  }

 private:
  JsonError error(std::string what) const { return {std::move(what), static_cast<std::size_t>(at_ - begin_)}; }
  bool fail(const char* what) {
    what_ = what;
    return false;
  }
  void skip_blanks() {
    while (at_ != end_ && blank(*at_)) ++at_;
  }
  bool next_is(char c) const { return at_ != end_ && *at_ == c; }

  void value() {
    std::bitset<json_depth> objects;  // What we are inside of, outermost first.
    std::size_t depth = 0;
    const auto member = [&] {
      skip_blanks();
      if (!next_is('"')) return fail("expected '\"', the begin of a key");
      if (!string()) return false;
      skip_blanks();
      if (!next_is(':')) return fail("expected ':'");
      ++at_;
      return true;
    };
    for (;;) {
      skip_blanks();
      if (next_is('{') || next_is('[')) {
        if (depth == json_depth) {
          fail("nested deeper than 512 levels");
          return;
        }
        const bool object = *at_ == '{';
        objects[depth++] = object;
        ++at_;
        skip_blanks();
        if (!next_is(object ? '}' : ']')) {
          if (object && !member()) return;
          continue;
        }
        ++at_;
        --depth;
      } else if (!scalar()) {
        return;
      }
      for (;;) {  // Behind a value.
        if (depth == 0) return;
        const bool object = objects[depth - 1];
        skip_blanks();
        if (next_is(',')) {
          ++at_;
          if (object && !member()) return;
          break;
        }
        if (!next_is(object ? '}' : ']')) {
          fail(object ? "expected ',' or '}'" : "expected ',' or ']'");
          return;
        }
        ++at_;
        --depth;
      }
    }
  }

  bool scalar() {
    if (at_ == end_) return fail("expected a value");
    switch (*at_) {
      case '"':
        return string();
      case 't':
        return literal("true");
      case 'f':
        return literal("false");
      case 'n':
        return literal("null");
      default:
        return number();
    }
  }

  bool literal(std::string_view word) {
    for (const char c : word) {
      if (!next_is(c)) return fail("expected true, false or null");
      ++at_;
    }
    return true;
  }

  bool digits(const char* what) {
    if (at_ == end_ || !digit(*at_)) return fail(what);
    while (at_ != end_ && digit(*at_)) ++at_;
    return true;
  }

  bool number() {
    const bool negative = next_is('-');
    if (negative) ++at_;
    if (next_is('0')) {
      ++at_;
      if (at_ != end_ && digit(*at_)) return fail("a number must not begin with 0");
    } else if (!digits(negative ? "expected a digit" : "expected a value")) {
      return false;
    }
    if (next_is('.')) {
      ++at_;
      if (!digits("expected a digit behind the point")) return false;
    }
    if (next_is('e') || next_is('E')) {
      ++at_;
      if (next_is('+') || next_is('-')) ++at_;
      if (!digits("expected a digit of the exponent")) return false;
    }
    return true;
  }

  bool string() {
    for (++at_; at_ != end_;) {
      const unsigned char c = *at_;
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c < 0x20) return fail("a control character in a string must be escaped");
      if (c == '\\') {
        if (!escape()) return false;
      } else if (c < 0x80) {
        ++at_;
      } else {
        const int size = sequence(at_, end_);
        if (size == 0) return fail("not UTF-8");
        at_ += size;
      }
    }
    return fail("expected '\"', the end of the string");
  }

  bool escape() {
    if (end_ - at_ < 2) {
      at_ = end_;
      return fail("expected '\"', the end of the string");
    }
    if (at_[1] != 'u') {
      if (!std::strchr("\"\\/bfnrt", at_[1]) || at_[1] == 0) return fail("no such escape");
      at_ += 2;
      return true;
    }
    const int code = hex4(at_ + 2, end_);
    if (code < 0) return fail("expected four hexadecimal digits behind \\u");
    if (code >= 0xdc00 && code <= 0xdfff) return fail("the second half of a surrogate pair without the first");
    if (code >= 0xd800 && code <= 0xdbff) {
      const int low = end_ - at_ >= 12 && at_[6] == '\\' && at_[7] == 'u' ? hex4(at_ + 8, end_) : -1;
      if (low < 0xdc00 || low > 0xdfff) return fail("the first half of a surrogate pair without the second");
      at_ += 6;
    }
    at_ += 6;
    return true;
  }

  const unsigned char* begin_;
  const unsigned char* at_;
  const unsigned char* end_;
  const char* what_ = nullptr;
};

// How a key stood in the text before, with its quotes and its colon. Most texts have the keys of the one before them,
// in the same order. To compare what stands there costs a branch that the processor foresees; to look for the end of a
// key keeps all that comes behind it waiting. (Of 200 bytes with seven members 45 ns instead of 66.)
class Shape {
 public:
  static constexpr std::size_t bytes_most = 32;

  std::uint32_t size() const { return size_; }
  // That many bytes may be read.
  bool stands_at(const unsigned char* text) const {
    const std::uint32_t same = size_ <= 16 ? same_as(text, 0) : same_as(text, 0) | same_as(text, 16) << 16;
    return size_ != 0 && (same & mask_) == mask_;
  }
  void note(const unsigned char* text, std::size_t size) {
    size_ = 0;
    if (size > bytes_most) return;
    std::memcpy(bytes_, text, bytes_most);
    size_ = static_cast<std::uint32_t>(size);
    mask_ = static_cast<std::uint32_t>((std::uint64_t{1} << size) - 1);
  }

 private:
  std::uint32_t same_as(const unsigned char* text, std::size_t from) const {
    const __m128i there = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + from));
    const __m128i known = _mm_load_si128(reinterpret_cast<const __m128i*>(bytes_ + from));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(there, known)));
  }

  alignas(16) unsigned char bytes_[bytes_most]{};
  std::uint32_t size_ = 0;  // 0: nothing is known.
  std::uint32_t mask_ = 0;  // A bit for each byte that counts.
};
static_assert(padding >= Shape::bytes_most);

// Of a thread's last text, in the order of its keys. The next one may lack some.
struct Shapes {
  static constexpr std::size_t most = 64, lacking_most = 3;

  void begin() { next_ = 0; }
  // The size of the key that stands there and its colon; 0: it is none of those that are expected.
  std::size_t find(const unsigned char* text) {
    for (std::size_t at = next_; at <= next_ + lacking_most; ++at) {
      if (!known_[at].stands_at(text)) continue;
      next_ = std::min(at + 1, most);
      return known_[at].size();
    }
    return 0;
  }
  // After find() has said 0.
  void note(const unsigned char* text, std::size_t size) {
    if (next_ < most) known_[next_++].note(text, size);
  }

 private:
  std::size_t next_ = 0;
  Shape known_[most + lacking_most + 1];  // Those behind `most` stay empty.
};

// The same grammar without a word on what is wrong, a string sixteen bytes at a time.
// `padded`: 32 bytes behind the text may be read.
template <bool padded>
struct Quick {
  // Whether the text is an array or an object, and nothing else. Of a scalar it says no: those are rare.
  // Where they are to be `noted`, its members are put where `to` says, and `to` left behind the last of them; or set to
  // null, if a key is written with escapes. Half as many as the text has bytes are enough.
  template <bool noted>
  static bool accepts(std::string_view text, Member*& to, Shapes& shapes) {
    const auto* const begin = reinterpret_cast<const unsigned char*>(text.data());
    const auto* at = begin;
    const auto* end = begin + text.size();
    // The last byte closes a container. Neither blanks nor a number or a word reach over it, so that only what stands
    // behind a string or a bracket need ask whether the text is at its end.
    while (at != end && blank(*at)) ++at;
    while (at != end && blank(end[-1])) --end;
    if (at == end || (*at != '{' && *at != '[') || (end[-1] != '}' && end[-1] != ']')) return false;

    char around[json_depth];  // What closes the containers that we are inside of, outermost first.
    std::size_t depth = 0;
    char closing = 0;  // The innermost of them.
    Member* member = to;
    bool escapes = false;  // In a key of the root.
    const auto offset = [begin](const unsigned char* what) { return static_cast<std::uint32_t>(what - begin); };
    for (;;) {
      at = behind_blanks(at);
      if (closing == '}') {
        if (*at != '"') return false;
        if (noted && depth == 1) member->key = offset(at + 1);
        if (const std::size_t size = padded ? shapes.find(at) : 0) {
          at += size;
          if (at >= end) return false;
          if (noted && depth == 1) member->key_end = offset(at - 2);
        } else {
          const auto* const key = at;
          bool odd = false;
          at = behind_key(at + 1, end, odd);
          if (at == end) return false;
          if (noted && depth == 1) {
            member->key_end = offset(at - 1);
            escapes |= odd;
          }
          if (padded && *at == ':' && !odd) shapes.note(key, static_cast<std::size_t>(at + 1 - key));
          at = behind_blanks(at);
          if (*at++ != ':') return false;
        }
        at = behind_blanks(at);
      } else if (noted && depth == 1) {
        member->key = member->key_end = 0;
      }
      if (noted && depth == 1) member->value = offset(at);
      switch (*at) {
        case '"':
          at = behind_string(at + 1, end);
          if (at == end) return false;
          break;
        case '{':
        case '[':
          if (depth == json_depth) return false;
          closing = *at == '{' ? '}' : ']';
          around[depth++] = closing;
          at = behind_blanks(at + 1);
          if (*at != static_cast<unsigned char>(closing)) continue;
          ++at;
          if (--depth == 0) {
            to = escapes ? nullptr : member;
            return at == end;
          }
          if (at == end) return false;
          closing = around[depth - 1];
          break;
        case 't':
          if (at[1] != 'r' || at[2] != 'u' || at[3] != 'e') return false;
          at += 4;
          break;
        case 'f':
          if (at[1] != 'a' || at[2] != 'l' || at[3] != 's' || at[4] != 'e') return false;
          at += 5;
          break;
        case 'n':
          if (at[1] != 'u' || at[2] != 'l' || at[3] != 'l') return false;
          at += 4;
          break;
        default:
          at = behind_number(at);
          if (!at) return false;
      }
      for (;;) {  // Behind a value.
        if (noted && depth == 1) (member++)->value_end = offset(at);
        at = behind_blanks(at);
        const unsigned char c = *at++;
        if (c == ',') break;
        if (c != static_cast<unsigned char>(closing)) return false;
        if (--depth == 0) {
          to = escapes ? nullptr : member;
          return at == end;
        }
        if (at == end) return false;
        closing = around[depth - 1];
      }
    }
  }

 private:
  static const unsigned char* behind_blanks(const unsigned char* at) {
    while (*at <= ' ' && blank(*at)) ++at;
    return at;
  }

  // `at` stands behind the opening quote. The end of the text where this is no string.
  [[gnu::always_inline]] static inline const unsigned char* behind_string(const unsigned char* at,
                                                                          const unsigned char* const end) {
    const auto* const behind = behind_plain_string(at, end);
    return behind ? behind : behind_long_string(at, end);
  }
  // The same; `escapes` becomes true where it has any.
  [[gnu::always_inline]] static inline const unsigned char* behind_key(const unsigned char* at,
                                                                       const unsigned char* const end, bool& escapes) {
    const auto* behind = behind_plain_string(at, end);
    if (behind) return behind;
    behind = behind_long_string(at, end);
    escapes |= std::memchr(at, '\\', static_cast<std::size_t>(behind - at)) != nullptr;
    return behind;
  }
  // Most are short and plain; of others null.
  [[gnu::always_inline]] static inline const unsigned char* behind_plain_string(const unsigned char* at,
                                                                                const unsigned char* const end) {
    if (!padded && end - at < 16) return nullptr;
    const unsigned stops = stops_at(at);
    if (stops == 0) return nullptr;
    const unsigned char* const stop = at + std::countr_zero(stops);
    return *stop == '"' && (!padded || stop < end) ? stop + 1 : nullptr;
  }
  static const unsigned char* behind_long_string(const unsigned char* at, const unsigned char* const end) {
    for (;;) {
      if (padded || end - at >= 16) {
        const unsigned stops = stops_at(at);
        at += stops == 0 ? 16 : std::countr_zero(stops);
        if (padded && at >= end) return end;
        if (stops == 0) continue;
      } else {
        while (at != end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') ++at;
        if (at == end) return end;
      }
      if (*at == '"') return at + 1;
      do {
        const int size = *at == '\\' ? escape(at, end) : *at >= 0x80 ? sequence(at, end) : 0;
        if (size == 0) return end;
        at += size;
        if (at == end) return end;
      } while (*at >= 0x80);
    }
  }

  // Null where this is no number.
  static const unsigned char* behind_number(const unsigned char* at) {
    if (*at == '-') ++at;
    if (*at == '0') {
      ++at;
    } else {
      if (!digit(*at)) return nullptr;
      while (digit(*at)) ++at;
    }
    if (*at == '.') {
      if (!digit(*++at)) return nullptr;
      while (digit(*at)) ++at;
    }
    if (*at == 'e' || *at == 'E') {
      ++at;
      if (*at == '+' || *at == '-') ++at;
      if (!digit(*at)) return nullptr;
      while (digit(*at)) ++at;
    }
    return at;
  }

  // Bytes of the escape that begins here; 0 where there is none.
  static int escape(const unsigned char* at, const unsigned char* const end) {
    if (end - at < 2) return 0;
    switch (at[1]) {
      case '"':
      case '\\':
      case '/':
      case 'b':
      case 'f':
      case 'n':
      case 'r':
      case 't':
        return 2;
      case 'u':
        break;
      default:
        return 0;
    }
    const int code = hex4(at + 2, end);
    if (code < 0 || (code >= 0xdc00 && code <= 0xdfff)) return 0;
    if (code < 0xd800 || code > 0xdbff) return 6;
    const int low = end - at >= 12 && at[6] == '\\' && at[7] == 'u' ? hex4(at + 8, end) : -1;
    return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
  }
};

template <bool padded>
bool quickly_accepts(std::string_view text, Members* found) {
  thread_local Shapes shapes;
  shapes.begin();
  Member* to = nullptr;
  if (!found || text.size() > noted_bytes) return Quick<padded>::template accepts<false>(text, to, shapes);
  thread_local std::unique_ptr<Member[]> members;
  thread_local std::size_t bytes = 0;
  if (bytes < text.size()) {
    bytes = std::min(noted_bytes, std::max<std::size_t>(text.size() * 2, 2 * 1024));
    members = std::make_unique_for_overwrite<Member[]>(bytes / 2 + 1);
  }
  to = members.get();
  if (!Quick<padded>::template accepts<true>(text, to, shapes)) return false;
  if (to) *found = {members.get(), static_cast<std::uint32_t>(to - members.get())};
  return true;
}

// simdjson does not count an empty innermost container and stops one short of what it is told. With json_depth it never
// accepts too much; what it refuses too early, the loop accepts.
constexpr std::size_t simdjson_depth = json_depth;

bool simdjson_accepts(std::string_view bytes, bool copy) {
  const auto parse = [&](simdjson::dom::parser& parser) {
    return parser.parse(bytes.data(), bytes.size(), copy).error() == simdjson::SUCCESS;
  };
  if (bytes.size() > kept_bytes) {
    simdjson::dom::parser own;
    return own.allocate(bytes.size(), simdjson_depth) == simdjson::SUCCESS && parse(own);
  }
  thread_local simdjson::dom::parser kept;
  if (kept.capacity() < bytes.size() || kept.max_depth() != simdjson_depth) {
    if (kept.allocate(std::max<std::size_t>(bytes.size() * 2, 16 * 1024), simdjson_depth)) return false;
  }
  return parse(kept);
}

std::optional<JsonError> check(std::string_view bytes, bool copy, Members* found = nullptr) {
  if (found) *found = {};
  if (copy ? quickly_accepts<false>(bytes, found) : quickly_accepts<true>(bytes, found)) return std::nullopt;
  if (!bytes.empty() && bytes.size() <= text_bytes_most && simdjson_accepts(bytes, copy)) return std::nullopt;
  // simdjson also refuses numbers it cannot hold, which we hand on as text: the loop has the last word.
  return check_json_slowly(bytes);
}

}  // namespace

std::optional<JsonError> check_json(std::string_view bytes) { return check(bytes, true); }
std::optional<JsonError> check_json_padded(std::string_view bytes, Members* found) {
  return check(bytes, read_exactly, found);
}
std::optional<JsonError> check_json_slowly(std::string_view bytes) { return Checker(bytes).check(); }

bool is_utf8(std::string_view bytes) { return simdjson::validate_utf8(bytes.data(), bytes.size()); }

std::optional<std::size_t> find_not_utf8(std::string_view bytes) {
  if (is_utf8(bytes)) return std::nullopt;
  const auto* const begin = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* const end = begin + bytes.size();
  const auto* at = begin;
  for (int size = 1; at != end && size > 0; at += size) size = *at < 0x80 ? 1 : sequence(at, end);
  return static_cast<std::size_t>(at - begin);
}

void append_quoted(std::string& out, std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  const unsigned char* run = at;  // What has been looked at and goes out as it is.
  const auto flush = [&] { out.append(reinterpret_cast<const char*>(run), static_cast<std::size_t>(at - run)); };
  for (unsigned stops = 0; stops == 0 && end - at >= 16;) {
    stops = stops_at(at);
    at += stops == 0 ? 16 : std::countr_zero(stops);
  }
  while (at != end && treatment[*at] == 0) ++at;
  if (at == end && text.size() <= short_string) {  // Most are short and plain, and go out in one piece.
    char quoted[short_string + 2];
    quoted[0] = '"';
    if (!text.empty()) std::memcpy(quoted + 1, text.data(), text.size());
    quoted[text.size() + 1] = '"';
    out.append(quoted, text.size() + 2);
    return;
  }
  out.reserve(out.size() + text.size() + 2);
  out += '"';
  while (at != end) {
    const char how = treatment[*at];
    if (how == 0) {
      ++at;
    } else if (how == 2) {
      if (const int size = sequence(at, end)) {
        at += size;
        continue;
      }
      flush();
      out += "\xef\xbf\xbd";
      run = ++at;
    } else {
      flush();
      if (how == 1) {
        static constexpr char digits[] = "0123456789abcdef";
        out += "\\u00";
        out += digits[*at >> 4];
        out += digits[*at & 15];
      } else {
        out += '\\';
        out += how;
      }
      run = ++at;
    }
  }
  flush();
  out += '"';
}

void append_key(std::string& out, std::string_view key) {
  const auto plain = [](char c) { return treatment[static_cast<unsigned char>(c)] == 0; };
  if (key.empty() || key.size() > short_string || !std::all_of(key.begin(), key.end(), plain)) {
    append_quoted(out, key);
    out += ':';
    return;
  }
  char text[short_string + 3];
  text[0] = '"';
  std::memcpy(text + 1, key.data(), key.size());
  text[key.size() + 1] = '"';
  text[key.size() + 2] = ':';
  out.append(text, key.size() + 3);
}

bool unquote(std::string_view raw_with_quotes, std::string& out) {
  out.clear();
  if (raw_with_quotes.size() < 2 || raw_with_quotes.front() != '"' || raw_with_quotes.back() != '"') return false;
  const auto* at = reinterpret_cast<const unsigned char*>(raw_with_quotes.data()) + 1;
  const auto* const end = at + raw_with_quotes.size() - 2;
  out.reserve(raw_with_quotes.size());
  while (at != end) {
    const auto* const run = at;
    while (at != end && *at != '\\') {
      if (*at == '"' || *at < 0x20) return false;
      ++at;
    }
    out.append(reinterpret_cast<const char*>(run), static_cast<std::size_t>(at - run));
    if (at == end) break;
    if (++at == end) return false;
    switch (*at++) {
      case '"':
        out += '"';
        break;
      case '\\':
        out += '\\';
        break;
      case '/':
        out += '/';
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        int code = hex4(at, end);
        if (code < 0 || (code >= 0xdc00 && code <= 0xdfff)) return false;
        at += 4;
        if (code >= 0xd800 && code <= 0xdbff) {
          const int low = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex4(at + 2, end) : -1;
          if (low < 0xdc00 || low > 0xdfff) return false;
          at += 6;
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        if (code < 0x80) {
          out += static_cast<char>(code);
        } else if (code < 0x800) {
          out += static_cast<char>(0xc0 | code >> 6);
          out += static_cast<char>(0x80 | (code & 0x3f));
        } else if (code < 0x10000) {
          out += static_cast<char>(0xe0 | code >> 12);
          out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
          out += static_cast<char>(0x80 | (code & 0x3f));
        } else {
          out += static_cast<char>(0xf0 | code >> 18);
          out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
          out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
          out += static_cast<char>(0x80 | (code & 0x3f));
        }
        break;
      }
      default:
        return false;
    }
  }
  return true;
}

Structure structure_of(std::string_view padded_text) {
  // simdjson's index is reached through members that it marks as its own affair: only here, and checked against
  // structure_of_short() by a test, which would stand in for it.
  using Implementation = std::unique_ptr<simdjson::internal::dom_parser_implementation>;
  thread_local Implementation kept, giant;
  thread_local std::size_t kept_capacity = 0;
  if (padded_text.empty() || padded_text.size() > text_bytes_most) return {};
  Implementation* use = &kept;
  if (padded_text.size() > kept_capacity) {
    const bool large = padded_text.size() > kept_bytes;
    const std::size_t capacity = large ? padded_text.size() : std::max<std::size_t>(padded_text.size() * 2, 16 * 1024);
    if (large) use = &giant;
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1, *use)) return {};
    if (!large) kept_capacity = capacity;
  }
  if (use == &kept && giant) giant.reset();
  auto& index = **use;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(padded_text.data());
  if (index.stage1(bytes, padded_text.size(), simdjson::stage1_mode::regular)) return {};
  return {index.structural_indexes.get(), index.n_structural_indexes};
}

Structure structure_of_short(std::string_view text) {
  // 0: part of a scalar, 1: blank, 2: an operator, 3: a quote.
  static constexpr auto classes = [] {
    std::array<char, 256> table{};
    for (const char c : {' ', '\n', '\t', '\r'}) table[static_cast<unsigned char>(c)] = 1;
    for (const char c : {'{', '}', '[', ']', ',', ':'}) table[static_cast<unsigned char>(c)] = 2;
    table['"'] = 3;
    return table;
  }();
  thread_local std::vector<std::uint32_t> offsets;
  if (text.empty() || text.size() > text_bytes_most) return {};
  if (offsets.size() < text.size()) offsets.resize(std::max<std::size_t>(text.size(), 256));
  const auto class_at = [&](std::size_t i) { return classes[static_cast<unsigned char>(text[i])]; };
  std::uint32_t count = 0;
  const std::size_t end = text.size();
  for (std::size_t i = 0; i < end;) {
    const char what = class_at(i);
    if (what == 1) {
      ++i;
      continue;
    }
    offsets[count++] = static_cast<std::uint32_t>(i++);
    if (what == 3) {
      while (i < end && text[i] != '"') i += text[i] == '\\' ? 2 : 1;
      if (i >= end) return {};
      ++i;
    } else if (what == 0) {
      while (i < end && class_at(i) == 0) ++i;
    }
  }
  return count ? Structure{offsets.data(), count} : Structure{};
}

}  // namespace weir::message
