#include "engine/io/tls.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <new>
#include <system_error>
#include <utility>

#include "engine/io/openssl.hpp"

namespace weir::io {

using namespace openssl;

namespace {

struct Free {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* connection) const { SSL_free(connection); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(BIO* bytes) const { BIO_free_all(bytes); }
};
using Context = std::unique_ptr<SSL_CTX, Free>;
using Connection = std::unique_ptr<SSL, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using Bytes = std::unique_ptr<BIO, Free>;

/// The last of OpenSSL's errors, in its words; they are gone then.
std::string last_error() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  const char* words = ERR_reason_error_string(code);
  return words ? words : "TLS failed";
}

/// OpenSSL says of a missing file, a damaged one and a forbidden one much the same.
void look_for(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (!file) throw std::system_error(errno, std::generic_category(), path);
  char byte = 0;
  const bool readable = std::fread(&byte, 1, 1, file) == 1 || !std::ferror(file);
  const int error = errno;
  std::fclose(file);
  if (!readable) throw std::system_error(error, std::generic_category(), path);
}

/// Never asks for a pass phrase on the terminal.
int no_pass_phrase(char*, int, int, void*) { return -1; }

int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  const std::string_view all(reinterpret_cast<const char*>(offered), offered_size);
  for (const std::string_view spoken : {"http/1.1", "http/1.0"}) {
    for (std::size_t at = 0; at < all.size();) {
      const auto length = static_cast<unsigned char>(all[at]);
      if (all.substr(at + 1, length) == spoken) {
        *out = offered + at + 1;
        *size = length;
        return SSL_TLSEXT_ERR_OK;
      }
      at += 1u + length;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void use(SSL_CTX* context, const TlsCertificate& files) {
  SSL_CTX_set_default_passwd_cb(context, no_pass_phrase);
  look_for(files.certificate);
  look_for(files.key);
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1) {
    ERR_clear_error();
    throw TlsError(files.certificate, "this is no certificate in PEM");
  }
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    const auto code = ERR_peek_last_error();
    ERR_clear_error();
    if (ERR_GET_LIB(code) == ERR_LIB_X509) throw TlsError(files.key, "this is not the key of " + files.certificate);
    throw TlsError(files.key, "this is no key in PEM, or it has a pass phrase");
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    throw TlsError(files.key, "this is not the key of " + files.certificate);
  }
}

Context context_of(const TlsCertificate& files, const std::string& clients) {
  Context context(SSL_CTX_new(TLS_server_method()));
  if (!context) throw std::bad_alloc();
  auto* const made = context.get();
  SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
  // Of TLS 1.2 only what keeps a recording secret when the key is stolen later, and what no padding can be tried on.
  // All of TLS 1.3 is so.
  if (SSL_CTX_set_cipher_list(made, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) throw std::bad_alloc();
  SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);  // Tickets hold what is needed, and need no room here.
  SSL_CTX_set_alpn_select_cb(made, choose_protocol, nullptr);
  static constexpr std::array<unsigned char, 4> name{'w', 'e', 'i', 'r'};
  SSL_CTX_set_session_id_context(made, name.data(), name.size());

  use(made, files);
  if (clients.empty()) return context;
  look_for(clients);
  std::unique_ptr<STACK_OF(X509_NAME), void (*)(STACK_OF(X509_NAME)*)> names(
      SSL_load_client_CA_file(clients.c_str()),
      [](STACK_OF(X509_NAME) * list) { sk_X509_NAME_pop_free(list, X509_NAME_free); });
  if (!names || SSL_CTX_load_verify_locations(made, clients.c_str(), nullptr) != 1) {
    ERR_clear_error();
    throw TlsError(clients, "these are no certificates in PEM");
  }
  SSL_CTX_set_client_CA_list(made, names.release());
  SSL_CTX_set_verify(made, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return context;
}

}  // namespace

void try_tls_client(const TlsCertificate& own, const std::string& issuers) {
  load();
  const Context context(SSL_CTX_new(TLS_client_method()));
  if (!context) throw std::bad_alloc();
  if (!own.certificate.empty()) use(context.get(), own);
  if (issuers.empty()) return;
  look_for(issuers);
  if (SSL_CTX_load_verify_locations(context.get(), issuers.c_str(), nullptr) == 1) return;
  ERR_clear_error();
  throw TlsError(issuers, "these are no certificates in PEM");
}

// ---------------------------------------------------------------------------------------------------------- goodbyes

struct TlsGoodbyes::Hear {
  static void of(const SSL* connection, int where, int what) {
    if (where != SSL_CB_READ_ALERT || (what & 0xff) != SSL_AD_CLOSE_NOTIFY) return;
    auto& awaited = static_cast<TlsGoodbyes*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), 0))->awaited_;
    if (const auto found = awaited.find(connection); found != awaited.end()) found->second = true;
  }
};

void TlsGoodbyes::listen(void* context) {
  load();
  auto* const of = static_cast<SSL_CTX*>(context);
  if (SSL_CTX_set_ex_data(of, 0, this) != 1) throw std::bad_alloc();
  SSL_CTX_set_info_callback(of, &Hear::of);
}

// ---------------------------------------------------------------------------------------------------------- the server

struct TlsServer::Inside {
  std::vector<Context> contexts;

  /// Called by OpenSSL when the client has said for whom it came.
  static int choose_certificate(SSL* connection, int*, void* of) {
    const char* const name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
    if (!name) return SSL_TLSEXT_ERR_OK;
    for (const auto& context : static_cast<Inside*>(of)->contexts) {
      auto* const certificate = SSL_CTX_get0_certificate(context.get());
      if (X509_check_host(certificate, name, 0, 0, nullptr) != 1) continue;
      SSL_set_SSL_CTX(connection, context.get());
      break;
    }
    return SSL_TLSEXT_ERR_OK;
  }
};

TlsServer::TlsServer(const TlsFiles& files) : inside_(std::make_unique<Inside>()) {
  load();
  for (const auto& certificate : files.certificates) {
    inside_->contexts.push_back(context_of(certificate, files.clients));
  }
  auto* const first = inside_->contexts.at(0).get();
  SSL_CTX_set_tlsext_servername_callback(first, Inside::choose_certificate);
  SSL_CTX_set_tlsext_servername_arg(first, inside_.get());
}
TlsServer::~TlsServer() {
  SSL_CTX_set_tlsext_servername_callback(inside_->contexts.front().get(), nullptr);  // A session may live on.
}

// --------------------------------------------------------------------------------------------------------- the session

struct TlsSession::Inside {
  Connection connection;
  BIO* in = nullptr;  // Both are the connection's.
  BIO* out = nullptr;
  bool ended = false, failed = false, met_http = false;
  std::string why;

  bool established() const { return SSL_is_init_finished(connection.get()) == 1; }

  /// What a call of OpenSSL has said, where it was not "go on".
  void hear(int said) {
    switch (SSL_get_error(connection.get(), said)) {
      case SSL_ERROR_NONE:
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return;
      case SSL_ERROR_ZERO_RETURN:
        ended = true;
        return;
      default:
        fail();
    }
  }
  void fail() {
    ended = failed = true;
    const auto verified = SSL_get_verify_result(connection.get());
    const auto code = ERR_peek_last_error();
    met_http = ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
    why = last_error();
    if (verified != X509_V_OK) why += std::string(" (") + X509_verify_cert_error_string(verified) + ")";
  }
};

std::unique_ptr<TlsSession> TlsServer::accept() {
  auto made = std::make_unique<TlsSession::Inside>();
  made->connection.reset(SSL_new(inside_->contexts.front().get()));
  Bytes in(BIO_new(BIO_s_mem())), out(BIO_new(BIO_s_mem()));
  if (!made->connection || !in || !out) throw std::bad_alloc();
  BIO_set_mem_eof_return(in.get(), -1);  // Empty is not the end.
  made->in = in.release();
  made->out = out.release();
  SSL_set_bio(made->connection.get(), made->in, made->out);
  SSL_set_accept_state(made->connection.get());
  return std::unique_ptr<TlsSession>(new TlsSession(std::move(made)));
}

TlsSession::TlsSession(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
TlsSession::~TlsSession() = default;

void TlsSession::receive(std::string_view bytes) {
  if (inside_->ended) return;
  while (!bytes.empty()) {
    const auto piece = static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20));
    if (BIO_write(inside_->in, bytes.data(), piece) != piece) throw std::bad_alloc();
    bytes.remove_prefix(static_cast<std::size_t>(piece));
  }
  if (inside_->established()) return;
  ERR_clear_error();
  const int said = SSL_do_handshake(inside_->connection.get());
  if (said != 1) inside_->hear(said);
}

std::size_t TlsSession::read(std::span<char> into) {
  if (inside_->ended || !inside_->established() || into.empty()) return 0;
  ERR_clear_error();
  std::size_t count = 0;
  const int said = SSL_read_ex(inside_->connection.get(), into.data(), into.size(), &count);
  if (said != 1) inside_->hear(said);
  return said == 1 ? count : 0;
}

void TlsSession::write(std::string_view bytes) {
  while (!bytes.empty() && !inside_->failed) {
    ERR_clear_error();
    std::size_t count = 0;
    const int said = SSL_write_ex(inside_->connection.get(), bytes.data(), bytes.size(), &count);
    if (said != 1) return inside_->fail();  // It writes to memory: there is always room.
    bytes.remove_prefix(count);
  }
}

void TlsSession::close() {
  if (inside_->failed || !inside_->established()) return;
  ERR_clear_error();
  (void)SSL_shutdown(inside_->connection.get());
  ERR_clear_error();
}

std::string TlsSession::take() {
  std::string bytes(BIO_ctrl_pending(inside_->out), '\0');
  if (!bytes.empty())
    bytes.resize(
        static_cast<std::size_t>(std::max(0, BIO_read(inside_->out, bytes.data(), static_cast<int>(bytes.size())))));
  return bytes;
}

bool TlsSession::established() const { return inside_->established(); }
bool TlsSession::ended() const { return inside_->ended; }
bool TlsSession::failed() const { return inside_->failed; }
bool TlsSession::met_http() const { return inside_->met_http; }
const std::string& TlsSession::why() const { return inside_->why; }

std::string TlsSession::subject() const {
  const Certificate shown(SSL_get1_peer_certificate(inside_->connection.get()));
  if (!shown || SSL_get_verify_result(inside_->connection.get()) != X509_V_OK) return {};
  const Bytes text(BIO_new(BIO_s_mem()));
  if (!text) throw std::bad_alloc();
  X509_NAME_print_ex(text.get(), X509_get_subject_name(shown.get()), 0, XN_FLAG_RFC2253);
  std::string subject(BIO_ctrl_pending(text.get()), '\0');
  if (!subject.empty()) BIO_read(text.get(), subject.data(), static_cast<int>(subject.size()));
  return subject;
}

}  // namespace weir::io
