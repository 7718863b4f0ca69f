// What the graph compiler says of ports: those that nobody reads, and those that nothing leaves by.
#include <boost/test/unit_test.hpp>

#include "tests/support/bench.hpp"

using weir::tests::Bench;

namespace {
const std::string numbers = "stages:\n  n: {generate: {range: 1..3}}\n";

std::string mistakes(const std::string& stages) { return Bench(numbers + stages).mistakes(); }
}  // namespace

BOOST_AUTO_TEST_CASE(an_output_that_nobody_reads_is_warned_of) {
  BOOST_TEST(Bench(numbers).mistakes() ==
             "test.yaml:2:3: warning: nobody reads what 'n' puts out; it is dropped\n"
             "    2 |   n: {generate: {range: 1..3}}\n"
             "      |   ^\n"
             "      = give it a reader, such as `stdout: {}` with `from: n`\n");
}

BOOST_AUTO_TEST_CASE(each_port_of_a_route_or_of_code_that_nobody_reads_is_warned_of) {
  BOOST_TEST(mistakes("  r: {from: n, route: {low: msg < 2}}\n") ==
             "test.yaml:3:3: warning: nobody reads 'r.low'; it is dropped\n"
             "    3 |   r: {from: n, route: {low: msg < 2}}\n"
             "      |   ^\n"
             "test.yaml:3:3: warning: nobody reads 'r.else'; it is dropped\n"
             "    3 |   r: {from: n, route: {low: msg < 2}}\n"
             "      |   ^\n");
  BOOST_TEST(mistakes("  l: {from: n, lua: 'emit_to(\"more\", msg)'}\n  d: {from: l, drop: {}}\n") ==
             "test.yaml:3:3: warning: nobody reads 'l.more'; it is dropped\n"
             "    3 |   l: {from: n, lua: 'emit_to(\"more\", msg)'}\n"
             "      |   ^\n");
}

BOOST_AUTO_TEST_CASE(what_a_stage_does_without_a_reader_is_not_warned_of) {
  BOOST_TEST(mistakes("  w: {from: n, where: msg < 2}\n  d: {from: w, drop: {}}\n") == "");
  BOOST_TEST(mistakes("  e: {from: n, exec: {run: ['true']}}\n") == "");
}

BOOST_AUTO_TEST_CASE(what_fails_at_a_route_has_no_way_to_pass) {
  BOOST_TEST(mistakes("  r: {from: n, on_error: pass, route: {low: msg < 2}}\n"
                      "  t: {from: [r.low, r.else], stdout: {}}\n") ==
             "test.yaml:3:16: error: what fails can't pass: nothing leaves by the main output of 'route'\n"
             "    3 |   r: {from: n, on_error: pass, route: {low: msg < 2}}\n"
             "      |                ^~~~~~~~\n"
             "      = leave it out, and read 'r.failed' or `any.failed`\n");
}

BOOST_AUTO_TEST_CASE(reading_where_nothing_leaves_is_a_mistake) {
  BOOST_TEST(mistakes("  d: {from: n, drop: {}}\n  s: {from: d, stdout: {}}\n") ==
             "test.yaml:4:13: error: nothing leaves by the main output of 'd': it is a drop\n"
             "    4 |   s: {from: d, stdout: {}}\n"
             "      |             ^\n");
  BOOST_TEST(mistakes("  r: {from: n, route: {low: msg < 2}}\n"
                      "  s: {from: r, stdout: {}}\n"
                      "  t: {from: [r.low, r.else], stdout: {}}\n") ==
             "test.yaml:4:13: error: nothing leaves by the main output of 'r': it is a route\n"
             "    4 |   s: {from: r, stdout: {}}\n"
             "      |             ^\n"
             "      = read one of its ports, such as 'r.low'\n");
}
