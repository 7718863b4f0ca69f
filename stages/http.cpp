// http: asks a server about each message, sends each message to one, or asks one again and again.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

#include "engine/io/address.hpp"
#include "engine/io/binary_text.hpp"
#include "engine/io/http_client.hpp"
#include "engine/io/tls.hpp"
#include "engine/message/document.hpp"
#include "engine/script/text.hpp"
#include "engine/script/url.hpp"
#include "engine/stage/kind.hpp"
#include "engine/stage/ticks.hpp"

namespace weir::stages {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

struct AuthConfig {
  std::string user, password;
};

struct TlsConfig {
  std::string ca, cert, key;
};

struct PagesConfig {
  std::string next = "link";
  std::string query;
  std::int64_t most = 100;

  bool by_link() const { return next == "link"; }
};

struct HttpConfig {
  std::optional<config::Template> get, post, put, patch, removal, head, forward;
  std::optional<config::Duration> every;
  std::optional<PagesConfig> pages;
  config::Map<config::Template> headers, query;
  std::optional<config::Value> msg;
  std::optional<config::Template> text;
  std::optional<config::Map<config::Template>> form;
  std::optional<AuthConfig> auth;
  std::optional<TlsConfig> tls;
  std::string proxy;
  std::vector<std::int64_t> ok;
  std::optional<std::int64_t> redirects;
  config::Size max_body{16 * 1024 * 1024};
  bool public_only = false;
  std::optional<std::string> robots;
  config::Duration connect_timeout = 10s;
  std::optional<config::Duration> first_byte_timeout;
};

constexpr config::Duration default_timeout = 10s;

/// What the stage does: the word for it, and the method.
struct Role {
  const char* word;
  const char* method;  ///< Of a forward the asker's.
  const config::Template* url;
  bool sends_payload = false;
};

Role role_of(const HttpConfig& config) {
  if (config.get) return {"get", "GET", &*config.get};
  if (config.post) return {"post", "POST", &*config.post, true};
  if (config.put) return {"put", "PUT", &*config.put, true};
  if (config.patch) return {"patch", "PATCH", &*config.patch, true};
  if (config.removal) return {"delete", "DELETE", &*config.removal};
  if (config.head) return {"head", "HEAD", &*config.head};
  return {"forward", "", &*config.forward};
}

template <class... Names>
bool is_one_of(std::string_view name, const Names&... names) {
  return ((name == names) || ...);
}

// ------------------------------------------------------------------------------------------------- what is not allowed

void verify_url(const Role& role, config::Written& written) {
  const auto& parts = role.url->parts;
  if (parts.empty()) return written.error(role.word, "the URL is empty");
  if (parts.front().lua || role.url->unset || io::http_is_url(parts.front().text)) return;
  const std::string& text = parts.front().text;
  if (text.find("://") != std::string::npos) {
    written.error(role.word, "'" + text.substr(0, text.find("://")) + "' is not spoken here",
                  "a URL begins with http:// or https://");
  } else if (text.starts_with('$')) {
    written.error(role.word, "'" + text + "' is no whole URL", "what the environment says is filled in by ${NAME}");
  } else {
    written.error(role.word, "'" + text + "' is no whole URL", "write `http://" + text + "`");
  }
}

/// How long a body is, is said by weir; the author may say that it comes in chunks instead.
void verify_coding(const HttpConfig& config, const config::Template& coding, config::Written& written) {
  const Role role = role_of(config);
  if (!coding.unset && io::http_lower(coding.text()) != "chunked") {
    written.error("headers", "the only 'transfer-encoding' that is sent is `chunked`",
                  "write that, or leave it out: then the body has a length");
  } else if (!role.sends_payload && !config.forward && !config.msg && !config.text && !config.form) {
    written.error("headers", "a `" + std::string(role.word) + "` without a body has nothing to send in chunks",
                  "leave 'transfer-encoding' out");
  }
}

void verify_headers(const HttpConfig& config, config::Written& written) {
  for (const auto& [name, value] : config.headers) {
    const std::string known = io::http_lower(name);
    if (!io::http_is_token(name)) {
      written.error("headers", "'" + name + "' can't be the name of a header");
    } else if (is_one_of(known, "content-length", "connection", "expect")) {
      written.error("headers", "'" + name + "' is weir's own to say", "leave it out");
    } else if (known == "transfer-encoding") {
      verify_coding(config, value, written);
    } else if (known == "authorization" && config.auth) {
      written.error("auth", "there is an 'authorization' among the headers already", "keep one of the two");
    }
  }
}

void verify_tls(const TlsConfig& tls, config::Written& written) {
  if (tls.cert.empty() != tls.key.empty()) {
    return written.error("tls", "a certificate and its key go together", "write both `cert` and `key`");
  }
  try {
    io::try_tls_client({tls.cert, tls.key}, tls.ca);
  } catch (const io::TlsError& error) {
    written.error("tls", error.what());
  } catch (const std::system_error&) {
    // What is not there may come until weir runs; then it is looked for again.
  }
}

void verify(const HttpConfig& config, config::Written& written) {
  const Role role = role_of(config);
  verify_url(role, written);
  verify_headers(config, written);
  const auto of_name = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; };
  if (config.robots &&
      (config.robots->empty() || !std::all_of(config.robots->begin(), config.robots->end(), of_name))) {
    written.error("robots", "'" + *config.robots + "' can stand in no robots.txt",
                  "letters, `-` and `_`; a version goes into the header user-agent");
  }
  const int bodies = config.msg.has_value() + config.text.has_value() + config.form.has_value();
  if (bodies > 0 && (config.head || config.forward)) {
    written.error(config.msg    ? "msg"
                  : config.text ? "text"
                                : "form",
                  config.head ? "a `head` sends no body" : "a `forward` sends on what the asker sent");
  } else if (bodies > 1) {
    written.error(config.form ? "form" : "text", "one body is sent", "keep one of `msg`, `text` and `form`");
  }
  if (config.public_only && !config.proxy.empty()) {
    written.error("public_only", "behind a proxy nobody sees the addresses", "let the proxy refuse them");
  }
  if (config.tls) verify_tls(*config.tls, written);
  if (!config.every) return;
  if (config.forward) return written.error("every", "without a message there is nothing to forward");
  const auto refuse = [&](const char* key) {
    written.error(key, "`{{ }}` has nothing to speak of: there is no message here",
                  "what is known at start is written `${name}`");
  };
  const auto constant = [](const config::Map<config::Template>& texts) {
    return std::all_of(texts.begin(), texts.end(), [](const auto& entry) { return entry.second.constant(); });
  };
  if (!role.url->constant()) refuse(role.word);
  if (!constant(config.headers)) refuse("headers");
  if (!constant(config.query)) refuse("query");
  if (config.msg && !config.msg->constant()) refuse("msg");
  if (config.text && !config.text->constant()) refuse("text");
  if (config.form && !constant(*config.form)) refuse("form");
}

const auto auth_spec = config::Spec<AuthConfig>("auth", "Who asks (basic authentication).")
                           .field("user", &AuthConfig::user, "Name.", config::sample("weir"))
                           .required()
                           .field("password", &AuthConfig::password, "Password.", config::sample("'${secret.api}'"))
                           .secret_ok()
                           .verify([](const AuthConfig& auth, config::Written& written) {
                             if (auth.user.find(':') != std::string::npos) {
                               written.error("user", "the name can't hold a colon: it ends there");
                             }
                           });

const auto tls_spec =
    config::Spec<TlsConfig>("tls", "PEM files for https.")
        .field("ca", &TlsConfig::ca, "Whose certificates are believed; left out: the system's list.",
               config::sample("ca.pem"))
        .field("cert", &TlsConfig::cert, "The certificate that weir shows.", config::sample("client.pem"))
        .field("key", &TlsConfig::key, "Its key.", config::sample("client.key"));

const auto pages_spec =
    config::Spec<PagesConfig>("pages", "Where the next page is.")
        .field("next", &PagesConfig::next,
               "Where a reply says it: `link`, the header of that name (rel=\"next\"), or the field of its JSON that "
               "holds the URL, or with `query` the token. Missing, null or empty: there is none. A name with a point "
               "in it is written as it is.",
               config::not_empty(), config::sample("paging.next"))
        .field("query", &PagesConfig::query, "The token is sent as this parameter of the URL.",
               config::sample("cursor"))
        .field("most", &PagesConfig::most, "Pages of one tick at the most.", config::at_least(1))
        .verify([](const PagesConfig& pages, config::Written& written) {
          if (pages.by_link()) {
            if (!pages.query.empty()) written.error("query", "a link is a whole URL", "say where the token is: `next`");
          } else if (pages.next.find_first_of("[]") != std::string::npos) {
            written.error("next", "'" + pages.next + "' is no path of a field",
                          "a place in a list stands behind a point: links.0.href");
          } else if (!config::parse_path(pages.next)) {
            written.error("next", "'" + pages.next + "' is no path of a field", config::path_advice(pages.next));
          }
        });

const auto spec =
    config::Spec<HttpConfig>("http", "Asks a server about each message, or sends it there; or asks again and again.")
        .role("get", &HttpConfig::get,
              "URL. The body of the reply becomes the payload, or `result` in `merge`. Each `{{ }}` in it is escaped, "
              "but for one that opens it.",
              config::sample("'http://127.0.0.1:9001/users/{{ msg.id }}'"))
        .secret_ok()
        .role("post", &HttpConfig::post, "URL that the payload, `msg`, `text` or `form` is sent to.",
              config::sample("https://api.example.com/v1/orders"))
        .secret_ok()
        .role("put", &HttpConfig::put, "The same with PUT.",
              config::sample("'http://127.0.0.1:9001/users/{{ msg.id }}'"))
        .secret_ok()
        .role("patch", &HttpConfig::patch, "The same with PATCH.",
              config::sample("'http://127.0.0.1:9001/users/{{ msg.id }}'"))
        .secret_ok()
        .role("delete", &HttpConfig::removal, "URL of what shall be deleted.",
              config::sample("'http://127.0.0.1:9001/users/{{ msg.id }}'"))
        .secret_ok()
        .role("head", &HttpConfig::head, "URL of which only the head of the reply is wanted.",
              config::sample("'{{ msg.url }}'"))
        .secret_ok()
        .role("forward", &HttpConfig::forward,
              "URL that the asker's request is sent on to: its method, headers and body, its path and query appended "
              "as they came. x-forwarded-for, -host and -proto and via say who asked, and how.",
              config::sample("http://127.0.0.1:9001"))
        .secret_ok()
        .field("every", &HttpConfig::every,
               "Time from one call to the next; the first is at once. While one still runs, ticks are left out and "
               "counted. The stage then takes no `from`.",
               config::above(0), config::sample("10s"))
        .group("pages", &HttpConfig::pages, pages_spec,
               "With `every`: each reply is a page, and says where the next one is. Each becomes a message. One behind "
               "the first that fails and may yet come is asked for three times more, after 0.5, 2 and 8 s or when the "
               "server says, up to a minute.")
        .needs({"every"}, "a call brings one reply: pages are for a stage with `every`")
        .needs({"get"}, "pages are turned by `get`")
        .field("headers", &HttpConfig::headers, "Headers of the request.",
               config::sample("{authorization: 'Bearer ${secret.api}', x-tenant: '{{ msg.tenant }}'}"))
        .secret_ok()
        .field("query", &HttpConfig::query, "Appended to the URL as its query, escaped.",
               config::sample("{q: '{{ msg.words }}', page: '1'}"))
        .secret_ok()
        .field("msg", &HttpConfig::msg, "What is sent, as JSON.", config::sample("{id: '{{ msg.id }}'}"))
        .secret_ok()
        .field("text", &HttpConfig::text, "What is sent, as text.", config::sample("'{{ msg.name }} is down'"))
        .secret_ok()
        .field("form", &HttpConfig::form, "What is sent, as a web page's form sends it.",
               config::sample("{user: '{{ msg.user }}'}"))
        .secret_ok()
        .group("auth", &HttpConfig::auth, auth_spec, "Who asks (basic authentication).")
        .field("ok", &HttpConfig::ok, "Statuses from 400 on that are no failure.", config::at_least(400),
               config::at_most(599), config::sample("[404]"))
        .field("redirects", &HttpConfig::redirects,
               "So many are followed: 5, or none of a `forward`. One more fails; with 0 the redirect is the result.",
               config::at_least(0), config::at_most(100))
        .field("max_body", &HttpConfig::max_body, "Bytes of a reply at the most, when decompressed.", config::above(0))
        .field("public_only", &HttpConfig::public_only,
               "Connects to public addresses only, whatever name or redirect leads there.")
        .field("robots", &HttpConfig::robots,
               "Fetches only what the robots.txt of the server allows whoever has this name, which is the user-agent "
               "too, unless a header says otherwise. What is not allowed fails (robots).",
               config::sample("weirbot"))
        .group("tls", &HttpConfig::tls, tls_spec, "Files for https: whom to believe, and what to show.")
        .field("proxy", &HttpConfig::proxy, "Proxy to go through. None unless it is written here.",
               config::sample("http://127.0.0.1:3128"))
        .secret_ok()
        .field("connect_timeout", &HttpConfig::connect_timeout, "Time for name, connection and TLS.", config::above(0))
        .field("first_byte_timeout", &HttpConfig::first_byte_timeout,
               "Time from the start of a request to the head of its reply.", config::above(0), config::sample("2s"))
        .details(
            "The whole call has 10s, unless `timeout` says otherwise. A status from 400 on fails the message (status), "
            "but for those in `ok`; 429 and 5xx may pass, and a Retry-After is kept with the failure. Of a `forward` "
            "only these two fail: another 4xx is the asker's to hear. Other failures: connect, tls, timeout, size (a "
            "reply larger than `max_body`, or compressed by more than 200 to 1), decode (compressed more than once, or "
            "for its way), "
            "robots, io (reset, cut short, not HTTP). `result` has status, headers (lower case, `_` for `-`), text, "
            "seconds; of a failed call, too.\n"
            "Without `msg`, `text` and `form`, post, put and patch send the payload, and the others nothing. The "
            "content-type is application/json, with `text` text/plain, unless a header says otherwise. What is sent "
            "has "
            "a length; with `headers: {transfer-encoding: chunked}` it comes in chunks instead. Of a reply that ends "
            "with its connection, TLS must say goodbye, or it is cut "
            "short. "
            "Replies "
            "compressed by gzip are decompressed; a part (206) comes as it is. Connections are kept and shared by the "
            "calls of the stage; where a server has closed one, what is no post or patch is sent once more, for which "
            "a "
            "`limit` wants another token. HTTP/2 is spoken where a server "
            "offers it with TLS, by get, head and delete without a body; the others speak HTTP/1.1. A robots.txt is "
            "read before the first page of its server and again when it is an hour "
            "old; a server that can't say what it allows is not asked for pages. A redirect to another server is "
            "followed without authorization and cookies. Neither netrc nor a proxy of the environment is used.\n"
            "In the host of the URL a `{{ }}` may give a name and a port, and no more; in its path no `.` or `..`.")
        .example("http: {get: 'http://127.0.0.1:9001/users/{{ msg.id }}', ok: [404]}", "{id: 7}")
        .example(
            "http: {get: 'http://127.0.0.1:9001/search', query: {q: '{{ msg.words }}'}}\n"
            "merge: {found: '{{ result.msg.total }}', took: '{{ result.seconds }}'}")
        .example(
            "http:\n"
            "  post: https://api.example.com/v1/orders\n"
            "  headers: {x-tenant: '{{ msg.tenant }}'}\n"
            "  msg: {id: '{{ msg.id }}'}\n"
            "timeout: 2s")
        .example("http: {get: http://127.0.0.1:9001/metrics, every: 10s}")
        .example("http: {get: https://api.example.com/items, every: 1h, pages: {next: paging.cursor, query: cursor}}")
        .verify(verify);

// ------------------------------------------------------------------------------------------------------ what is filled

/// A value between other text of a URL.
message::Done url_part(std::string_view value, bool opens, std::string& out) {
  const auto scheme = out.find("://");
  if (opens) {
    out += value;
  } else if (scheme != std::string::npos && out.find_first_of("/?#", scheme + 3) == std::string::npos) {
    const bool host = std::all_of(value.begin(), value.end(), [](unsigned char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 128 ||
             "-._~:[]"sv.find(static_cast<char>(c)) != std::string_view::npos;
    });
    if (!host) return stage::Failure(stage::Reason::type, "'" + std::string(value) + "' is no host of a URL");
    out += value;
  } else if (is_one_of(value, ".", "..") && out.find_first_of("?#") == std::string::npos) {
    return stage::Failure(stage::Reason::type, "'" + std::string(value) + "' would lead to another path");
  } else {
    out += script::url_escape(value);
  }
  return std::nullopt;
}

void append_query(std::string& url, std::string_view query) {
  if (query.empty()) return;
  const auto fragment = url.find('#');
  if (fragment != std::string::npos) url.resize(fragment);
  const auto question = url.find('?');
  if (question == std::string::npos) {
    url += '?';
  } else if (question + 1 < url.size()) {
    url += '&';
  }
  url += query;
}

void append_pair(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out += '&';
  out += script::url_escape(name);
  out += '=';
  out += script::url_escape(value);
}

/// A map of texts, compiled.
class Texts {
 public:
  void compile(stage::Context& context, const config::Map<config::Template>& texts) {
    for (const auto& [name, text] : texts) {
      texts_.emplace_back(name, script::Text());
      context.compile(texts_.back().second, text);
    }
  }
  template <class Use>
  message::Done fill(const stage::Message& message, const Use& use) const {
    for (const auto& [name, text] : texts_) {
      std::string value;
      if (auto failure = text.fill(message, value)) return failure;
      use(name, std::move(value));
    }
    return std::nullopt;
  }

 private:
  std::vector<std::pair<std::string, script::Text>> texts_;
};

// ------------------------------------------------------------------------------------------------------------- forward

/// Of the connection between asker and weir, or said anew by weir.
bool is_said_anew(std::string_view name) {
  return io::http_is_of_the_hop(name) || is_one_of(name, "host", "expect", "accept-encoding", "x-forwarded-for",
                                                   "x-forwarded-host", "x-forwarded-proto", "via");
}

std::string with_hyphens(std::string_view name) {
  std::string header = io::http_lower(name);
  std::replace(header.begin(), header.end(), '_', '-');
  return header;
}

/// `10.0.0.1` of `10.0.0.1:50123`, `::1` of `[::1]:50123`.
std::string_view address_of(std::string_view client) {
  if (client.starts_with('[')) return client.substr(1, std::min(client.find(']'), client.size()) - 1);
  const auto colon = client.find(':');
  return colon != std::string_view::npos && client.find(':', colon + 1) == std::string_view::npos
             ? client.substr(0, colon)
             : client;
}

/// What `connection` names is of this hop too.
std::vector<std::string> named_by_connection(const io::HttpFields& headers) {
  std::vector<std::string> named;
  for (const auto& [name, value] : headers) {
    if (name != "connection") continue;
    for (auto& option : io::http_list(value)) named.push_back(std::move(option));
  }
  return named;
}

void forward_headers(const message::Request& request, io::HttpFields& headers) {
  const auto named = named_by_connection(request.headers);
  std::string forwarded_for, host, via;
  const auto add = [](std::string& list, std::string_view one) { (list += list.empty() ? "" : ", ") += one; };
  for (const auto& [name, value] : request.headers) {
    const std::string header = with_hyphens(name);
    if (header == "x-forwarded-for") add(forwarded_for, value);
    if (header == "via") add(via, value);
    if (header == "host") host = value;
    if (is_said_anew(header) || std::find(named.begin(), named.end(), header) != named.end()) continue;
    headers.emplace_back(header, value);
  }
  // Never the asker's word: who trusts one puts it into `headers`.
  if (!host.empty()) headers.emplace_back("x-forwarded-host", host);
  headers.emplace_back("x-forwarded-proto", request.secure ? "https" : "http");
  add(via, "1.1 weir");
  headers.emplace_back("via", std::move(via));
  const std::string& client = request.address.empty() ? request.client : request.address;
  if (!client.empty()) add(forwarded_for, address_of(client));
  if (!forwarded_for.empty()) headers.emplace_back("x-forwarded-for", forwarded_for);
}

/// Appends path and query of the request to a URL that may have some of its own.
message::Done forward_url(const message::Request& request, std::string& url) {
  std::string query;
  if (const auto question = url.find_first_of("?#"); question != std::string::npos) {
    if (url[question] == '?') query = url.substr(question + 1, url.find('#', question) - question - 1);
    url.resize(question);
  }
  while (url.ends_with('/')) url.pop_back();
  // As it came, where that is known: %2F is no slash, and whoever is asked may take it otherwise.
  const bool escaped = !request.sent_path.empty();
  for (std::string_view rest = escaped ? request.sent_path : request.path; !rest.empty();) {
    if (rest.starts_with('/')) rest.remove_prefix(1);
    const auto segment = rest.substr(0, rest.find('/'));
    if (is_one_of(segment, ".", "..")) {
      return stage::Failure(stage::Reason::type, "the path '" + request.path + "' leads to another one");
    }
    url += '/';
    for (const char c : segment) {
      // As in RFC 3986: what may stand in a segment, stands.
      if ("!$&'()*+,;=:@"sv.find(c) != std::string_view::npos || (escaped && c == '%')) {
        url += c;
      } else {
        url += script::url_escape({&c, 1});
      }
    }
    rest.remove_prefix(segment.size());
  }
  append_query(url, query);
  std::string asked = request.sent_query;  // As it came, where that is known: somebody may have signed it.
  if (asked.empty()) {
    for (const auto& [name, value] : request.query) append_pair(asked, name, value);
  }
  append_query(url, asked);
  return std::nullopt;
}

// ----------------------------------------------------------------------------------------------------- what came of it

/// Retry-After: seconds, or a date. One that is over asks for nothing: as a wait of no length it would be obeyed for
/// ever, since who obeys it uses up no attempt.
std::optional<stage::Duration> pause_of(const message::Result& result, runtime::WallTime now) {
  for (const auto& [name, value] : result.headers) {
    if (name != "retry_after") continue;
    constexpr std::int64_t longest_s = 366 * 24 * 3600;
    stage::Duration pause{0};
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (end == value.data() + value.size() && (error == std::errc() || error == std::errc::result_out_of_range)) {
      if (error != std::errc()) seconds = longest_s;
      pause = std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, longest_s));
    } else if (const auto date = io::parse_http_date(value)) {
      if (*date > now) pause = std::min<stage::Duration>(*date - now, std::chrono::seconds(longest_s));
    }
    if (pause > 0s) return pause;
  }
  return std::nullopt;
}

message::Done judge(const HttpConfig& config, const message::Result& result, runtime::WallTime now) {
  if (result.text.size() > config.max_body.bytes) {  // Of a reply that came, the client has said so.
    stage::Failure failure(stage::Reason::size, "the reply is larger than " + config::show(config.max_body));
    failure.of_peer = true;
    return failure;
  }
  const int status = result.status.value_or(0);
  // What says that the asker was wrong is the asker's to hear; 429 is said of us.
  if (config.forward && status < 500 && status != 429) return std::nullopt;
  if (status < 400 || std::find(config.ok.begin(), config.ok.end(), status) != config.ok.end()) return std::nullopt;
  std::string text = "answered " + std::to_string(status);
  if (const auto phrase = io::http_phrase(status); phrase != "Unknown") text.append(" ").append(phrase);
  stage::Failure failure(stage::Reason::status, std::move(text));
  failure.may_pass = status == 429 || status >= 500;
  if (status == 429 || status == 503) failure.retry_after = pause_of(result, now);
  return failure;
}

bool is_of_the_reply_hop(std::string_view name) { return (is_said_anew(name) && name != "via") || name == "date"; }

std::shared_ptr<const message::Result> result_of(io::HttpReply& reply, bool forwarded) {
  auto result = std::make_shared<message::Result>();
  if (reply.status != 0) result->status = reply.status;
  const auto named = forwarded ? named_by_connection(reply.headers) : std::vector<std::string>();
  for (auto& [name, value] : reply.headers) {
    // What is sent back to the asker is framed anew.
    if (forwarded && (is_of_the_reply_hop(name) || std::find(named.begin(), named.end(), name) != named.end()))
      continue;
    // The strong tag is that of the packed bytes.
    if (forwarded && reply.unpacked && name == "etag" && value.starts_with('"')) value.insert(0, "W/");
    std::replace(name.begin(), name.end(), '-', '_');
    result->headers.emplace_back(std::move(name), std::move(value));
  }
  result->text = std::move(reply.body);
  result->seconds = std::chrono::duration<double>(reply.time).count();
  return result;
}

// ------------------------------------------------------------------------------------------------------------ the call

io::HttpClientOptions client_options(const HttpConfig& config, std::optional<stage::Duration> timeout) {
  io::HttpClientOptions options;
  options.redirects = config.redirects.value_or(config.forward ? 0 : options.redirects);
  options.max_body = config.max_body.bytes;
  options.public_only = config.public_only;
  options.proxy = config.proxy;
  options.robots = config.robots.value_or("");
  if (config.tls) {
    options.ca = config.tls->ca;
    options.cert = config.tls->cert;
    options.key = config.tls->key;
  }
  options.connect_time = config.connect_timeout;
  options.first_byte_time = config.first_byte_timeout;
  if (config.every) options.whole_time = timeout;  // Else the engine has its eye on it.
  return options;
}

/// Whether a call that fails so has reached somebody, who is to blame: by his certificate, his reply or his silence.
bool is_of_peer(stage::Reason reason) {
  using stage::Reason;
  return reason == Reason::io || reason == Reason::tls || reason == Reason::size || reason == Reason::decode;
}

/// Why nobody is called by this URL, as the client says it, for who calls nobody.
message::Done uncalled(const HttpConfig& config, const std::string& url) {
  if (!io::http_is_url(url)) {
    if (role_of(config).url->unset) return std::nullopt;
    return stage::Failure(stage::Reason::type, "the URL does not begin with http:// or https://");
  }
  if (!config.public_only) return std::nullopt;
  std::string host = url.substr(url.find("://") + 3);
  host.resize(std::min(host.find_first_of("/?#"), host.size()));
  host.erase(0, host.rfind('@') + 1);
  if (const auto bracket = host.find(']'); host.starts_with('[') && bracket != std::string::npos) {
    host = host.substr(1, bracket - 1);
  } else {
    host.resize(std::min(host.find(':'), host.size()));
  }
  if (io::http_lower(host) == "localhost") host = "127.0.0.1";
  std::array<std::uint8_t, 16> bytes{};
  std::size_t size = 0;
  if (::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1) size = 4;
  if (size == 0 && ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1) size = 16;
  if (size == 0 || io::is_public_address({bytes.data(), size})) return std::nullopt;
  return stage::Failure(stage::Reason::connect, "the address is not public: " + host);
}

class Http : public stage::Call {
 public:
  Http(const HttpConfig& config, stage::Context& context) : config_(config), context_(context), role_(role_of(config)) {
    context.compile(url_, *role_.url);
    headers_.compile(context, config.headers);
    query_.compile(context, config.query);
    if (config.msg) context.compile(msg_.emplace(), *config.msg);
    if (config.text) context.compile(text_.emplace(), *config.text);
    if (config.form) form_.emplace().compile(context, *config.form);
    for (const auto& [name, value] : config.headers) said_.push_back(io::http_lower(name));
    chunked_ = std::find(said_.begin(), said_.end(), "transfer-encoding") != said_.end();
    if (config.auth) {
      authorization_ = "Basic ";
      io::append_base64(authorization_, config.auth->user + ":" + config.auth->password);
    }
  }

  void look_outside() override {
    io::HttpClient::load();
    if (!config_.tls) return;
    try {
      io::try_tls_client({config_.tls->cert, config_.tls->key}, config_.tls->ca);
    } catch (const io::TlsError& wrong) {
      throw stage::Fault(wrong.what());
    }
  }
  stage::Task<message::Done> call(stage::Message message) override {
    std::string url;
    co_return co_await ask(message, url);
  }
  /// As call(), but for this URL, unless that is empty. Then it is where the reply came from.
  stage::Task<message::Done> ask(stage::Message message, std::string& url) {
    io::HttpCall call;
    std::string body;
    message::Done failure = fill(message, call, body);
    if (failure) co_return failure;
    if (!url.empty()) call.url = url;
    if (!client_) client_.emplace(context_.core, client_options(config_, context_.timeout));
    if (context_.ask_twice) call.before_again = [this, message] { return context_.ask_twice(message); };
    io::HttpReply reply = co_await client_->call(std::move(call));
    url = std::move(reply.url);
    failure = std::move(reply.failure);
    if (failure) failure->of_peer = is_of_peer(failure->reason);
    if (!failure || reply.status != 0) message.edit_metadata().result = result_of(reply, config_.forward.has_value());
    if (!failure) failure = judge(config_, *message.metadata()->result, context_.core.wall());
    co_return failure;
  }
  std::string url(const stage::Message& message) const {
    io::HttpCall call;
    std::string body;
    return fill(message, call, body) ? std::string() : call.url;
  }
  message::Done compose(const stage::Message& message, std::string& sent) override {
    io::HttpCall call;
    std::string body;
    auto failure = fill(message, call, body);
    if (!failure) failure = uncalled(config_, call.url);
    if (!failure) sent = call.body.value_or("");
    return failure;
  }
  /// What a forward asks for in the name of one who asks is for him alone: who he is, the part that he lacks, what has
  /// changed since he last asked.
  bool may_be_remembered(const stage::Message& message) const override {
    const auto* request = forwarded(message);
    if (!request) return !config_.forward;
    return request->method == "GET" &&
           std::none_of(request->headers.begin(), request->headers.end(), [](const auto& header) {
             return is_one_of(header.first, "authorization", "cookie", "range") || header.first.starts_with("if_");
           });
  }
  bool may_be_doubled(const stage::Message& message) const override {
    const auto* request = forwarded(message);
    return !request || !is_one_of(request->method, "POST", "PATCH");
  }

 private:
  const message::Request* forwarded(const stage::Message& message) const {
    const auto* metadata = message.metadata();
    return config_.forward && metadata ? metadata->request.get() : nullptr;
  }
  /// `body` holds what `call.body` shows, where that is not the payload.
  message::Done fill(const stage::Message& message, io::HttpCall& call, std::string& body) const {
    call.method = role_.method;
    if (auto failure = url_.fill(message, call.url, url_part)) return failure;
    if (config_.forward) {
      const auto* metadata = message.metadata();
      if (!metadata || !metadata->request) {
        return stage::Failure(stage::Reason::missing, "there is no request to forward: nobody asked");
      }
      call.method = metadata->request->method;
      if (auto failure = forward_url(*metadata->request, call.url)) return failure;
      io::HttpFields asked;
      forward_headers(*metadata->request, asked);
      for (auto& header : asked) {
        if (std::find(said_.begin(), said_.end(), header.first) == said_.end()) call.headers.push_back(header);
      }
      if (!message.text().empty() && !is_one_of(call.method, "GET", "HEAD")) call.body = message.text();
    }
    std::string query;
    const auto add = [&](const std::string& name, std::string value) { append_pair(query, name, value); };
    if (auto failure = query_.fill(message, add)) return failure;
    append_query(call.url, query);
    call.chunked = chunked_;
    const auto say = [&](const std::string& name, std::string value) {
      if (chunked_ && io::http_lower(name) == "transfer-encoding") return;  // The client's to write.
      call.headers.emplace_back(name, std::move(value));
    };
    if (auto failure = headers_.fill(message, say)) return failure;
    if (!authorization_.empty()) call.headers.emplace_back("authorization", authorization_);
    return fill_body(message, call, body);
  }
  message::Done fill_body(const stage::Message& message, io::HttpCall& call, std::string& body) const {
    const char* type = "application/json";
    if (msg_) {
      auto made = msg_->json(message, body);
      if (!made) return std::move(made.failure());
      if (!*made) body = "null";
      call.body = body;
    } else if (text_) {
      type = "text/plain; charset=utf-8";
      if (auto failure = text_->fill(message, body)) return failure;
      call.body = body;
    } else if (form_) {
      type = "application/x-www-form-urlencoded";
      const auto add = [&](const std::string& name, std::string value) { append_pair(body, name, value); };
      if (auto failure = form_->fill(message, add)) return failure;
      call.body = body;
    } else if (role_.sends_payload) {
      call.body = message.text();
    } else {
      return std::nullopt;
    }
    if (std::find(said_.begin(), said_.end(), "content-type") == said_.end()) {
      call.headers.emplace_back("content-type", type);
    }
    return std::nullopt;
  }

  const HttpConfig& config_;
  stage::Context& context_;
  const Role role_;
  script::Text url_;
  Texts headers_, query_;
  std::optional<script::Tree> msg_;
  std::optional<script::Text> text_;
  std::optional<Texts> form_;
  std::vector<std::string> said_;  // Names of the configured headers, in lower case.
  bool chunked_ = false;
  std::string authorization_;
  std::optional<io::HttpClient> client_;  // Made with the first call: a test has none.
};

// ---------------------------------------------------------------------------------------------------------- the source

/// Takes the next parameter of a link off: `; rel="first next"`. Nothing where there is none.
std::optional<std::pair<std::string_view, std::string_view>> next_parameter(std::string_view& rest) {
  constexpr auto blanks = " \t"sv, ends = "=;, \t"sv;
  rest.remove_prefix(std::min(rest.find_first_not_of("; \t"), rest.size()));
  if (rest.empty() || rest.front() == ',') return std::nullopt;
  const auto name = rest.substr(0, rest.find_first_of(ends));
  rest.remove_prefix(name.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
  if (!rest.starts_with('=')) return std::pair(name, std::string_view());
  rest.remove_prefix(std::min(rest.find_first_not_of(blanks, 1), rest.size()));
  const bool quoted = rest.starts_with('"') || rest.starts_with('\'');
  const auto end = quoted ? rest.find(rest.front(), 1) : rest.find_first_of("; ,\t");
  const auto value = rest.substr(quoted ? 1 : 0, end - (quoted ? 1 : 0));
  rest.remove_prefix(end == rest.npos ? rest.size() : end + (quoted ? 1 : 0));
  return std::pair(name, value);
}

/// Whether `next` is among the relations that the parameters of a link name. Of several `rel` the first counts.
bool is_next(std::string_view parameters) {
  while (const auto parameter = next_parameter(parameters)) {
    auto [name, relations] = *parameter;
    if (name != "rel") continue;
    while (!relations.empty()) {
      const auto end = std::min(relations.find_first_of(" \t"), relations.size());
      if (relations.substr(0, end) == "next") return true;
      relations.remove_prefix(std::min(end + 1, relations.size()));
    }
    return false;
  }
  return false;
}

/// Where the next link begins, behind what is quoted.
std::size_t find_link(std::string_view text) {
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') quoted = !quoted;
    if (quoted && text[at] == '\\') ++at;
    if (!quoted && text[at] == '<') return at;
  }
  return text.npos;
}

/// `<URL>; rel="next"` among the links of a reply; empty where there is none.
std::string next_link(const message::Result& result) {
  for (const auto& [name, value] : result.headers) {
    if (name != "link") continue;
    std::string_view rest = value;
    for (auto open = find_link(rest); open != rest.npos; open = find_link(rest)) {
      const auto close = rest.find('>', open);
      if (close == rest.npos) break;
      const auto url = rest.substr(open + 1, close - open - 1);
      rest.remove_prefix(close + 1);
      if (is_next(io::http_lower(rest.substr(0, find_link(rest))))) return std::string(url);
    }
  }
  return {};
}

/// Scheme, host and port.
std::string origin_of(std::string_view url) {
  const auto normal = script::url_normalise(url).value_or("");
  const auto host = normal.find("://");
  return host == std::string::npos ? std::string() : normal.substr(0, normal.find('/', host + 3));
}

/// A URL without what its query says of `name`, which is spelt as in a query.
std::string without_parameter(std::string_view url, std::string_view name) {
  const auto query = url.find('?');
  std::string kept(url.substr(0, query));
  if (query == url.npos) return kept;
  std::string_view rest = url.substr(query + 1);
  for (char before = '?'; !rest.empty();) {
    const auto pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    if (pair.substr(0, pair.find('=')) == name) continue;
    kept.append(1, std::exchange(before, '&')).append(pair);
  }
  return kept;
}

/// What the field of a page says of the next one; empty where it is missing or null, or says nothing.
message::Outcome<std::string> next_field(const std::string& path, const stage::Message& page) {
  auto& document = page.document();
  if (!document.valid()) {
    return stage::Failure(stage::Reason::decode, "the page is not JSON, so it does not say where the next one is");
  }
  // A name with a dot, as `@odata.nextLink`, is one all the same.
  const bool object = document.kind(document.root()) == message::Kind::object;
  auto node = object ? document.find(document.root(), path) : message::Node();
  if (!node) node = document.find_path(path);
  if (!node) return std::string();
  switch (document.kind(node)) {
    case message::Kind::null:
      return std::string();
    case message::Kind::string:
      return std::string(*document.string(node));
    case message::Kind::integer:
    case message::Kind::number:
      return std::string(document.raw(node));
    default:
      return stage::Failure(stage::Reason::type,
                            "'" + path + "' of the page is neither text nor a number, so it names no next one");
  }
}

/// Whoever may be told what the server of `one` is told: himself, also where he has sent the asker to https.
bool same_server(const std::string& one, const std::string& other) {
  const std::string from = origin_of(one), to = origin_of(other);
  const bool default_ports =
      from.find(':', from.find(']') == from.npos ? from.find("://") + 3 : from.find(']')) == from.npos;
  return from == to || (default_ports && from.starts_with("http://") && to == "https" + from.substr(4));
}

/// Where the page behind this one is; empty: there is none. `first`: where the first one was; `asked`: where this one
/// was asked for; `here`: where it came from.
message::Outcome<std::string> next_page(const PagesConfig& pages, const stage::Message& page, const std::string& first,
                                        const std::string& asked, const std::string& here) {
  auto next = pages.by_link() ? next_link(*page.metadata()->result) : next_field(pages.next, page);
  if (!next || next->empty()) return next;
  std::string url;
  if (!pages.query.empty()) {
    std::string parameter;
    append_pair(parameter, pages.query, *next);
    url = without_parameter(first, std::string_view(parameter).substr(0, parameter.find('=')));
    append_query(url, parameter);
  } else {
    url = script::url_join(here, *next).value_or("");
  }
  if (url == here || url == asked)
    return stage::Failure(stage::Reason::type, "the page says that it is its own next one");
  // Whoever writes the pages must not learn what is said to the server of the first.
  if (!same_server(first, url)) {
    return stage::Failure(stage::Reason::type, "the next page is said to lie on another server");
  }
  return url;
}

/// Between the tries to get a page behind the first, unless the server wants to be left alone for longer.
constexpr std::array<stage::Duration, 3> page_pauses{500ms, 2s, 8s};
constexpr stage::Duration longest_page_pause = 1min;

/// How long to wait before a page is asked for again; nothing: that would not help.
std::optional<stage::Duration> pause_before(std::size_t again, const stage::Failure& failure) {
  const bool may_pass = failure.may_pass || message::transient(failure.reason);
  if (failure.lasts || !may_pass || again >= page_pauses.size()) return std::nullopt;
  const auto pause = std::max(page_pauses[again], failure.retry_after.value_or(0s));
  if (pause > longest_page_pause) return std::nullopt;
  return pause;
}

/// One reply, or a page. It becomes a message, or is refused. The URL of the next page, where there is one; `pause`:
/// how long the server wants not to be asked.
stage::Task<std::string> ask_once(const HttpConfig& config, Http& http, stage::Source& source, std::string url,
                                  std::optional<stage::Duration>& pause) {
  const auto batch = message::Batch::make();
  const stage::Message asked(*batch, batch->append({}, source.core.now()));
  std::string here;
  message::Done failure;
  for (std::size_t again = 0;; ++again) {
    here = url;
    asked.edit_metadata().result = nullptr;  // Of the try before.
    source.waited_outside();
    failure = co_await http.ask(asked, here);
    source.waited_outside();
    // Who gives up here begins with the first page at the next tick. (That comes by itself if the first one fails.)
    const auto wait = failure && !url.empty() ? pause_before(again, *failure) : std::nullopt;
    if (!wait || source.abandoned()) break;
    co_await source.sleep(*wait);
  }
  const auto* metadata = asked.metadata();
  const auto result = metadata ? metadata->result : nullptr;
  if (failure) {
    pause = failure->retry_after;
    source.refuse_result(result ? std::string_view(result->text) : std::string_view(), std::move(*failure), result);
    co_return std::string();
  }
  source.emit(result->text).edit_metadata().result = result;
  if (!config.pages) co_return std::string();
  asked.replace(result->text);
  const std::string first = http.url(asked);
  auto next = next_page(*config.pages, asked, first, url.empty() ? first : url, here);
  if (next) co_return std::move(*next);
  source.refuse_result(result->text, std::move(next.failure()), result);
  co_return std::string();
}

/// Whatever the server says, it is asked again after this.
constexpr stage::Duration longest_pause = 1h;

stage::Task<> ask_every(const HttpConfig& config, stage::Source& source) {
  Http http(config, source);
  http.look_outside();
  stage::Ticks ticks(*config.every, source);
  while (!source.abandoned()) {
    std::string url;
    std::optional<stage::Duration> pause;
    for (std::int64_t pages = 1; !source.abandoned(); ++pages) {
      url = co_await ask_once(config, http, source, std::move(url), pause);
      co_await source.flush();
      if (url.empty()) break;
      if (pages == config.pages->most) {
        source.log(observe::Level::warn, "there are more pages than are asked for", {{"pages", pages}});
        break;
      }
    }
    if (pause) {
      pause = std::min<stage::Duration>(*pause, longest_pause);
      source.log(observe::Level::warn, "the server asks for a pause", {{"seconds", pause->count() / 1'000'000'000}});
      co_await source.sleep_until(source.core.now() + *pause);
    }
    ticks.next();
    ticks.skip_late(pause ? "ticks were left out, because the server asked for a pause"
                          : "ticks were left out, because the last call had not ended");
    co_await source.sleep_until(ticks.due());
  }
}

const stage::Register registered(spec, [](auto config) {
  if (config->every) {
    auto configured = stage::source_of(config, ask_every).touching(stage::Touches::net);
    configured.instead_of_from = "without `every` it is asked once for each message";
    configured.default_timeout = default_timeout;
    return configured;
  }
  auto configured = stage::call_of<Http>(config).touching(stage::Touches::net);
  configured.default_timeout = default_timeout;
  configured.forwards = config->forward.has_value();
  if (config->post) configured.not_twice = "a POST";
  if (config->patch) configured.not_twice = "a PATCH";
  configured.judge = [config](const message::Result& result, runtime::WallTime now) {
    return judge(*config, result, now);
  };
  return configured;
});

}  // namespace
}  // namespace weir::stages
