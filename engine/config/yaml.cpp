#include "engine/config/yaml.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

namespace weir::config {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_end(char c) { return c == '\n' || c == '\r'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/// The place where UTF-8 goes wrong, or npos.
std::size_t bad_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
    const unsigned first = byte(i);
    std::size_t length = 0;
    if (first < 0x80)
      length = 1;
    else if (first >= 0xC2 && first <= 0xDF)
      length = 2;
    else if (first >= 0xE0 && first <= 0xEF)
      length = 3;
    else if (first >= 0xF0 && first <= 0xF4)
      length = 4;
    else
      return i;
    for (std::size_t k = 1; k < length; ++k)
      if ((byte(i + k) & 0xC0) != 0x80) return i;
    if ((first == 0xE0 && byte(i + 1) < 0xA0) || (first == 0xED && byte(i + 1) > 0x9F) ||
        (first == 0xF0 && byte(i + 1) < 0x90) || (first == 0xF4 && byte(i + 1) > 0x8F))
      return i;
    i += length;
  }
  return std::string_view::npos;
}

/// Thrown by our own handler to leave yaml-cpp; what is wrong has been told.
struct Stop {};

/// Where things stand in a text.
class TextMap {
 public:
  explicit TextMap(std::shared_ptr<const Source> source) : source_(std::move(source)) {
    starts_.push_back(0);
    const std::string& text = source_->text;
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n') starts_.push_back(i + 1);
  }
  const std::string& text() const { return source_->text; }
  char at(std::size_t position) const { return position < text().size() ? text()[position] : '\0'; }
  std::size_t line_of(std::size_t position) const {
    return static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), position) - starts_.begin()) - 1;
  }
  std::size_t line_start(std::size_t position) const { return starts_[line_of(position)]; }
  std::size_t line_end(std::size_t position) const {
    const std::size_t line = line_of(position);
    std::size_t end = line + 1 < starts_.size() ? starts_[line + 1] - 1 : text().size();
    if (end > starts_[line] && text()[end - 1] == '\r') --end;
    return end;
  }
  Place place(std::size_t position, std::size_t end) const {
    position = std::min(position, text().size());
    // What is missing at the end of the file is missing after its last word.
    if (position == text().size())
      while (position > 0 && (is_end(at(position - 1)) || is_blank(at(position - 1)))) --position;
    Place place;
    place.source = source_;
    place.line = static_cast<int>(line_of(position)) + 1;
    place.column = column(position);
    place.length = std::max(1, characters(position, std::min(std::max(end, position), line_end(position))));
    return place;
  }

 private:
  /// Goes on from the last one asked for, so that a file of one long line takes no square of its length.
  int column(std::size_t position) const {
    const std::size_t start = line_start(position);
    if (last_position_ < start || last_position_ > position) {
      last_position_ = start;
      last_characters_ = 0;
    }
    last_characters_ += characters(last_position_, position);
    last_position_ = position;
    return last_characters_ + 1;
  }
  int characters(std::size_t from, std::size_t to) const {
    int count = 0;
    for (std::size_t i = from; i < to; ++i)
      if ((static_cast<unsigned char>(text()[i]) & 0xC0) != 0x80) ++count;
    return count;
  }
  std::shared_ptr<const Source> source_;
  std::vector<std::size_t> starts_;
  mutable std::size_t last_position_ = 0;
  mutable int last_characters_ = 0;
};

constexpr std::array<std::string_view, 6> other_booleans{"yes", "no", "on", "off", "true", "false"};

bool is_other_boolean(std::string_view text) {
  if (text == "true" || text == "false" || text.size() > 5) return false;
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const bool one_case = text == lower ||
                        std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; }) ||
                        (text[0] >= 'A' && text[0] <= 'Z' && text.substr(1) == std::string_view(lower).substr(1));
  return one_case && std::find(other_booleans.begin(), other_booleans.end(), lower) != other_booleans.end();
}

std::string quoted(std::string_view text) {
  while (!text.empty() && (is_blank(text.back()) || is_end(text.back()))) text.remove_suffix(1);
  std::string out = "'";
  for (const char c : text) {
    out += c;
    if (c == '\'') out += c;
  }
  return out + "'";
}

/// Between brackets yaml-cpp takes any `?` for that.
constexpr std::string_view begins_a_key = "a ? at the beginning makes a key of it to some readers of YAML";

/// Builds our tree out of yaml-cpp's events, looking back at the text for what the events no longer say.
class Builder : public YAML::EventHandler {
 public:
  Builder(std::shared_ptr<const Source> source, Diagnostics& diagnostics)
      : map_(std::move(source)), diagnostics_(diagnostics) {}

  Node root;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) second_document(static_cast<std::size_t>(mark.pos));
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const std::size_t position = position_of(mark);
    Node node;
    const std::size_t start = after_properties(position);
    for (const std::string_view word : {"null", "Null", "NULL", "~"})
      if (map_.text().compare(start, word.size(), word) == 0) node.text = word;
    node.plain = true;
    const bool in_flow_list = !frames_.empty() && frames_.back().flow && frames_.back().node.is_list();
    if (node.text.empty() && in_flow_list && anchor == 0) {
      node.place = map_.place(position, position + 1);
      node.told = true;
      tell(node.place, "nothing stands before this comma", "take the comma out, or write null");
    } else if (!node.text.empty()) {
      node.place = map_.place(start, start + node.text.size());
      last_ = {start, start + node.text.size(), false};
    } else if (!frames_.empty() && frames_.back().node.is_map() && frames_.back().has_key) {
      node.place = frames_.back().key_place;
      look_for_lost_value(node, position);
    } else {
      node.place = map_.place(position, position + 1);
    }
    finish(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const std::size_t position = position_of(mark);
    std::size_t end = position + 1;
    while (end < map_.text().size() && !is_blank(map_.at(end)) && !is_end(map_.at(end)) &&
           !std::strchr(",]}", map_.at(end)))
      ++end;
    const Place here = map_.place(position, end);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      diagnostics_.error(here,
                         fmt::format("'{}' stands inside the very value it names: it would have no end",
                                     map_.text().substr(position, end - position)),
                         "write the part that is meant out");
      Node node;
      node.place = here;
      node.told = true;
      finish(std::move(node), 0);
      return;
    }
    count(found->second.nodes, here);
    Node copy = found->second.node;
    mark_use(copy, here);
    last_ = {position, end, false};
    finish(std::move(copy), 0, false);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const std::size_t position = position_of(mark);
    Node node;
    node.kind = Node::Kind::scalar;
    node.text = value;
    const std::size_t start = after_properties(position);
    node.plain = tag == "?";
    const char opening = map_.at(start);
    const bool is_quoted = !node.plain && (opening == '"' || opening == '\'');
    std::size_t end = node.plain ? plain_end(start, value) : is_quoted ? quote_end(start) : start + 1;
    if (end == std::string::npos) {  // yaml-cpp takes the end of the file for the closing quote.
      diagnostics_.error(map_.place(start, map_.line_end(start)),
                         fmt::format("the text that begins here with {} never ends", opening),
                         fmt::format("close it with {}", opening));
      throw Stop{};
    }
    node.place = map_.place(start, end);
    last_ = {start, end, is_quoted};
    if (tagged(position)) {
      tell_tag(node, position, start);
    } else if (node.plain) {
      look_at_plain(node, start, end);
    } else if (is_quoted) {
      if (opening == '"') look_at_escapes(node, start, end);
      put_last_breaks(node.text, start, end);
    } else if (opening == '>') {
      put_kept_breaks(node.text, start);
    }
    finish(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    begin(Node::Kind::list, position_of(mark), anchor, style == YAML::EmitterStyle::Flow);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    begin(Node::Kind::map, position_of(mark), anchor, style == YAML::EmitterStyle::Flow);
  }
  void OnMapEnd() override { end(); }

  /// yaml-cpp's own complaint, in our words and with the cure that the text suggests.
  void syntax_error(const YAML::Exception& exception);

 private:
  struct Frame {
    Node node;
    YAML::anchor_t anchor = 0;
    std::size_t start = 0;
    bool flow = false;
    bool has_key = false;
    bool key_plain = false;
    bool key_told = false;
    std::string key;
    Place key_place;
    std::size_t key_start = 0;
    std::size_t key_end = 0;
    bool template_trap = false;  ///< `{{ x }}`: a map with a map for its key.
    std::unordered_map<std::string, Place> seen;
    int nodes = 1;
  };
  struct Anchored {
    Node node;
    int nodes = 1;
  };
  struct Last {
    std::size_t start = 0;
    std::size_t end = 0;
    bool quoted = false;
  };

  std::size_t position_of(const YAML::Mark& mark) const {
    return mark.pos < 0 ? 0 : std::min(static_cast<std::size_t>(mark.pos), map_.text().size());
  }

  /// Past `&name` and `!tag`, to the value itself.
  std::size_t after_properties(std::size_t position) const {
    while (map_.at(position) == '&' || map_.at(position) == '!') {
      while (position < map_.text().size() && !is_blank(map_.at(position)) && !is_end(map_.at(position))) ++position;
      while (is_blank(map_.at(position)) || is_end(map_.at(position))) ++position;
    }
    return position;
  }

  bool tagged(std::size_t position) const {
    if (map_.at(position) == '&') {
      while (position < map_.text().size() && !is_blank(map_.at(position)) && !is_end(map_.at(position))) ++position;
      while (is_blank(map_.at(position))) ++position;
    }
    return map_.at(position) == '!';
  }

  /// Where a plain scalar ends: its text with line breaks folded into blanks.
  std::size_t plain_end(std::size_t start, const std::string& value) const {
    std::size_t position = start;
    for (const char c : value) {
      if (c == ' ' || c == '\n') {
        while (is_blank(map_.at(position)) || is_end(map_.at(position))) ++position;
      } else if (map_.at(position) == c) {
        ++position;
      }
    }
    return position;
  }

  std::size_t quote_end(std::size_t start) const {
    const char quote = map_.at(start);
    std::size_t position = start + 1;
    while (position < map_.text().size()) {
      const char c = map_.at(position);
      if (c == '\\' && quote == '"') {
        position += 2;
        continue;
      }
      if (c == quote) {
        if (quote == '\'' && map_.at(position + 1) == '\'') {
          position += 2;
          continue;
        }
        return position + 1;
      }
      ++position;
    }
    return std::string::npos;
  }

  /// A comment that begins right after `end` on its line: the position of its '#', or npos.
  std::size_t comment_after(std::size_t end) const {
    std::size_t position = end;
    while (is_blank(map_.at(position))) ++position;
    return map_.at(position) == '#' && (position > end || position == 0 || is_blank(map_.at(position - 1)))
               ? position
               : std::string::npos;
  }

  bool silent() const { return suppressed_ > 0; }

  void tell(const Place& place, std::string what, std::string hint) {
    if (!silent()) diagnostics_.error(place, std::move(what), std::move(hint));
  }

  void tell_tag(Node& node, std::size_t position, std::size_t start) {
    while (map_.at(position) == '&') {
      while (!is_blank(map_.at(position)) && position < start) ++position;
      while (is_blank(map_.at(position))) ++position;
    }
    std::size_t end = position;
    while (end < map_.text().size() && !is_blank(map_.at(end)) && !is_end(map_.at(end)) &&
           !std::strchr(",]}", map_.at(end)))
      ++end;
    const std::string tag = map_.text().substr(position, end - position);
    const std::string whole = map_.text().substr(position, std::max(end, map_.line_end(position)) - position);
    node.told = true;
    if (tag.starts_with("!!")) {
      tell(map_.place(position, end), fmt::format("'{}' is a tag, and weir has no tags", tag),
           "a quoted value is text, a plain number is a number");
      return;
    }
    std::string name = tag.substr(1);
    if (name.empty()) name = node.text.substr(0, node.text.find(' '));
    const bool negation = node.is_scalar() && (node.text.empty() || tag == "!") && !name.empty() && is_letter(name[0]);
    tell(map_.place(position, end), fmt::format("'{}' is a tag to YAML, not part of the value", tag),
         negation ? fmt::format("Lua writes `not {}`; a text that begins with ! is quoted", name)
                  : "weir has no tags; a text that begins with ! is quoted");
    // As it was meant, so that nothing else is said about it.
    node.text = whole;
  }

  /// yaml-cpp makes other bytes of these four than YAML says.
  void look_at_escapes(Node& node, std::size_t start, std::size_t end) {
    static constexpr std::array<std::pair<char, std::string_view>, 4> wrong{
        {{'_', "\\u00a0"}, {'N', "\\u0085"}, {'L', "\\u2028"}, {'P', "\\u2029"}}};
    for (std::size_t at = start + 1; at + 1 < end; ++at) {
      if (map_.at(at) != '\\') continue;
      const char letter = map_.at(++at);
      for (const auto& [escape, cure] : wrong) {
        if (letter != escape) continue;
        tell(map_.place(at - 1, at + 1), fmt::format("weir does not read the escape \\{}", letter),
             fmt::format("write {}", cure));
        node.told = true;
      }
    }
  }

  /// Of n line breaks before a closing quote n - 1 stay. yaml-cpp keeps two of them behind an escape, else one, and
  /// none where nothing else stands in the text.
  void put_last_breaks(std::string& value, std::size_t start, std::size_t end) const {
    std::size_t at = end - 1, breaks = 0;
    while (at > start + 1 && (is_blank(map_.at(at - 1)) || is_end(map_.at(at - 1)))) breaks += map_.at(--at) == '\n';
    const bool all = at == start + 1;
    const std::size_t kept = all ? 0 : ends_in_escape(start, at) ? 2 : 1;
    if (breaks > kept + 1) value.append(breaks - 1 - kept, '\n');
  }

  bool ends_in_escape(std::size_t start, std::size_t end) const {
    if (map_.at(start) != '"') return false;
    bool escaped = false;
    for (std::size_t at = start + 1; at < end;) {
      const char letter = map_.at(at) == '\\' ? map_.at(at + 1) : '\0';
      escaped = letter != '\0';
      at += letter == 'x' ? 4 : letter == 'u' ? 6 : letter == 'U' ? 10 : escaped ? 2 : 1;
    }
    return escaped;
  }

  /// yaml-cpp loses some of the blank lines at the end of a text under `>+`, which keeps them.
  void put_kept_breaks(std::string& value, std::size_t start) const {
    const std::string& text = map_.text();
    const std::size_t header_end = map_.line_end(start);
    const std::string_view header = std::string_view(text).substr(start, header_end - start);
    if (header.substr(0, header.find(' ')) != ">+" || header_end == text.size()) return;
    const std::size_t size = value.find_last_not_of('\n') + 1;
    const std::size_t first = std::min(text.find_first_not_of(" \r\n", header_end), text.size());
    const std::size_t indent = first - map_.line_start(first);
    // Where its last line ends that is not blank, and where what follows begins.
    std::size_t last = text.find('\n', header_end) + 1, next = map_.line_start(first);
    while (size > 0 && next < text.size()) {
      const std::size_t end = map_.line_end(next);
      const std::size_t word = std::min(text.find_first_not_of(' ', next), end);
      if (word < end && word - next < indent) break;
      if (word < end || word - next > indent) last = end;
      next = std::min(text.find('\n', end), text.size() - 1) + 1;
    }
    const auto at = [&](std::size_t position) { return text.begin() + static_cast<std::ptrdiff_t>(position); };
    value.resize(size);
    if (last < next) value.append(static_cast<std::size_t>(std::count(at(last), at(next), '\n')), '\n');
  }

  /// `on: [connect]`, of `retry`: a list shows that a key is meant, and so does one name that may stand for a list.
  bool heads_a_list(std::size_t at) const {
    while (is_blank(map_.at(at))) ++at;
    if (map_.at(at) != ':') return false;
    ++at;
    while (is_blank(map_.at(at))) ++at;
    if (map_.at(at) == '[') return true;
    if (is_lone_name(at)) return true;
    while (is_blank(map_.at(at)) || map_.at(at) == '\n' || map_.at(at) == '\r') ++at;
    return map_.at(at) == '-' && is_blank(map_.at(at + 1));
  }

  /// `'${name}'` and nothing else, quoted or not.
  bool is_lone_name(std::size_t at) const {
    const char quote = map_.at(at) == '\'' || map_.at(at) == '"' ? map_.at(at) : '\0';
    if (quote) ++at;
    if (map_.at(at) != '$' || map_.at(at + 1) != '{') return false;
    for (at += 2; map_.at(at) != '}'; ++at) {
      if (map_.at(at) == '\0' || is_end(map_.at(at)) || map_.at(at) == '{') return false;
    }
    ++at;
    if (quote) return map_.at(at) == quote;
    while (is_blank(map_.at(at))) ++at;
    const char after = map_.at(at);
    return after == '\0' || is_end(after) || after == '#';
  }

  void look_at_plain(Node& node, std::size_t start, std::size_t end) {
    if (node.text.starts_with('?')) {
      tell(node.place, std::string(begins_a_key), fmt::format("quote it: {}", quoted(node.text)));
      node.told = true;
      return;
    }
    if (is_other_boolean(node.text) && !(node.text == "on" && heads_a_list(end))) {
      tell(node.place, fmt::format("`{}` is a boolean to many editors, a text to others", node.text),
           fmt::format("only `true` and `false` are booleans here; quote a text: '{}'", node.text));
      node.told = true;
      return;
    }
    const std::size_t comment = comment_after(end);
    if (comment == std::string::npos) return;
    const std::size_t open = node.text.rfind("{{");
    if (open != std::string::npos && node.text.find("}}", open) == std::string::npos) {
      tell(map_.place(start, end), "`{{` without `}}`: a comment began at the #",
           fmt::format("was a ` #` meant? quote it: {}",
                       quoted(map_.text().substr(start, map_.line_end(start) - start))));
      node.told = true;
      return;
    }
    const char next = map_.at(comment + 1);
    if (!is_letter(next) && next != '(' && next != '[') return;
    static constexpr std::array<std::string_view, 17> expects{
        ">", "<", "=", "+", "-", "*", "/", "%", "..", "(", ",", "^", " and", " or", " not", " return", "{"};
    for (const auto tail : expects)
      if (node.text.size() > tail.size() && node.text.ends_with(tail)) {
        tell(map_.place(comment, comment + 1), "a comment began here, in the middle of the code",
             fmt::format("quote it: {}", quoted(map_.text().substr(start, map_.line_end(start) - start))));
        node.told = true;
        return;
      }
  }

  /// A key without a value: was it eaten by a comment, or never a key at all?
  void look_for_lost_value(Node& node, std::size_t null_position) {
    const Frame& frame = frames_.back();
    std::size_t position = frame.key_end;
    while (is_blank(map_.at(position))) ++position;
    if (frame.flow && (map_.at(position) != ':' || null_position == frame.key_start)) {
      if (frame.template_trap || silent()) return;
      node.told = true;
      tell(frame.key_place, fmt::format("'{}' has no value", frame.key),
           std::string("quote a text with `{`, `}` or `,` inside { }") +
               (std::all_of(frame.key.begin(), frame.key.end(), is_letter)
                    ? fmt::format("; a key without more is `{}: {{}}`", frame.key)
                    : ""));
      return;
    }
    if (map_.at(position) != ':') {
      if (silent()) return;
      node.told = true;
      tell(frame.key_place, fmt::format("'{}' is no key: it has no `:`", frame.key),
           "is it indented like the lines that it belongs to?");
      return;
    }
    const std::size_t comment = comment_after(position + 1);
    if (comment == std::string::npos) return;
    const char next = map_.at(comment + 1);
    if (!is_letter(next) && next != '(' && next != '[' && next != '{') return;
    node.told = true;
    tell(map_.place(comment, map_.line_end(comment)),
         fmt::format("'{}' has no value: a comment began at the #", frame.key),
         fmt::format("quote it: {}; of a comment, put a blank after the #",
                     quoted(map_.text().substr(comment, map_.line_end(comment) - comment))));
  }

  void count(int nodes, const Place& place) {
    nodes_ += nodes;
    if (nodes_ > node_count_max) {
      diagnostics_.error(place,
                         fmt::format("the file has more than {} values, counted through its aliases", node_count_max),
                         "data of this size belongs in a file that a stage reads");
      throw Stop{};
    }
  }

  static int count_of(const Node& node) {
    int total = 1;
    for (const auto& item : node.items) total += count_of(item);
    for (const auto& entry : node.entries) total += count_of(entry.value);
    return total;
  }

  static void mark_use(Node& node, const Place& here) {
    node.place.used_source = here.source;
    node.place.used_line = here.line;
    node.place.used_column = here.column;
    for (auto& item : node.items) mark_use(item, here);
    for (auto& entry : node.entries) {
      entry.key_place.used_source = here.source;
      entry.key_place.used_line = here.line;
      entry.key_place.used_column = here.column;
      mark_use(entry.value, here);
    }
  }

  bool key_is_next() const { return !frames_.empty() && frames_.back().node.is_map() && !frames_.back().has_key; }

  void begin(Node::Kind kind, std::size_t position, YAML::anchor_t anchor, bool flow) {
    const std::size_t start = after_properties(position);
    const Place place = map_.place(start, start + 1);
    if (tagged(position)) {
      Node ignored;
      tell_tag(ignored, position, start);
    }
    if (static_cast<int>(frames_.size()) >= node_depth_max) {
      diagnostics_.error(place, fmt::format("more than {} values inside one another", node_depth_max));
      throw Stop{};
    }
    if (key_is_next()) {
      Frame& outer = frames_.back();
      if (kind == Node::Kind::map && flow && outer.flow && outer.start + 1 == start) {
        outer.template_trap = true;
        const std::size_t end = template_end(outer.start);
        tell(map_.place(outer.start, end), "`{{ }}` outside quotes is a map to YAML",
             fmt::format("quote it: {}", quoted(map_.text().substr(outer.start, end - outer.start))));
      } else if (kind == Node::Kind::map && flow && map_.at(start + 1) == '{') {
        const std::size_t end = template_end(start);
        tell(map_.place(start, end), "a key is text: `{{ }}` outside quotes is a map to YAML",
             fmt::format("quote it: {}", quoted(map_.text().substr(start, end - start))));
      } else {
        tell(place, fmt::format("a key is text, found {}", kind == Node::Kind::map ? "a map" : "a list"), "quote it");
      }
      ++suppressed_;
    } else if (silent()) {
      ++suppressed_;
    }
    Frame frame;
    frame.node.kind = kind;
    frame.node.place = place;
    frame.anchor = anchor;
    frame.start = start;
    frame.flow = flow;
    frames_.push_back(std::move(frame));
  }

  void end() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    if (suppressed_ > 0) --suppressed_;
    if (frame.template_trap) {
      const std::size_t end = template_end(frame.start);
      Node text;
      text.kind = Node::Kind::scalar;
      text.text = map_.text().substr(frame.start, end - frame.start);
      text.place = map_.place(frame.start, end);
      text.told = true;
      frame.node = std::move(text);
    }
    last_ = {frame.start, frame.start, false};
    finish(std::move(frame.node), frame.anchor);
  }

  /// Past the `}}` that closes the `{{` at `start`; the end of the line if there is none.
  std::size_t template_end(std::size_t start) const {
    int depth = 0;
    const std::size_t stop = map_.line_end(start);
    for (std::size_t i = start; i < stop; ++i) {
      if (map_.at(i) == '{') ++depth;
      if (map_.at(i) == '}' && --depth == 0) return i + 1;
    }
    return stop;
  }

  void finish(Node node, YAML::anchor_t anchor, bool counted = true) {
    if (counted) count(1, node.place);
    if (anchor != 0) {
      const int nodes = count_of(node);
      count(nodes, node.place);
      anchors_[anchor] = {node, nodes};
    }
    if (frames_.empty()) {
      root = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.is_list()) {
      frame.node.items.push_back(std::move(node));
      return;
    }
    if (!frame.has_key) {
      take_key(frame, std::move(node));
      return;
    }
    frame.has_key = false;
    Node::Entry entry;
    entry.key = std::move(frame.key);
    entry.key_plain = frame.key_plain;
    entry.key_place = frame.key_place;
    entry.value = std::move(node);
    if (!frame.key_told) frame.node.entries.push_back(std::move(entry));
  }

  void take_key(Frame& frame, Node node) {
    frame.has_key = true;
    frame.key_told = false;
    frame.key = node.is_scalar() ? node.text : node.is_null() && !node.text.empty() ? node.text : std::string();
    frame.key_plain = node.plain;
    frame.key_place = node.place;
    frame.key_start = last_.start;
    frame.key_end = last_.end;
    if (!node.is_scalar() && !node.is_null()) {
      frame.key_told = true;
      return;
    }
    if (node.is_null() && !node.told && node.text.empty()) {
      tell(node.place, "a key is missing before the `:`", "a text that holds a `:` is quoted");
      frame.key_told = true;
      return;
    }
    if (node.plain && node.text == "<<") {
      tell(node.place, "weir does not merge maps with `<<`",
           "write the keys out, or put the shared part under vars: and fill it in with '${name}'");
      frame.key_told = true;
      return;
    }
    const auto [known, fresh] = frame.seen.emplace(frame.key, frame.key_place);
    if (!fresh) {
      tell(node.place,
           fmt::format("'{}' stands here a second time; the first is at {}", frame.key, known->second.str()),
           "keep one of them");
      frame.key_told = true;
    }
  }

  [[noreturn]] void second_document(std::size_t position) {
    const std::string& text = map_.text();
    const std::size_t start = map_.line_start(position);
    if (text.compare(start, 3, "---") == 0) {
      diagnostics_.error(map_.place(start, start + 3), "a second document begins here",
                         "one document a file: write a second file");
    } else if (const std::size_t dots = text.rfind("\n...", position); dots != std::string::npos) {
      diagnostics_.error(map_.place(position, map_.line_end(position)), "text after the end of the document `...`",
                         "one document a file: remove the `...` or what follows it");
    } else {
      std::size_t end = position + 1;
      while (end < map_.line_end(position) && !is_blank(map_.at(end))) ++end;
      diagnostics_.error(map_.place(position, end), "this does not belong to what stands above it",
                         "a map, a list and a text cannot stand side by side: check the indentation");
    }
    throw Stop{};
  }

  TextMap map_;
  Diagnostics& diagnostics_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  Last last_;
  int nodes_ = 0;
  int suppressed_ = 0;  ///< Open values inside a key that is none: said once, not for each of them.
  int documents_ = 0;
};

void Builder::syntax_error(const YAML::Exception& exception) {
  const std::string& text = map_.text();
  const std::string& message = exception.msg;
  std::size_t position = position_of(exception.mark);
  // At the end of the file yaml-cpp's marks have no position of their own.
  const bool at_end = exception.mark.pos < 0 || position >= text.size() ||
                      text.find_first_not_of(" \t\r\n", position) == std::string::npos;
  const std::size_t line_start = map_.line_start(position);
  const std::size_t line_end = map_.line_end(position);
  const auto rest_of_value = [&](std::size_t start) {
    // Of the braces that are the whole file no event has told yet.
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    const bool flow = frames_.empty() ? map_.at(first) == '{' || map_.at(first) == '[' : frames_.back().flow;
    std::size_t end = start;
    int depth = 0;
    for (; end < map_.line_end(start); ++end) {
      const char c = map_.at(end);
      if (c == '#' && end > start && is_blank(map_.at(end - 1))) break;
      if (!flow) continue;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth < 0) break;
      if (c == ',' && depth == 0) break;
    }
    while (end > start && is_blank(map_.at(end - 1))) --end;
    return end;
  };
  const auto say = [&](std::size_t from, std::size_t to, std::string what, std::string hint) {
    diagnostics_.error(map_.place(from, to), std::move(what), std::move(hint));
  };

  // A template without quotes comes first: whatever follows it, that is the mistake.
  for (const Frame& frame : frames_)
    if (frame.flow && map_.at(frame.start) == '{' && map_.at(frame.start + 1) == '{') {
      const std::size_t end = rest_of_value(frame.start);
      const std::size_t whole = std::max(end, template_end(frame.start));
      return say(frame.start, whole, "`{{ }}` outside quotes is a map to YAML",
                 fmt::format("quote it: {}", quoted(text.substr(frame.start, whole - frame.start))));
    }
  if (last_.end == last_.start && map_.at(last_.start) == '{' && map_.at(last_.start + 1) == '{' &&
      map_.line_of(last_.start) == map_.line_of(position)) {
    const std::size_t end = rest_of_value(last_.start);
    return say(last_.start, end, "`{{ }}` outside quotes is a map to YAML",
               fmt::format("quote it: {}", quoted(text.substr(last_.start, end - last_.start))));
  }

  if (message == "the referenced anchor is not defined") {
    const std::size_t end = rest_of_value(position);
    return say(
        position, end,
        fmt::format("'{}' is an alias to YAML, and nothing has that name", text.substr(position, end - position)),
        fmt::format("a text that begins with * is quoted: {}", quoted(text.substr(position, end - position))));
  }
  for (std::size_t at = line_start; at < line_end && is_blank(map_.at(at)); ++at)
    if (map_.at(at) == '\t') return say(at, at + 1, "a tab in the indentation", "indent with spaces");
  if (!at_end && map_.at(position) == '?' &&
      (message == "unknown token" || message.find("flow not found") != std::string::npos)) {
    const auto follows_a_key = [&](std::size_t at) {
      return at > line_start + 1 && is_blank(map_.at(at - 1)) && map_.at(at - 2) == ':';
    };
    std::size_t start = position;
    while (start > line_start && std::string_view("{[,").find(map_.at(start - 1)) == std::string_view::npos &&
           !follows_a_key(start)) {
      --start;
    }
    const bool is_value = follows_a_key(start);
    while (is_blank(map_.at(start))) ++start;
    if (start < position) {
      std::size_t end = rest_of_value(start);
      if (!is_value) end = std::min({end, text.find(": ", position), text.find(":\n", position)});
      return say(start, end, "inside braces a ? ends a text that is not quoted",
                 fmt::format("quote it: {}", quoted(text.substr(start, end - start))));
    }
  }
  if (message == "unknown token" && !at_end) {
    const std::size_t end = std::min({rest_of_value(position), text.find(": ", position), text.find(":\n", position)});
    return say(position, end,
               map_.at(position) == '?' ? std::string(begins_a_key)
                                        : fmt::format("no text begins with {} in YAML", map_.at(position)),
               fmt::format("quote it: {}", quoted(text.substr(position, end - position))));
  }
  if (message == "unexpected character in block scalar") {
    std::size_t start = position;
    while (start > line_start && map_.at(start) != '|' && map_.at(start) != '>') --start;
    return say(start, line_end, fmt::format("after {} the text begins on the next line", map_.at(start)),
               fmt::format("a text that begins with {} is quoted: {}", map_.at(start),
                           quoted(text.substr(start, line_end - start))));
  }
  if (message.starts_with("unknown escape character")) {
    position = std::min(text.rfind('\\', position), position);
    return say(position, position + 2, "no such escape in a text in \"double quotes\"",
               "in 'single quotes' and after `|` a backslash is a backslash");
  }
  if (message == "illegal EOF in scalar") {
    std::size_t start = std::max(last_.end, last_.start);
    while (start < text.size() && map_.at(start) != '"' && map_.at(start) != '\'') ++start;
    return say(start, map_.line_end(start), fmt::format("the text that begins here with {} never ends", map_.at(start)),
               fmt::format("close it with {}", map_.at(start)));
  }

  // A comment that hid the end of a `{ }` or `[ ]`.
  for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) {
    if (!frame->flow) continue;
    const std::size_t comment = comment_after(last_.end);
    if (last_.end > last_.start && comment != std::string::npos &&
        map_.line_of(comment) == map_.line_of(frame->start)) {
      say(comment, map_.line_end(comment),
          fmt::format("a comment began at the #, inside {}", map_.at(frame->start) == '[' ? "[ ]" : "{ }"),
          "quote a text with ` #` in it");
      return;
    }
    // One that took the whole value, so that the lines that follow became it: `{where: #msg.items > 3}`.
    const std::size_t first_end = map_.line_end(frame->start);
    const std::size_t hash = text.find(": #", frame->start);
    if (hash < first_end && first_end < position && (is_letter(map_.at(hash + 3)) || map_.at(hash + 3) == '(') &&
        text.find(map_.at(frame->start) == '[' ? ']' : '}', hash) < first_end) {
      say(hash + 2, first_end,
          fmt::format("a comment began at the #, inside {}", map_.at(frame->start) == '[' ? "[ ]" : "{ }"),
          "quote a text with ` #` in it");
      return;
    }
    break;
  }

  const bool flow = !frames_.empty() && frames_.back().flow;
  // Text that goes on after its closing quote.
  if (last_.quoted && !at_end && map_.line_of(last_.end) == map_.line_of(position) &&
      !std::strchr(",]}:#\n\r", map_.at(position))) {
    const std::size_t end = rest_of_value(last_.start);
    const char quote = map_.at(last_.start);
    if (position == last_.end)
      return say(position, end, "the text goes on after its closing quote",
                 quote == '\'' ? "inside 'single quotes' a quote is written twice: ''"
                               : "inside \"double quotes\" a quote is written \\\"");
    return say(position, end, "the text goes on after its closing quote",
               fmt::format("put the field first, as in `msg.x == \"a\"`, or quote the whole: {}",
                           quoted(text.substr(last_.start, end - last_.start))));
  }
  if (flow && !at_end && (map_.at(position) == '{' || map_.at(position) == '[')) {
    const std::size_t start = last_.start;
    std::size_t end = position;
    int depth = 0;
    for (; end < line_end; ++end) {
      const char c = map_.at(end);
      if (c == '{' || c == '[')
        ++depth;
      else if (c == '}' || c == ']') {
        if (--depth < 0) break;
      } else if (c == ',' && depth == 0)
        break;
    }
    return say(
        start, end, fmt::format("a {} inside a text that stands in {{ }} or [ ]", map_.at(position)),
        fmt::format("quote a text with `{{`, `}}` or `,` inside {{ }}: {}", quoted(text.substr(start, end - start))));
  }
  if (message == "illegal map value") {
    if (map_.line_of(last_.start) < map_.line_of(position) && last_.end > last_.start) {
      for (std::size_t line = map_.line_end(last_.start) + 1; line < line_start; line = map_.line_end(line) + 1) {
        std::size_t colon = line;
        while (is_blank(map_.at(colon))) ++colon;
        const std::size_t word = colon;
        while (is_letter(map_.at(colon)) || (map_.at(colon) >= '0' && map_.at(colon) <= '9')) ++colon;
        if (colon > word && map_.at(colon) == ':' && colon + 1 < map_.line_end(line))
          return say(word, colon + 1, "a key, but no blank follows its `:`",
                     fmt::format("write `{}: …`", text.substr(word, colon - word)));
      }
      return say(position, position + 1, "a `:` in a text that began on an earlier line",
                 fmt::format("indent this key like the others; the text began at {}",
                             map_.place(last_.start, last_.end).str()));
    }
    const std::size_t end = rest_of_value(last_.start);
    const std::string value = text.substr(last_.start, end - last_.start);
    return say(position, position + 1, "a `: ` inside a text",
               fmt::format("quote it: {}; code may stand under `|`", quoted(value)));
  }
  if (at_end || (flow && message.find("flow not found") != std::string::npos)) {
    for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) {
      if (!frame->flow) continue;
      const char open = map_.at(frame->start);
      if (at_end)
        return say(frame->start, frame->start + 1, fmt::format("this {} is never closed", open),
                   fmt::format("close it with {}", open == '[' ? ']' : '}'));
      return say(
          position, position + 1, fmt::format("expected `,` or `{}` here", open == '[' ? ']' : '}'),
          map_.at(position) == ':' ? "quote a text with `: ` in it" : "quote a text with `{`, `}` or `,` inside { }");
    }
  }
  std::string hint;
  if (message == "end of map not found" || message == "end of sequence not found") {
    std::size_t word = line_start;
    while (is_blank(map_.at(word))) ++word;
    std::size_t colon = word;
    while (is_letter(map_.at(colon)) || (map_.at(colon) >= '0' && map_.at(colon) <= '9')) ++colon;
    if (colon > word && map_.at(colon) == ':' && !is_blank(map_.at(colon + 1)) && !is_end(map_.at(colon + 1)) &&
        colon + 1 < line_end)
      hint = "a blank follows the `:`";
    else
      hint = "is it indented like the lines that it belongs to?";
    return say(position, position + 1, "this does not belong to what stands above it", hint);
  }
  say(position, position + 1, fmt::format("this is no YAML: {}", message), "");
}

}  // namespace

std::shared_ptr<const Source> make_source(std::string name, std::string text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  auto source = std::make_shared<Source>();
  source->name = std::move(name);
  source->text = std::move(text);
  return source;
}

std::shared_ptr<const Source> read_source(const std::string& path, Diagnostics& diagnostics) {
  const auto whole = [&] {
    Place place;
    place.source = make_source(path, "");
    place.length = 0;
    return place;
  };
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    const int why = errno;
    diagnostics.error(whole(), why == ENOENT ? "no such file" : fmt::format("cannot be read: {}", std::strerror(why)),
                      why == EACCES ? "check its permissions" : "");
    return nullptr;
  }
  struct stat about {};
  if (::fstat(file, &about) == 0 && S_ISDIR(about.st_mode)) {
    ::close(file);
    diagnostics.error(whole(), "is a directory", "name the pipeline file inside it");
    return nullptr;
  }
  // A pipe is as good as a file: wait for what comes.
  ::fcntl(file, F_SETFL, 0);
  std::string text;
  std::array<char, 65536> piece;
  for (;;) {
    const ssize_t count = ::read(file, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int why = errno;
      ::close(file);
      diagnostics.error(whole(), fmt::format("cannot be read: {}", std::strerror(why)));
      return nullptr;
    }
    if (count == 0) break;
    text.append(piece.data(), static_cast<std::size_t>(count));
    if (text.size() > source_bytes_max) break;
  }
  ::close(file);
  return make_source(path, std::move(text));
}

std::string as_utf8(std::string text) {
  constexpr std::string_view replacement = "\xEF\xBF\xBD";
  for (std::size_t begin = 0;;) {
    const std::size_t bad = bad_utf8(std::string_view(text).substr(begin));
    if (bad == std::string_view::npos) return text;
    text.replace(begin + bad, 1, replacement);
    begin += bad + replacement.size();
  }
}

std::optional<Node> parse(std::shared_ptr<const Source> source, Diagnostics& diagnostics) {
  const std::string& text = source->text;
  Place whole;
  whole.source = source;
  whole.length = 0;
  if (text.size() > source_bytes_max) {
    diagnostics.error(whole, "is larger than 1 MiB", "data of this size belongs in a file that a stage reads");
    return std::nullopt;
  }
  if (const std::size_t bad = bad_utf8(text); bad != std::string_view::npos) {
    const TextMap map(source);
    Place place = map.place(bad, bad + 1);
    place.length = 1;
    diagnostics.error(place, fmt::format("this is not UTF-8: byte 0x{:02X}", static_cast<unsigned char>(text[bad])),
                      "save the file as UTF-8");
    return std::nullopt;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F) {
      const TextMap map(source);
      diagnostics.error(map.place(i, i + 1),
                        byte == 0 ? "a NUL byte" : fmt::format("a control character, 0x{:02X}", byte),
                        R"(in a text in "double quotes" write it as an escape, such as "\x1b")");
      return std::nullopt;
    }
  }
  Diagnostics traps;
  Builder builder(source, traps);
  const auto tell = [&] {
    for (const auto& found : traps.all()) diagnostics.add(found);
  };
  try {
    std::istringstream input(text);
    YAML::Parser parser(input);
    // Never LoadAll: on "," it does not return. A second call tells of what Load would drop; its handler stops at once.
    if (parser.HandleNextDocument(builder)) {
      parser.HandleNextDocument(builder);
    } else {
      builder.root.place = whole;
    }
  } catch (const Stop&) {
    tell();
    return std::nullopt;
  } catch (const YAML::Exception& exception) {
    traps = Diagnostics();  // It stands alone: what seemed wrong before may follow from the same slip.
    builder.syntax_error(exception);
    tell();
    return std::nullopt;
  }
  tell();
  return std::move(builder.root);
}

}  // namespace weir::config
