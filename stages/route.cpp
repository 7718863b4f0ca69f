// route: sends each message by the first port whose condition holds, otherwise by .else.
#include "engine/config/words.hpp"
#include "engine/script/condition.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct RouteConfig {
  config::Map<config::Lua> routes;
};

const auto spec =
    config::Spec<RouteConfig>("route",
                              "Sends each message by the first port whose condition holds, otherwise by .else.")
        .whole(&RouteConfig::routes, "Each port and its condition, in Lua; the first that holds wins.",
               config::not_empty(), config::not_named({config::taken_ports.begin(), config::taken_ports.end()}),
               config::sample("{large: msg.bytes > 1000, eu: msg.region == \"eu\"}"))
        .details(
            "Read a port with `from: NAME.PORT`. What leaves by a port that nobody reads is dropped and counted as "
            "unread, and `weir check` warns.")
        .example("route: {large: msg.bytes > 1000, eu: msg.region == \"eu\"}", "{bytes: 1500, region: eu}");

class Route : public stage::MessageOperator<Route> {
 public:
  using MessageOperator::process;

  Route(const RouteConfig& config, stage::Context& context) { context.compile(choice_, config.routes); }

  void process(stage::Message message, stage::Output& out) {
    auto first = choice_.first(message);
    if (!first) return out.fail(message, std::move(first.failure()));
    out.send(static_cast<stage::Port>(stage::first_own_port + *first), message);  // Behind the routes stands .else.
  }

 private:
  script::Choice choice_;
};

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::operator_of<Route>(config);
  for (const auto& [name, condition] : config->routes) configured.ports.push_back(name);
  configured.ports.emplace_back(config::else_word);
  configured.main_output = false;
  configured.ports_are_to_be_read = true;
  return configured;
});

}  // namespace
}  // namespace weir::stages
