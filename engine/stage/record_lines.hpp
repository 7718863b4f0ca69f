// JSON objects made into lines of CSV or logfmt: the opposite of Records.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "engine/message/document.hpp"

namespace weir::stage {

/// The value as it stands between delimiters: the text of a string, JSON of everything else.
std::string_view plain_text(message::Document& document, message::Node node);

/// Appends the fields of these names, in this order; one that is not there, or null, is empty.
void append_csv_record(std::string& out, message::Document& document, message::Node object,
                       const std::vector<std::string>& columns, char delimiter);
/// Appends `key=value` for each member. Returns a key that can't stand in logfmt, if there is one.
std::optional<std::string> append_logfmt_record(std::string& out, message::Document& document, message::Node object);

}  // namespace weir::stage
