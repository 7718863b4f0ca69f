// Addresses: where somebody listens, as written, and which ones are of the public internet.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
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

/// Whether the bytes (4 or 16) are an address of the public internet: not this machine, a private or a link-local net,
/// a group, or one set aside for examples and measurements; IPv4 inside IPv6 is looked at as IPv4.
bool is_public_address(std::span<const std::uint8_t> address);

}  // namespace weir::io
