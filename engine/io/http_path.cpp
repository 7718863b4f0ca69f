#include "engine/io/http_path.hpp"

#include <algorithm>

#include "engine/io/http_request.hpp"

namespace weir::io {
namespace {

bool is_name(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  return !text.empty() && letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

/// The next part of a path, which is cut off together with its slash. Nothing: it is at its end.
std::optional<std::string_view> next_part(std::string_view& path) {
  if (!path.starts_with('/')) return std::nullopt;
  const auto end = std::min(path.find('/', 1), path.size());
  const auto part = path.substr(1, end - 1);
  path.remove_prefix(end);
  return part;
}

}  // namespace

std::optional<HttpPath> HttpPath::parse(std::string_view text, std::string& why) {
  HttpPath path;
  path.text_ = text;
  if (!text.starts_with('/')) {
    why = "a path begins with /";
    return std::nullopt;
  }
  std::string_view rest = text;
  while (const auto part = next_part(rest)) {
    if (!path.parts_.empty() && path.parts_.back().kind == Kind::rest) {
      why = "`*` is the last part of a path";
      return std::nullopt;
    }
    if (*part == "*") {
      path.parts_.emplace_back(Kind::rest, "");
    } else if (part->starts_with('{') && part->ends_with('}')) {
      const auto name = part->substr(1, part->size() - 2);
      if (!is_name(name)) {
        why = "'" + std::string(name) + "' is no name: a to z, 0 to 9 and _";
        return std::nullopt;
      }
      const auto same = [&](const Part& other) { return other.kind == Kind::name && other.word == name; };
      if (std::any_of(path.parts_.begin(), path.parts_.end(), same)) {
        why = "'" + std::string(name) + "' stands there twice";
        return std::nullopt;
      }
      path.parts_.emplace_back(Kind::name, std::string(name));
    } else if (part->find_first_of("{}*?# %") != part->npos) {
      why = "'" + std::string(*part) + "' is a text, or {name}, or a last `*`, and as it is meant, without %";
      return std::nullopt;
    } else if (part->empty() && !rest.empty()) {
      why = "an empty part stands in it";
      return std::nullopt;
    } else {
      path.parts_.emplace_back(Kind::text, std::string(*part));
    }
  }
  return path;
}

std::string HttpPath::shape() const {
  std::string shape;
  for (const auto& part : parts_) {
    shape += '/';
    shape += part.kind == Kind::text ? part.word : part.kind == Kind::name ? "{}" : "*";
  }
  return shape;
}

bool HttpPath::match(std::string_view path, Found& found) const {
  const std::size_t before = found.size();
  for (const auto& part : parts_) {
    const auto sent = next_part(path);
    std::optional<std::string> decoded;
    if (sent && part.kind == Kind::rest) return true;
    if (sent) decoded = http_decoded(*sent);
    const bool fits = decoded && (part.kind == Kind::text ? *decoded == part.word : !decoded->empty());
    if (!fits) {
      found.resize(before);
      return false;
    }
    if (part.kind == Kind::name) found.emplace_back(part.word, std::move(*decoded));
  }
  if (path.empty()) return true;
  found.resize(before);
  return false;
}

std::string_view HttpPath::rest(std::string_view path) const {
  for (const auto& part : parts_) {
    if (part.kind != Kind::rest) next_part(path);
  }
  return path.substr(std::min<std::size_t>(1, path.size()));
}

bool HttpPath::stands_before(const HttpPath& other) const {
  for (std::size_t i = 0; i < parts_.size() && i < other.parts_.size(); ++i) {
    if (parts_[i].kind != other.parts_[i].kind) return parts_[i].kind < other.parts_[i].kind;
  }
  return parts_.size() > other.parts_.size();
}

bool http_takes(const std::vector<std::string>& methods, std::string_view method) {
  const auto has = [&](std::string_view word) {
    return std::find(methods.begin(), methods.end(), word) != methods.end();
  };
  return methods.empty() || has(method) || (method == "HEAD" && has("GET"));
}

message::Answer http_not_served(const std::vector<std::string>& methods) {
  message::Answer answer;
  answer.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
  if (methods.empty()) {
    answer.status = 404;
    answer.body = "there is nothing here\n";
    return answer;
  }
  std::string allow;
  for (const auto& method : methods) {
    allow += (allow.empty() ? "" : ", ") + method;
    if (method == "GET" && std::find(methods.begin(), methods.end(), "HEAD") == methods.end()) allow += ", HEAD";
  }
  answer.status = 405;
  answer.body = "this takes " + allow + "\n";
  answer.headers.emplace_back("Allow", std::move(allow));
  return answer;
}

bool http_methods_meet(const std::vector<std::string>& one, const std::vector<std::string>& other) {
  return one.empty() || other.empty() ||
         std::find_first_of(one.begin(), one.end(), other.begin(), other.end()) != one.end();
}

HttpPath::Found http_query(std::string_view query) {
  HttpPath::Found found;
  const auto plain = [](std::string_view text) {
    std::string spaced(text);
    std::replace(spaced.begin(), spaced.end(), '+', ' ');
    return http_decoded(spaced).value_or(spaced);
  };
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto one = query.substr(0, end);
    const auto equals = std::min(one.find('='), one.size());
    if (!one.empty())
      found.emplace_back(plain(one.substr(0, equals)), plain(one.substr(std::min(equals + 1, one.size()))));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return found;
}

}  // namespace weir::io
