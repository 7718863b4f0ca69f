// http_server: takes HTTP requests, one message each; who asks is answered.
#include <algorithm>
#include <array>

#include "engine/io/address.hpp"
#include "engine/io/http_files.hpp"
#include "engine/io/http_server.hpp"
#include "engine/io/http_site.hpp"
#include "engine/io/tls.hpp"
#include "engine/message/json.hpp"
#include "engine/runtime/files.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

using stage::Failure;
using stage::Reason;

/// What weir tells clients of itself. Counted from 0 on; what a page may tell besides when it comes.
constexpr std::array refusals{400, 401, 404, 405, 408, 413, 414, 415, 417, 431, 501, 503, 505};

enum class Format : std::uint8_t { text, json };

struct AuthConfig {
  std::string token, user, password;
};

struct CertificateConfig {
  std::string cert, key;
};

struct TlsConfig {
  std::string cert, key, ca;
  std::vector<CertificateConfig> more;
};

struct HttpServerConfig {
  std::string listen, path;
  std::vector<std::string> methods;
  Format format = Format::text;
  config::Size max_body{1024 * 1024};
  std::int64_t waiting = 64;
  std::optional<AuthConfig> auth;
  std::optional<TlsConfig> tls;
  std::optional<std::string> files;
};

io::TlsFiles files_of(const TlsConfig& config) {
  io::TlsFiles files;
  files.certificates.push_back({config.cert, config.key});
  for (const auto& [cert, key] : config.more) files.certificates.push_back({cert, key});
  files.clients = config.ca;
  return files;
}

/// What stages of one address must write alike.
std::string terms_of(const HttpServerConfig& config) {
  if (!config.tls) return {};
  const auto files = files_of(*config.tls);
  std::string terms = files.clients;
  for (const auto& [cert, key] : files.certificates) terms += "\n" + cert + "\n" + key;
  return terms;
}

void verify_files(const HttpServerConfig& config, const std::optional<io::HttpPath>& path, config::Written& written) {
  if (config.files->empty()) {
    const bool folder = path && path->takes_rest();
    written.error("files", folder ? "the folder has no name" : "the file has no name",
                  folder ? "`.` is the one weir is started in" : "");
  }
  for (const auto* key : {"methods", "format", "max_body", "waiting"}) {
    if (written.has(key)) written.error(key, "pages are served by GET and HEAD, and no message comes of it");
  }
}

void verify(const HttpServerConfig& config, config::Written& written) {
  const auto address = io::parse_address(config.listen);
  if (!address) {
    written.error("listen", "'" + config.listen + "' is no address with a port",
                  "such as 127.0.0.1:8080 or [::1]:8080");
  } else if (!address->is_loopback() && !config.auth && !config.tls) {
    written.error("listen", config.listen + " can be reached from other machines, and there is neither token nor TLS",
                  "auth: {token: '${secret.NAME}'}, or listen on 127.0.0.1");
  }
  std::string why;
  const auto path = io::HttpPath::parse(config.path, why);
  if (!path) {
    written.error("path", "'" + config.path + "' is no path to serve: " + why,
                  "such as /jobs, /jobs/{id} or /orders/*");
  }
  for (const auto& method : config.methods) {
    if (!io::http_serves_method(method)) {
      written.error("methods", "'" + method + "' is no method that comes through", "such as GET or POST");
    }
  }
  if (config.files) verify_files(config, path, written);
  if (!config.tls) return;
  try {
    const io::TlsServer tried(files_of(*config.tls));
  } catch (const io::TlsError& error) {
    written.error("tls", error.what());
  } catch (const std::system_error&) {
    // What is not there may come until weir runs; then it is looked for again.
  }
}

const auto auth_spec =
    config::Spec<AuthConfig>("auth", "Who may ask. The others are told 401.")
        .field("token", &AuthConfig::token, "Only who shows it: `Authorization: Bearer TOKEN`.", config::not_empty(),
               config::sample("'${secret.api}'"))
        .secret_ok()
        .field("user", &AuthConfig::user, "Only who gives this name and the password (basic authentication).",
               config::not_empty(), config::sample("weir"))
        .field("password", &AuthConfig::password, "The password.", config::not_empty(),
               config::sample("'${secret.password}'"))
        .secret_ok()
        .verify([](const AuthConfig& auth, config::Written& written) {
          if (auth.user.find(':') != std::string::npos) {
            written.error("user", "the name can't hold a colon: it ends there");
          } else if (written.has("user") != written.has("password")) {
            written.error("user", "a user and his password go together", "write both `user` and `password`");
          }
        })
        .some_of({"token", "user", "password"}, "it says nobody who may ask",
                 "token: '${secret.NAME}', or user and password");

const auto certificate_spec = config::Spec<CertificateConfig>("more", "A certificate for other names.")
                                  .field("cert", &CertificateConfig::cert, "The certificate.", config::sample("b.pem"))
                                  .required()
                                  .field("key", &CertificateConfig::key, "Its key.", config::sample("b.key"))
                                  .required();

const auto tls_spec =
    config::Spec<TlsConfig>("tls", "PEM files for https: TLS 1.2 or later.")
        .field("cert", &TlsConfig::cert, "The certificate, with those that lead to its issuer behind it.",
               config::sample("server.pem"))
        .required()
        .field("key", &TlsConfig::key, "Its key.", config::sample("server.key"))
        .required()
        .field("ca", &TlsConfig::ca,
               "Clients must show a certificate that one of these has issued; `request.client` is its subject then, "
               "such as CN=alice.",
               config::sample("clients.pem"))
        .list("more", &TlsConfig::more, certificate_spec,
              "Certificates for other names: a client is shown the first that stands for the name it asks for.");

const auto spec =
    config::Spec<HttpServerConfig>("http_server", "Takes HTTP requests, one message each; who asks is answered.")
        .field("listen", &HttpServerConfig::listen,
               "Address and port; port 0 is whichever is free, told in the log. Several stages on one address share "
               "it, each with its paths.",
               config::sample("127.0.0.1:8080"))
        .required()
        .field("path", &HttpServerConfig::path,
               "What it serves. `{name}` stands for one part, which is `request.params.name` then; a last `*` for "
               "all that is left. Of several paths that fit the most specific one counts.",
               config::sample("'/jobs/{id}'"))
        .required()
        .begins("/")
        .field("methods", &HttpServerConfig::methods,
               "Others are told 405. Left out: all but CONNECT and TRACE. HEAD goes with GET, and its answer is sent "
               "without the body.",
               config::sample("[GET, POST]"))
        .field("format", &HttpServerConfig::format,
               "text: the body is the message, as it is. json: it must be JSON, else it fails (decode) and its asker "
               "is told 400; of a GET, HEAD, DELETE or OPTIONS without a body the message is {}.",
               config::one_of({{"text", Format::text}, {"json", Format::json}}))
        .field("max_body", &HttpServerConfig::max_body, "A longer body is told 413.", config::at_least(0),
               config::at_most(1024.0 * 1024 * 1024))
        .field("waiting", &HttpServerConfig::waiting,
               "So many requests wait while the pipeline has no room for them; the next is told 503 at once, with "
               "Retry-After. Those that come together while it has room are no such wait. Each holds a descriptor "
               "(`ulimit -n`).",
               config::at_least(1), config::at_most(100'000))
        .group("auth", &HttpServerConfig::auth, auth_spec, "Who may ask; left out, anyone who reaches the address.")
        .group("tls", &HttpServerConfig::tls, tls_spec, "https. All stages on one address write the same.")
        .field("files", &HttpServerConfig::files,
               "What is served by GET and HEAD; no message comes of it. Where the path ends in `*`, the folder whose "
               "files are below it: `index.html` stands for its folder, and not served is what begins with a dot, what "
               "is reached over a symbolic link, lists of folders. Else the file that this page is.",
               config::sample("pages"))
        .details(
            "The first `reply` answers the request. Without one its asker is told 204 when the message is done, and "
            "when it fails and nobody listens at that stage: 400 decode, 404 unrouted, 429 limit, 503 full or open, "
            "504 timeout or deadline, 502 status, connect, tls or a reply that is broken, else 500; with Retry-After "
            "where weir knows it. What a limit or an edge drops is done, but its asker is told 429 or 503 where that "
            "is all that was made of his request. What has been told is not tried again.\n"
            "In Lua `request` has method, path, params, query, headers (lower case, `_` for `-`; one that was sent "
            "with `_` is left out) and client. A body packed by gzip is unpacked (200 to 1 at the most); answers of "
            "1 KiB to 4 MiB are packed for who takes that, where their type is text. A body may come in chunks; "
            "answers, "
            "which are whole before they are sent, have a length unless their `reply` says otherwise. Of several "
            "values of one name in "
            "the query the last counts. When weir is told to end it accepts no more, and ends when all have their "
            "answer, whole, or `run.drain` is over (exit 1); who is still uploading is told 503.\n"
            "What the head of a request decides (401, 404, 405, 413) is told before its body is sent, and that no "
            "`100 Continue` is. Who closes his side before the answer is taken for gone.\n"
            "Request line and headers have 10 s. A body may take as long as it needs, as long as it gets on: 30 s "
            "without a byte, or less than 1 KiB a second on average beyond the first 30 s, are told 408; an answer "
            "of which the other side's system acknowledges nothing for so long is cut off.\n"
            "Bodies and answers of more than 16 KiB draw on `run.memory`. Where that is spent an upload is told 503 "
            "at once, answers that nobody takes are cut off, and one that still finds "
            "no room is lost: who asked is "
            "told 503, and its `reply` counts it as gone. On one address 1,000 requests may be at work, beside those "
            "that wait; the next is told 503. What is told 503 so is an error of the stage, of the kind full or "
            "memory, and has a Retry-After.\n"
            "Of who is told an error before a message comes of it, a stranger's 401 say, there is only "
            "weir_http_refused_total, by status; where no stage serves it, or it could not be read, on the stage of "
            "the address with the most specific path. A request whose client has left before the stage takes it is "
            "none.")
        .example("http_server: {listen: 127.0.0.1:8080, path: '/jobs/{id}', methods: [GET]}")
        .example("http_server: {listen: 127.0.0.1:8080, path: '/orders/*', format: json, max_body: 64KiB}")
        .example("http_server: {listen: 127.0.0.1:8080, path: /, files: chat.html}")
        .example("http_server: {listen: '0.0.0.0:8443', path: /*, files: pages, tls: {cert: a.pem, key: a.key}}")
        .verify(verify);

/// Why its body is none.
message::Done admit(const HttpServerConfig& config, std::string_view body, const message::Request& request) {
  if (config.format == Format::text) return std::nullopt;
  if (body.empty() && (request.method == "GET" || request.method == "HEAD" || request.method == "DELETE" ||
                       request.method == "OPTIONS")) {
    return std::nullopt;
  }
  if (const auto wrong = message::check_json(body)) {
    return Failure(Reason::decode,
                   "the body is no JSON: " + wrong->what + " at byte " + std::to_string(wrong->offset + 1));
  }
  return std::nullopt;
}

/// What its site tells somebody who may not ask, or sends too much, for who plays the outside.
std::optional<message::Answer> turns_away(const HttpServerConfig& config, const message::Request& request,
                                          std::string_view body) {
  const auto told = [](io::HttpResponse response) {
    message::Answer answer;
    answer.status = response.status;
    answer.headers = std::move(response.headers);
    answer.body = std::move(response.body);
    return answer;
  };
  if (config.auth) {
    io::HttpRequest shown;
    for (const auto& [name, value] : request.headers) shown.headers.emplace_back(name, value);
    auto refused = io::http_refuse_stranger(shown, config.auth->token, config.auth->user, config.auth->password);
    if (refused) return told(std::move(*refused));
  }
  if (body.size() > config.max_body.bytes) return told(io::http_refusal(413, "the body is too large"));
  return std::nullopt;
}

void put(const HttpServerConfig& config, io::HttpAsked asked, stage::Source& source) {
  const auto metadata = std::make_shared<message::Metadata>();
  auto refused = admit(config, asked.body, *asked.request);
  metadata->request = std::move(asked.request);
  metadata->asker = std::move(asked.asker);
  if (!refused) refused = source.enters(metadata, asked.body);
  if (refused) {
    source.origin = metadata;  // What is refused carries it too.
    source.refuse(asked.body, std::move(*refused));
    source.origin = nullptr;
    return;
  }
  const bool json = config.format == Format::json;
  const auto made = source.emit(json && asked.body.empty() ? "{}" : asked.body);
  made.batch().share_metadata(made.row(), metadata);
  if (json) made.batch().mark_json(made.row());
}

/// Throws where that is not there.
void look_for(runtime::Files& files, const std::string& path, io::HttpFiles::Of of) {
  if (of == io::HttpFiles::Of::page) {
    files.open(path);
  } else if (!files.is_directory(path)) {
    throw std::system_error(std::make_error_code(std::errc::not_a_directory), path);
  }
}

stage::Task<> serve(const HttpServerConfig& config, stage::Source& source) {
  for (const int status : refusals) observe::add(source.out.counters().http_refused, std::to_string(status), 0);
  std::string why;
  const auto address = io::parse_address(config.listen);
  auto path = io::HttpPath::parse(config.path, why);
  if (!address || !path) throw stage::Fault("http_server: " + why);
  io::HttpService service(std::move(*path));
  service.methods = config.methods;
  service.body_bytes = config.max_body.bytes;
  service.waiting = static_cast<std::size_t>(config.waiting);
  if (config.auth) {
    service.token = config.auth->token;
    service.user = config.auth->user;
    service.password = config.auth->password;
  }
  if (config.tls) service.tls = std::make_shared<io::TlsServer>(files_of(*config.tls));
  service.terms = terms_of(config);
  service.memory = source.memory;
  // The desk outlives the coroutine, not the stage.
  service.on_refused = [&source](const io::HttpRefused& refused) {
    auto& counters = source.out.counters();
    if (refused.status != 0) observe::add(counters.http_refused, std::to_string(refused.status), 1);
    if (refused.why) ++counters.errors[static_cast<std::size_t>(*refused.why)];
    if (!refused.words.empty()) source.log(observe::Level::warn, refused.words);
  };
  if (config.files) {
    const auto of = service.path.takes_rest() ? io::HttpFiles::Of::folder : io::HttpFiles::Of::page;
    look_for(source.core.files(), *config.files, of);
    service.methods = {"GET"};
    service.files = std::make_shared<const io::HttpFiles>(*config.files, of);
  }
  const auto desk = std::make_shared<io::HttpDesk>(source.core, address->host, address->port, std::move(service));
  source.at_end = [desk] { return desk->ended(); };
  auto bound = *address;
  bound.port = desk->port();
  source.log(observe::Level::info, "listening", {{"address", bound.text()}, {"path", config.path}});

  try {
    while (!source.abandoned()) {
      while (auto asked = desk->take()) {
        put(config, std::move(*asked), source);
        if (source.full()) co_await source.flush();
      }
      co_await source.flush();
      co_await desk->wait();
      source.waited_outside();
    }
  } catch (const runtime::Stopped&) {
    desk->close();
    while (auto asked = desk->take()) put(config, std::move(*asked), source);  // They have been accepted.
    throw;
  }
  desk->close();
}

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::source_of(config, serve).touching(stage::Touches::net);
  configured.listens = !config->files;
  configured.main_output = !config->files;
  configured.admit = [config](message::Request& request, std::string_view body) {
    std::string why;  // Whoever plays the outside knows no names of the path.
    const auto path = request.params.empty() ? io::HttpPath::parse(config->path, why) : std::nullopt;
    if (path) path->match(request.path, request.params);
    return admit(*config, body, request);
  };
  configured.turns_away = [config](const message::Request& request, std::string_view body) {
    return turns_away(*config, request, body);
  };
  std::string why;
  const auto address = io::parse_address(config->listen);
  const auto path = io::HttpPath::parse(config->path, why);
  if (address && path) {
    stage::Serves serves;
    serves.address = address->text();
    serves.path = path->text();
    serves.shape = path->shape();
    serves.methods = config->files ? std::vector<std::string>{"GET"} : config->methods;
    serves.terms = terms_of(*config);
    configured.serves = std::move(serves);
  }
  return configured;
});

}  // namespace
}  // namespace weir::stages
