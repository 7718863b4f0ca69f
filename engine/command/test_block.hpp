// The `tests:` block of a pipeline file: what may be written there, and each test read and checked.
#pragma once
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/config/declaration.hpp"
#include "engine/config/loader.hpp"
#include "engine/graph/plan.hpp"
#include "engine/stage/kind.hpp"

namespace weir::command {

/// How many: `2`, or `{at_least: 1, at_most: 5}`.
struct Amount {
  std::optional<std::int64_t> exactly, at_least, at_most;
  std::int64_t least() const { return exactly ? *exactly : at_least.value_or(0); }
  /// Nothing: no end.
  std::optional<std::int64_t> most() const { return exactly ? exactly : at_most; }
  bool holds(std::int64_t count) const { return count >= least() && (!most() || count <= *most()); }
  std::string text() const;  ///< `2`, `at least 1`.
};

/// How many messages have places on the edges before a stage: on all of them, or on that from an input, as `from` calls
/// it.
struct EdgeExpectation : Amount {
  config::Map<Amount> inputs;
  bool of_all() const { return exactly || at_least || at_most; }
};

/// `request:` of an entry of `send:`. Names of headers as they are written.
struct RequestConfig {
  std::optional<std::string> method, path;
  std::string client = "127.0.0.1";
  config::Map<std::string> query, headers, params;
};

/// An entry of `send:`.
struct SendConfig {
  std::optional<std::string> to;
  runtime::Duration at{0};
  std::optional<config::Duration> every;
  std::int64_t times = 1;
  std::optional<config::Value> msg;
  std::optional<config::Template> text;
  config::Map<config::Value> meta;
  std::optional<RequestConfig> request;
  bool restart = false;
  config::Map<std::string> machine;    ///< Shares, by what is loaded.
  std::optional<config::Value> later;  ///< Of a word that this version refuses.
  config::Place place;
};

/// An entry of a stage's list under `fake:`.
struct FakeConfig {
  std::optional<config::Lua> where;
  std::optional<std::int64_t> times;
  config::Duration after{0};
  std::optional<std::int64_t> status, code;
  std::optional<std::string> signal;
  config::Map<std::string> headers;
  std::optional<config::Value> msg;
  std::optional<config::Template> text, error_text;
  std::optional<std::string> failed;
  config::Place place;
};

struct FailedExpectation {
  std::optional<std::string> kind, stage, text;
  std::optional<std::int64_t> line, attempts;
};

/// An entry of `expect:`.
struct ExpectConfig {
  std::optional<std::string> from, of, answered;
  std::optional<std::int64_t> exit;
  std::optional<config::Value> got;  ///< Refused by this version.
  std::optional<config::Duration> at;
  std::optional<Amount> times;
  std::optional<config::Value> msg, has;
  std::optional<std::string> text, path;
  std::optional<FailedExpectation> failed;
  config::Map<config::Value> meta;
  std::optional<std::int64_t> status;
  config::Map<std::string> headers;
  std::optional<Amount> in, out, calls, filtered, dropped, errors;
  std::optional<policy::Circuit> breaker;
  std::optional<EdgeExpectation> edge;
  std::optional<config::Value> later;  ///< Of a word that this version refuses.
  config::Place place;
};

enum class TestClock : std::uint8_t { simulated, real };

struct TestConfig {
  std::string name;
  config::Map<config::Value> vars, set;
  config::Map<std::string> env;
  std::optional<std::string> start;
  TestClock clock = TestClock::simulated;
  std::optional<config::Duration> run_for;
  std::vector<SendConfig> send;
  config::Map<std::vector<FakeConfig>> fake;
  std::vector<ExpectConfig> expect;
  config::Place place;

  /// The times that expectations speak of, the earliest first.
  std::set<runtime::Duration> looks() const;
};

/// A test that may run: what it says, and the pipeline as it changes it.
struct Trial {
  TestConfig config;
  std::optional<runtime::WallTime> start;
  std::shared_ptr<const graph::Plan> plan;  ///< Shared by tests that change nothing in the file.
};

/// `cpu`, `memory`, `pressure`.
std::optional<runtime::Load> load_of(std::string_view word);

/// Where what an expectation's `from` names is put out. Empty: nowhere, which was told when it was read.
std::vector<graph::PortRef> find_ports(const graph::Plan& plan, const std::string& from);

/// Whether what is put out there are answers to those who asked: nobody reads it, and it is the output of a `reply`.
bool sends_answer(const graph::Plan& plan, graph::PortRef from);

/// For `weir explain test` and the schema.
const config::Declaration& test_declaration();

/// Reads and checks every test of a file against the pipeline that it runs. `root`: the file's tree, overrides applied.
/// Every mistake goes to the diagnostics; where there are some, what comes back must not run. The environment is what
/// each test's `env:` says and nothing else.
std::vector<Trial> read_tests(const std::shared_ptr<const config::Source>& source, const config::Node& root,
                              const stage::Catalog& catalog, config::Diagnostics& diagnostics);

}  // namespace weir::command
