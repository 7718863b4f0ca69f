// Patterns of paths: `logs/*.ndjson`.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "engine/runtime/files.hpp"

namespace weir::io {

/// Whether a path has a `*`, a `?` or a `[` in it.
bool is_pattern(std::string_view path);

/// One name by one part of a pattern: `*` is any text, `?` any byte, `[a-z]` one of these, `[!a-z]` or `[^a-z]` none of
/// them, and after a backslash each is itself. A name that begins with a dot is only matched by a dot. Linear in name ×
/// pattern.
bool matches(std::string_view pattern, std::string_view name);

/// A whole path, part by part; a part `**` is any directories, or none. A path that is no pattern matches itself.
bool matches_path(std::string_view pattern, std::string_view path);

/// Told of a directory, or of a name, that a pattern has led to and that can't be looked at.
using Unseen = std::function<void(const std::string& path, const std::system_error& error)>;

/// The paths of what is there and no directory, in the order of their bytes, each once. A part `**` is any directories
/// on the way, or none; not hidden ones, nor what a symbolic link leads to. At the end it is all that is below. A path
/// that is no pattern, or that stands there as it is written, is that one. Throws std::system_error where the directory
/// before the first pattern can't be read; what can't be behind that keeps nobody from the others. One that is missing
/// has nothing in it.
std::vector<std::string> glob(runtime::Files& files, const std::string& pattern, const Unseen& unseen);

}  // namespace weir::io
