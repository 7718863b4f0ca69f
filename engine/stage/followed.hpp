// A file that is followed, by whatever name, and how far it has been read.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/runtime/files.hpp"
#include "engine/stage/intake.hpp"
#include "engine/stage/positions.hpp"

namespace weir::stage {

/// What a file was, and how far it had been read, when it was cut.
struct Cut {
  Fingerprint beginning, ending;
  std::uint64_t read_to = 0, whole_to = 0;
  std::int64_t line = 0;
  std::uint64_t done_offset = 0;
  std::int64_t done_line = 0;
  Time at;
};

/// One file that is followed, by whatever name.
struct Followed {
  std::string path;
  runtime::FileStatus file;
  std::unique_ptr<runtime::Reader> reader;  // Null: closed, for others to be open.
  std::uint64_t size_now = 0;               // By the look that found its name last.
  std::unique_ptr<LineIntake> lines;
  std::shared_ptr<message::Metadata> origin;
  std::uint64_t began_at = 0;         // Where `lines` began to read.
  std::uint64_t seen_size = 0;        // At the last look,
  runtime::WallTime seen_modified{};  // and when it had been written to last.
  std::int64_t behind = 0;            // Bytes to be read, as counted.
  Fingerprint beginning;
  std::string before;           // The last bytes before began_at, where a copy is to be known by them.
  std::optional<Cut> cut;       // The last time that it was.
  bool to_be_known = false;     // Nothing is read of it before it is known to be no copy.
  std::uint64_t copied_to = 0;  // Its size at the last look at that,
  Time grew_at{};               // and when it was another.
  bool found = true;            // By the look that is under way.
  bool named = true;            // It is still found where it is looked for.
  bool closed = false;          // Nothing more is read of it.
  Time last_came;               // Bytes; or it lost its name.
  std::size_t open_marks = 0;
  std::uint64_t done_offset = 0;  // What has been answered.
  std::int64_t done_line = 0;
  Fingerprint done_ending;  // Of the last bytes before done_offset, when it was written down.
  std::uint64_t done_ending_at = 0;

  bool is(const runtime::FileStatus& status) const {
    return status.inode == file.inode && status.device == file.device;
  }
  std::uint64_t read_to() const { return began_at + lines->bytes(); }
  std::uint64_t whole_to() const { return began_at + lines->whole_bytes(); }
  bool has_ending() const { return !before.empty() || !lines->ending().empty(); }
  /// Of the last bytes before read_to(), as they were read: by now they may have been cut.
  Fingerprint ending() const {
    const std::string last = before + lines->ending();
    return fingerprint_of(std::string_view(last).substr(last.size() - std::min(last.size(), LineIntake::ending_bytes)));
  }
};

}  // namespace weir::stage
