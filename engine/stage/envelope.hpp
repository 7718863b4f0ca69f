// What a message was and why it failed, as one line that can be sent again.
#pragma once
#include <cstddef>
#include <string>

#include "engine/message/batch.hpp"

namespace weir::stage {

/// Appends `{"failed": …, "meta": …, "text": …}` without a line's end: `failed` null where nothing failed, `meta` with
/// id, time, attempt and whatever else was set, `text` the payload. What of it is no UTF-8 becomes U+FFFD.
/// `entered`: when it entered weir.
void append_envelope(std::string& out, const message::Batch& batch, std::size_t row, runtime::WallTime entered);

}  // namespace weir::stage
