// Where somebody listens: as written, and what may be written.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace weir::io {

struct Address {
  std::string host = "127.0.0.1";  ///< An IPv4 or IPv6 literal, without brackets.
  std::uint16_t port = 9797;       ///< 0: whichever is free.

  bool is_loopback() const;
  std::string text() const;  ///< `127.0.0.1:9797`, `[::1]:9797`.
};

/// `127.0.0.1:9797`, `[::1]:9797`, `localhost:9797`. Nothing for what is no address with a port; no name is looked up.
std::optional<Address> parse_address(const std::string& text);

}  // namespace weir::io
