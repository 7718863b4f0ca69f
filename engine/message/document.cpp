#include "engine/message/document.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <functional>
#include <limits>

#include "engine/message/arena.hpp"
#include "engine/message/json.hpp"

namespace weir::message {

namespace {

constexpr std::uint32_t none = Document::Node::none;

// Flags of a record. Those of the first group say what reading found out and survive a rollback.
enum Flag : std::uint16_t {
  listed = 1,            // A container whose members have records; a string that has been decoded.
  duplicates_known = 2,  // An object whose hidden members are marked.
  hidden = 4,            // A later member has the same key.
  has_hidden = 512,      // Of an object: some of its members are.
  found_out = listed | duplicates_known | has_hidden,

  key_escaped = 8,      // The key holds a backslash.
  keys_escaped = 1024,  // Of an object: a key that it came with does, or one that such a member was given since.
  removed = 16,
  value_edited = 32,
  key_edited = 64,
  below_edited = 128,  // Something inside has been edited.
  edited = value_edited | key_edited | below_edited,
  gaps = 256,  // Of a container: some of its members have been removed.

  asked_once = 2048,  // Of a wide object whose duplicates are not known: four bits that count how often it was opened.
  asked_often = 15 * asked_once,
  hides = 32768  // Earlier members that have its key are hidden.
};

// Texts up to this size are listed by the plain loop.
constexpr std::size_t short_text = 24;
// An object is indexed when a search has walked over so many of its members.
constexpr std::size_t indexed_from = 64;
// What unbind() keeps.
constexpr std::size_t kept_records = 256;
constexpr std::size_t kept_bytes = 16 * 1024;
constexpr std::size_t first_block = 1024;

// By the first byte. Numbers are all `number` here.
constexpr auto kinds = [] {
  std::array<Kind, 256> table{};
  table['n'] = Kind::null;
  table['t'] = table['f'] = Kind::boolean;
  table['"'] = Kind::string;
  table['['] = Kind::array;
  table['{'] = Kind::object;
  table['-'] = Kind::number;
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = Kind::number;
  return table;
}();
Kind kind_of(char first) { return kinds[static_cast<unsigned char>(first)]; }

// What is compared first of two keys, as they are written.
std::uint32_t mark_of(const char* key, std::size_t size) {
  return static_cast<std::uint32_t>(size) << 8 | (size == 0 ? 0U : static_cast<unsigned char>(*key));
}

// One of 64 places: keys of different places have different marks.
std::uint64_t place_of(std::uint32_t mark) { return std::uint64_t{1} << (mark * 0x9e3779b1U >> 26); }

bool blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool container(Kind kind) { return kind == Kind::array || kind == Kind::object; }

// What can be said of a value without reading it: Kind::invalid if it cannot be one.
inline Kind glance(const char* text, std::size_t size) {
  const Kind kind = kind_of(*text);
  if (kind == Kind::number) return kind;
  bool good = true;
  switch (kind) {
    case Kind::null:
      good = size == 4 && std::memcmp(text, "null", 4) == 0;
      break;
    case Kind::boolean:
      good = size == 4 ? std::memcmp(text, "true", 4) == 0 : size == 5 && std::memcmp(text, "false", 5) == 0;
      break;
    case Kind::string:
      good = size >= 2 && text[size - 1] == '"';
      break;
    case Kind::array:
      good = size >= 2 && text[size - 1] == ']';
      break;
    case Kind::object:
      good = size >= 2 && text[size - 1] == '}';
      break;
    default:
      break;
  }
  return good ? kind : Kind::invalid;
}

// Containers inside each other in a text that is a container.
std::size_t nesting(std::string_view text) {
  std::size_t depth = 0, most = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') ++i;
      }
    } else if (c == '{' || c == '[') {
      most = std::max(most, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return most;
}

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool has_escape(std::string_view text) { return !text.empty() && std::memchr(text.data(), '\\', text.size()); }

}  // namespace

// --- memory ----------------------------------------------------------------------------------------------------------

char* Document::Bytes::take(std::size_t size) {
  const std::size_t needed = size + padding;
  if (blocks_.empty() || blocks_[current_].capacity - used_ < needed) {
    std::size_t capacity = first_block;
    if (!blocks_.empty()) capacity = std::max(first_block, blocks_[current_++].capacity * 2);
    capacity = std::max(capacity, needed);
    used_ = 0;
    if (current_ == blocks_.size()) blocks_.push_back({});
    if (Block& block = blocks_[current_]; block.capacity < needed)
      block = {std::make_unique<char[]>(capacity), capacity};
  }
  char* bytes = blocks_[current_].bytes.get() + used_;
  used_ += size;
  taken_ += size;
  return bytes;
}

void Document::Bytes::reset() noexcept {
  if (taken_ == 0) return;
  current_ = used_ = taken_ = 0;
  std::size_t kept = 0, total = 0;
  while (kept < blocks_.size() && total + blocks_[kept].capacity <= kept_bytes) total += blocks_[kept++].capacity;
  blocks_.resize(kept);
}

Document::Document() = default;
Document::~Document() = default;

void Document::bind(std::string_view padded_bytes) noexcept {
  unbind();
  base_ = padded_bytes;
}

void Document::bind(std::string_view padded_bytes, const Members& members) {
  bind(padded_bytes);
  parsed_ = true;
  records_.resize(1 + members.count);
  const std::string_view whole = without_blanks(base_);
  Record& root = records_[0];
  root.value = whole.data();
  root.value_size = static_cast<std::uint32_t>(whole.size());
  root.kind = kind_of(whole.front());
  root.flags = listed;
  root.count = root.in_place = members.count;
  if (members.count == 0) return;
  root.first = 1;
  root.last = members.count;
  const char* const text = base_.data();
  std::uint32_t next = 1;
  Record* record = &root;
  for (const Member* member = members.first; member != members.first + members.count; ++member) {
    ++record;
    record->value = text + member->value;
    record->value_size = member->value_end - member->value;
    record->next = ++next;
    record->parent = 0;
    record->kind = kind_of(*record->value);
    record->depth = 1;
    if (member->key == 0) continue;
    record->set_key(text + member->key, member->key_end - member->key, false);
  }
  record->next = none;
  if (root.kind == Kind::object && all_apart(&root + 1, members.count)) root.flags |= duplicates_known;
}

void Document::unbind() noexcept {
  base_ = {};
  parsed_ = broken_ = false;
  if (records_.capacity() > kept_records) records_ = {};
  if (log_.capacity() > kept_records) log_ = {};
  records_.clear();
  log_.clear();
  overwritten_.clear();
  store_.reset();
  walked_ = 0;
  last_at_.array = index_.object = none;
  if (index_.places.capacity() > 4 * kept_records) index_.places = {};
}

// --- listing ---------------------------------------------------------------------------------------------------------

void Document::parse() {
  const Structure structure = structure_of(base_);
  parsed_ = true;
  records_.push_back({});
  if (!structure.offsets) return;
  const std::uint32_t start = structure.offsets[0];
  const char* const text = base_.data();
  Record& root = records_[0];
  root.value = text + start;
  const Kind kind = kind_of(text[start]);
  if (container(kind)) {
    const std::uint32_t end = structure.offsets[structure.count - 1] + 1;
    root.value_size = end - start;
    if (glance(root.value, root.value_size) != kind) return;
    root.kind = kind;
    if (!fill(0, text, structure.offsets, structure.count, has_escape(base_))) {
      records_.resize(1);
      records_[0] = {};
    }
  } else if (structure.count == 1) {
    const std::string_view value = without_blanks(base_.substr(start));
    root.value_size = static_cast<std::uint32_t>(value.size());
    root.kind = glance(value.data(), value.size());
  }
}

// Lists a nested container. Where that fails, it is none.
bool Document::list(std::uint32_t index) {
  const std::string_view text(records_[index].value, records_[index].value_size);
  const Structure structure = text.size() <= short_text ? structure_of_short(text) : structure_of(text);
  const std::size_t before = records_.size();
  if (structure.offsets && fill(index, text.data(), structure.offsets, structure.count, has_escape(text))) return true;
  records_.resize(before);
  Record& record = records_[index];
  record.kind = Kind::invalid;
  record.first = record.last = none;
  record.count = record.in_place = 0;
  broken_ = true;
  return false;
}

// Makes the records of a container's members from its structure, which reaches from its opening to its closing bracket
// and no further.
bool Document::fill(std::uint32_t index, const char* text, const std::uint32_t* offsets, std::uint32_t count,
                    bool escapes) {
  const bool object = records_[index].kind == Kind::object;
  const char closing = object ? '}' : ']';
  const std::size_t depth = records_[index].depth + std::size_t{1};
  if (depth > json_depth || count < 2) return false;
  const auto first = static_cast<std::uint32_t>(records_.size());
  std::uint32_t members = 0;
  std::uint16_t some_keys_escaped = 0;
  const auto finish = [&](std::uint32_t at) {
    if (at + 1 != count) return false;
    Record& record = records_[index];
    if (members > 0) {
      record.first = first;
      record.last = first + members - 1;
      records_[record.last].next = none;
    }
    record.count = record.in_place = members;
    record.flags |= listed | some_keys_escaped;
    return true;
  };
  std::uint32_t i = 1;
  if (text[offsets[1]] == closing) return finish(1);
  for (;;) {
    Record& record = records_.emplace_back();
    if (object) {
      if (i + 2 >= count || text[offsets[i]] != '"' || text[offsets[i + 1]] != ':') return false;
      const char* const key = text + offsets[i] + 1;
      const char* end = text + offsets[i + 1] - 1;
      while (*end != '"') --end;  // Blanks before the colon; the opening quote is the last to be met.
      if (end < key) return false;
      const auto size = static_cast<std::size_t>(end - key);
      const bool escaped = escapes && has_escape({key, size});
      record.set_key(key, size, escaped);
      if (escaped) some_keys_escaped = keys_escaped;
      i += 2;
    }
    record.value = text + offsets[i];
    const Kind kind = kind_of(*record.value);
    const char* end;
    if (container(kind)) {
      std::size_t level = depth + 1;
      if (level > json_depth) return false;
      for (++i;; ++i) {
        if (i == count) return false;
        const char c = static_cast<char>(text[offsets[i]] | 0x20);  // Folds [ into { and ] into }.
        if (c == '}') {
          if (--level == depth) break;
        } else if (c == '{') {
          if (++level > json_depth) return false;
        }
      }
      end = text + offsets[i] + 1;
    } else {
      if (i + 1 == count) return false;
      end = text + offsets[i + 1];
      while (blank(end[-1])) --end;
    }
    ++i;
    record.value_size = static_cast<std::uint32_t>(end - record.value);
    record.kind = glance(record.value, record.value_size);
    if (record.kind == Kind::invalid || i >= count) return false;
    record.parent = index;
    record.depth = static_cast<std::uint16_t>(depth);
    record.next = first + ++members;
    const char behind = text[offsets[i]];
    if (behind == closing) return finish(i);
    if (behind != ',' || ++i >= count) return false;
  }
}

// Whether the node is a container of this kind, with its members listed. Whoever edits or looks for a member asks
// first: a wide object that is asked for again and again gets its duplicates marked, so that it can be indexed. (Once
// or twice it is cheaper to walk.)
bool Document::opened(Node node, Kind kind) {
  if (!is(node, kind)) return false;
  if (!(records_[node.index].flags & listed)) return list(node.index);
  Record& record = records_[node.index];
  if (kind == Kind::object && record.in_place >= indexed_from && !(record.flags & duplicates_known)) {
    if ((record.flags & asked_often) == asked_often) {
      hide_duplicates(node.index);
    } else {
      record.flags = static_cast<std::uint16_t>(record.flags + asked_once);
    }
  }
  return true;
}

void Document::Record::set_key(const char* behind_quote, std::size_t size, bool escaped) {
  key = behind_quote;
  key_size = static_cast<std::uint32_t>(size);
  key_mark = mark_of(behind_quote, size);
  flags = static_cast<std::uint16_t>(escaped ? flags | key_escaped : flags & ~key_escaped);
}

// Whether so many members can have no two keys that are the same, as they are written: their marks fall into different
// places. Those of most objects do.
bool Document::all_apart(const Record* first, std::uint32_t count) {
  std::uint64_t taken = 0, twice = 0;
  for (const Record* record = first; record != first + count; ++record) {
    const std::uint64_t place = place_of(record->key_mark);
    twice |= taken & place;
    taken |= place;
  }
  return twice == 0;
}

// Marks the members whose key comes again later. Only what was parsed can have such.
void Document::hide_duplicates(std::uint32_t object) {
  if (records_[object].flags & duplicates_known) return;
  records_[object].flags |= duplicates_known;
  const std::uint32_t first = records_[object].first, members = records_[object].in_place;
  if (members < 2) return;
  const auto hide = [&](std::uint32_t index, std::uint32_t later) {
    records_[later].flags |= hides;
    if (records_[index].flags & hidden) return;
    records_[index].flags |= hidden;
    records_[object].flags |= has_hidden;
    --records_[object].count;
  };
  if (members <= 16 && !(records_[object].flags & keys_escaped)) {
    const Record* const begin = records_.data() + first;
    if (all_apart(begin, members)) return;
    for (const Record* record = begin; record + 1 != begin + members; ++record) {
      for (const Record* later = record + 1; later != begin + members; ++later) {
        if (later->key_mark != record->key_mark || later->key_size != record->key_size) continue;
        if (std::memcmp(later->key, record->key, record->key_size) != 0) continue;
        hide(static_cast<std::uint32_t>(record - records_.data()), static_cast<std::uint32_t>(later - records_.data()));
        break;
      }
    }
    return;
  }
  thread_local std::vector<std::pair<std::string_view, std::uint32_t>> keys;
  keys.clear();
  std::string text;
  for (std::uint32_t i = first; i < first + members; ++i) {
    const std::string_view decoded = key({i}, text);
    if (!(records_[i].flags & key_escaped)) {
      keys.emplace_back(decoded, i);
    } else {
      char* bytes = store_.take(decoded.size());
      std::copy(decoded.begin(), decoded.end(), bytes);
      keys.emplace_back(std::string_view(bytes, decoded.size()), i);
    }
  }
  std::sort(keys.begin(), keys.end());
  for (std::size_t i = 0; i + 1 < keys.size(); ++i) {
    if (keys[i].first == keys[i + 1].first) hide(keys[i].second, keys[i + 1].second);
  }
  if (keys.capacity() > kept_records) keys = {};
}

// --- reading ---------------------------------------------------------------------------------------------------------

Kind Document::kind(Node node) const {
  if (node.index >= records_.size()) return Kind::invalid;
  const Record& record = records_[node.index];
  if (record.kind != Kind::number) return record.kind;
  const auto value = any_number(node);
  if (!value) return Kind::invalid;
  return std::holds_alternative<std::int64_t>(*value) ? Kind::integer : Kind::number;
}

bool Document::key_is(const Record& record, std::string_view key) const {
  if (!(record.flags & key_escaped)) {
    return record.key_size == key.size() && (key.empty() || std::memcmp(record.key, key.data(), key.size()) == 0);
  }
  thread_local std::string scratch;
  return unquote({record.key - 1, record.key_size + std::size_t{2}}, scratch) && scratch == key;
}

// Whether the first member that is found, of those that are not hidden, is the one that counts.
bool Document::keys_differ(std::uint32_t object) const noexcept {
  return (records_[object].flags & duplicates_known) != 0;
}

// Of an object whose keys differ.
std::uint32_t Document::the_one(std::uint32_t object, std::string_view key) const {
  const Record* const records = records_.data();
  const Record& container = records[object];
  const auto counts = [](const Record& record) { return !(record.flags & (removed | hidden)); };
  if (index_.object == object) {
    const std::size_t last = index_.places.size() - 1;
    for (std::size_t place = std::hash<std::string_view>()(key) & last; index_.places[place] != none;
         place = (place + 1) & last) {
      const Record& record = records[index_.places[place]];
      if (counts(record) && key_is(record, key)) return index_.places[place];
    }
    return none;
  }
  std::size_t walked = 0;
  std::uint32_t next = container.first, found = none;
  if (container.in_place > 0 && !(container.flags & keys_escaped)) {
    const std::uint32_t mark = mark_of(key.data(), key.size());
    const auto is_it = [&](const Record& record) {
      return record.key_mark == mark && counts(record) && std::string_view(record.key, record.key_size) == key;
    };
    const Record* record = records + container.first;
    const Record* const end = record + container.in_place;
    while (record != end && !is_it(*record)) ++record;
    walked = static_cast<std::size_t>(record - records) - container.first;
    if (record != end) found = static_cast<std::uint32_t>(record - records);
    next = end[-1].next;
  }
  for (; found == none && next != none; next = records[next].next) {
    ++walked;
    if (counts(records[next]) && key_is(records[next], key)) found = next;
  }
  walked_ += walked;
  if (walked >= indexed_from) index_members(object);
  return found;
}

void Document::index_members(std::uint32_t object) const {
  index_.object = object;
  index_.members = 0;
  index_.places.assign(4 * indexed_from, none);
  for (std::uint32_t i = records_[object].first; i != none; i = records_[i].next) {
    if (!(records_[i].flags & (removed | hidden))) add_to_index(i);
  }
}

void Document::add_to_index(std::uint32_t member) const {
  if (2 * ++index_.members > index_.places.size()) {
    std::vector<std::uint32_t> old(4 * index_.places.size(), none);
    old.swap(index_.places);
    index_.members = 0;
    for (const auto one : old) {
      if (one != none) add_to_index(one);
    }
    ++index_.members;
  }
  const std::size_t last = index_.places.size() - 1;
  thread_local std::string scratch;
  std::size_t place = std::hash<std::string_view>()(key({member}, scratch)) & last;
  while (index_.places[place] != none) place = (place + 1) & last;
  index_.places[place] = member;
}

Document::Found Document::search(std::uint32_t object, std::string_view key) const {
  Found found;
  if (keys_differ(object)) {
    found.index = the_one(object, key);
    found.others = found.index != none && (records_[found.index].flags & hides);
    return found;
  }
  const Record* const records = records_.data();
  const Record& container = records[object];
  std::uint32_t next = container.first;
  if (container.in_place > 0 && !(container.flags & keys_escaped)) {
    const std::uint32_t mark = mark_of(key.data(), key.size());
    const Record* const first = records + container.first;
    const Record* const end = first + container.in_place;
    for (const Record* record = first; record != end; ++record) {
      if (record->key_mark != mark) continue;
      if ((record->flags & removed) || std::string_view(record->key, record->key_size) != key) continue;
      if (found.index != none) found.others = true;
      found.index = static_cast<std::uint32_t>(record - records);
    }
    walked_ += container.in_place;
    next = end[-1].next;
  }
  for (; next != none; next = records[next].next) {
    ++walked_;
    if ((records[next].flags & removed) || !key_is(records[next], key)) continue;
    if (found.index != none) found.others = true;
    found.index = next;
  }
  return found;
}

Document::Node Document::find(Node object, std::string_view key) {
  if (!opened(object, Kind::object)) return {};
  return {search(object.index, key).index};
}

Document::Node Document::step(Node from, std::string_view part) {
  if (is(from, Kind::object)) return find(from, part);
  if (!is(from, Kind::array)) return {};
  std::size_t position = 0;
  const auto read = std::from_chars(part.data(), part.data() + part.size(), position);
  if (read.ec != std::errc() || read.ptr != part.data() + part.size()) return {};
  return at(from, position);
}

Document::Node Document::find_path(std::string_view path) {
  Node node = root();
  while (node) {
    const std::size_t dot = path.find('.');
    node = step(node, path.substr(0, dot));
    if (dot == std::string_view::npos) break;
    path.remove_prefix(dot + 1);
  }
  return node;
}

std::size_t Document::size(Node container) {
  if (opened(container, Kind::object)) {
    hide_duplicates(container.index);
  } else if (!opened(container, Kind::array)) {
    return 0;
  }
  return records_[container.index].count;
}

Document::Node Document::at(Node array, std::size_t position) {
  if (!opened(array, Kind::array)) return {};
  const Record& record = records_[array.index];
  if (position >= record.count) return {};
  // Elements are only ever appended or removed, so if none was removed, those in place still are.
  std::size_t reached = 0;
  Node node = visible(record.first), before;
  if (record.in_place > 0 && !(record.flags & gaps)) {
    reached = std::min<std::size_t>(position, record.in_place - 1);
    node.index += static_cast<std::uint32_t>(reached);
    if (reached == position) return node;
  }
  if (last_at_.array == array.index) {
    if (position + 1 == last_at_.position && last_at_.before) return last_at_.before;
    if (position >= last_at_.position && last_at_.position >= reached) {
      reached = last_at_.position;
      node = last_at_.node;
      before = last_at_.before;
    }
  }
  walked_ += position - reached;
  for (; reached < position; ++reached) {
    before = node;
    node = next(node);
  }
  last_at_ = {array.index, position, node, before};
  return node;
}

Document::Node Document::visible(std::uint32_t index) const {
  while (index != none && (records_[index].flags & (removed | hidden))) index = records_[index].next;
  return {index};
}

Document::Node Document::first(Node container) {
  if (size(container) == 0) return {};
  return visible(records_[container.index].first);
}

Document::Node Document::next(Node node) const {
  return node.index < records_.size() ? visible(records_[node.index].next) : Node{};
}

Document::Node Document::parent(Node node) const {
  return node.index < records_.size() ? Node{records_[node.index].parent} : Node{};
}

std::string_view Document::key(Node member, std::string& scratch) const {
  if (member.index >= records_.size()) return {};
  const Record& record = records_[member.index];
  if (!record.key) return {};
  if (!(record.flags & key_escaped)) return {record.key, record.key_size};
  if (!unquote({record.key - 1, record.key_size + std::size_t{2}}, scratch)) return {record.key, record.key_size};
  return scratch;
}

std::optional<bool> Document::boolean(Node node) const {
  if (!is(node, Kind::boolean)) return std::nullopt;
  return *records_[node.index].value == 't';
}

std::optional<Number> Document::any_number(Node node) const {
  if (!is(node, Kind::number)) return std::nullopt;
  return parse_number({records_[node.index].value, records_[node.index].value_size});
}

std::optional<std::int64_t> Document::integer(Node node) const {
  const auto value = any_number(node);
  if (!value || !std::holds_alternative<std::int64_t>(*value)) return std::nullopt;
  return std::get<std::int64_t>(*value);
}

std::optional<double> Document::number(Node node) const {
  const auto value = any_number(node);
  if (!value) return std::nullopt;
  return std::visit([](auto known) { return static_cast<double>(known); }, *value);
}

std::optional<std::string_view> Document::string(Node node) {
  if (!is(node, Kind::string)) return std::nullopt;
  Record& record = records_[node.index];
  if (record.flags & listed) {
    const std::uint64_t address = std::uint64_t{record.last} << 32 | record.first;
    return std::string_view(reinterpret_cast<const char*>(address), record.count);
  }
  const std::string_view quoted(record.value, record.value_size);
  const std::string_view inside = quoted.substr(1, quoted.size() - 2);
  if (!has_escape(inside)) return inside;
  thread_local std::string scratch;
  if (!unquote(quoted, scratch)) {
    record.kind = Kind::invalid;
    broken_ = true;
    return std::nullopt;
  }
  char* bytes = store_.take(scratch.size());
  std::copy(scratch.begin(), scratch.end(), bytes);
  const auto address = reinterpret_cast<std::uint64_t>(bytes);
  record.first = static_cast<std::uint32_t>(address);
  record.last = static_cast<std::uint32_t>(address >> 32);
  record.count = static_cast<std::uint32_t>(scratch.size());
  record.flags |= listed;
  return std::string_view(bytes, scratch.size());
}

// --- editing ---------------------------------------------------------------------------------------------------------

Document::Record& Document::edit(std::uint32_t index) {
  Undo& undo = log_.emplace_back();
  undo.index = index;
  undo.record = records_[index];
  return records_[index];
}

// Something inside the container has been edited: whatever is around it will be written member by member.
void Document::touch(std::uint32_t container) {
  while (container != none && !(records_[container].flags & below_edited)) {
    edit(container).flags |= below_edited;
    container = records_[container].parent;
  }
}

std::string_view Document::store_quoted(std::string_view text) {
  // Keys are short and plain.
  if (std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; })) {
    char* const bytes = store_.take(text.size() + 2);
    *bytes = '"';
    *std::copy(text.begin(), text.end(), bytes + 1) = '"';
    return {bytes, text.size() + 2};
  }
  thread_local std::string scratch;
  scratch.clear();
  append_quoted(scratch, text);
  const std::size_t size = scratch.size();
  char* bytes = store_.take(size);
  std::copy(scratch.begin(), scratch.end(), bytes);
  if (scratch.capacity() > kept_bytes) scratch = {};
  return {bytes, size};
}

// The value's text, at rest in our store, if it may stand inside `depth` containers.
std::optional<std::string_view> Document::encode(const Value& value, std::size_t depth) {
  const auto keep = [&](std::string_view text) -> std::string_view {
    char* bytes = store_.take(text.size());
    std::copy(text.begin(), text.end(), bytes);
    return {bytes, text.size()};
  };
  switch (value.type_) {
    case Value::Type::null:
      return keep("null");
    case Value::Type::boolean:
      return keep(value.integer_ ? "true" : "false");
    case Value::Type::string:
      return store_quoted(value.text_);
    case Value::Type::integer:
    case Value::Type::number: {
      char* bytes = store_.take(number_text_most);
      char* end = value.type_ == Value::Type::integer ? write_integer(bytes, value.integer_)
                                                      : write_float(bytes, value.number_);
      const std::size_t size = end ? static_cast<std::size_t>(end - bytes) : 0;
      store_.give_back(number_text_most - size);
      if (!end) return std::nullopt;
      return std::string_view(bytes, size);
    }
    case Value::Type::json: {
      const std::string_view text = without_blanks(value.text_);
      if (text.empty()) return std::nullopt;
      const Kind kind = glance(text.data(), text.size());
      if (kind == Kind::invalid) return std::nullopt;
      // Each container takes two bytes, so that a short text needs no look.
      if (container(kind) && depth + text.size() / 2 > json_depth && depth + nesting(text) > json_depth) {
        return std::nullopt;
      }
      return keep(text);
    }
  }
  return std::nullopt;
}

void Document::overwrite(std::uint32_t index, std::string_view text) {
  if (index == last_at_.array) last_at_.array = none;
  if (index == index_.object) index_.object = none;
  Record& record = edit(index);
  record.value = text.data();
  record.value_size = static_cast<std::uint32_t>(text.size());
  record.kind = kind_of(text.front());
  record.first = record.last = none;
  record.count = record.in_place = 0;
  record.flags = static_cast<std::uint16_t>(
      (record.flags & ~(found_out | keys_escaped | below_edited | gaps | asked_often)) | value_edited);
  touch(record.parent);
}

// A container that is about to be overwritten stays readable, in a record of its own.
void Document::set_aside(std::uint32_t index) {
  if (!container(records_[index].kind)) return;
  const auto aside = static_cast<std::uint32_t>(records_.size());
  Record old = records_[index];
  old.parent = old.next = none;
  records_.push_back(old);
  if (old.flags & listed) {
    for (std::uint32_t inside = old.first; inside != none; inside = records_[inside].next) edit(inside).parent = aside;
  }
  for (auto& one : overwritten_) {
    if (one.index == index) one.index = aside;  // What was replaced there, and held since.
  }
  overwritten_.push_back({old.value, aside});
}

Document::Node Document::holding(Node container, const char* value) const noexcept {
  if (container.index < records_.size() && records_[container.index].value == value) return container;
  const auto found = std::find_if(overwritten_.rbegin(), overwritten_.rend(),
                                  [value](const Overwritten& one) { return one.value == value; });
  walked_ += static_cast<std::size_t>(found - overwritten_.rbegin());
  return found == overwritten_.rend() ? container : Node{found->index};
}

Document::Node Document::attach(std::uint32_t container, std::string_view quoted_key, std::string_view text) {
  if (records_[container].kind == Kind::object) hide_duplicates(container);
  const auto index = static_cast<std::uint32_t>(records_.size());
  Record record;
  if (!quoted_key.empty()) {
    record.set_key(quoted_key.data() + 1, quoted_key.size() - 2, has_escape(quoted_key));
  }
  record.value = text.data();
  record.value_size = static_cast<std::uint32_t>(text.size());
  record.kind = kind_of(text.front());
  record.flags |= value_edited;
  record.parent = container;
  record.depth = static_cast<std::uint16_t>(records_[container].depth + 1);
  records_.push_back(record);
  if (index_.object == container) add_to_index(index);
  touch(container);
  Record& around = edit(container);
  if (around.last == none) {
    around.first = index;
  } else {
    edit(around.last).next = index;
  }
  around.last = index;
  ++around.count;
  return {index};
}

Document::Node Document::set(Node object, std::string_view key, const Value& value) {
  if (!opened(object, Kind::object)) return {};
  const auto text = encode(value, records_[object.index].depth + std::size_t{1});
  if (!text) return {};
  const Found found = search(object.index, key);
  if (found.index == none) return attach(object.index, store_quoted(key), *text);
  if (found.others) detach_all(object.index, key, found.index);
  set_aside(found.index);
  overwrite(found.index, *text);
  return {found.index};
}

Document::Node Document::set_at(Node array, std::size_t position, const Value& value) {
  const Node node = at(array, position);
  if (!node) return {};
  const auto text = encode(value, records_[node.index].depth);
  if (!text) return {};
  set_aside(node.index);
  overwrite(node.index, *text);
  return node;
}

Document::Node Document::append(Node array, const Value& value) {
  if (!opened(array, Kind::array)) return {};
  const auto text = encode(value, records_[array.index].depth + std::size_t{1});
  return text ? attach(array.index, {}, *text) : Node{};
}

Document::Node Document::replace(Node node, const Value& value) {
  if (node.index >= records_.size()) return {};
  const auto text = encode(value, records_[node.index].depth);
  if (!text) return {};
  if (container(records_[node.index].kind)) overwritten_.push_back({records_[node.index].value, node.index});
  overwrite(node.index, *text);
  return node;
}

Document::Node Document::replace_root(const Value& value) {
  root();
  return replace({0}, value);
}

Document::Node Document::set_path(std::string_view path, const Value& value) {
  const Mark before = mark();
  Node node = root();
  while (node) {
    const std::size_t dot = path.find('.');
    const std::string_view part = path.substr(0, dot);
    const bool last = dot == std::string_view::npos;
    if (last) {
      node = is(node, Kind::object) ? set(node, part, value) : replace(step(node, part), value);
      if (node) return node;
    } else {
      const Node inside = step(node, part);
      node = inside ? inside : set(node, part, Value::json("{}"));
      path.remove_prefix(dot + 1);
    }
  }
  rollback(before);
  return {};
}

void Document::detach(std::uint32_t index) {
  Record& record = edit(index);
  record.flags |= removed;
  const std::uint32_t container = record.parent;
  last_at_.array = none;
  const bool counted = !(record.flags & hidden);
  touch(container);
  Record& around = edit(container);
  around.flags |= gaps;
  if (counted) --around.count;
}

// Removes all members with this key but one.
void Document::detach_all(std::uint32_t object, std::string_view key, std::uint32_t except) {
  hide_duplicates(object);
  for (std::uint32_t i = records_[object].first; i != none; i = records_[i].next) {
    if (i != except && !(records_[i].flags & removed) && key_is(records_[i], key)) detach(i);
  }
  if (except != none && (records_[except].flags & hides)) edit(except).flags &= static_cast<std::uint16_t>(~hides);
}

bool Document::remove(Node object, std::string_view key) {
  if (!opened(object, Kind::object)) return false;
  const Found found = search(object.index, key);
  if (found.index == none) return false;
  hide_duplicates(object.index);
  detach(found.index);
  if (found.others) detach_all(object.index, key, none);
  return true;
}

bool Document::remove(Node node) {
  if (node.index >= records_.size() || (records_[node.index].flags & removed)) return false;
  const std::uint32_t container = records_[node.index].parent;
  if (container == none) return false;
  if (records_[node.index].key) hide_duplicates(container);
  detach(node.index);
  if (records_[container].flags & has_hidden) {
    std::string scratch;
    detach_all(container, key(node, scratch), none);
  }
  return true;
}

bool Document::remove_at(Node array, std::size_t position) {
  const Node node = at(array, position);
  if (!node) return false;
  detach(node.index);
  return true;
}

bool Document::remove_path(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return remove(root(), path);
  const Node around = find_path(path.substr(0, dot));
  const std::string_view last = path.substr(dot + 1);
  if (is(around, Kind::object)) return remove(around, last);
  const Node node = step(around, last);
  if (!node) return false;
  detach(node.index);
  return true;
}

void Document::keep_only(Node container, std::span<const Node> kept) {
  if (size(container) == 0) return;  // It also marks the duplicates, which are not counted again as they go.
  for (std::uint32_t i = records_[container.index].first; i != none; i = records_[i].next) {
    if (records_[i].flags & removed) continue;
    if (std::find(kept.begin(), kept.end(), Node{i}) == kept.end()) detach(i);
  }
}

bool Document::rename(Node object, std::string_view old_key, std::string_view new_key) {
  if (!opened(object, Kind::object)) return false;
  const Found found = search(object.index, old_key);
  if (found.index == none) return false;
  if (found.others) detach_all(object.index, old_key, found.index);
  if (old_key == new_key) return true;
  const std::string_view quoted = store_quoted(new_key);
  hide_duplicates(object.index);
  if (const Found there = search(object.index, new_key); there.index != none) {
    detach(there.index);
    if (there.others) detach_all(object.index, new_key, none);
  }
  Record& record = edit(found.index);
  record.set_key(quoted.data() + 1, quoted.size() - 2, has_escape(quoted));
  record.flags |= key_edited;
  if (index_.object == object.index) add_to_index(found.index);
  touch(object.index);
  if (record.flags & key_escaped) records_[object.index].flags |= keys_escaped;
  return true;
}

void Document::rollback(Mark mark) {
  last_at_.array = index_.object = none;
  while (log_.size() > mark.edits) {
    const Undo& undo = log_.back();
    Record& now = records_[undo.index];
    const Record then = now;
    now = undo.record;
    // What has been found out about the value since, by reading, still holds: nodes inside it stay in use.
    if (then.value == now.value && (then.flags & found_out) != (now.flags & found_out)) {
      now.flags |= then.flags & (found_out | keys_escaped);
      now.first = then.first;
      now.last = then.last;
      now.count = then.count;
      now.in_place = then.in_place;
    }
    now.flags |= then.flags & (hidden | hides);
    log_.pop_back();
  }
}

// --- writing ---------------------------------------------------------------------------------------------------------

namespace {

struct Counter {
  std::size_t size = 0;
  void put(const char*, std::size_t bytes) { size += bytes; }
};
struct Copier {
  char* at;
  void put(const char* text, std::size_t bytes) {
    std::memcpy(at, text, bytes);
    at += bytes;
  }
};
struct Appender {
  std::string& out;
  void put(const char* text, std::size_t bytes) { out.append(text, bytes); }
};

}  // namespace

// Recursive, but no deeper than json_depth.
template <class Sink>
void Document::emit(Sink& sink, std::uint32_t index) const {
  const Record* const records = records_.data();
  const Record& container = records[index];
  if (!(container.flags & below_edited) || !(container.flags & listed)) {
    sink.put(container.value, container.value_size);
    return;
  }
  const bool object = container.kind == Kind::object;
  sink.put(object ? "{" : "[", 1);
  bool any = false;
  for (std::uint32_t i = container.first; i != none;) {
    const Record& record = records[i];
    if (record.flags & removed) {
      i = record.next;
      continue;
    }
    if (any) sink.put(",", 1);
    any = true;
    const char* const begin = object ? record.key - 1 : record.value;
    if (!(record.flags & edited)) {
      // A run of untouched members lies as one piece in the text it was parsed from.
      const Record* last = &record;
      while (last->next == static_cast<std::uint32_t>(last - records) + 1 && !(last[1].flags & (edited | removed)))
        ++last;
      sink.put(begin, static_cast<std::size_t>(last->value - begin) + last->value_size);
      i = last->next;
      continue;
    }
    if (object) {
      sink.put(begin, record.key_size + std::size_t{2});
      sink.put(":", 1);
    }
    if (record.flags & below_edited) {
      emit(sink, i);
    } else {
      sink.put(record.value, record.value_size);
    }
    i = record.next;
  }
  sink.put(object ? "}" : "]", 1);
}

std::size_t Document::written_size() const {
  if (!dirty()) return base_.size();
  Counter sink;
  emit(sink, 0);
  return sink.size;
}

std::size_t Document::written_most() const {
  // What is written lies in the bytes bound or was put into the store, and no byte of either goes out twice. Beyond
  // that only an appended member has a comma and a colon of its own.
  return dirty() ? base_.size() + store_.taken() + 2 * log_.size() + 2 : base_.size();
}

char* Document::write(char* out) const {
  if (!dirty()) return std::copy(base_.begin(), base_.end(), out);
  Copier sink{out};
  emit(sink, 0);
  return sink.at;
}

void Document::write(std::string& out) const {
  if (!dirty()) {
    out.append(base_);
    return;
  }
  Appender sink{out};
  emit(sink, 0);
}

std::string_view Document::raw(Node node) {
  if (node.index >= records_.size()) return {};
  const Record& record = records_[node.index];
  if (!(record.flags & below_edited)) return {record.value, record.value_size};
  Counter count;
  emit(count, node.index);
  Copier copy{store_.take(count.size)};
  emit(copy, node.index);
  return {copy.at - count.size, count.size};
}

}  // namespace weir::message
