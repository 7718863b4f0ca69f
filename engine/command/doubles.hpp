// What stands in for the outside in a test, and what of a pipeline's messages is written down.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/command/test_block.hpp"
#include "engine/message/metadata.hpp"
#include "engine/runtime/real.hpp"
#include "engine/runtime/simulated.hpp"

namespace weir::command {

/// One message that left a stage, or that a stage was to send; or an answer that an asker got.
struct Came {
  runtime::Time at{};  ///< From the start of the test.
  std::string payload;
  std::shared_ptr<const message::Metadata> metadata;  ///< Null where it has none.
  std::string path;                                   ///< Where a sink put it; empty where it doesn't say.
  int status = 0;                                     ///< Of an answer; 0: it is none.
  std::vector<std::pair<std::string, std::string>> headers;
};

/// What a test has seen.
struct Record {
  /// By `from` as a test writes it, and only what the test asks for; in the order of leaving.
  std::map<std::string, std::vector<Came>> came;
  /// By source: what those who asked there got, in the order of getting it. A failure that weir told is in `metadata`.
  std::map<std::string, std::vector<Came>> answered;
  std::map<std::string, std::int64_t> calls;  ///< By stage, those begun.
  /// What the test does not provide for or gets wrong itself: calls that no fake answers, what can't be made of its own
  /// templates. Each once.
  std::vector<config::Diagnostic> refused;
  runtime::Duration began{0};  ///< When the test did, by the clock of its runtime.

  runtime::Time since_start(const runtime::Core& core) const { return core.now() - began; }
};

/// The doubles of one test, over all its restarts. The trial, the runtime and the catalog outlive it; so does it every
/// pipeline that it gave doubles to. The runtime's thread only.
class Doubles {
 public:
  /// On virtual time nothing outside is touched.
  Doubles(const Trial& trial, const stage::Catalog& catalog, runtime::SimulatedRuntime& runtime);
  /// On the machine's clock the outside is as it is, but for the sources to which the test sends.
  Doubles(const Trial& trial, const stage::Catalog& catalog, runtime::RealRuntime& runtime);
  ~Doubles();
  Doubles(const Doubles&) = delete;
  Doubles& operator=(const Doubles&) = delete;

  /// The trial's plan with doubles in the place of all that touches the outside, and something that writes down behind
  /// each port that the test expects something from.
  graph::Plan plan();
  /// On virtual time sources to which the test sends stay open, as they would outside, until this is called.
  void end_sources();
  const Record& record() const;

  /// All of it: what the stages' closures work on.
  struct Inside;

 private:
  std::unique_ptr<Inside> inside_;
};

}  // namespace weir::command
