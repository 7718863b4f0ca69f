// A pipeline drawn from a seed, as text to run and as what is known of it: what each stage does to which message.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/runtime/random.hpp"

namespace weir::tests {

/// Messages carry {"s": their source, "n": their number, "p": a letter for each `set` they came through}. What a stage
/// does to one depends on n alone, so that it can be worked out beforehand.
struct Drawn {
  enum class Kind {
    generate,
    generator,
    file_read,
    pipe,
    pass,
    where,
    set,
    lua,
    route,
    batch,
    call,
    drop,
    print,
    file
  };
  enum class Fate { passes, fails, fails_for_good, fails_at_first };  ///< fails: as what may pass fails, every time.
  struct Input {
    Input(std::size_t of, std::string name) : stage(of), port(std::move(name)) {}
    std::size_t stage;
    std::string port;
  };
  struct Stage {
    Stage(std::size_t number, Kind of) : name("s" + std::to_string(number)), kind(of) {}
    std::string name;
    Kind kind;
    std::vector<Input> inputs;
    bool any_failed = false;  ///< Reads any.failed.
    std::string edge, when_full = "block", on_error = "fail", order = "kept";
    int workers = 1;
    int most = 0;  ///< Messages of a source; 0: without end.
    int modulus = 2, rest = 0, at_first = 1;
    bool fails = false, flaky = false, slow = false, merge = true, emits = false, drops = false, bad_lines = false;
    bool joined = false;   ///< Its messages are many in one.
    bool listens = false;  ///< Reads failures of a source, itself or by others.
    bool ends = false;     ///< Nothing reads it.
    std::string text;      ///< Its kind, in YAML.

    bool is_source() const { return kind <= Kind::pipe; }
    bool is_sink() const { return kind >= Kind::drop; }
    bool hits(int n) const { return n % modulus == rest; }
    bool bad(int n) const { return bad_lines && n % 17 == 3; }
    bool kept() const { return workers == 1 || order != "free"; }
    bool by_key() const { return workers > 1 && order.starts_with("{key"); }
    Fate fate(int n) const {
      if (!hits(n) || (joined && kind == Kind::call)) return Fate::passes;
      if (kind == Kind::lua && fails) return Fate::fails_for_good;
      if (kind == Kind::call && (fails || slow)) return Fate::fails;
      if (kind == Kind::call && flaky) return Fate::fails_at_first;
      return Fate::passes;
    }
  };

  explicit Drawn(std::uint64_t seed) : random_(seed * 2 + 1) {
    draw_sources();
    const int middle = up_to(7);
    for (int i = 0; i < middle; ++i) draw_middle();
    draw_sinks();
    write();
  }

  std::vector<Stage> stages;
  std::string yaml;
  int cores = 1;
  std::uint64_t unacked_most = 10'000, memory_bytes = 0;
  bool endless = false;
  bool stdout_breaks = false;
  int keys = 1;  ///< What has the same n % keys has the same key, at each stage whose workers go by one.

  std::vector<std::size_t> readers(std::size_t stage, const std::string& port) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < stages.size(); ++i) {
      for (const auto& input : stages[i].inputs) {
        if (input.stage == stage && input.port == port) found.push_back(i);
      }
      if (stages[i].any_failed && port == "any" && stages[stage].is_source()) found.push_back(i);
    }
    return found;
  }
  std::vector<std::string> ports(std::size_t stage) const {
    const Stage& of = stages[stage];
    std::vector<std::string> ports{"main", "failed"};
    if (of.kind == Kind::where) ports.push_back("else");
    if (of.kind == Kind::route) ports.insert(ports.end(), {"a", "b", "else"});
    if (of.kind == Kind::lua && of.emits) ports.push_back("side");
    return ports;
  }
  static char label(std::size_t stage) { return static_cast<char>('a' + stage % 26); }

 private:
  int up_to(int most) { return static_cast<int>(random_.below(static_cast<std::uint64_t>(most) + 1)); }
  int between(int least, int most) { return least + up_to(most - least); }
  bool in_percent(int percent) { return up_to(99) < percent; }
  template <class T>
  const T& one_of(const std::vector<T>& list) {
    return list[random_.below(list.size())];
  }

  Stage& add(Kind kind) {
    Stage& made = stages.emplace_back(stages.size(), kind);
    made.modulus = between(2, 6);
    made.rest = up_to(made.modulus - 1);
    return made;
  }

  void draw_sources() {
    cores = between(1, 3);
    keys = between(1, 9);
    if (in_percent(25)) unacked_most = static_cast<std::uint64_t>(between(1, 100));
    const int count = in_percent(60) ? 1 : between(2, 3);
    for (int i = 0; i < count; ++i) {
      Stage& made = add(one_of<Kind>({Kind::generate, Kind::generate, Kind::generator, Kind::file_read, Kind::pipe}));
      made.most = in_percent(20) ? between(0, 3) : between(4, 300);
      if (made.kind == Kind::pipe && in_percent(40)) made.most = 0;
      if (made.kind == Kind::file_read) made.bad_lines = in_percent(40);
      const std::string pad = in_percent(50) ? "" : std::string(static_cast<std::size_t>(up_to(700)), 'x');
      const std::string name = std::to_string(stages.size() - 1), most = std::to_string(made.most);
      switch (made.kind) {
        case Kind::generate: {
          const std::string every = in_percent(40) ? "every: " + std::to_string(between(50, 3000)) + "us, " : "";
          if (!every.empty() && in_percent(50)) made.most = 0;
          made.text = "generate: {" + every + (made.most ? "range: 1.." + most + ", " : "") + "msg: {s: " + name +
                      ", n: '{{ i }}', p: '', pad: '" + pad + "'}}";
          if (made.most == 0 && every.empty()) {
            made.most = 1;
            made.text = "generate: {range: 1..1, msg: {s: " + name + ", n: '{{ i }}', p: ''}}";
          }
          break;
        }
        case Kind::generator:
          made.text = "generate:\n      lua: |\n        for n = 1, " + most + " do\n          if n % " +
                      std::to_string(between(2, 40)) + " == 0 then sleep(0.0" + std::to_string(between(1, 9)) +
                      ") end\n          yield({s = " + name + ", n = n, p = '', pad = '" + pad + "'})\n        end";
          break;
        case Kind::file_read:
          made.text = "file: {read: in" + name + ".ndjson}";
          break;
        default:
          made.text = "exec: {pipe: [talk, '" + name + "']" + (made.most ? "" : ", restart: 1ms..20ms") + "}";
      }
      endless = endless || made.most == 0;
    }
  }

  /// A port to read, of a stage that is there already.
  Input draw_input(bool plain, bool failures) {
    while (true) {
      const std::size_t stage = random_.below(stages.size());
      const Stage& from = stages[stage];
      if (from.is_sink() || from.listens || (plain && from.joined)) continue;
      const auto names = ports(stage);
      std::string port = in_percent(75) ? "main" : one_of(names);
      if (from.kind == Kind::route && port == "main") port = "a";
      if (port == "failed" && (from.is_source() || !failures)) continue;
      return {stage, port};
    }
  }
  void draw_inputs(Stage& made, int most, bool plain) {
    const int count = in_percent(60) ? 1 : between(1, most);
    for (int i = 0; i < count; ++i) {
      Input input = draw_input(plain, true);
      const auto same = [&](const Input& other) { return other.stage == input.stage && other.port == input.port; };
      if (std::none_of(made.inputs.begin(), made.inputs.end(), same)) made.inputs.push_back(std::move(input));
    }
    for (const auto& input : made.inputs) made.joined = made.joined || stages[input.stage].joined;
  }
  void draw_common(Stage& made) {
    if (in_percent(45)) {
      made.edge = "capacity: " + std::to_string(one_of<int>({1, 2, 3, 5, 16, 64, 200}));
      if (in_percent(30)) made.edge += ", bytes: " + one_of<std::string>({"1B", "100B", "2KiB", "64KiB"});
      if (in_percent(20)) made.when_full = one_of<std::string>({"fail", "drop_newest", "drop_oldest"});
      if (made.when_full.starts_with("fail") || made.when_full == "drop_newest") {
        if (in_percent(30)) made.edge += ", after: " + one_of<std::string>({"1us", "3ms", "1s"});
      }
    }
  }

  void draw_middle() {
    const Kind kind = one_of<Kind>({Kind::pass, Kind::where, Kind::where, Kind::set, Kind::set, Kind::lua, Kind::lua,
                                    Kind::route, Kind::batch, Kind::call, Kind::call, Kind::call});
    Stage made(stages.size(), kind);
    made.modulus = between(2, 6);
    made.rest = up_to(made.modulus - 1);
    draw_inputs(made, 3, kind != Kind::pass && kind != Kind::call);
    if (kind == Kind::batch) made.joined = true;
    draw_common(made);
    if (kind != Kind::batch && in_percent(35)) {
      made.workers = between(2, 4);
      const bool by_key = !made.joined && in_percent(40);
      made.order = by_key ? "{key: '{{ msg.n % " + std::to_string(keys) + " }}'}" : in_percent(65) ? "kept" : "free";
    }
    if (in_percent(25)) made.on_error = one_of<std::string>({"drop", "pass"});
    if (kind == Kind::route && made.on_error == "pass") made.on_error = "drop";  // Nothing leaves by its main output.
    const std::string hit = "msg.n % " + std::to_string(made.modulus) + " == " + std::to_string(made.rest);
    switch (kind) {
      case Kind::pass:
        made.text = "pass: {}";
        break;
      case Kind::where:
        made.text = "where: not (" + hit + ")";
        break;
      case Kind::set:
        made.text = "set: {p: '{{ msg.p }}" + std::string(1, label(stages.size())) + "'}";
        break;
      case Kind::lua: {
        const int what = up_to(3);
        made.fails = what == 0;
        made.drops = what == 1;
        made.emits = what == 2;
        const std::string same = "{s = msg.s, n = msg.n, p = msg.p}";
        made.text = "lua: |\n      if " + hit + " then " +
                    (made.fails   ? "fail('no')"
                     : made.drops ? "drop()"
                     : made.emits ? "emit(" + same + ") emit_to('side', " + same + ")"
                                  : "msg.more = 1") +
                    " end";
        break;
      }
      case Kind::route:
        made.text = "route: {a: msg.n % 3 == 0, b: msg.n % 3 == 1}";
        break;
      case Kind::batch:
        made.text = "batch: {count: " + std::to_string(between(1, 20)) +
                    ", within: " + one_of<std::string>({"1ms", "50ms", "1s", "1h"}) + ", as: lines}";
        break;
      default: {
        made.fails = in_percent(25);
        made.flaky = !made.fails && in_percent(30);
        made.slow = !made.fails && !made.flaky && in_percent(20);
        made.at_first = between(1, 2);
        made.merge = in_percent(50);
        if (made.flaky) made.on_error = "fail";
        made.text = "exec: {run: [work, '" + std::to_string(stages.size()) + "'" +
                    (made.joined ? "" : ", '{{ msg.s }}', '{{ msg.n }}'") + "]}" +
                    (made.merge ? "\n    merge: {}" : "") + (made.slow ? "\n    timeout: 20ms" : "");
      }
    }
    stages.push_back(std::move(made));
  }

  void draw_sinks() {
    const std::size_t first = stages.size();
    const int count = between(1, 3);
    bool printing = false;
    for (int i = 0; i < count; ++i) {
      Stage made(stages.size(), one_of<Kind>({Kind::print, Kind::file, Kind::file, Kind::drop}));
      if (made.kind == Kind::print && std::exchange(printing, true)) made.kind = Kind::file;
      draw_inputs(made, 3, false);
      draw_common(made);
      write_sink(made, stages.size());
      stages.push_back(std::move(made));
    }
    // What nobody reads yet, and must be.
    for (std::size_t i = 0; i < first; ++i) {
      const bool must = stages[i].kind != Kind::call && stages[i].kind != Kind::route;
      const bool unread = readers(i, "main").empty();
      stages[i].ends = unread && stages[i].kind == Kind::call;
      if (must && unread)
        stages[first + random_.below(static_cast<std::uint64_t>(count))].inputs.emplace_back(i, "main");
      if (stages[i].kind == Kind::call && stages[i].flaky && !readers(i, "failed").empty()) stages[i].flaky = false;
    }
    for (std::size_t i = 0; i < first && stages[i].is_source(); ++i) {
      if (in_percent(25)) listen(i);
    }
    if (in_percent(50)) listen(stages.size());
    if (printing) stdout_breaks = in_percent(15);
  }
  /// To a source's failures; where there is no such source, to everybody's.
  void listen(std::size_t source) {
    Stage made(stages.size(), Kind::file);
    made.listens = true;
    if (source < stages.size())
      made.inputs.emplace_back(source, "failed");
    else
      made.any_failed = true;
    write_sink(made, stages.size());
    stages.push_back(std::move(made));
  }
  void write_sink(Stage& made, std::size_t number) {
    switch (made.kind) {
      case Kind::print:
        made.text = "stdout: {}";
        break;
      case Kind::drop:
        made.text = "drop: {}";
        break;
      default:
        made.text = "file: {" + one_of<std::string>({"write", "append"}) + ": out" + std::to_string(number) + ".txt}";
    }
  }

  void write() {
    if (in_percent(15)) memory_bytes = one_of<std::uint64_t>({1, 1024, 8192, 65536});
    yaml += "stages:\n";
    for (const auto& stage : stages) {
      yaml += "  " + stage.name + ":\n    " + stage.text + "\n";
      std::string from;
      for (const auto& input : stage.inputs) {
        from += (from.empty() ? "" : ", ") + stages[input.stage].name + (input.port == "main" ? "" : "." + input.port);
      }
      if (stage.any_failed) from += (from.empty() ? "" : ", ") + std::string("any.failed");
      if (!from.empty()) yaml += "    from: [" + from + "]\n";
      if (!stage.edge.empty()) yaml += "    edge: {" + stage.edge + ", when_full: " + stage.when_full + "}\n";
      if (stage.workers > 1)
        yaml += "    workers: " + std::to_string(stage.workers) + "\n    order: " + stage.order + "\n";
      if (stage.on_error != "fail") yaml += "    on_error: " + stage.on_error + "\n";
    }
  }

  runtime::Random random_;
};

}  // namespace weir::tests
