// `weir new`: a file to start from.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "engine/command/arguments.hpp"
#include "engine/command/streams.hpp"
#include "engine/stage/kind.hpp"

namespace weir::command {

/// A pipeline file of the repository's pipelines/, which the build puts into the program.
struct Application {
  std::string_view name;
  std::string_view text;

  /// What its first line says of it.
  std::string_view summary() const;
};
/// By their names. Made by CMakeLists.txt from pipelines/*.yaml.
const std::vector<Application>& applications();

/// Every word that `weir new` takes, in order: kinds and applications; one that is both comes once.
std::vector<std::string> words_for_new(const stage::Catalog& catalog);

/// A kind in a small pipeline that `weir check` and `weir test` take as it is, with everything it can be told as
/// comments. Nothing if there is no such kind.
std::optional<std::string> kind_to_start_from(const stage::Catalog& catalog, const std::string& name);

int new_file(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams);

}  // namespace weir::command
