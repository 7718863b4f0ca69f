#include "engine/stage/record_lines.hpp"

#include "engine/io/csv.hpp"
#include "engine/io/logfmt.hpp"

namespace weir::stage {

using message::Kind;

std::string_view plain_text(message::Document& document, message::Node node) {
  const auto text = document.string(node);
  return text ? *text : document.raw(node);
}

void append_csv_record(std::string& out, message::Document& document, message::Node object,
                       const std::vector<std::string>& columns, char delimiter) {
  const std::size_t begin = out.size();
  for (const auto& column : columns) {
    if (&column != &columns.front()) out += delimiter;
    const auto node = document.find(object, column);
    if (node && document.kind(node) != Kind::null) io::append_csv(out, plain_text(document, node), delimiter);
  }
  if (out.size() == begin) out += "\"\"";  // One field that is empty, and no empty line.
}

std::optional<std::string> append_logfmt_record(std::string& out, message::Document& document, message::Node object) {
  const std::size_t begin = out.size();
  std::string scratch;
  for (auto member = document.first(object); member; member = document.next(member)) {
    const auto key = document.key(member, scratch);
    if (!io::is_logfmt_key(key)) return std::string(key);
    if (out.size() > begin) out += ' ';
    out += key;
    out += '=';
    if (document.kind(member) != Kind::null) io::append_logfmt(out, plain_text(document, member));
  }
  return std::nullopt;
}

}  // namespace weir::stage
