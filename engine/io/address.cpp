#include "engine/io/address.hpp"

#include <arpa/inet.h>

#include <charconv>

namespace weir::io {

bool Address::is_loopback() const {
  in_addr four{};
  if (::inet_pton(AF_INET, host.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  in6_addr six{};
  return ::inet_pton(AF_INET6, host.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

std::string Address::text() const {
  const bool six = host.find(':') != std::string::npos;
  return (six ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<Address> parse_address(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  Address address;
  address.host = text.substr(0, colon);
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc() || rest != end) return std::nullopt;

  in6_addr six{};
  in_addr four{};
  if (address.host == "localhost") {
    address.host = "127.0.0.1";
  } else if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
    if (::inet_pton(AF_INET6, address.host.c_str(), &six) != 1) return std::nullopt;
  } else if (::inet_pton(AF_INET, address.host.c_str(), &four) != 1) {
    return std::nullopt;
  }
  return address;
}

}  // namespace weir::io
