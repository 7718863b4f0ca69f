#include "engine/message/members.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/message/payload.hpp"

namespace weir::message {
namespace {

// A longer payload is not copied for each stage that edits it: its view writes it once.
constexpr std::size_t copied_most = 4096;

// A longer text is searched by the library: a call costs as much as this.
constexpr std::size_t briefly_most = 32;

/// Eight bytes at a time, and none behind the text: it may stand where there is no padding, as what `meta` holds does.
bool has_backslash(std::string_view text) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101;
  const auto any_in = [](std::uint64_t bytes) {
    bytes ^= ones * '\\';
    return ((bytes - ones) & ~bytes & ones * 0x80) != 0;
  };
  const auto load = [&text](auto word, std::size_t at) {
    std::memcpy(&word, text.data() + at, sizeof word);
    return word;
  };
  const std::size_t size = text.size();
  if (size < 4) return std::any_of(text.begin(), text.end(), [](char c) { return c == '\\'; });
  if (size < 8) return any_in(load(std::uint32_t{}, 0) | std::uint64_t{load(std::uint32_t{}, size - 4)} << 32);
  for (std::size_t at = 0; at + 8 < size; at += 8) {
    if (any_in(load(std::uint64_t{}, at))) return true;
  }
  return any_in(load(std::uint64_t{}, size - 8));
}

/// Where a member of this name stands, from `end` backwards; `end` of none: members.count.
std::uint32_t find_before(std::uint32_t end, const Members& members, const char* text, std::string_view name) noexcept {
  for (std::uint32_t at = end; at-- > 0;) {
    const Member& member = members.first[at];
    if (member.key_end - member.key != name.size()) continue;
    const char* const key = text + member.key;
    if (name.empty() || (*key == name.front() && std::memcmp(key, name.data(), name.size()) == 0)) return at;
  }
  return members.count;
}

/// The members of the root, which is an object; null where they can't be had without a view.
Members members_of(Message message) {
  Batch& batch = message.batch();
  const std::size_t row = message.row();
  Members members = batch.members(row);
  if (!members.first) {
    if (batch.document_if_any(row)) return {};
    const std::string_view text = batch.payload(row);
    if (batch.known_json(row) && text.size() > copied_most) return {};
    Members found;
    if (check_json_padded(text, &found)) return {};
    batch.mark_json(row, found);
    members = batch.members(row);
    if (!members.first) return {};
  }
  const bool object = members.count ? members.first->key != 0 : message.text().front() == '{';
  return object ? members : Members{};
}

}  // namespace

bool Glimpse::is_plain_string() const noexcept {
  if (!*this || !is_string()) return false;
  const std::string_view text = unquoted();
  return text.size() <= briefly_most ? !has_backslash(text) : text.find('\\') == text.npos;
}

std::optional<std::string_view> Glimpse::text(std::string& scratch) const {
  if (!*this || !is_string()) return std::nullopt;
  if (is_plain_string()) return unquoted();
  if (!unquote(json(), scratch)) return std::nullopt;
  return scratch;
}

Look::Look(Message message)
    : message_(message), members_(members_of(message)), text_(members_.first ? message.text().data() : nullptr) {}

Glimpse Look::member(std::string_view name) const noexcept {
  if (!members_.first) return {};
  const std::uint32_t at = find_before(members_.count, members_, text_, name);
  if (at == members_.count) return Glimpse::nothing();
  const Member& found = members_.first[at];
  return Glimpse({text_ + found.value, found.value_end - found.value});
}

Glimpse Look::at(std::string_view path) const {
  if (members_.first && path.find('.') == path.npos) return member(path);
  Document* const document = json_of(message_);
  if (!document) return {};
  const auto node = document->find_path(path);
  return node ? Glimpse(document->raw(node)) : Glimpse::nothing();
}

std::optional<MemberName> MemberName::of(std::string_view path) {
  std::string quoted;
  append_quoted(quoted, path);
  const bool plain = quoted.size() == path.size() + 2 && quoted.compare(1, path.size(), path) == 0;
  if (path.empty() || path.find('.') != path.npos || !plain) return std::nullopt;
  return MemberName(std::move(quoted));
}

bool MemberEdits::begin(const Message& message) {
  text_ = message.text();
  if (text_.size() > copied_most) return false;
  members_ = members_of(message);
  if (!members_.first) return false;
  removed_ = changed_ = {};
  any_ = false;
  more_ = 0;
  changes_.clear();
  return true;
}

std::uint32_t MemberEdits::last(std::string_view name) const noexcept {
  return find_before(members_.count, members_, text_.data(), name);
}

/// The member of this name, or one behind the last; nothing where there are several.
std::optional<std::uint32_t> MemberEdits::only(std::string_view name) const noexcept {
  const std::uint32_t at = last(name);
  if (at < members_.count && find_before(at, members_, text_.data(), name) < members_.count) return std::nullopt;
  return at;
}

void MemberEdits::change(std::uint32_t member, std::string_view quoted, std::string_view json) {
  changes_.push_back({member, quoted, json});
  if (member < members_.count) add(changed_, member);
  more_ += quoted.size() + json.size() + 2;
  any_ = true;
}

bool MemberEdits::set(const MemberName& name, std::string_view json) {
  if (json.front() == '{' || json.front() == '[') return false;  // It might be nested too deep.
  const auto at = only(name.text());
  if (at) change(*at, name.quoted(), json);
  return at.has_value();
}

bool MemberEdits::remove(const MemberName& name) {
  const auto at = only(name.text());
  if (at && *at < members_.count) {
    add(removed_, *at);
    any_ = true;
  }
  return at.has_value();
}

bool MemberEdits::rename(const MemberName& from, const MemberName& to) {
  const auto at = only(from.text());
  if (!at) return false;
  if (*at == members_.count || from.text() == to.text()) return true;
  if (!remove(to)) return false;
  const Member& member = members_.first[*at];
  change(*at, to.quoted(), text_.substr(member.value, member.value_end - member.value));
  return true;
}

void MemberEdits::keep_only(const std::vector<MemberName>& names) {
  removed_.fill(~std::uint64_t{0});
  std::uint32_t kept = 0;
  for (const auto& name : names) {
    const auto at = last(name.text());
    if (at == members_.count || !has(removed_, at)) continue;
    take(removed_, at);
    ++kept;
  }
  any_ = kept < members_.count;
}

/// The first member from this one on that does not stay as it is.
std::uint32_t MemberEdits::end_of_run(std::uint32_t at) const noexcept {
  for (std::size_t word = at / 64; word < removed_.size(); ++word, at = static_cast<std::uint32_t>(64 * word)) {
    const std::uint64_t touched = (removed_[word] | changed_[word]) >> (at % 64);
    if (touched != 0) return std::min(at + static_cast<std::uint32_t>(std::countr_zero(touched)), members_.count);
  }
  return members_.count;
}

char* MemberEdits::write(char* const begin) {
  char* to = begin;
  Member* made = made_.data();
  const auto offset = [&] { return static_cast<std::uint32_t>(to - begin); };
  const auto put = [&](std::string_view piece) {
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  };
  const auto put_separator = [&] {
    if (made != made_.data()) *to++ = ',';
  };
  const auto put_change = [&](const Change& change) {
    put_separator();
    made->key = offset() + 1;
    put(change.quoted);
    made->key_end = offset() - 1;
    *to++ = ':';
    made->value = offset();
    put(change.json);
    made->value_end = offset();
    ++made;
  };
  *to++ = '{';
  for (std::uint32_t at = 0; at < members_.count;) {
    if (const std::uint32_t end = end_of_run(at); end > at) {
      // Untouched members go as one piece, blanks and all.
      put_separator();
      const std::uint32_t from = members_.first[at].key - 1;
      const std::uint32_t shift = offset() - from;  // Modulo 2^32: it may be less than nothing.
      put(text_.substr(from, members_.first[end - 1].value_end - from));
      for (; at < end; ++at) {
        const Member& member = members_.first[at];
        *made++ = {member.key + shift, member.key_end + shift, member.value + shift, member.value_end + shift};
      }
      continue;
    }
    if (has(changed_, at)) {
      const auto* change = changes_.data();
      while (change->member != at) ++change;
      put_change(*change);
    }
    ++at;
  }
  for (const auto& change : changes_) {
    if (change.member == members_.count) put_change(change);
  }
  *to++ = '}';
  members_.count = static_cast<std::uint32_t>(made - made_.data());
  return to;
}

void MemberEdits::apply(const Message& message) {
  if (!any_) return;
  if (made_.size() < members_.count + changes_.size()) made_.resize(2 * (members_.count + changes_.size()));
  message.rewrite(text_.size() + more_ + 2, [this](char* to) { return static_cast<std::size_t>(write(to) - to); });
  message.batch().mark_json(message.row(), Members{made_.data(), members_.count});
}

}  // namespace weir::message
