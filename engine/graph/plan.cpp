#include "engine/graph/plan.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

#include "engine/config/advice.hpp"
#include "engine/config/words.hpp"
#include "engine/graph/stage_reader.hpp"

namespace weir::graph {
namespace {

using config::Diagnostics;
using config::Node;
using config::Place;

/// Who puts out what leaves the stage by this port: of a `do` its last step, but failures and ports of their own come
/// from any of them. None, and an error told, where there is no such port. `path`: of the `from` that names it.
std::vector<PortRef> port_of(const Plan& plan, std::size_t first, const std::string& port, const Place& place,
                             Diagnostics& diagnostics, const std::string& path) {
  const std::size_t last = plan.last_step(first);
  std::vector<PortRef> found;
  std::vector<std::string> known;
  for (std::size_t at = first; at <= last; ++at) {
    const auto& stage = plan.stages[at];
    if (!stage.kind) return {};  // Already told.
    if (port == config::main_word && at != last) continue;
    for (stage::Port number = 0; number < stage.visible_ports(); ++number) {
      if (stage.ports[number] == port) found.emplace_back(at, number);
      const bool listed = std::find(known.begin(), known.end(), stage.ports[number]) != known.end();
      if (number != stage::main_port && !listed) known.push_back(stage.ports[number]);
    }
  }
  const auto& stage = plan.stages[last];
  const bool doubtful = std::any_of(plan.stages.begin() + static_cast<std::ptrdiff_t>(first),
                                    plan.stages.begin() + static_cast<std::ptrdiff_t>(last) + 1,
                                    [](const PlannedStage& step) { return step.doubtful; });
  if (found.empty() && doubtful) return {};
  if (found.empty()) {
    std::string otherwise = "its ports: " + config::listed(known);
    for (std::size_t at = first; at <= last; ++at) {
      const auto& opens = plan.stages[at].configured.opens_ports;
      if (!opens.empty()) otherwise += "; " + opens;
    }
    diagnostics.error(place, "stage '" + stage.name + "' has no port '" + port + "'",
                      config::did_you_mean(port, known, otherwise), path);
  } else if (found.front().port == stage::main_port && !stage.configured.main_output && !doubtful) {
    const std::string own = stage.configured.ports.empty() ? std::string() : stage.configured.ports.front();
    diagnostics.error(place, "nothing leaves by the main output of '" + stage.name + "': it is a " + stage.kind->name(),
                      own.empty() ? "" : "read one of its ports, such as '" + stage.name + "." + own + "'", path);
    return {};
  }
  return found;
}

/// Resolves every `from`. Names inside an instance of a kind of one's own are its own; everybody else names what is
/// inside by INSTANCE/NAME, and reads the instance as if it were a stage.
class Wiring {
 public:
  Wiring(const Plan& plan, Diagnostics& diagnostics) : plan_(plan), diagnostics_(diagnostics) {}

  /// `plan`: the same, to be wired.
  void run(Plan& plan) {
    for (std::size_t stage = 0; stage < plan.stages.size(); ++stage) {
      auto& planned = plan.stages[stage];
      if (!planned.first_step()) {
        planned.inputs.emplace_back(stage - 1, stage::main_port);
        continue;
      }
      path_ = "stages." + planned.name + ".from";
      const auto& node = *plan_.pipeline.find(planned.name);
      const Node* from = node.body.find("from");
      if (from && node.scope.guesses(*from)) {
        planned.reads_unknown = true;
        continue;
      }
      for (std::size_t i = 0; i < planned.common.from.size(); ++i) {
        const Place place = from && from->is_list() && i < from->items.size() ? from->items[i].place
                            : from                                            ? from->place
                                                                              : planned.place;
        read(planned, planned.common.from[i], place, node.inside);
      }
      const bool takes_input = planned.kind && planned.configured.shape != stage::Shape::source;
      if (planned.common.from.empty() && takes_input && !node.inside.empty()) read_as_instance(planned, node.inside);
    }
    refuse_unread();
  }

  std::vector<PortRef> resolve(const std::string& text, const Place& place, const std::string& inside) {
    std::vector<PortRef> found;
    if (text == config::any_failed) {
      for (std::size_t source = 0; source < plan_.stages.size(); ++source) {
        const auto& other = plan_.stages[source];
        if (other.kind && other.opens_tokens()) {
          found.emplace_back(source, other.ports.size() - 1);
        }
      }
      return found;
    }
    const auto dot = text.find('.');
    const std::string name = full_name(inside, text.substr(0, dot));
    const std::string port(dot == std::string::npos ? config::main_word : std::string_view(text).substr(dot + 1));
    if (const auto* instance = instance_named(name)) return port_of_instance(*instance, port, place);
    if (const auto stage = plan_.find(name)) return port_of(plan_, *stage, port, place, diagnostics_, path_);
    const auto& refused = plan_.pipeline.refused;
    if (std::find(refused.begin(), refused.end(), name) != refused.end()) return found;
    std::vector<std::string> names;
    for (const auto& member : members(inside)) names.push_back(member.substr(inside.empty() ? 0 : inside.size() + 1));
    const auto near = config::nearest(text.substr(0, dot), names);
    if (inside.empty() && text.substr(0, dot) == config::any_word) {
      diagnostics_.error(place, "there is no '" + text + "'",
                         "`" + std::string(config::any_failed) + "` is what failed and nobody else listens to", path_);
      return found;
    }
    diagnostics_.error(
        place, "there is no stage '" + text.substr(0, dot) + "'" + (inside.empty() ? "" : " inside '" + inside + "'"),
        near.empty() ? "" : "did you mean '" + near + "'?", path_);
    return found;
  }

 private:
  const config::Instance* instance_named(std::string_view name) const {
    for (const auto& instance : plan_.pipeline.instances) {
      if (instance.name == name) return &instance;
    }
    return nullptr;
  }
  static std::string full_name(const std::string& inside, const std::string& name) {
    return inside.empty() ? name : inside + "/" + name;
  }
  /// What is directly inside an instance, by its full names.
  std::vector<std::string> members(const std::string& instance) const {
    std::vector<std::string> names;
    for (const auto& node : plan_.pipeline.stages) {
      if (node.inside == instance) names.push_back(node.name);
    }
    for (const auto& other : plan_.pipeline.instances) {
      if (other.inside == instance) names.push_back(other.name);
    }
    return names;
  }
  static std::vector<std::pair<std::string, Place>> texts(const Node& from) {
    std::vector<std::pair<std::string, Place>> all;
    if (from.is_scalar()) all.emplace_back(from.text, from.place);
    for (const auto& item : from.items) all.emplace_back(item.text, item.place);
    return all;
  }
  /// Whether somebody inside the instance reads this, such as "call" or "call.failed".
  bool read_inside(const std::string& instance, const std::string& what) const {
    for (const auto& name : members(instance)) {
      const auto* other = instance_named(name);
      const auto stage = plan_.find(name);
      if (other) {
        for (const auto& [text, place] : texts(other->from)) {
          if (text == what) return true;
        }
      } else if (stage) {
        const auto& from = plan_.stages[*stage].common.from;
        if (std::find(from.begin(), from.end(), what) != from.end()) return true;
      }
    }
    return false;
  }

  /// Whether nothing leaves the instance but what a sink has written: what others there put out is read inside.
  bool ends_in_sinks(const std::string& instance) const {
    const auto inside = members(instance);
    return std::all_of(inside.begin(), inside.end(), [&](const std::string& name) {
      if (read_inside(instance, name.substr(instance.size() + 1))) return true;
      const auto stage = plan_.find(name);
      if (!stage) return ends_in_sinks(name);
      const auto& configured = plan_.stages[plan_.last_step(*stage)].configured;
      return configured.shape == stage::Shape::sink || !configured.main_output;
    });
  }

  void read(PlannedStage& reader, const std::string& text, const Place& place, const std::string& inside) {
    const auto refs = resolve(text, place, inside);
    const auto is_unknown = [](const PlannedStage& planned) { return !planned.kind; };
    reader.reads_unknown |=
        text == config::any_failed ? std::any_of(plan_.stages.begin(), plan_.stages.end(), is_unknown) : refs.empty();
    for (const PortRef& ref : refs) {
      if (std::find(reader.inputs.begin(), reader.inputs.end(), ref) != reader.inputs.end()) {
        diagnostics_.error(place, "'" + text + "' is read twice here", "", path_);
        return;
      }
      reader.inputs.push_back(ref);
      reader.read_as.push_back(text);
    }
  }
  void read_as_instance(PlannedStage& reader, const std::string& name) {
    const auto* instance = instance_named(name);
    if (!instance) return;
    if (instance->reads_unknown) {
      reader.reads_unknown = true;
      return;
    }
    if (instance->from.is_null() && !instance->inside.empty()) return read_as_instance(reader, instance->inside);
    if (instance->from.is_null()) {
      diagnostics_.error(instance->place,
                         "stage '" + instance->name + "' reads nothing, and '" + reader.name.substr(name.size() + 1) +
                             "' inside of it would read what it reads",
                         "say `from: STAGE`", "stages." + instance->name);
      return;
    }
    if (std::find(fed_.begin(), fed_.end(), instance) == fed_.end()) fed_.push_back(instance);
    path_ = "stages." + name + ".from";
    for (const auto& [text, place] : texts(instance->from)) read(reader, text, place, instance->inside);
  }

  /// Whether it was told of nothing inside the instance that it is wrong.
  bool is_known(const std::string& instance) const {
    const auto inside = members(instance);
    const auto& refused = plan_.pipeline.refused;
    return !inside.empty() && std::none_of(refused.begin(), refused.end(), [&](const std::string& name) {
      return name.starts_with(instance + "/");
    }) && std::all_of(inside.begin(), inside.end(), [this](const std::string& name) {
      const auto stage = plan_.find(name);
      return stage ? plan_.stages[*stage].known() && !plan_.stages[*stage].doubtful : is_known(name);
    });
  }
  /// An instance has no `from` for nothing: what it reads would be lost without a word.
  void refuse_unread() {
    for (const auto& instance : plan_.pipeline.instances) {
      const bool read = std::find(fed_.begin(), fed_.end(), &instance) != fed_.end();
      if (instance.from.is_null() || read || !is_known(instance.name)) continue;
      diagnostics_.error(
          instance.from.place,
          "nothing inside '" + instance.name + "' reads what it reads: '" + instance.kind + "' takes no `from`",
          "leave it out; a stage of kinds." + instance.kind + " that takes input and has no `from` would read it",
          "stages." + instance.name + ".from");
    }
  }

  std::vector<PortRef> port_of_instance(const config::Instance& instance, const std::string& port, const Place& place) {
    const bool main = port == config::main_word;
    const auto inside = members(instance.name);
    if (inside.empty()) return {};  // What keeps it from being made is told.
    // A sink may stand beside what the instance is for; where nothing else is open, what it has written is the output.
    std::vector<std::string> givers, sinks;
    for (const auto& name : inside) {
      const std::string own = name.substr(instance.name.size() + 1);
      if (read_inside(instance.name, main ? own : own + "." + port)) continue;
      const auto stage = plan_.find(name);
      if (!stage) {
        (main && ends_in_sinks(name) ? sinks : givers).push_back(name);
        continue;
      }
      const std::size_t last = plan_.last_step(*stage);
      const auto& planned = plan_.stages[last];
      if (!planned.kind) return {};  // Already told.
      if (main && !planned.configured.main_output) continue;
      if (main && planned.configured.shape == stage::Shape::sink) {
        sinks.push_back(name);
        continue;
      }
      bool has = main;
      for (std::size_t step = *stage; step <= last && !has; ++step) {
        const auto& ports = plan_.stages[step].ports;
        has = std::find(ports.begin(), ports.end(), port) != ports.end();
      }
      if (has) givers.push_back(name);
    }
    if (givers.empty()) givers = std::move(sinks);
    if (main && givers.size() > 1) {
      diagnostics_.error(place, "'" + instance.name + "' has more than one output",
                         "read one of '" + config::listed(givers, "', '") + "'", path_);
      return {};
    }
    if (givers.empty()) {
      diagnostics_.error(place,
                         main ? "nothing leaves by the main output of '" + instance.name + "'"
                              : "'" + instance.name + "' has no port '" + port + "'",
                         "what is inside of it can be read as '" + instance.name + "/STAGE'", path_);
      return {};
    }
    std::vector<PortRef> found;
    for (const auto& name : givers) {
      const auto* inner = instance_named(name);
      const auto refs = inner ? port_of_instance(*inner, port, place)
                              : port_of(plan_, *plan_.find(name), port, place, diagnostics_, path_);
      found.insert(found.end(), refs.begin(), refs.end());
    }
    return found;
  }

  const Plan& plan_;
  Diagnostics& diagnostics_;
  std::string path_;                          // Of the `from` that is looked at; empty where nobody's is.
  std::vector<const config::Instance*> fed_;  // Those of which something inside reads what they read.
};

/// Stages that something of what leaves by one of these ports may come to.
std::vector<bool> behind(const Plan& plan, const std::function<bool(PortRef)>& leaves) {
  std::vector<std::vector<std::size_t>> readers(plan.stages.size());
  std::vector<bool> reached(plan.stages.size(), false);
  std::vector<std::size_t> left;
  const auto reach = [&](std::size_t stage) {
    if (!reached[stage]) left.push_back(stage);
    reached[stage] = true;
  };
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    for (const auto& input : plan.stages[i].inputs) {
      readers[input.stage].push_back(i);
      if (leaves(input)) reach(i);
    }
  }
  while (!left.empty()) {
    const std::size_t at = left.back();
    left.pop_back();
    for (const std::size_t reader : readers[at]) reach(reader);
  }
  return reached;
}

/// What an aggregate makes belongs to no message of a source, so that no source hears how it ends: where it may come
/// to, each stage hands what fails of it to `any.failed` itself. (Not what comes from there: that is lost, as it is of
/// a source.)
void let_others_hand_over(Plan& plan) {
  std::vector<std::size_t> hear;
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const auto& as = plan.stages[i].read_as;
    if (std::find(as.begin(), as.end(), config::any_failed) != as.end()) hear.push_back(i);
  }
  if (hear.empty()) return;
  const auto makes = [&plan](PortRef from) {
    const auto& configured = plan.stages[from.stage].configured;
    return from.port == stage::main_port && configured.collects && configured.gathers.empty();
  };
  const auto unknown = behind(plan, makes);
  std::vector<std::vector<bool>> after;
  for (const std::size_t reader : hear) {
    after.push_back(behind(plan, [reader](PortRef from) { return from.stage == reader; }));
  }
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    auto& planned = plan.stages[i];
    if (!unknown[i] || !planned.kind) continue;
    for (std::size_t at = 0; at < hear.size(); ++at) {
      if (i == hear[at] || after[at][i]) continue;
      if (!planned.is_any(planned.ports.size() - 1)) planned.ports.emplace_back(config::any_word);
      const PortRef any(i, planned.ports.size() - 1);
      auto& reader = plan.stages[hear[at]];
      if (std::find(reader.inputs.begin(), reader.inputs.end(), any) != reader.inputs.end()) continue;
      reader.inputs.push_back(any);
      reader.read_as.emplace_back(config::any_failed);
    }
  }
}

/// Refuses a cycle, naming the way round.
void refuse_cycles(const Plan& plan, Diagnostics& diagnostics) {
  enum class Seen { no, on_path, done };
  std::vector<Seen> seen(plan.stages.size(), Seen::no);
  std::vector<std::size_t> path;
  // Depth first along the inputs, with a stack of its own: a file may have thousands of stages in a row.
  struct Step {
    std::size_t stage, next;
  };
  for (std::size_t start = 0; start < plan.stages.size(); ++start) {
    if (seen[start] != Seen::no) continue;
    std::vector<Step> steps{{start, 0}};
    seen[start] = Seen::on_path;
    while (!steps.empty()) {
      auto& step = steps.back();
      const auto& inputs = plan.stages[step.stage].inputs;
      if (step.next == inputs.size()) {
        seen[step.stage] = Seen::done;
        steps.pop_back();
        continue;
      }
      const std::size_t before = inputs[step.next++].stage;
      if (seen[before] == Seen::on_path) {
        std::string way = plan.stages[before].name;
        // The path runs against the flow, so its deepest step comes first on the way round.
        std::size_t first = 0;
        while (steps[first].stage != before) ++first;
        for (std::size_t i = steps.size(); i-- > first + 1;) way += " → " + plan.stages[steps[i].stage].name;
        way += " → " + plan.stages[before].name;
        diagnostics.error(plan.stages[before].place, "the stages feed each other in a circle: " + way,
                          "a loop must pass through a queue, which comes with a later version of weir");
        seen[before] = Seen::done;  // Told once.
        continue;
      }
      if (seen[before] == Seen::no) {
        seen[before] = Seen::on_path;
        steps.push_back({before, 0});
      }
    }
  }
}

/// A file that is made anew is one stage's as long as it runs; the second would not start.
void refuse_two_that_make_one_file(const Plan& plan, Diagnostics& diagnostics) {
  std::map<std::string, std::string> made;  // By whom.
  for (const auto& planned : plan.stages) {
    const auto& to = planned.configured.goes_to;
    if (!to || !to->constant() || !planned.configured.writes_in_bulk || !planned.configured.adds_to.empty()) continue;
    const std::string path = std::filesystem::path(to->text()).lexically_normal().string();
    const auto [other, first] = made.try_emplace(path, planned.name);
    if (first || path.starts_with("/dev/")) continue;
    diagnostics.error(planned.place, "'" + other->second + "' makes the file " + to->text() + " already",
                      "let one stage write it, `from` all whose messages belong there, or use `append`",
                      "stages." + planned.name);
  }
}

/// What one of two reads of the standard input, the other misses.
void refuse_two_that_read_input(const Plan& plan, Diagnostics& diagnostics) {
  const PlannedStage* first = nullptr;
  for (const auto& planned : plan.stages) {
    if (!planned.configured.reads_input) continue;
    if (first) {
      diagnostics.error(planned.place, "'" + first->name + "' reads the standard input already",
                        "there is only one: let all who want it read `from: " + first->name + "`",
                        "stages." + planned.name);
    } else {
      first = &planned;
    }
  }
}

/// Whether anything upstream of the stage listens: then somebody may have asked. Yes, where that can't be known.
bool somebody_asks(const Plan& plan, std::size_t stage) {
  return plan.any_up_to(stage,
                        [](const PlannedStage& planned) { return !planned.known() || planned.configured.listens; });
}

/// Whether what leaves by the port is new, so that whoever asked for what it was made of is not known to it. (A
/// `gather` gives on who asked for the first of a list: they are of one message.)
bool loses_asker(const PlannedStage& planned, stage::Port port) {
  const auto& configured = planned.configured;
  if (configured.collects) return port == stage::main_port && configured.gathers.empty();
  return configured.creates && port != stage::failed_port;
}

/// The stage nearest to this one that loses who asked, where all ways to it from those that listen lead through such.
std::optional<std::size_t> all_askers_lost_at(const Plan& plan, std::size_t stage) {
  std::vector<bool> seen(plan.stages.size(), false);
  std::vector<std::size_t> left{stage};
  std::optional<std::size_t> lost;
  for (std::size_t at = 0; at < left.size(); ++at) {
    const auto& planned = plan.stages[left[at]];
    if (!planned.known() || planned.configured.listens) return std::nullopt;
    for (const auto& input : planned.inputs) {
      if (loses_asker(plan.stages[input.stage], input.port)) {
        if (!lost && somebody_asks(plan, input.stage)) lost = input.stage;
      } else if (!seen[input.stage]) {
        seen[input.stage] = true;
        left.push_back(input.stage);
      }
    }
  }
  return lost;
}

void refuse_replies_to_nobody(const Plan& plan, Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const auto& planned = plan.stages[i];
    if (!planned.kind || !planned.configured.replies || (planned.inputs.empty() && !planned.reads_unknown)) continue;
    const std::string path = "stages." + planned.name;
    if (!somebody_asks(plan, i)) {
      diagnostics.error(planned.place, "nobody waits for the answer of '" + planned.name + "'",
                        "a stage that listens, such as http_server, must lead to it", path);
    } else if (const auto lost = all_askers_lost_at(plan, i)) {
      const auto& between = plan.stages[*lost];
      diagnostics.error(
          planned.place,
          "'" + planned.name + "' is reached only through '" + between.name + "', which " +
              (between.configured.collects ? "makes one message of many" : "puts out messages of its own") +
              ": who asked is not known behind it",
          "reply to what '" + between.name + "' reads", path);
    }
  }
}

/// Two stages that would both have a request.
void refuse_two_that_serve_the_same(const Plan& plan, Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const auto& serves = plan.stages[i].configured.serves;
    for (std::size_t before = 0; serves && before < i; ++before) {
      const auto& other = plan.stages[before].configured.serves;
      if (other && other->address == serves->address && other->terms != serves->terms) {
        diagnostics.error(plan.stages[i].place,
                          "'" + plan.stages[before].name + "' listens on " + other->address + " with another `tls`",
                          "what shares an address shares its certificates", "stages." + plan.stages[i].name);
      }
      if (!other || !serves->meets(*other)) continue;
      diagnostics.error(plan.stages[i].place,
                        "'" + plan.stages[before].name + "' serves " + other->path + " on " + other->address +
                            " already, and some method of '" + plan.stages[i].name + "'",
                        "give them different paths or `methods`", "stages." + plan.stages[i].name);
    }
  }
}

/// Whether messages may fail because an edge before it is full.
bool edge_may_fail(const stage::Common& common) {
  if (!common.edge) return false;
  const auto fails = [](const stage::EdgeLimits& limits) { return limits.when_full == stage::WhenFull::fail; };
  const auto& by_input = common.edge->inputs;
  return fails(*common.edge) ||
         std::any_of(by_input.begin(), by_input.end(), [&](const auto& one) { return fails(one.second); });
}

/// Why a stage may take nothing for long; empty where it may not.
std::string waits_long(const stage::Common& common) {
  constexpr runtime::Duration long_wait = std::chrono::seconds(10);
  const auto& limit = common.limit;
  if (limit && limit->rate && limit->over.value_or(stage::Over::wait) == stage::Over::wait) {
    const auto rule = limit->rule();
    if (std::chrono::duration<double>(rule.period) / rule.tokens >= long_wait) return "its limit";
  }
  const auto& breaker = common.breaker;
  if (breaker && breaker->when_open == stage::WhenOpen::hold && breaker->recover_after >= long_wait) {
    return "its breaker, while it is open";
  }
  return {};
}

/// Of those who read the same, one that makes the others wait.
void warn_of_siblings(const Plan& plan, stage::Port port, std::size_t from, Diagnostics& diagnostics) {
  const auto& readers = plan.readers({from, port});
  for (const std::size_t slow : readers) {
    const auto& planned = plan.stages[slow];
    const std::string why = waits_long(planned.common);
    const auto at =
        std::find(planned.inputs.begin(), planned.inputs.end(), PortRef(from, port)) - planned.inputs.begin();
    // (A step of a `do` has its input without a name, and no edge.)
    const auto input = static_cast<std::size_t>(at) < planned.read_as.size()
                           ? planned.read_as[static_cast<std::size_t>(at)]
                           : std::string();
    const auto when_full = planned.common.edge_from(input).when_full;
    const bool blocks = when_full.value_or(stage::WhenFull::block) == stage::WhenFull::block;
    if (why.empty() || !blocks) continue;
    const auto other = std::find_if(readers.begin(), readers.end(), [&](std::size_t reader) {
      return reader != slow && waits_long(plan.stages[reader].common).empty();
    });
    if (other == readers.end()) continue;
    diagnostics.warning(plan.stages[slow].place,
                        "'" + plan.stages[slow].name + "' may wait long (" + why + "), and '" +
                            plan.stages[*other].name +
                            "', which reads the same, waits with it once the edge before it is full",
                        "`edge: {when_full: drop_newest}` on it loses what it can't take instead");
  }
}

/// Fields that are set of what has none.
void warn_of_merge(const Plan& plan, const PlannedStage& planned, Diagnostics& diagnostics) {
  if (!planned.common.merge || planned.common.merge->empty()) return;
  for (const auto& input : planned.inputs) {
    const auto& source = plan.stages[input.stage];
    const auto makes = source.configured.makes;
    if (makes == stage::Makes::anything || input.port != stage::main_port) continue;
    const bool lines = makes == stage::Makes::lines;
    diagnostics.warning(planned.place,
                        "'" + planned.name + "' sets fields of its messages (`merge`), and those of '" + source.name +
                            "' are " + (lines ? "lines" : "no objects"),
                        lines ? "if they are JSON say so there, `format: ndjson`; if not, a stage between, `decode: "
                                "{format: text, into: line}`, makes objects of them"
                              : "make them some there: `msg: {n: '{{ i }}'}`");
  }
}

/// What failed is written as JSON: what failed because it was none is lost then.
void warn_of_dead_letters(const Plan& plan, const PlannedStage& planned, Diagnostics& diagnostics) {
  const auto& format = planned.configured.writes_json_as;
  const bool takes_failures = std::any_of(planned.inputs.begin(), planned.inputs.end(), [&](const PortRef& input) {
    return input.port == stage::failed_port || plan.stages[input.stage].is_any(input.port);
  });
  if (format.empty() || !takes_failures) return;
  diagnostics.warning(
      planned.place,
      "'" + planned.name + "' takes what failed, also what is no JSON, which fails once more as " + format,
      "`format: envelope` keeps each whole, with why it failed, for `weir replay`");
}

void warn(const Plan& plan, Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    for (stage::Port port = 0; port < plan.stages[i].visible_ports(); ++port) {
      warn_of_siblings(plan, port, i, diagnostics);
    }
    const auto& planned = plan.stages[i];
    const auto& configured = planned.configured;
    if (configured.shape != stage::Shape::source && planned.inputs.empty()) {
      diagnostics.warning(planned.place,
                          "nothing reaches '" + planned.name + "': there is no source here that could fail");
    }
    const bool ends = configured.shape == stage::Shape::sink || configured.shape == stage::Shape::call ||
                      (configured.shape == stage::Shape::duplex && !configured.creates);
    if (!ends && configured.main_output && planned.last_step() && plan.readers({i, stage::main_port}).empty()) {
      diagnostics.warning(planned.place, "nobody reads what '" + planned.name + "' puts out; it is dropped",
                          "give it a reader, such as `stdout: {}` with `from: " + planned.name + "`");
    }
    const auto is_read_before = [&](const std::string& path) {
      return plan.any_up_to(
          i, [&path](const PlannedStage& other) { return other.configured.reads && other.configured.reads(path); });
    };
    if (!configured.adds_to.empty() && is_read_before(configured.adds_to)) {
      diagnostics.warning(planned.place,
                          "'" + planned.name + "' adds to " + configured.adds_to +
                              ", which is read before it: each message comes again and again",
                          "write to a file that is not read");
    }
    if (configured.makes_anew && configured.goes_to->constant() && is_read_before(configured.goes_to->text())) {
      diagnostics.warning(planned.place,
                          "'" + planned.name + "' makes " + configured.goes_to->text() +
                              " anew, which is read before it: what fails or is dropped on the way is lost",
                          "write to another file");
    }
    warn_of_merge(plan, planned, diagnostics);
    warn_of_dead_letters(plan, planned, diagnostics);
    if (configured.forwards && !planned.inputs.empty() && !somebody_asks(plan, i)) {
      diagnostics.warning(
          planned.place,
          "each message fails in '" + planned.name + "': nobody has asked, so there is nothing to forward",
          "a stage that listens, such as http_server, must lead to it");
    }
    // (Who asked for a message is told at once that there is no room.)
    const auto asks_nobody = [](const PlannedStage& other) {
      return other.configured.shape == stage::Shape::source && !other.configured.listens;
    };
    if (edge_may_fail(planned.common) && !plan.readers({i, stage::failed_port}).empty() &&
        plan.any_up_to(i, asks_nobody)) {
      diagnostics.warning(planned.place,
                          "'" + planned.name + ".failed' does not have what finds the edge before '" + planned.name +
                              "' full: that fails for its source",
                          "read `any.failed`, or `.failed` of the source, for it");
    }
    if (!configured.ports_are_to_be_read) continue;
    for (std::size_t own = 0; own < configured.ports.size(); ++own) {
      if (!plan.readers({i, stage::first_own_port + own}).empty()) continue;
      diagnostics.warning(planned.place,
                          "nobody reads '" + planned.name + "." + configured.ports[own] + "'; it is dropped");
    }
  }
}

/// That the messages of `of` come to `gather`, and none of them as part of something else.
void check_way(const Plan& plan, std::size_t of, std::size_t gather, Diagnostics& diagnostics,
               const std::string& path) {
  const auto& planned = plan.stages[gather];
  const auto leads_to = [&plan](std::size_t from, std::size_t to) {
    return plan.any_up_to(to,
                          [&](const PlannedStage& stage) { return &stage == &plan.stages[from] || !stage.known(); });
  };
  if (!leads_to(of, gather)) {
    return diagnostics.error(
        planned.place, "nothing that '" + plan.stages[of].name + "' makes comes to '" + planned.name + "'", "", path);
  }
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const auto& between = plan.stages[i];
    // (Another `gather` gives on what a message of the outer list became.)
    if (i == of || !between.configured.collects || between.gathers || !between.configured.gathers.empty()) continue;
    if (!leads_to(of, i) || !leads_to(i, gather)) continue;
    return diagnostics.error(planned.place,
                             "'" + between.name + "' makes one message of many, which is part of no list that '" +
                                 planned.name + "' gathers",
                             "gather before it", path);
  }
}

/// Whether it is one kind of one's own that is looked at alone: of what stands outside of it nothing is known.
bool is_kind_alone(const Plan& plan) {
  const auto& instances = plan.pipeline.instances;
  return std::any_of(instances.begin(), instances.end(), [](const auto& one) { return one.reads_unknown; });
}

/// Resolves `gather: {of: STAGE}`. Inside an instance of a kind of one's own a name is first one of its own.
void find_gathered(Plan& plan, Diagnostics& diagnostics) {
  const bool alone = is_kind_alone(plan);
  for (auto& planned : plan.stages) {
    const std::string& of = planned.configured.gathers;
    const auto* node = plan.pipeline.find(planned.name);
    if (of.empty() || (node && node->scope.guesses(node->body))) continue;
    const auto slash = planned.name.rfind('/');
    auto found = slash == std::string::npos ? std::nullopt : plan.find(planned.name.substr(0, slash + 1) + of);
    if (!found) found = plan.find(of);
    const std::string path = "stages." + planned.name + ".gather.of";
    if (!found && alone) continue;
    if (!found) {
      std::vector<std::string> names;
      for (const auto& other : plan.stages) {
        if (other.configured.opens_groups) names.push_back(other.name);
      }
      diagnostics.error(planned.place, "there is no stage '" + of + "' for '" + planned.name + "' to gather",
                        config::did_you_mean(of, names, "name an `expand`, or a `generate` with `each`"), path);
      continue;
    }
    std::size_t stage = *found;
    while (stage < plan.last_step(*found) && !plan.stages[stage].configured.opens_groups) ++stage;
    const auto& configured = plan.stages[stage].configured;
    if (!plan.stages[stage].kind) continue;  // What it is was refused.
    if (!configured.opens_groups) {
      diagnostics.error(planned.place, "'" + of + "' makes no lists that '" + planned.name + "' could gather",
                        "name an `expand`, or a `generate` with `each`", path);
    } else if (configured.group_most > static_cast<std::size_t>(unacked_most)) {
      diagnostics.error(planned.place,
                        "'" + planned.name + "' would wait for " + std::to_string(configured.group_most) +
                            " messages, but a source has at most " + std::to_string(unacked_most) + " unanswered",
                        "let one message hold the list, and `expand` make many of it", path);
    } else {
      planned.gathers = stage;
      check_way(plan, stage, static_cast<std::size_t>(&planned - plan.stages.data()), diagnostics, path);
    }
  }
}

/// Whether it, or a step of the `do` that it begins, holds messages back.
bool collects(const Plan& plan, std::size_t first) {
  const auto begin = plan.stages.begin() + static_cast<std::ptrdiff_t>(first);
  const auto end = plan.stages.begin() + static_cast<std::ptrdiff_t>(plan.last_step(first)) + 1;
  return std::any_of(begin, end, [](const PlannedStage& planned) { return planned.configured.collects; });
}

/// Sorts the stages into units: an operator joins the one it reads where nothing has to wait between them.
void fuse(Plan& plan, Diagnostics& diagnostics) {
  const std::size_t count = plan.stages.size();
  std::vector<std::size_t> unit_of(count, count);
  // In flow order, so that what a stage reads has its unit already.
  std::vector<std::size_t> order;
  std::vector<std::size_t> missing(count);
  std::vector<std::vector<std::size_t>> readers(count);
  for (std::size_t i = 0; i < count; ++i) {
    missing[i] = plan.stages[i].inputs.size();
    for (const auto& input : plan.stages[i].inputs) readers[input.stage].push_back(i);
    if (missing[i] == 0) order.push_back(i);
  }
  for (std::size_t at = 0; at < order.size(); ++at) {
    for (const std::size_t reader : readers[order[at]]) {
      if (--missing[reader] == 0) order.push_back(reader);
    }
  }
  const auto replicated = [&](std::size_t i) {
    return plan.stages[i].configured.shape == stage::Shape::operation && plan.stages[i].common.workers > 1;
  };
  for (const std::size_t i : order) {
    auto& planned = plan.stages[i];
    const auto& common = planned.common;
    // The steps of a `do` stay together: whoever needs a clock among them, the first has a unit then.
    const bool may_fuse =
        !planned.first_step() ||
        (planned.configured.shape == stage::Shape::operation && !collects(plan, i) && planned.inputs.size() == 1 &&
         !common.edge && common.workers == 1 && plan.readers(planned.inputs.front()).size() == 1 &&
         !replicated(planned.inputs.front().stage));
    if (may_fuse) {
      planned.fused = true;
      unit_of[i] = unit_of[planned.inputs.front().stage];
      plan.units[unit_of[i]].stages.push_back(i);
      continue;
    }
    unit_of[i] = plan.units.size();
    PlannedUnit unit;
    unit.stages.push_back(i);
    if (replicated(i)) {
      // Workers that keep the order of all do so because one sender deals to them and their reader takes from them in
      // the same turn. Two that deal, each in its own turn, come to wait for each other round the workers: the storm
      // found it.
      const std::size_t from = planned.inputs.front().stage;
      const bool one_deals =
          planned.inputs.size() == 1 && (!replicated(from) || plan.stages[from].common.order == stage::Order::kept);
      if (one_deals || !(common.order == stage::Order::kept)) {
        unit.replicas = static_cast<int>(common.workers);
      } else {
        diagnostics.warning(
            planned.place,
            "'" + planned.name + "' reads " +
                (planned.inputs.size() > 1 ? "several stages" : "workers that do not keep the order") +
                " in order, so one of its workers does all the work",
            planned.inputs.size() > 1
                ? "write `order: free` or `order: {key: …}`, or put a `pass: {}` that reads them all before it"
                : "write `order: free` or `order: {key: …}` here as well");
      }
    }
    plan.units.push_back(std::move(unit));
  }
}

}  // namespace

std::vector<std::size_t> Plan::readers(PortRef from) const {
  std::vector<std::size_t> readers;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (std::find(stages[i].inputs.begin(), stages[i].inputs.end(), from) != stages[i].inputs.end()) {
      readers.push_back(i);
    }
  }
  return readers;
}

bool Plan::any_up_to(std::size_t stage, const std::function<bool(const PlannedStage&)>& holds) const {
  std::vector<bool> seen(stages.size(), false);
  std::vector<std::size_t> left{stage};
  while (!left.empty()) {
    const std::size_t at = left.back();
    left.pop_back();
    if (seen[at]) continue;
    seen[at] = true;
    if (holds(stages[at])) return true;
    for (const auto& input : stages[at].inputs) left.push_back(input.stage);
  }
  return false;
}

std::size_t Plan::count() const {
  return static_cast<std::size_t>(
      std::count_if(stages.begin(), stages.end(), [](const PlannedStage& planned) { return planned.first_step(); }));
}

std::optional<std::size_t> Plan::find(std::string_view stage) const {
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (stages[i].name == stage) return i;
  }
  return std::nullopt;
}

std::vector<PortRef> outputs(const Plan& plan, const std::string& from, const Place& place, Diagnostics& diagnostics) {
  return Wiring(plan, diagnostics).resolve(from, place, "");
}

std::optional<Plan> compile(config::Pipeline pipeline, const stage::Catalog& catalog, Diagnostics& diagnostics) {
  if (pipeline.library) {
    Place whole;
    whole.source = pipeline.source;
    whole.length = 0;
    diagnostics.error(whole, "the file has no stages", "it is for others to include: `weir check` looks at it",
                      "stages");
    return std::nullopt;
  }
  Plan plan;
  plan.pipeline = std::move(pipeline);
  StageReader reader(catalog, plan.pipeline, diagnostics);
  for (const auto& node : plan.pipeline.stages) reader.read(node, plan.stages);
  for (const auto& [name, place] : plan.pipeline.own_kinds) {
    if (!catalog.find(name)) continue;
    diagnostics.warning(place, "this '" + name + "' takes the place of weir's own",
                        "give it another name if both are wanted");
  }
  Wiring(plan, diagnostics).run(plan);
  let_others_hand_over(plan);
  find_gathered(plan, diagnostics);
  refuse_cycles(plan, diagnostics);
  refuse_two_that_make_one_file(plan, diagnostics);
  refuse_two_that_read_input(plan, diagnostics);
  refuse_replies_to_nobody(plan, diagnostics);
  refuse_two_that_serve_the_same(plan, diagnostics);
  if (diagnostics.has_errors()) return std::nullopt;
  if (is_kind_alone(plan)) return plan;  // Nobody runs it, and without its inputs nothing is in a unit.
  warn(plan, diagnostics);
  fuse(plan, diagnostics);
  return plan;
}

}  // namespace weir::graph
