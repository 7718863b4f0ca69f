// The dashboards' JSON against Grafana's own types, which npm has and TypeScript's compiler holds them against; without
// npm that is said and nothing claimed.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/dashboards/shipped.hpp"
#include "tests/support/weir.hpp"

namespace {

using weir::tests::Child;
using weir::tests::ChildEnd;
using weir::tests::contains;
using weir::tests::dashboards;
using weir::tests::files;
using weir::tests::joined;
using weir::tests::machine_can;
using weir::tests::replaced;
using weir::tests::root;
using weir::tests::TemporaryFolder;
using weir::tests::text_of;
using weir::tests::Words;

const std::string folder_of_types = root + "/build/grafana";

/// Whether the types could be brought, which may take npm a while.
bool has_types() {
  if (!machine_can("python3", "command -v python3 >/dev/null")) return false;
  const std::string bring = "'" + root + "/tests/dashboards/shape' '" + folder_of_types + "'";
  BOOST_TEST(std::system(bring.c_str()) == 0);
  return std::filesystem::exists(folder_of_types + "/fetched");
}

ChildEnd shape(const Words& paths) {
  return Child(joined({"python3", root + "/tests/dashboards/shape", folder_of_types}, paths)).end();
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_dashboard_has_the_shape_that_grafana_knows) {
  if (!has_types()) return;
  const auto end = shape(files("grafana", ".json"));
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out == "");
}

BOOST_AUTO_TEST_CASE(an_unknown_option_a_word_that_is_none_of_its_and_a_wrong_type_are_found) {
  if (!has_types()) return;
  auto text = text_of(dashboards + "grafana/engine.json");
  text = replaced(text, "\"lineWidth\": 1", "\"linewidth\": 1");
  text = replaced(text, "\"textMode\": \"auto\"", "\"textMode\": \"atuo\"");
  text = replaced(text, "\"x\": 0,", "\"x\": \"zero\",");
  text = replaced(text, "\"refresh\": \"10s\"", "\"refresch\": \"10s\"");
  const TemporaryFolder folder;
  const auto end = shape({folder.file("engine.json", text)});
  BOOST_TEST(end.code == 1, end.err);
  for (const std::string fault : {
           "engine.json: Processor: TS2353: Object literal may only specify known properties, and '\"linewidth\"' does",
           "engine.json: Running for: TS2322: Type '\"atuo\"' is not assignable to type ",
           "engine.json: Version: TS2322: Type 'string' is not assignable to type 'number'.",
           "engine.json: the dashboard: TS2353: Object literal may only specify known properties, and '\"refresch\"' "
           "does",
       }) {
    BOOST_TEST(contains(end.out, fault), fault << " is not told:\n" << end.out);
  }
}
