// The members of a payload's root, read and changed in its bytes: cheaper than a view, where nobody has made one.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/json.hpp"
#include "engine/message/message.hpp"
#include "engine/message/number.hpp"

namespace weir::message {

/// A value of a payload, as far as it can be told without a view: there, not there, or unclear, where only the view can
/// tell: it exists already, or the payload is no object or an unusual one.
/// Of two words, so that it is handed back in registers.
class Glimpse {
 public:
  Glimpse() = default;  ///< Unclear.
  explicit Glimpse(std::string_view json) noexcept : data_(json.data()), size_(json.size()) {}
  static Glimpse nothing() noexcept {
    Glimpse made;
    made.size_ = 0;
    return made;
  }

  explicit operator bool() const noexcept { return data_ != nullptr; }
  bool is_nothing() const noexcept { return !data_ && size_ == 0; }
  bool unclear() const noexcept { return !data_ && size_ != 0; }
  /// As it is written; only of a value. Followed by padding; valid until the row is edited, moved or answered.
  std::string_view json() const noexcept { return {data_, size_}; }
  bool is_null() const noexcept { return *data_ == 'n'; }
  bool is_string() const noexcept { return *data_ == '"'; }
  bool is_number() const noexcept { return *data_ == '-' || (*data_ >= '0' && *data_ <= '9'); }
  /// Of a number that can be computed with.
  std::optional<Number> number() const noexcept { return is_number() ? parse_number(json()) : std::nullopt; }
  /// A string that is written without escapes: what it says is unquoted().
  bool is_plain_string() const noexcept;
  std::string_view unquoted() const noexcept { return {data_ + 1, size_ - 2}; }  ///< Only of a string.
  /// Of a string. One with escapes is decoded into `scratch`.
  std::optional<std::string_view> text(std::string& scratch) const;

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 1;
};

/// A look at one message's payload, for several questions: what it holds, without a view where nobody has made one.
/// Good until the row is edited, moved or answered, or another row of its batch is marked (Batch::members).
class Look {
 public:
  /// Checks the payload if nobody has.
  explicit Look(Message message);

  /// By a member's name.
  Glimpse member(std::string_view name) const noexcept;
  /// By a path, with the view where it must be; unclear only where the payload is no JSON.
  Glimpse at(std::string_view path) const;

 private:
  Message message_;
  Members members_;
  const char* text_;
};

/// The name of a member of the root that JSON writes as it is.
class MemberName {
 public:
  /// Nothing where the path has several parts, or JSON would write it with an escape.
  static std::optional<MemberName> of(std::string_view path);

  std::string_view text() const noexcept { return std::string_view(quoted_).substr(1, quoted_.size() - 2); }
  std::string_view quoted() const noexcept { return quoted_; }

 private:
  explicit MemberName(std::string quoted) : quoted_(std::move(quoted)) {}
  std::string quoted_;
};

/// Changes of members of a message's root, gathered and then written at once: exactly what its view would write. Used
/// again for the next message. Each member is changed once at the most; what is given must stay until apply().
class MemberEdits {
 public:
  /// False where this can't be done without the view: it is there already, or the payload is no object, an unusual one,
  /// or too long to be copied for each stage that edits it.
  [[nodiscard]] bool begin(const Message& message);

  // Each says whether it can be done this way; if not, nothing has happened yet, and all must go by the view.
  /// A new value, the JSON text of a scalar, in the member's place or behind the last.
  [[nodiscard]] bool set(const MemberName& name, std::string_view json);
  [[nodiscard]] bool remove(const MemberName& name);
  /// A new name in the member's place; a member that had it goes. Without the member nothing happens.
  [[nodiscard]] bool rename(const MemberName& from, const MemberName& to);
  /// All others go.
  void keep_only(const std::vector<MemberName>& names);
  /// To the message that it has begun with.
  void apply(const Message& message);

 private:
  using Bits = std::array<std::uint64_t, row_members_most / 64>;  // One for each member.
  struct Change {
    std::uint32_t member;  // As many as there are: a new one.
    std::string_view quoted, json;
  };

  static bool has(const Bits& bits, std::uint32_t at) noexcept { return (bits[at / 64] >> (at % 64) & 1) != 0; }
  static void add(Bits& bits, std::uint32_t at) noexcept { bits[at / 64] |= std::uint64_t{1} << (at % 64); }
  static void take(Bits& bits, std::uint32_t at) noexcept { bits[at / 64] &= ~(std::uint64_t{1} << (at % 64)); }
  std::uint32_t end_of_run(std::uint32_t at) const noexcept;
  std::uint32_t last(std::string_view name) const noexcept;
  std::optional<std::uint32_t> only(std::string_view name) const noexcept;
  void change(std::uint32_t member, std::string_view quoted, std::string_view json);
  char* write(char* to);

  std::string_view text_;
  Members members_;
  Bits removed_{}, changed_{};
  bool any_ = false;
  std::size_t more_ = 0;  // Bytes that the changes may add.
  std::vector<Change> changes_;
  std::vector<Member> made_;  // The members of what is written.
};

}  // namespace weir::message
