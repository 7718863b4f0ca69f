// The admin port: what machines and people may ask a running weir.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "engine/command/exit_code.hpp"
#include "engine/command/supervisor.hpp"
#include "engine/io/address.hpp"
#include "engine/io/http_server.hpp"

namespace weir::command {

struct AdminRules {
  io::Address address;
  bool as_written = false;  ///< Taken: an error. Otherwise the next free port is as good.
  std::string token;        ///< Empty: none is asked for.
};

/// Why there can be no such admin port.
struct AdminMistake {
  std::string what, hint;
  int exit_code = exit_code::configuration;  ///< Where the command line says it.
};

/// Makes the rules, whose token is known, those of a port that listens at "ADDRESS:PORT"; or says why they can't be.
/// Pure.
std::optional<AdminMistake> listen_at(const std::string& listen, AdminRules& rules);

/// Who may ask at all: nothing for a request that may be answered, otherwise the answer it gets. Pure.
std::optional<io::HttpResponse> refusal(const io::HttpRequest& request, const AdminRules& rules);

/// `/graph`: every plan, with the figures of the moment.
std::string graph_json(const std::vector<Supervisor::Pipeline>& pipelines, const observe::Snapshot& snapshot);
/// `/readyz`.
std::string ready_json(const std::vector<Supervisor::Pipeline>& pipelines, bool ready);

/// Lives on the control core, all members there.
class Admin {
 public:
  Admin(runtime::Core& control, Supervisor& supervisor, AdminRules rules);
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  /// Throws std::system_error. After it address() says where.
  void listen();
  const io::Address& address() const { return rules_.address; }
  /// Ends all connections. The object may go then.
  runtime::Task<> close();

 private:
  runtime::Task<io::HttpResponse> answer(io::HttpRequest request);

  Supervisor& supervisor_;
  AdminRules rules_;
  std::unique_ptr<io::HttpServer> server_;
};

}  // namespace weir::command
