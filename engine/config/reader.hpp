// What is at hand while a file's values are read: where mistakes go, what names mean, and the code found on the way.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/diagnostics.hpp"
#include "engine/config/scope.hpp"
#include "engine/config/values.hpp"

namespace weir::config {

/// Lua found while reading, so that a later step can compile all of it before anything runs.
struct CodeUse {
  enum class What {
    expression,    ///< A condition or one value: `where:`, a route.
    block,         ///< Statements: `lua:`.
    template_part  ///< The inside of one `{{ }}`.
  };
  What what = What::expression;
  std::string code;
  Place place;
  std::string path;  ///< Such as "stages.high.where".
};

/// Carried through one reading. Not thread-safe.
class Reader {
 public:
  Reader(Diagnostics& diagnostics, const Scope& scope, std::string path = {});

  Diagnostics& diagnostics;
  const Scope& scope;
  std::string path;     ///< Of what is being read now.
  std::string subject;  ///< How the next map to be read is called in messages, such as "stage 'fetch'"; its kind's name
                        ///< if empty.
  std::vector<CodeUse> code;  ///< In the order found.
  /// What is read is a stage's kind, and the stage has a `from`, or the instance of a kind of one's own has one that it
  /// would read; or neither has, and it stands inside an instance.
  bool fed = false, inside = false;
  bool fed_unknown = false;  ///< It may be fed or not, as nobody uses the kind that it stands in: taken for fed.

  void error(const Place& place, std::string what, std::string hint = {});
  void warning(const Place& place, std::string what, std::string hint = {});

  /// Lengthens the path while it lives.
  class Step {
   public:
    Step(Reader& reader, std::string_view key);
    ~Step();
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    Reader& reader_;
    std::size_t length_;
  };
};

// One value of each type from a node whose `${}` are filled in. False, and an error told, where it is not of that type.
bool read_value(const Node& node, Reader& reader, bool& out);
bool read_value(const Node& node, Reader& reader, std::int64_t& out);
bool read_value(const Node& node, Reader& reader, double& out);
bool read_value(const Node& node, Reader& reader, std::string& out);
bool read_value(const Node& node, Reader& reader, Duration& out);
bool read_value(const Node& node, Reader& reader, Size& out);
bool read_value(const Node& node, Reader& reader, Rate& out);
bool read_value(const Node& node, Reader& reader, IntegerRange& out);
bool read_value(const Node& node, Reader& reader, DurationRange& out);
bool read_value(const Node& node, Reader& reader, Path& out);
bool read_value(const Node& node, Reader& reader,
                Lua& out);  ///< Takes nodes as written: `${}` in it is told as a mistake.
bool read_value(const Node& node, Reader& reader, Template& out);
bool read_value(const Node& node, Reader& reader, Value& out);

}  // namespace weir::config
