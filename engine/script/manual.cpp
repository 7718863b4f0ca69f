#include "engine/script/manual.hpp"

#include <algorithm>
#include <array>

namespace weir::script {

namespace {

constexpr std::array entries{
    ManualEntry{
        "msg", "msg.a.b",
        "The payload as JSON, parsed when touched. What code changes in it goes on. A field that is missing is nil; "
        "a field of something missing fails (missing). Odd names: msg[\"content-type\"]."},
    ManualEntry{"text", "text", "The payload as it is."},
    ManualEntry{"meta", "meta.key", "id, time, key, attempt, event, alert, file, and what `meta:` has set."},
    ManualEntry{
        "request", "request.params.id",
        "What the asker sent: method, path, params, query, headers, client. Header names in lower case, `_` for `-`."},
    ManualEntry{
        "result", "result.status",
        "What the last call brought: status or code, headers, msg (its text as JSON), text, stderr, signal, seconds. "
        "It is never nil; what did not come is nil in it."},
    ManualEntry{"failed", "failed.kind", "kind, stage, text, at, yaml, line, attempts; nil where nothing failed."},
    ManualEntry{"vars", "vars.name", "The constants of the file."},
    ManualEntry{
        "state", "state.n = (state.n or 0) + 1",
        "In `lua` with `state:` beside it: the table of the message's key. It is kept only if the code succeeds."},
    ManualEntry{"i", "i", "In `generate`: the number, else 1, 2, …"},
    ManualEntry{"item", "item", "In `generate` with `each`: the item."},
    ManualEntry{"drop", "drop()", "In `lua`: drops the message."},
    ManualEntry{"fail", "fail(\"too large\")", "Fails the message (user)."},
    ManualEntry{"emit", "emit({id = 1})", "In `lua`: sends one more message."},
    ManualEntry{"emit_to", "emit_to(\"large\", msg)",
                "In `lua`: sends one by a port of its own, whose name is written out."},
    ManualEntry{"yield", "yield({n = 1})",
                "In `generate: {lua}`: sends a message; returns the seconds that it had to wait."},
    ManualEntry{"sleep", "sleep(\"100ms\")", "In `generate: {lua}`: waits; a number is seconds."},
    ManualEntry{
        "re.match", "re.match(pattern, text)",
        "By RE2. The captures as several values; without any the match; else nil. Write patterns as [[^(\\d+)]]."},
    ManualEntry{"re.replace", "re.replace(pattern, text, by)",
                "Replaces every match; \\1 in `by` is the first capture (\\\\1 between quotes)."},
    ManualEntry{"contains", "contains(text, \"a.b\")", "Whether a text holds a text as it is, or a list a value."},
    ManualEntry{"starts", "starts(text, with)", "Whether a text begins with another."},
    ManualEntry{"split", "split(text, \",\")", "The parts of a text, as a list."},
    ManualEntry{"lines", "lines(text)", "The lines of a text, as a list."},
    ManualEntry{"trim", "trim(text)", "Without blanks at both ends."},
    ManualEntry{"num", "num(\" 1.5 \")", "A number from a text, blanks trimmed; nil where it is none."},
    ManualEntry{"int", "int(\"42\")", "The same for an integer. A number is cut: int(42.5) is 42."},
    ManualEntry{"now", "now()", "The time, as 2030-01-01T00:00:00.000Z."},
    ManualEntry{"time.unix", "time.unix(t)", "Seconds since 1970 of such a time."},
    ManualEntry{"time.format", "time.format(t, \"%Y-%m-%d\")",
                "A time, or seconds since 1970, as text, in UTC, or in the zone of a third argument, such as "
                "Europe/Berlin. %Y %y %m %d %e %j %H %I %M %S %L (milliseconds) %f (microseconds) %p %a %A %b %B %F %T "
                "%s (since 1970) %z %Z. Of a time outside the years 1678 to 2261 it fails, as time.unix does."},
    ManualEntry{"time.parse", "time.parse(text, \"%d/%b/%Y\")",
                "A time from a text in such a form, or without one in that of RFC 3339, with all the digits of its "
                "second; nil where it is none, or outside the years 1678 to 2261. A fraction of a second is %L or %f, "
                "as in %S.%L. The zone of a third argument counts where the text does not say one (%z)."},
    ManualEntry{"url.host", "url.host(u)", "The host, in lower case; nil where there is none."},
    ManualEntry{"url.normalise", "url.normalise(u)", "One way to write a URL: case, port, dot segments, escapes."},
    ManualEntry{"url.join", "url.join(base, ref)",
                "A link as it is meant on a page at `base`, blanks around it trimmed."},
    ManualEntry{"url.escape", "url.escape(text)", "Safe as one part of a path or a query."},
    ManualEntry{"uuid", "uuid()", "A random one (version 4)."},
    ManualEntry{"null", "null", "JSON's null, which is not nil: `msg.a == null`."},
    ManualEntry{"try", "try(f, …)", "Calls f; true and what it returned, or false and why it failed."},
    ManualEntry{"string", "string.upper(t), t:upper()",
                "upper, lower, len, reverse, sub, byte, char, rep, format, pack, packsize, unpack. Lua's own patterns "
                "are not there: re.match, re.replace."},
    ManualEntry{"table", "table.concat(list, \", \")", "insert, remove, concat, sort, move, pack, unpack."},
    ManualEntry{"math", "math.floor(x)", "Lua's, but for random."},
    ManualEntry{"pairs", "for name, value in pairs(msg) do",
                "Also ipairs, next, select, type, tostring, tonumber, assert, error."},
};

}  // namespace

std::span<const ManualEntry> manual() { return entries; }

std::string manual_text() {
  const std::string text =
      "functions: what Lua code knows, in `where`, the values of `route`, `lua`, and between {{ }}\n\n"
      "Lua 5.4, without a way outside. Without `return` the edited message goes on; `return t` replaces it. ~= is not "
      "equal;\n"
      "`a and b or c` chooses; #x is a length; indices count from 1. Nothing outlives a message but `state`.\n"
      "Lua's .. and table.concat write a float with 14 digits: for all of them use a text, 'at {{ msg.ts }}', or "
      "tostring().\n\n";
  return text + manual_lines("  ", [](const ManualEntry&) { return true; });
}

std::string manual_lines(std::string_view indent, const std::function<bool(const ManualEntry&)>& wanted) {
  std::size_t width = 0;
  for (const auto& entry : entries) {
    if (wanted(entry)) width = std::max(width, entry.use.size());
  }
  std::string text;
  for (const auto& entry : entries) {
    if (!wanted(entry)) continue;
    text.append(indent).append(entry.use).append(width + 2 - entry.use.size(), ' ').append(entry.text).append("\n");
  }
  return text;
}

std::string manual_markdown() {
  std::string text =
      "## Code\n\nWhat Lua code knows, in `where`, the values of `route`, `lua`, and between `{{ }}`. `weir explain "
      "functions` says the\n"
      "same on a terminal. Lua's `..` and `table.concat` write a float with 14 digits: for all of them use a text,\n"
      "`'at {{ msg.ts }}'`, or `tostring()`.\n\n| written | what it is |\n|---|---|\n";
  for (const auto& entry : entries) {
    text.append("| `").append(entry.use).append("` | ").append(entry.text).append(" |\n");
  }
  return text;
}

}  // namespace weir::script
