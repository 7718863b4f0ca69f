// What a message was and why it failed, as one line that can be sent again.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "engine/message/batch.hpp"

namespace weir::stage {

/// Appends `{"failed": …, "meta": …, "text": …}` without a line's end: `failed` null where nothing failed, `meta` with
/// id, time, attempt and whatever else was set, `text` the payload, or `base64` in its place where that is no UTF-8.
/// `entered`: when it entered weir.
void append_envelope(std::string& out, const message::Batch& batch, std::size_t row, runtime::WallTime entered);

/// Takes one apart again: `text` or `base64`, and of `meta` what is not the engine's own to say (id, time, attempt).
/// Why it is none; empty: it is one. The line is JSON and followed by `padding` readable bytes.
std::string open_envelope(std::string_view line, std::string& text, message::Metadata& metadata);

}  // namespace weir::stage
