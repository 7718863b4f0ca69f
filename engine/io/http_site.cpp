#include "engine/io/http_site.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>

#include "engine/flow/park.hpp"
#include "engine/io/http_content.hpp"
#include "engine/io/http_files.hpp"
#include "engine/io/http_server.hpp"
#include "engine/io/tls.hpp"
#include "engine/runtime/wait.hpp"

namespace weir::io {
namespace {

using namespace std::chrono_literals;
using message::Answer;
using runtime::Task;

constexpr auto last_answers_time = 1s;
constexpr std::size_t at_work_most = 1000;  // Beside those that wait at the desks.
// Of the core's loop, in which none is taken from a desk: then its stage is waiting for room, and not for its turn.
constexpr int idle_turns = 16;

/// Whoever replies may say no other coding.
bool says_chunks(const HttpFields& headers) {
  constexpr std::string_view coding = "transfer-encoding";
  return std::any_of(headers.begin(), headers.end(), [&](const auto& field) {
    return field.first.size() == coding.size() && http_lower(field.first) == coding;
  });
}

/// One request between its connection, which waits on the site's core, and whoever answers it.
class Exchange final : public message::Asker, public flow::Parking {
 public:
  explicit Exchange(std::shared_ptr<HttpMemory> memory) : memory_(std::move(memory)), share_(memory_->share()) {}

  /// An answer for which there is no memory is none: who asked is told 503.
  bool answer(Answer answer) noexcept override {
    if (!leave(State::answering)) return false;
    const bool kept = memory_->hold(share_, answer.body.size());
    if (kept) answer_ = std::move(answer);
    state_.exchange(kept ? State::answered : State::lost, std::memory_order_seq_cst);
    slot_.wake();
    return kept;
  }
  bool waits() const noexcept override { return state_.load(std::memory_order_relaxed) == State::waiting; }

  /// There is no room for it.
  void turn_away() noexcept {
    if (leave(State::crowded)) slot_.wake();
  }
  /// Nobody is there any more who could be answered.
  void go() noexcept {
    if (leave(State::gone)) slot_.wake();
  }
  bool ended() const noexcept {
    const auto state = state_.load(std::memory_order_seq_cst);
    return state != State::waiting && state != State::answering;
  }
  bool crowded() const noexcept { return state_ == State::crowded; }  ///< Was turned away.
  bool lost() const noexcept { return state_ == State::lost; }        ///< Once ended(), on the site's core.
  /// Null: it is gone. Once ended(), on the site's core.
  Answer* given() noexcept { return state_ == State::answered ? &answer_ : nullptr; }

  bool park(flow::Waiter& waiter) noexcept override {
    slot_.put(waiter);
    return !ended() || !slot_.take_back();
  }
  bool unpark() noexcept override { return slot_.take_back(); }

  flow::Share take_share() noexcept { return std::move(share_); }  ///< With given().

  std::size_t seat = 0;  ///< Its place among those of its desk that are open.

 private:
  enum class State : std::uint8_t { waiting, answering, answered, lost, crowded, gone };
  bool leave(State to) noexcept {
    State expected = State::waiting;
    return state_.compare_exchange_strong(expected, to, std::memory_order_seq_cst);
  }

  const std::shared_ptr<HttpMemory> memory_;
  flow::Share share_;
  std::atomic<State> state_{State::waiting};
  Answer answer_;
  flow::WaitSlot slot_;
};

/// Header names as Lua has them: lower case already, `_` for `-`. One that holds `_` itself would pass for another:
/// whoever stands before weir and vouches for `X-User` lets `X_User` through.
message::Request request_of(HttpRequest& sent, HttpPath::Found params) {
  message::Request request;
  request.method = std::move(sent.method);
  if (const auto as_sent = sent.sent_path(); as_sent.find('%') != as_sent.npos) request.sent_path = as_sent;
  request.path = std::move(sent.path);
  request.client = sent.peer.substr(0, sent.peer.rfind(':'));
  if (request.client.starts_with('[')) request.client = request.client.substr(1, request.client.size() - 2);
  if (!sent.subject.empty()) request.address = std::exchange(request.client, std::move(sent.subject));
  request.params = std::move(params);
  request.query = http_query(sent.query);
  request.sent_query = std::move(sent.query);
  request.headers = std::move(sent.headers);
  std::erase_if(request.headers, [](const auto& header) { return header.first.find('_') != std::string::npos; });
  for (auto& header : request.headers) std::replace(header.first.begin(), header.first.end(), '-', '_');
  return request;
}

}  // namespace

struct HttpDesk::Inside {
  explicit Inside(runtime::Core& core, HttpService serves) : service(std::move(serves)), news(core) {}
  const HttpService service;
  std::uint64_t number = 0;  // Among all that its site has had, from 1 (HttpRefused::served_by).
  std::shared_ptr<HttpSite> site;
  std::deque<HttpAsked> pending;
  std::vector<Exchange*> open;  // Each lives in the frame of its handler.
  runtime::Waiter news;
  bool closed = false;
  std::uint64_t taken = 0;
  bool watched = false;  // Whether more wait than may.
};

/// The server of one address on one core, as long as a desk or a request of it is there.
class HttpSite : public std::enable_shared_from_this<HttpSite> {
 public:
  using Desk = std::shared_ptr<HttpDesk::Inside>;
  using Key = std::pair<const runtime::Core*, std::string>;

  explicit HttpSite(runtime::Core& core) : core_(core) {}

  static std::shared_ptr<HttpSite> at(runtime::Core& core, const std::string& address, std::uint16_t port,
                                      const HttpService& service) {
    const auto name = address + " " + std::to_string(port);
    auto& place = sites()[Key(&core, name)];
    if (auto open = place.lock(); open && !open->draining_) {
      open->look_for_room(service, address + ":" + std::to_string(port));
      return open;
    }
    const auto made = std::make_shared<HttpSite>(core);
    made->open(address, port, service);
    place = made;
    std::erase_if(sites(), [](const auto& entry) { return entry.second.expired(); });
    return made;
  }

  void join(const Desk& desk) {
    const auto behind = std::find_if(desks_.begin(), desks_.end(), [&](const Desk& other) {
      return desk->service.path.stands_before(other->service.path);
    });
    desk->number = ++last_number_;
    desks_.insert(behind, desk);
    set_bounds();
  }
  /// As wide as the desks that there are.
  void set_bounds() {
    std::size_t waiting = 0;
    for (const auto& desk : desks_) waiting += desk->service.waiting;
    server_->set_connections(at_work_most + waiting);
  }

  void close(HttpDesk::Inside& desk) {
    desk.closed = true;
    draining_ = std::all_of(desks_.begin(), desks_.end(), [](const Desk& other) { return other->closed; });
    if (draining_) server_->drain();
  }

  static Task<> end(std::shared_ptr<HttpSite> site, Desk desk) {
    const message::Failure stopped = message::engine_stopped();
    for (auto* exchange : desk->open) exchange->fail(stopped);
    std::erase(site->desks_, desk);
    desk->site = nullptr;
    if (!site->desks_.empty()) site->set_bounds();
    if (!site->desks_.empty() || !site->draining_) co_return;
    try {
      co_await site->server_->closed();
    } catch (const runtime::Stopped&) {
    }
    co_await site->server_->closed_by(site->core_.now() + last_answers_time);
    site->server_->close();
    co_await site->server_->closed_by(runtime::Time::max());
  }

  std::uint16_t port() const { return port_; }

 private:
  static std::map<Key, std::weak_ptr<HttpSite>>& sites() {
    static thread_local std::map<Key, std::weak_ptr<HttpSite>> of_this_thread;
    return of_this_thread;
  }

  /// `weir check` has seen to this within a file, not between files.
  void look_for_room(const HttpService& service, const std::string& address) const {
    std::string why;
    if (service.terms != terms_) why = " is listened on with another `tls`";
    for (const auto& desk : desks_) {
      const auto& other = desk->service;
      if (desk->closed || other.path.shape() != service.path.shape()) continue;
      if (http_methods_meet(other.methods, service.methods)) why = " serves " + other.path.text() + " already";
    }
    if (!why.empty()) throw std::system_error(std::make_error_code(std::errc::address_in_use), address + why);
  }

  void open(const std::string& address, std::uint16_t port, const HttpService& service) {
    HttpServerOptions options;
    options.tls = service.tls;
    options.memory = service.memory;
    options.limits.body_bytes = std::size_t(-1);  // Each desk has its own: first_look().
    options.on_refused = [weak = weak_from_this()](const HttpRefused& refused) {
      if (const auto site = weak.lock()) site->tell(refused);
    };
    options.first_look = [weak = weak_from_this()](const HttpRequest& request) {
      const auto site = weak.lock();
      if (site) return site->first_look(request);
      HttpFirstLook ending;  // Else it would have no limit.
      ending.refused = http_refusal(503, "the server is ending");
      return ending;
    };
    terms_ = service.terms;
    server_ = std::make_unique<HttpServer>(
        core_, options, [weak = weak_from_this()](HttpRequest& request) { return handle(weak.lock(), request); });
    port_ = server_->listen(address, port);
  }

  /// Takes an exchange into the list of its desk for as long as its handler runs; then nobody can be answered.
  struct Seat {
    Seat(Desk at, Exchange& who) : desk(std::move(at)), exchange(who) {
      exchange.seat = desk->open.size();
      desk->open.push_back(&exchange);
    }
    ~Seat() {
      exchange.go();
      auto* const last = desk->open.back();
      desk->open.pop_back();
      if (last == &exchange) return;
      desk->open[exchange.seat] = last;
      last->seat = exchange.seat;
    }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    Desk desk;
    Exchange& exchange;
  };

  /// The desk of a request; without one `refused` says why. `whose`: of its path, whatever its method; 0: nobody's.
  Desk find(const HttpRequest& request, HttpPath::Found& params, HttpResponse& refused, std::uint64_t& whose) const {
    const auto path = request.sent_path();
    std::vector<std::string> allowed;
    for (const auto& desk : desks_) {
      const auto& service = desk->service;
      if (!service.path.match(path, params)) continue;
      if (whose == 0) whose = desk->number;
      if (http_takes(service.methods, request.method)) {
        whose = desk->number;
        return desk;
      }
      params.clear();
      for (const auto& method : service.methods) {
        if (std::find(allowed.begin(), allowed.end(), method) == allowed.end()) allowed.push_back(method);
      }
    }
    if (path == "*") {  // OPTIONS of the server as a whole.
      refused = HttpResponse(204);
      return nullptr;
    }
    Answer told = http_not_served(allowed);
    refused = HttpResponse(told.status);
    refused.headers = std::move(told.headers);
    refused.body = std::move(told.body);
    return nullptr;
  }

  HttpFirstLook first_look(const HttpRequest& request) const {
    HttpFirstLook look;
    HttpPath::Found params;
    HttpResponse refused;
    if (const Desk desk = find(request, params, refused, look.served_by)) {
      const auto& service = desk->service;
      look.refused = http_refuse_stranger(request, service.token, service.user, service.password);
      look.body_bytes = service.body_bytes;
    } else {
      look.refused = std::move(refused);
    }
    return look;
  }

  /// Whose the request is; where nobody is known, or is there any more, the first. None of a stage that has ended.
  void tell(const HttpRefused& refused) const {
    if (desks_.empty()) return;
    const auto whose =
        std::find_if(desks_.begin(), desks_.end(), [&](const Desk& desk) { return desk->number == refused.served_by; });
    const Desk& desk = whose == desks_.end() ? desks_.front() : *whose;
    if (desk->service.on_refused) desk->service.on_refused(refused);
  }

  static std::optional<HttpResponse> refuse(const HttpDesk::Inside& desk, const HttpRequest& request) {
    const auto& service = desk.service;
    auto stranger = http_refuse_stranger(request, service.token, service.user, service.password);
    if (stranger) return stranger;
    if (request.body.size() > service.body_bytes) return http_refusal(413, "the body is too large");
    if (desk.closed) {
      auto response = http_refusal(503, "the server is ending");
      response.close = true;
      return response;
    }
    return std::nullopt;
  }

  /// A hundred that come at once find the stage idle, and are no hoard. So more may lie there than may wait, as long as
  /// some are taken; else the last of them are turned away.
  static void watch(runtime::Core& core, const Desk& desk, std::uint64_t taken, int turns_left) {
    core.post([&core, weak = std::weak_ptr(desk), taken, turns_left] {
      const Desk desk = weak.lock();
      if (!desk) return;
      auto& pending = desk->pending;
      desk->watched = pending.size() > desk->service.waiting;
      if (!desk->watched) return;
      if (desk->taken != taken) return watch(core, desk, desk->taken, idle_turns);
      if (turns_left > 0) return watch(core, desk, taken, turns_left - 1);
      desk->watched = false;
      for (; pending.size() > desk->service.waiting; pending.pop_back()) {
        static_cast<Exchange&>(*pending.back().asker).turn_away();
      }
    });
  }

  static void put(HttpDesk::Inside& desk, HttpRequest& request, HttpPath::Found params,
                  const std::shared_ptr<Exchange>& exchange) {
    auto body = std::move(request.body);
    auto asked = std::make_shared<message::Request>(request_of(request, std::move(params)));
    asked->secure = desk.service.tls != nullptr;
    desk.pending.emplace_back(std::move(asked), std::move(body), std::move(*request.memory), exchange);
    desk.news.wake();
  }

  /// Null: `response` is the answer already. Unpacks what was sent, where that may be taken.
  static Desk admit(const HttpSite* site, HttpRequest& request, HttpPath::Found& params, HttpResponse& response) {
    if (!site || site->draining_) {
      response = http_refusal(503, "the server is ending");
      response.close = true;
      return nullptr;
    }
    HttpRefused why;
    auto desk = site->find(request, params, response, why.served_by);
    *request.served_by = why.served_by;
    if (desk) {
      auto refused = refuse(*desk, request);
      if (!refused && !desk->service.files) {
        refused = http_unpack(request, desk->service.body_bytes);
        if (!refused && !site->server_->memory()->hold(*request.memory, request.body.size())) {
          why.why = message::Reason::memory;
          why.words = "a request was turned away for want of memory";
          refused = http_refusal(503, http_no_memory);
        }
      }
      if (!refused) return desk;
      response = std::move(*refused);
    }
    why.status = response.status;
    if (why.status >= 400) site->tell(why);  // OPTIONS of all is none.
    return nullptr;
  }

  static Task<HttpResponse> page(std::shared_ptr<HttpSite> site, Desk desk, HttpRequest& request) {
    const bool takes_gzip = http_takes_gzip(request);
    const auto& path = desk->service.path;
    const auto rest = path.takes_rest() ? std::string(path.rest(request.sent_path())) : std::string();
    auto answering = desk->service.files->answer(site->core_, std::move(request), rest);
    auto response = co_await std::move(answering);
    if (!response.file) http_pack(takes_gzip, response);
    if (response.status >= 400) site->tell({response.status, std::nullopt, {}, desk->number});
    co_return response;
  }

  static Task<HttpResponse> handle(std::shared_ptr<HttpSite> site, HttpRequest& request) {
    HttpResponse response;
    HttpPath::Found params;
    const Desk desk = admit(site.get(), request, params, response);
    if (!desk) co_return response;
    if (desk->service.files) co_return co_await page(site, desk, request);
    const bool takes_gzip = http_takes_gzip(request);
    const auto exchange = std::make_shared<Exchange>(site->server_->memory());
    const Seat seat(desk, *exchange);
    if (request.on_gone) *request.on_gone = [at = exchange.get()] { at->go(); };
    put(*desk, request, std::move(params), exchange);
    if (desk->pending.size() > desk->service.waiting && !std::exchange(desk->watched, true)) {
      watch(site->core_, desk, desk->taken, idle_turns);
    }
    while (!exchange->ended()) co_await flow::suspend(site->core_, *exchange);
    if (Answer* const given = exchange->given()) {
      response.status = given->status;
      response.headers = std::move(given->headers);
      response.body = std::move(given->body);
      response.chunked = says_chunks(response.headers);
      *request.memory = exchange->take_share();
      http_pack(takes_gzip, response);
    } else if (exchange->crowded()) {
      site->tell({503, message::Reason::full, {}, desk->number});
      response = http_refusal(503, http_no_place);
    } else if (exchange->lost()) {
      site->tell({503, message::Reason::memory, "an answer was lost for want of memory", desk->number});
      response = http_refusal(503, http_no_memory);
    } else {
      response.close = true;
    }
    co_return response;
  }

  runtime::Core& core_;
  std::unique_ptr<HttpServer> server_;
  std::vector<Desk> desks_;  // The most specific path first.
  std::string terms_;
  std::uint64_t last_number_ = 0;
  std::uint16_t port_ = 0;
  bool draining_ = false;
};

HttpDesk::HttpDesk(runtime::Core& core, const std::string& address, std::uint16_t port, HttpService service)
    : inside_(std::make_shared<Inside>(core, std::move(service))) {
  inside_->site = HttpSite::at(core, address, port, inside_->service);
  inside_->site->join(inside_);
}
HttpDesk::~HttpDesk() { close(); }

std::uint16_t HttpDesk::port() const { return inside_->site ? inside_->site->port() : 0; }

std::optional<HttpAsked> HttpDesk::take() {
  auto& pending = inside_->pending;
  while (!pending.empty()) {
    std::optional<HttpAsked> asked(std::move(pending.front()));
    pending.pop_front();
    ++inside_->taken;
    if (asked->asker->waits()) return asked;  // Nobody could answer it before: else it has gone.
  }
  return std::nullopt;
}
runtime::Task<> HttpDesk::wait() {
  if (inside_->pending.empty()) co_await inside_->news.wait();
}

void HttpDesk::close() {
  if (inside_->site && !inside_->closed) inside_->site->close(*inside_);
}
runtime::Task<> HttpDesk::ended() {
  close();
  if (inside_->site) co_await HttpSite::end(inside_->site, inside_);
}

}  // namespace weir::io
