// TLS as a server speaks it, as bytes: no sockets, no time. The gate of OpenSSL.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace weir::io {

/// A file that is there and holds not what it should.
class TlsError : public std::runtime_error {
 public:
  TlsError(std::string in, const std::string& why) : std::runtime_error(in + ": " + why), file(std::move(in)) {}
  std::string file;
};

/// PEM files: the certificate with those that lead to its issuer behind it, and its key.
struct TlsCertificate {
  std::string certificate, key;
};

struct TlsFiles {
  /// The client asks for a name (SNI): the first whose certificate stands for it is shown, else the first of all.
  std::vector<TlsCertificate> certificates;
  /// Certificates of issuers. Not empty: a client must show a certificate that one of these has issued.
  std::string clients;
};

/// Throws as the TlsServer does where a client could not use these: a certificate with its key, issuers whom it
/// believes. Each may be empty.
void try_tls_client(const TlsCertificate& own, const std::string& issuers);

/// Whether connections of a library that speaks TLS by OpenSSL end with a goodbye (close_notify). What ends without one
/// may have been cut by anybody on the way. Outlives the connections. Not thread-safe.
class TlsGoodbyes {
 public:
  /// Before any connection of this SSL_CTX begins.
  void listen(void* context);
  /// Of this SSL, which has had none yet, until forget(); it may be gone before that.
  void await(const void* connection) { awaited_[connection] = false; }
  bool said(const void* connection) const { return awaited_.at(connection); }
  void forget(const void* connection) { awaited_.erase(connection); }

 private:
  struct Hear;
  std::map<const void*, bool> awaited_;
};

class TlsSession;

/// What all connections of a server share. TLS 1.2 and 1.3; of ALPN http/1.1 and http/1.0. Not thread-safe.
class TlsServer {
 public:
  /// Throws std::system_error for a file that can't be read, TlsError for one that does not hold what it should, and
  /// for a key that is not its certificate's.
  explicit TlsServer(const TlsFiles& files);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  std::unique_ptr<TlsSession> accept();  ///< May outlive the server.

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

/// One connection. What the peer sends goes in by receive(), what is to be sent to it comes out of take(), after every
/// call. After failed() there is an alert to send, and that is all. Not thread-safe.
class TlsSession {
 public:
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  void receive(std::string_view bytes);    ///< Goes on with the handshake, too.
  std::size_t read(std::span<char> into);  ///< Of what was said; 0: nothing more until more is received.
  void write(std::string_view bytes);      ///< Once established().
  void close();                            ///< Says goodbye.
  std::string take();                      ///< What is to be sent now; may be empty.
  bool established() const;                ///< The handshake is over.
  bool ended() const;                      ///< The peer has said goodbye, or failed().
  bool failed() const;
  bool met_http() const;           ///< failed(), since the peer speaks HTTP in the clear.
  const std::string& why() const;  ///< In words.
  std::string subject() const;     ///< Of the client's certificate, verified: `CN=alice,O=acme`; or empty.

 private:
  friend class TlsServer;
  struct Inside;
  explicit TlsSession(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace weir::io
