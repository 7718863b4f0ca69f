// Reads one YAML document into nodes, and refuses what YAML would silently make something else of.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "engine/config/node.hpp"

namespace weir::config {

constexpr std::size_t source_bytes_max = 1 << 20;
constexpr int node_depth_max = 64;
constexpr int node_count_max = 100'000;  ///< Counted through aliases.

/// The file's one document; an empty file is a null node. Nothing if no tree could be made (a syntax error stands
/// alone: YAML stops there). A tree is also given when traps were found in it, so that later steps may tell theirs too;
/// has_errors() decides. Never throws but std::bad_alloc. Takes time linear in the text.
std::optional<Node> parse(std::shared_ptr<const Source> source, Diagnostics& diagnostics);

/// A source from text, without its byte order mark.
std::shared_ptr<const Source> make_source(std::string name, std::string text);

/// The file's text; nothing, and an error that says why, if it is missing, a directory, unreadable or too large.
std::shared_ptr<const Source> read_source(const std::string& path, Diagnostics& diagnostics);

/// The text with U+FFFD in the place of each byte that is not UTF-8.
std::string as_utf8(std::string text);

}  // namespace weir::config
