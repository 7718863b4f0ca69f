#include "engine/command/check.hpp"

#include <ostream>

#include "engine/command/admin.hpp"
#include "engine/command/exit_code.hpp"
#include "engine/command/pipelines.hpp"

namespace weir::command {

namespace {

/// As `run` would refuse it. Files that run as one share a token, too; their addresses are compared there.
void check_admin(std::vector<CheckedFile>& files) {
  AdminRules rules;
  for (const auto& file : files) {
    if (file.plan && rules.token.empty()) rules.token = file.plan->pipeline.admin.token;
  }
  for (auto& file : files) {
    if (!file.plan) continue;
    const auto& admin = file.plan->pipeline.admin;
    if (!admin.listen || *admin.listen == "off") continue;
    const auto mistake = listen_at(*admin.listen, rules);
    if (!mistake) continue;
    file.diagnostics.error(admin.place, mistake->what, mistake->hint, "admin.listen");
    file.plan.reset();
  }
}

}  // namespace

int check(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams) {
  auto checked = check_files(arguments.files, arguments.overrides, catalog, Tests::checked);
  check_admin(checked.files);
  if (arguments.output == Output::json) {
    const auto text = checked.json();
    streams.out << text << (text.ends_with('\n') ? "" : "\n");
  } else {
    checked.print(streams);
    for (const auto& file : checked.files) {
      if (file.library_of) {
        streams.out << file.path << ": good, no stages, " << *file.library_of
                    << (*file.library_of == 1 ? " kind" : " kinds");
      } else if (file.plan) {
        const auto stages = file.plan->count();
        streams.out << file.path << ": good, " << stages << (stages == 1 ? " stage" : " stages");
      } else {
        continue;
      }
      if (file.tests > 0) streams.out << ", " << file.tests << (file.tests == 1 ? " test" : " tests");
      streams.out << "\n";
    }
  }
  return checked.has_errors() ? exit_code::configuration : exit_code::done;
}

int graph(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams) {
  const auto checked = check_files(arguments.files, arguments.overrides, catalog);
  checked.print(streams);
  if (checked.has_errors()) return exit_code::configuration;
  const auto& plan = *checked.files.front().plan;
  std::string text;
  switch (arguments.graph_format) {
    case GraphFormat::text:
      text = graph::as_text(plan);
      break;
    case GraphFormat::dot:
      text = graph::as_dot(plan);
      break;
    case GraphFormat::json:
      text = graph::as_json(plan);
      break;
  }
  streams.out << text << (text.ends_with('\n') ? "" : "\n");
  return exit_code::done;
}

}  // namespace weir::command
