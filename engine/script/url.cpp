#include "engine/script/url.hpp"

#include <algorithm>

#include "engine/io/binary_text.hpp"

namespace weir::script {
namespace {

using namespace std::string_view_literals;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_unreserved(char c) { return is_letter(c) || is_digit(c) || "-._~"sv.find(c) != std::string_view::npos; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string_view without_blanks_around(std::string_view text) {
  constexpr auto blanks = " \t\n\f\r"sv;
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// The five parts of RFC 3986, appendix B. What is null did not stand there.
struct Parts {
  std::optional<std::string_view> scheme, authority, query, fragment;
  std::string_view path;
};

Parts parts_of(std::string_view url) {
  Parts parts;
  const auto colon = url.find_first_of(":/?#");
  if (colon != std::string_view::npos && url[colon] == ':' && colon > 0 && is_letter(url[0]) &&
      std::all_of(url.begin(), url.begin() + static_cast<std::ptrdiff_t>(colon),
                  [](char c) { return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; })) {
    parts.scheme = url.substr(0, colon);
    url.remove_prefix(colon + 1);
  }
  if (url.starts_with("//")) {
    url.remove_prefix(2);
    const auto end = std::min(url.find_first_of("/?#"), url.size());
    parts.authority = url.substr(0, end);
    url.remove_prefix(end);
  }
  if (const auto hash = url.find('#'); hash != std::string_view::npos) {
    parts.fragment = url.substr(hash + 1);
    url = url.substr(0, hash);
  }
  if (const auto question = url.find('?'); question != std::string_view::npos) {
    parts.query = url.substr(question + 1);
    url = url.substr(0, question);
  }
  parts.path = url;
  return parts;
}

struct Authority {
  std::string_view user, host, port;
};

Authority split(std::string_view authority) {
  Authority split;
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    split.user = authority.substr(0, at + 1);
    authority.remove_prefix(at + 1);
  }
  const auto bracket = authority.rfind(']');
  const auto colon = authority.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    split.port = authority.substr(colon + 1);
    authority = authority.substr(0, colon);
  }
  split.host = authority;
  return split;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

/// RFC 3986, 5.2.4.
std::string without_dots(std::string_view path) {
  const bool absolute = path.starts_with('/');
  std::string out;
  while (!path.empty()) {
    const auto end = path.find('/', 1);
    const auto segment = path.substr(0, end);
    const auto name = segment.starts_with('/') ? segment.substr(1) : segment;
    const bool last = end == std::string_view::npos;
    if (name == "." || name == "..") {
      if (name == "..") out.resize(std::min(out.rfind('/'), out.size()) == out.size() ? 0 : out.rfind('/'));
      if (last) out += '/';
    } else {
      out += segment;
    }
    path.remove_prefix(last ? path.size() : end);
  }
  if (!absolute && out.starts_with('/')) out.erase(0, 1);
  return out;
}

/// What may stand in a URL as it is (RFC 3986, 2.2 and 2.3).
bool is_allowed(char c) { return is_unreserved(c) || ":/?#[]@!$&'()*+,;="sv.find(c) != std::string_view::npos; }

void append_normal(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    bool as_it_is = is_allowed(c);
    if (c == '%') {
      const bool escape = i + 2 < text.size() && io::hex_value(text[i + 1]) >= 0 && io::hex_value(text[i + 2]) >= 0;
      if (escape) {
        c = static_cast<char>(io::hex_value(text[i + 1]) * 16 + io::hex_value(text[i + 2]));
        i += 2;
      }
      as_it_is = !escape || is_unreserved(c);
    }
    if (as_it_is) {
      out += c;
    } else {
      io::append_percent(out, c);
    }
  }
}

std::string_view without_zeros(std::string_view port) {
  while (port.size() > 1 && port.front() == '0') port.remove_prefix(1);
  return port;
}

std::string_view own_port(std::string_view scheme) {
  if (scheme == "http" || scheme == "ws") return "80";
  if (scheme == "https" || scheme == "wss") return "443";
  if (scheme == "ftp") return "21";
  return "";
}

}  // namespace

std::optional<std::string> url_host(std::string_view url) {
  const auto parts = parts_of(url);
  if (!parts.authority) return std::nullopt;
  const auto host = split(*parts.authority).host;
  if (host.empty()) return std::nullopt;
  return lower(host);
}

std::optional<std::string> url_normalise(std::string_view url) {
  const auto parts = parts_of(url);
  if (!parts.scheme || !parts.authority) return std::nullopt;
  const auto authority = split(*parts.authority);
  if (authority.host.empty()) return std::nullopt;
  auto out = lower(*parts.scheme);
  const auto port = without_zeros(authority.port);
  const bool keeps_port = !port.empty() && port != own_port(out);
  out += "://";
  out += authority.user;
  out += lower(authority.host);
  if (keeps_port) out.append(":").append(port);
  std::string path;
  append_normal(path, parts.path);
  path = without_dots(path);
  out += path.empty() ? "/" : path;
  if (parts.query) {
    out += '?';
    append_normal(out, *parts.query);
  }
  return out;
}

std::optional<std::string> url_join(std::string_view base_url, std::string_view reference) {
  const auto base = parts_of(base_url);
  const auto own = parts_of(without_blanks_around(reference));
  if (!base.scheme) return std::nullopt;
  auto scheme = base.scheme, authority = base.authority, query = own.query;
  std::string path;
  if (own.scheme) {
    scheme = own.scheme;
    authority = own.authority;
    path = without_dots(own.path);
  } else if (own.authority) {
    authority = own.authority;
    path = without_dots(own.path);
  } else if (own.path.empty()) {
    path = base.path;
    if (!own.query) query = base.query;
  } else if (own.path.starts_with('/')) {
    path = without_dots(own.path);
  } else {
    const auto slash = base.path.rfind('/');
    std::string merged(slash == std::string_view::npos ? std::string_view(base.authority ? "/" : "")
                                                       : base.path.substr(0, slash + 1));
    merged += own.path;
    path = without_dots(merged);
  }
  std::string out(*scheme);
  out += ':';
  if (authority) out.append("//").append(*authority);
  out += path;
  if (query) out.append("?").append(*query);
  if (own.fragment) out.append("#").append(*own.fragment);
  return out;
}

std::string url_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      io::append_percent(out, c);
    }
  }
  return out;
}

}  // namespace weir::script
