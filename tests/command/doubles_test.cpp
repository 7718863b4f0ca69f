// What stands in for kinds whose outside can't be simulated: here three of the network, which must never be reached.
#include "engine/command/doubles.hpp"

#include <boost/test/unit_test.hpp>
#include <sstream>
#include <string>

#include "engine/command/command.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

using namespace weir;
using tests::contains;
using tests::TemporaryFolder;

struct Nothing {};

class Ask : public stage::Call {
 public:
  Ask(const Nothing&, stage::Context&) {}
  stage::Task<message::Done> call(stage::Message) override { throw stage::Fault("the network was asked"); }
};
stage::Task<> listen(const Nothing&, stage::Source&) { throw stage::Fault("the network was listened to"); }
stage::Task<> tell(const Nothing&, stage::Driver&) { throw stage::Fault("the network was told"); }

const stage::Register ask_kind(config::Spec<Nothing>("ask", "Asks."),
                               [](auto config) { return stage::call_of<Ask>(config).touching(stage::Touches::net); });
const stage::Register listen_kind(config::Spec<Nothing>("listen", "Listens."), [](auto config) {
  return stage::source_of(config, listen).touching(stage::Touches::net);
});
const stage::Register tell_kind(config::Spec<Nothing>("tell", "Tells."),
                                [](auto config) { return stage::sink_of(config, tell).touching(stage::Touches::net); });

constexpr const char* stages =
    "stages:\n"
    "  heard: {listen: {}}\n"
    "  asked: {from: heard, ask: {}, merge: {status: '{{ result.status }}', said: '{{ result.text }}'}, on_error: "
    "pass}\n"
    "  told: {from: asked, tell: {}}\n"
    "  noted: {from: heard, ask: {}}\n"
    "  kept: {from: told, stdout: {}}\n";

std::string said_of(const std::string& test) {
  static const auto catalog = stage::Catalog::linked();
  const TemporaryFolder folder;
  const auto path = folder.file("net.yaml", stages + test);
  std::ostringstream out, err;
  command::Streams streams{out, err};
  command::run_command(catalog, {"test", path}, streams);
  return out.str() + err.str();
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_source_gives_a_line_a_message_and_a_call_answers_by_its_result) {
  const auto said = said_of(R"(tests:
  - name: a
    fake:
      heard: [{text: "{\"n\":1}\n{\"n\":2}\n"}, {after: 1s, msg: {n: 3}}]
      asked:
        - {where: msg.n == 1, after: 500ms, headers: {Content-Type: text/plain}, text: '{{ msg.n + 1 }}'}
        - {where: msg.n == 2, status: 503}
        - {after: 2s, failed: connect, text: nobody there}
      noted: [{}]
    expect:
      - {from: told, at: 500ms, msg: {n: 1, status: 200, said: '2'}}
      - {from: told, at: 500ms, msg: {n: 2, status: 503, said: ''}, failed: {kind: status, text: answered 503}}
      - {from: told, at: 3s, has: {n: 3}, failed: {kind: connect, text: nobody there}}
      - {from: kept, times: 3}
      - {from: noted, at: 0s, msg: {n: 1}}
      - {from: noted, times: 2}
      - {exit: 0}
)");
  BOOST_TEST(contains(said, "1 test: 1 passed"), said);
}

BOOST_AUTO_TEST_CASE(what_is_sent_to_a_listener_comes_and_nothing_else) {
  const auto said = said_of(R"(tests:
  - name: a
    fake: {asked: [{}], noted: [{}]}
    send: [{to: heard, at: 1h, text: 'no JSON'}]
    expect:
      - {from: heard, at: 1h, text: 'no JSON'}
      - {from: noted, text: 'no JSON'}
)");
  BOOST_TEST(contains(said, "1 test: 1 passed"), said);
}

BOOST_AUTO_TEST_CASE(a_word_of_another_outside_is_refused) {
  const auto said = said_of(R"(tests:
  - name: a
    fake: {asked: [{code: 1}], told: [{}]}
    expect: [{exit: 0}]
)");
  BOOST_TEST(contains(said, "`code` comes from a program; 'asked' runs none"), said);
  BOOST_TEST(contains(said, "'told' is a sink: it records and needs no fake"), said);
}
