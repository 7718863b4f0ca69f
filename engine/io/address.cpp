#include "engine/io/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
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

bool is_public_address(std::span<const std::uint8_t> address) {
  struct Net {
    std::array<std::uint8_t, 4> bytes;
    int bits;
  };
  const auto in = [](std::span<const std::uint8_t> from, const Net& net) {
    for (int bit = 0; bit < net.bits; ++bit) {
      const auto at = static_cast<std::size_t>(bit / 8);
      if (((from[at] ^ net.bytes[at]) >> (7 - bit % 8)) & 1) return false;
    }
    return true;
  };
  if (address.size() == 4) {
    constexpr std::array<Net, 16> kept{{{{0, 0, 0, 0}, 8},
                                        {{10, 0, 0, 0}, 8},
                                        {{100, 64, 0, 0}, 10},
                                        {{127, 0, 0, 0}, 8},
                                        {{169, 254, 0, 0}, 16},
                                        {{172, 16, 0, 0}, 12},
                                        {{192, 0, 0, 0}, 24},
                                        {{192, 0, 2, 0}, 24},
                                        {{192, 88, 99, 0}, 24},
                                        {{192, 168, 0, 0}, 16},
                                        {{198, 18, 0, 0}, 15},
                                        {{198, 51, 100, 0}, 24},
                                        {{203, 0, 113, 0}, 24},
                                        {{224, 0, 0, 0}, 4},
                                        {{240, 0, 0, 0}, 4},
                                        {{255, 255, 255, 255}, 32}}};
    return std::none_of(kept.begin(), kept.end(), [&](const Net& net) { return in(address, net); });
  }
  if (address.size() != 16) return false;
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr std::array<std::uint8_t, 12> translated{0, 0x64, 0xff, 0x9b};
  if (std::equal(mapped.begin(), mapped.end(), address.begin()) ||
      std::equal(translated.begin(), translated.end(), address.begin())) {
    return is_public_address(address.subspan(12));
  }
  // 6to4 carries an IPv4 address behind its first two bytes.
  if (address[0] == 0x20 && address[1] == 0x02) return is_public_address(address.subspan(2, 4));
  if ((address[0] >> 5) != 1) return false;  // 2000::/3 is all there is of the internet.
  constexpr std::array<Net, 3> kept{
      {{{0x20, 0x01, 0x00, 0x00}, 23}, {{0x20, 0x01, 0x0d, 0xb8}, 32}, {{0x3f, 0xff, 0x00, 0x00}, 20}}};
  return std::none_of(kept.begin(), kept.end(), [&](const Net& net) { return in(address, net); });
}

}  // namespace weir::io
