// Kinds: what can stand under a stage's name, declared once and found by name.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/config/spec.hpp"
#include "engine/message/asker.hpp"
#include "engine/stage/context.hpp"
#include "engine/stage/operator.hpp"
#include "engine/stage/policies.hpp"

namespace weir::stage {

/// What a stage is to the graph.
enum class Shape : std::uint8_t {
  source,    ///< Reads outside; takes no `from`.
  sink,      ///< Waits for the outside; a message is done when it is there.
  call,      ///< Asks the outside about each message.
  duplex,    ///< Hands over what comes and puts out what the outside says, and neither waits for the other.
  operation  ///< Only computes: fused.
};

/// What of the outside a kind touches (semantics 14).
enum class Touches : std::uint8_t { nothing, fs, net, proc };

/// What a stage remembers from message to message (semantics 18): what `workers` may then mean.
enum class Memory : std::uint8_t {
  none,   ///< Replicas, as many as wanted.
  keyed,  ///< Replicas, each with its keys.
  whole   ///< One instance only.
};

/// When a collecting kind answers what it took (semantics 13).
enum class Acks : std::uint8_t { on_emit, on_take };

/// What the messages of a source are, where they are objects at most by chance.
enum class Makes : std::uint8_t { anything, lines, values };

/// What a stage that listens wants to itself: no two stages may have the same address and path and share a method.
struct Serves {
  std::string address, path;
  std::string shape;                 ///< The path without the names of its parameters: what makes two alike.
  std::vector<std::string> methods;  ///< Empty: all.
  std::string terms;                 ///< What all stages of an address must say alike, such as their TLS.

  bool meets(const Serves& other) const;  ///< Both would have the same request.
};

/// A stage as configured, before it has a place: what the graph asks of it, and how to make its instances. The config
/// is held by the closures and lives as long as this.
struct Configured {
  Shape shape = Shape::operation;
  std::vector<std::string> ports;     ///< Of its own, beside main and failed.
  std::string opens_ports;            ///< By what it would have more of them, for who reads one that is not there.
  bool main_output = true;            ///< Whether anything may leave by main; where not, reading it is a mistake.
  bool ports_are_to_be_read = false;  ///< What leaves by one of its own that nobody reads is lost: a warning.
  bool collects = false;              ///< Holds messages back: it needs the clock, so it heads a chain.
  std::int64_t collects_most = 0;     ///< So many unanswered messages at once; 0: not known.
  Memory memory = Memory::none;
  std::optional<config::Template> remembers_by;  ///< The key where memory is keyed: it says which replica.
  Touches touches = Touches::nothing;            ///< By this configuration.
  bool prints = false;          ///< Writes to the standard output: where that is a terminal, nobody draws over it.
  bool writes_in_bulk = false;  ///< Of a sink: the more it gets at once the cheaper, so its edges hold more.
  bool looks_inside = true;     ///< May ask what stands in a payload; where not, what is known of that is left behind.
  bool reads_input = false;     ///< Reads the standard input: of that a program has one, so one stage of it may.
  /// Of a source: others come to it, and may be kept waiting or turned away. Behind each of its messages somebody waits
  /// for an answer.
  bool listens = false;
  bool replies = false;  ///< Of a sink: it answers whoever asked, so something upstream must listen.
  bool forwards = false;  ///< Of a call: it sends on what somebody asked, and fails for a message nobody asked by.
  std::optional<Serves> serves;
  /// Of a source that listens: fills in what stands in the path by name, and says why a body is none that it takes.
  /// What plays the outside in a test asks it as well.
  std::function<message::Done(message::Request& request, std::string_view body)> admit;
  /// The same: what somebody is told in place of any message, be it for who he is or for how much he sends.
  std::function<std::optional<message::Answer>(const message::Request& request, std::string_view body)> turns_away;
  /// Of a call that must not be made twice for one message: what would be, in words. Empty: it may.
  std::string not_twice;
  bool brings_result = true;         ///< Of a call: somebody is called, who may fail, and whose answer is the result.
  std::optional<LimitConfig> limit;  ///< Where the kind itself is one.
  Makes makes = Makes::anything;     ///< Of a source.
  bool opens_groups = false;         ///< Its messages know of which list they are: a `gather` may wait for them.
  std::size_t group_most = 0;        ///< So many messages of one list count on the source one by one; 0: as one.
  std::string gathers;               ///< The stage whose groups it waits for.
  std::string instead_of_from;       ///< Of a source: the cure for whoever gives it a `from`; may be empty.
  /// Of a duplex stage: each message is answered, so it may be timed, and its reply merged.
  bool answers = false;
  /// Of a duplex stage: what it puts out is new, so it is a source as well, and takes note of how that ends.
  bool creates = false;
  /// Of a call, or of a source that makes calls of its own (Context::timeout): the `timeout` of a stage that names
  /// none.
  std::optional<Duration> default_timeout;
  /// Of such a source without: it takes a `timeout` all the same.
  bool takes_timeout = false;
  /// Of a call that brings a status: whether that is a failure. `weir test` asks it about what a `fake` answers.
  std::function<message::Done(const message::Result&, runtime::WallTime now)> judge;
  /// Of a sink: what says where a message goes, such as a path. `weir test` asks for it.
  std::optional<config::Template> goes_to;
  /// Of a sink: the one file that it adds to, if that is known. Of a source: whether it reads what is added to that.
  std::string adds_to;
  bool makes_anew = false;  ///< Of a sink with such a path: what stood there is gone when the new file is whole.
  std::function<bool(const std::string& path)> reads;
  /// Of a source: the word for what it makes JSON of, such as csv. Empty: what it reads is the message.
  std::string reads_json_of;
  /// Of a sink: the word for what it makes of JSON, such as csv: what is no JSON fails there. Empty: it takes anything.
  std::string writes_json_as;

  std::function<std::unique_ptr<Operator>(Context&)> make_operator;
  std::function<std::unique_ptr<Call>(Context&)> make_call;
  std::function<Task<>(Source&)> run_source;
  std::function<Task<>(Driver&)> run_sink;
  std::function<Task<>(Duplex&)> run_duplex;

  /// It remembers by this key. One that is the same for all messages makes one instance.
  Configured&& remembering_by(const config::Template& key) && {
    memory = key.constant() ? Memory::whole : Memory::keyed;
    remembers_by = key;
    return std::move(*this);
  }
  Configured&& port(std::string name) && {
    ports.push_back(std::move(name));
    return std::move(*this);
  }
  Configured&& touching(Touches what) && {
    touches = what;
    return std::move(*this);
  }
  Configured&& reading_input() && {
    reads_input = true;
    return std::move(*this).touching(Touches::fs);
  }
  Configured&& in_bulk() && {
    writes_in_bulk = true;
    return std::move(*this);
  }
  Configured&& printing() && {
    prints = true;
    return std::move(*this).touching(Touches::fs);
  }
};

/// An operator class with a constructor (const Config&, Context&).
template <class Instance, class Config>
Configured operator_of(std::shared_ptr<const Config> config) {
  Configured made;
  made.shape = Shape::operation;
  made.make_operator = [config](Context& context) { return std::make_unique<Instance>(*config, context); };
  return made;
}
/// A call class with a constructor (const Config&, Context&).
template <class Instance, class Config>
Configured call_of(std::shared_ptr<const Config> config) {
  Configured made;
  made.shape = Shape::call;
  made.make_call = [config](Context& context) { return std::make_unique<Instance>(*config, context); };
  return made;
}
/// A coroutine; the config outlives it.
template <class Config>
Configured source_of(std::shared_ptr<const Config> config, Task<> (*run)(const Config&, Source&)) {
  Configured made;
  made.shape = Shape::source;
  made.run_source = [config, run](Source& source) { return run(*config, source); };
  return made;
}
template <class Config>
Configured sink_of(std::shared_ptr<const Config> config, Task<> (*run)(const Config&, Driver&)) {
  Configured made;
  made.shape = Shape::sink;
  made.run_sink = [config, run](Driver& driver) { return run(*config, driver); };
  return made;
}

template <class Config>
Configured duplex_of(std::shared_ptr<const Config> config, Task<> (*run)(const Config&, Duplex&)) {
  Configured made;
  made.shape = Shape::duplex;
  made.run_duplex = [config, run](Duplex& duplex) { return run(*config, duplex); };
  return made;
}

/// A kind with its Config type erased.
class Kind {
 public:
  const std::string& name() const { return declaration_->name; }
  const config::Declaration& declaration() const { return *declaration_; }
  /// Reads the kind's value. Mistakes go to the reader; what comes back is then not to be run.
  Configured configure(const config::Node& node, config::Reader& reader) const { return configure_(node, reader); }

 private:
  friend class Register;
  std::shared_ptr<const config::Declaration> declaration_;
  std::function<Configured(const config::Node&, config::Reader&)> configure_;
};

/// Adds a kind to the program before main(). The list is only read by Catalog::linked().
class Register {
 public:
  /// `configured` makes of a config what the graph asks for: see operator_of, source_of, sink_of, call_of, duplex_of.
  /// A kind that is something else where its stage has a `from` takes the reader as well, which knows.
  template <class Config, class Configure>
  Register(const config::Spec<Config>& spec, Configure configured) : next_(first_) {
    first_ = this;
    kind_.declaration_ = spec.shared_declaration();
    kind_.configure_ = [spec, configured](const config::Node& node, config::Reader& reader) -> Configured {
      auto config = std::make_shared<const Config>(spec.read(node, reader));
      if constexpr (std::is_invocable_v<Configure, decltype(config), const config::Reader&>) {
        return configured(std::move(config), reader);
      } else {
        return configured(std::move(config));
      }
    };
  }
  Register(const Register&) = delete;
  Register& operator=(const Register&) = delete;

 private:
  friend class Catalog;
  static inline constinit Register* first_ = nullptr;
  Register* next_;
  Kind kind_;
};

/// The kinds of a program by name: made once in main() and passed down. Tests may make their own.
class Catalog {
 public:
  static Catalog linked();
  /// Null where there is none. The catalog outlives it.
  const Kind* find(std::string_view name) const;
  std::vector<std::string> names() const;
  const std::map<std::string, const Kind*, std::less<>>& all() const { return kinds_; }

 private:
  std::map<std::string, const Kind*, std::less<>> kinds_;
};

}  // namespace weir::stage
