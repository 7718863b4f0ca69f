#include "engine/command/test.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ostream>

#include "engine/command/exit_code.hpp"
#include "engine/command/expectations.hpp"
#include "engine/command/pipelines.hpp"
#include "engine/command/trial.hpp"
#include "engine/config/yaml.hpp"

namespace weir::command {
namespace {

/// One file's tests, read.
struct TestFile {
  std::string path;
  config::Diagnostics diagnostics;
  std::vector<Trial> trials;
};

TestFile read(const std::string& path, const std::vector<std::string>& overrides, const stage::Catalog& catalog) {
  TestFile file;
  file.path = path;
  const auto source = config::read_source(path, file.diagnostics);
  if (!source) return file;
  const auto root = config::read(source, overrides, file.diagnostics);
  if (!root) return file;
  // The file first, so that its mistakes are told where nothing tests it.
  config::Diagnostics found;
  auto pipeline = config::load(
      source, *root, [](const std::string&) { return std::optional<std::string>(); }, true, found);
  if (pipeline && !pipeline->library) graph::compile(std::move(*pipeline), catalog, found);
  for (const auto& one : found.all()) {
    if (one.severity == config::Severity::error) file.diagnostics.add(one);
  }
  if (root->is_map()) file.trials = read_tests(source, *root, catalog, file.diagnostics);
  config::name_paths(*root, file.diagnostics);
  return file;
}

bool wanted(const Arguments& arguments, const std::string& name) {
  return arguments.only.empty() || std::any_of(arguments.only.begin(), arguments.only.end(),
                                               [&](const auto& part) { return name.find(part) != std::string::npos; });
}

/// As long as somebody wants to read it: 126.7ms, 12.76s.
std::string brief(runtime::Duration took) {
  using namespace std::chrono_literals;
  if (took % 1ms == 0ns) return shown(took);
  if (took >= 1s) return shown(std::chrono::round<std::chrono::duration<std::int64_t, std::centi>>(took));
  return config::show(std::round(std::chrono::duration<double, std::milli>(took).count() * 10) / 10) + "ms";
}

struct Totals {
  std::size_t passed = 0, failed = 0;
};

/// Each name, passed or failed, with the virtual time it took; below one that failed, why.
class TextReport {
 public:
  explicit TextReport(Streams& streams) : streams_(streams) {}
  void file(const std::string& path, bool tests) { streams_.out << path << (tests ? "\n" : ": no tests\n"); }
  void test(const Trial& trial, const Verdict& verdict) {
    streams_.out << (verdict.passed() ? "  passed  " : "  failed  ") << trial.config.name << " (" << brief(verdict.took)
                 << ")";
    if (verdict.unheard > 0) {
      streams_.out << "; " << verdict.unheard << (verdict.unheard == 1 ? " message" : " messages")
                   << " failed and reached nobody";
    }
    streams_.out << "\n";
    if (verdict.passed()) return;
    streams_.out << verdict.failures.render(streams_.out_is_terminal && streams_.color);
    if (!verdict.log.empty()) streams_.out << "      its log:\n";
    for (const auto& line : verdict.log) streams_.out << "        " << line << "\n";
  }
  void end(const Totals& totals) {
    const auto all = totals.passed + totals.failed;
    streams_.out << all << (all == 1 ? " test: " : " tests: ") << totals.passed << " passed";
    if (totals.failed > 0) streams_.out << ", " << totals.failed << " failed";
    streams_.out << "\n";
  }

 private:
  Streams& streams_;
};

class JsonReport {
 public:
  explicit JsonReport(Streams& streams) : streams_(streams) {}
  void file(const std::string& path, bool) {
    files_ += (files_.empty() ? "" : "]},") + ("\n {\"file\":" + config::json_text(path) + ",\"tests\":[");
    first_ = true;
  }
  void test(const Trial& trial, const Verdict& verdict) {
    std::string log;
    for (const auto& line : verdict.log) log += (log.empty() ? "" : ",") + config::json_text(line);
    const auto seconds = std::chrono::duration<double>(verdict.took).count();
    files_ += std::string(std::exchange(first_, false) ? "" : ",") +
              "\n  {\"name\":" + config::json_text(trial.config.name) +
              ",\"line\":" + std::to_string(trial.config.place.line) +
              ",\"passed\":" + (verdict.passed() ? "true" : "false") + ",\"virtual_s\":" + config::show(seconds) +
              ",\"unheard\":" + std::to_string(verdict.unheard) + ",\"failures\":" + verdict.failures.json() +
              ",\"log\":[" + log + "]}";
  }
  void end(const Totals& totals) {
    streams_.out << "{\"files\":[" << files_ << (files_.empty() ? "" : "]}") << "],\n \"passed\":" << totals.passed
                 << ",\"failed\":" << totals.failed << "}\n";
  }

 private:
  Streams& streams_;
  std::string files_;
  bool first_ = true;
};

template <class Report>
Totals run(const std::vector<TestFile>& files, const stage::Catalog& catalog, const Arguments& arguments,
           Report report) {
  Totals totals;
  for (const auto& file : files) {
    const bool any = std::any_of(file.trials.begin(), file.trials.end(),
                                 [&](const auto& trial) { return wanted(arguments, trial.config.name); });
    if (!any && !file.trials.empty()) continue;
    if (!any && !arguments.only.empty()) continue;
    report.file(file.path, any);
    for (const auto& trial : file.trials) {
      if (!wanted(arguments, trial.config.name)) continue;
      const auto verdict = try_out(trial, catalog);
      ++(verdict.passed() ? totals.passed : totals.failed);
      report.test(trial, verdict);
    }
  }
  report.end(totals);
  return totals;
}

/// A filter that lets nothing through is a slip, not a success.
int refuse_filter(const std::vector<TestFile>& files, const Arguments& arguments, Streams& streams) {
  std::vector<std::string> names;
  for (const auto& file : files) {
    for (const auto& trial : file.trials) names.push_back(trial.config.name);
  }
  const auto near = config::nearest(arguments.only.front(), names);
  streams.err << "weir: no test's name holds '" << arguments.only.front() << "'\n";
  if (!near.empty()) streams.err << "  = did you mean '" << near << "'?\n";
  return exit_code::usage;
}

}  // namespace

int test(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams) {
  std::vector<TestFile> files;
  config::Diagnostics found;
  bool mistakes = false, any = arguments.only.empty();
  for (const auto& path : arguments.files) {
    files.push_back(read(path, arguments.overrides, catalog));
    const auto& file = files.back();
    mistakes = mistakes || file.diagnostics.has_errors();
    if (arguments.output == Output::json) {
      for (const auto& diagnostic : file.diagnostics.all()) found.add(diagnostic);
    } else if (!file.diagnostics.empty()) {
      streams.err << file.diagnostics.render(streams.color);
    }
    for (const auto& trial : file.trials) any = any || wanted(arguments, trial.config.name);
  }
  streams.err.flush();
  if (mistakes && arguments.output == Output::json) streams.out << found.json() << "\n";  // As `check` says them.
  if (mistakes) return exit_code::configuration;
  if (!any) return refuse_filter(files, arguments, streams);
  const auto totals = arguments.output == Output::json ? run(files, catalog, arguments, JsonReport(streams))
                                                       : run(files, catalog, arguments, TextReport(streams));
  return totals.failed > 0 ? exit_code::tests : exit_code::done;
}

}  // namespace weir::command
