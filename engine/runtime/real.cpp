#include "engine/runtime/real.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "engine/runtime/assert.hpp"
#include "engine/runtime/basic_core.hpp"
#include "engine/runtime/descriptor.hpp"
#include "engine/runtime/real_files.hpp"
#include "engine/runtime/real_machine.hpp"
#include "engine/runtime/real_processes.hpp"
#include "engine/runtime/wait.hpp"

namespace weir::runtime {

namespace {

constexpr std::size_t blocking_threads_max = 4;

void block_all_signals(sigset_t* before) {
  sigset_t all;
  ::sigfillset(&all);
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) ::sigdelset(&all, number);
  ::pthread_sigmask(SIG_SETMASK, &all, before);
}

// Our threads take no signals from outside: those are the main thread's, or on_signal's.
std::thread start_thread(const std::string& name, std::function<void()> body) {
  sigset_t before;
  block_all_signals(&before);
  std::thread thread;
  try {
    thread = std::thread(std::move(body));
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread.native_handle(), name.substr(0, 15).c_str());
  return thread;
}

// A thread starts with the affinity of the one that made it: perhaps a pinned core.
void unpin_this_thread(const Inheritance& inheritance) {
  if (inheritance.affinity_known) ::sched_setaffinity(0, sizeof inheritance.affinity, &inheritance.affinity);
}

/// The threads where blocking harms nobody. Made when first needed.
class Pool {
 public:
  explicit Pool(const Inheritance& inheritance) : inheritance_(inheritance) {}
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    more_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  void submit(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    if (work_.size() > idle_ && threads_.size() < blocking_threads_max) {
      try {
        threads_.push_back(start_thread("weir-blocking", [this] { serve(); }));
      } catch (const std::system_error&) {
        if (threads_.empty()) {
          work_.pop_back();
          throw;
        }
      }
    }
    more_.notify_one();
  }

 private:
  void serve() noexcept {
    unpin_this_thread(inheritance_);
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      more_.wait(lock, [this] { return ending_ || !work_.empty(); });
      --idle_;
      if (work_.empty()) return;
      auto work = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
  }

  const Inheritance& inheritance_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<std::function<void()>> work_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool ending_ = false;
};

// As this process was started: an earlier runtime (in a test) has ignored signals already.
const Inheritance& inherited() {
  static const Inheritance first = Inheritance::now();
  return first;
}

void take_all_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  // Where there is no limit the kernel has this one.
  limit.rlim_cur = std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 1 << 20));
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// What all cores share and none of them owns.
struct Shared {
  std::uint64_t seed = 0;
  std::chrono::steady_clock::time_point origin = std::chrono::steady_clock::now();
  const Inheritance& inheritance = inherited();
  bool all_descriptors = false;
  std::unique_ptr<Pool> pool = std::make_unique<Pool>(inheritance);
};

class RealCore;

/// Made in the core's turn it is armed when that is over: what is ready does not wait until the kernel has been told,
/// and of an alarm that is taken back in the same turn it is told nothing.
class RealAlarm final : public Alarm {
 public:
  RealAlarm(RealCore& core, std::chrono::steady_clock::time_point when, std::function<void()> ring);
  ~RealAlarm() override;
  void arm();

 private:
  friend class RealCore;
  void leave_unarmed();

  RealAlarm *next_ = nullptr, *before_ = nullptr;  // Of those that are to be armed.
  RealCore& core_;
  std::chrono::steady_clock::time_point when_;
  std::optional<asio::steady_timer> timer_;  // Where it is armed.
  std::shared_ptr<std::function<void()>> ring_;
};

class RealCore final : public BasicCore {
 public:
  RealCore(Shared& shared, int index)
      : shared_(shared),
        index_(index),
        io_(1),
        guard_(io_.get_executor()),
        random_(shared.seed ^ (0x9e3779b97f4a7c15u * (static_cast<std::uint64_t>(index) + 1))),
        files_(io_, *this),
        processes_(io_, shared.inheritance) {
    // Asio opens its descriptors with the first timer: in the middle of a run there may be none left.
    if (shared.all_descriptors) const asio::steady_timer first(io_);
  }

  int index() const override { return index_; }
  Time now() const override { return Time(std::chrono::steady_clock::now() - shared_.origin); }
  WallTime wall() const override { return std::chrono::system_clock::now(); }
  asio::any_io_executor executor() override { return io_.get_executor(); }
  void post(std::function<void()> work) override { asio::post(io_, std::move(work)); }
  void resume(Ready& ready) noexcept override {
    if (!io_.get_executor().running_in_this_thread()) {
      asio::post(io_, [this, &ready] { go_on(ready); });
      return;
    }
    *(first_ready_ ? &last_ready_->next : &first_ready_) = &ready;
    last_ready_ = &ready;
    if (!std::exchange(turn_posted_, true)) asio::post(io_, [this] { resume_ready(); });
  }
  /// Calls it, and then what that has made ready.
  void ring(const std::function<void()>& call) {
    const bool ours = !std::exchange(turn_posted_, true);
    call();
    if (ours) resume_ready();
  }
  std::unique_ptr<Alarm> alarm(Time when, std::function<void()> ring) override {
    // Sums with the clock's own origin must not overflow, however far the instant.
    const Time far = now() + std::chrono::hours(24 * 365 * 100);
    const auto at = shared_.origin + std::clamp(when, Time(), far).time_since_epoch();
    auto alarm = std::make_unique<RealAlarm>(*this, at, std::move(ring));
    if (turn_posted_) {
      alarm->next_ = std::exchange(unarmed_, alarm.get());
      if (alarm->next_) alarm->next_->before_ = alarm.get();
    } else {
      alarm->arm();
    }
    return alarm;
  }
  Task<> blocking(std::function<void()> work) override {
    throw_if_stopped(co_await asio::this_coro::cancellation_state);
    Waiter returned(*this);
    std::exception_ptr thrown;
    // The references stay good: this coroutine does not go on before the wake, whatever happens to it.
    auto job = [this, &work, &returned, &thrown] {
      try {
        work();
      } catch (...) {
        thrown = std::current_exception();
      }
      post([&returned] { returned.wake(); });
    };
    std::function<void()> named(std::move(job));
    shared_.pool->submit(std::move(named));
    co_await returned.wait_through();
    if (thrown) std::rethrow_exception(thrown);
    throw_if_stopped(co_await asio::this_coro::cancellation_state);
  }
  Random& random() override { return random_; }
  Files& files() override { return files_; }
  Processes& processes() override { return processes_; }
  Machine& machine() override { return real_machine(); }

  /// The core's thread. An exception out of posted work is a bug and ends the program.
  void serve() noexcept { io_.run(); }
  void end() { io_.stop(); }

 private:
  /// Some of them, then whatever else came in has its turn.
  void resume_ready() {
    for (int left = ready_at_once; first_ready_ && left > 0; --left) {
      Ready& ready = *first_ready_;
      first_ready_ = std::exchange(ready.next, nullptr);
      go_on(ready);
    }
    while (RealAlarm* const alarm = unarmed_) alarm->arm();
    turn_posted_ = first_ready_ != nullptr;
    if (turn_posted_) asio::post(io_, [this] { resume_ready(); });
  }

  static constexpr int ready_at_once = 16;

  Shared& shared_;
  int index_;
  asio::io_context io_;  // One thread: Asio then wakes nobody else. Posting from other threads stays safe.
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  Random random_;
  RealFiles files_;
  RealProcesses processes_;
  Ready* first_ready_ = nullptr;  // In the order of resume().
  Ready* last_ready_ = nullptr;   // Where there is a first.
  bool turn_posted_ = false;      // resume_ready() will come, or runs.
  RealAlarm* unarmed_ = nullptr;  // Those that are armed when it has run.

  friend class RealAlarm;
};

RealAlarm::RealAlarm(RealCore& core, std::chrono::steady_clock::time_point when, std::function<void()> ring)
    : core_(core), when_(when), ring_(std::make_shared<std::function<void()>>(std::move(ring))) {}

RealAlarm::~RealAlarm() { leave_unarmed(); }

void RealAlarm::leave_unarmed() {
  if (next_) next_->before_ = before_;
  if (before_) before_->next_ = next_;
  if (core_.unarmed_ == this) core_.unarmed_ = next_;
  next_ = before_ = nullptr;
}

void RealAlarm::arm() {
  leave_unarmed();
  timer_.emplace(core_.io_, when_);
  timer_->async_wait([core = &core_, weak = std::weak_ptr(ring_)](const asio::error_code& error) {
    // Gone when taken back after it fell due, with this call already queued.
    const auto shared = weak.lock();
    if (!shared || error) return;
    const auto call = std::move(*shared);
    core->ring(call);
  });
}

/// Reads blocked signals on a thread of its own.
class SignalThread {
 public:
  SignalThread(const std::vector<int>& numbers, std::function<void(int)> handler) : handler_(std::move(handler)) {
    ::sigemptyset(&set_);
    for (const int number : numbers) ::sigaddset(&set_, number);
    end_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
    signals_ = UniqueFd(::signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK));
    if (end_.get() < 0 || signals_.get() < 0) throw_errno("signalfd");
    ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
    thread_ = start_thread("weir-signals", [this] { serve(); });
  }
  ~SignalThread() {
    const std::uint64_t one = 1;
    const ssize_t ignored = ::write(end_.get(), &one, sizeof one);
    static_cast<void>(ignored);
    thread_.join();
    // What came too late to be heard must not end the process now in another way than it was about to.
    for (signalfd_siginfo info; ::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info);) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  void serve() noexcept {
    for (;;) {
      pollfd fds[2] = {{signals_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
      if (::poll(fds, 2, -1) < 0) continue;  // EINTR
      if (fds[1].revents != 0) return;
      signalfd_siginfo info;
      if (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
        handler_(static_cast<int>(info.ssi_signo));
    }
  }

  std::function<void(int)> handler_;
  sigset_t set_, before_;
  UniqueFd end_, signals_;
  std::thread thread_;
};

void pin_this_thread(const cpu_set_t& allowed, int index) {
  const int count = CPU_COUNT(&allowed);
  if (count == 0) return;
  int wanted = index % count;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || wanted-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ::sched_setaffinity(0, sizeof one, &one);  // Refused in some containers: then unpinned is all there is.
    return;
  }
}

// Or what is opened next would become somebody's standard output. Ours then take and give nothing, and say so.
void open_standard_descriptors() {
  for (const int wanted : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(wanted, F_GETFD) >= 0) continue;
    const int fd = ::open("/dev/null", wanted == STDOUT_FILENO ? O_RDONLY : O_WRONLY);
    if (fd < 0) throw_errno("/dev/null");
    WEIR_ASSERT(fd == wanted, "the lowest free descriptor is taken");
  }
}

std::uint64_t fresh_seed() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) throw_errno("getrandom");
  return seed;
}

class Real final : public RealRuntime {
 public:
  explicit Real(const Options& options) : pin_(options.pin) {
    WEIR_ASSERT(options.cores > 0, "a runtime has a core");
    open_standard_descriptors();
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, nullptr);
    ::sigaction(SIGXFSZ, &ignore, nullptr);  // A file that may not grow is an error of who writes it.
    // A parent may have left SIGCHLD ignored; the kernel would then reap our children before we ask how they ended.
    struct sigaction on_child {};
    if (::sigaction(SIGCHLD, nullptr, &on_child) == 0 && on_child.sa_handler == SIG_IGN) {
      on_child.sa_handler = SIG_DFL;
      ::sigaction(SIGCHLD, &on_child, nullptr);
    }
    shared_.all_descriptors = options.all_descriptors;
    if (options.all_descriptors) take_all_descriptors();
    shared_.seed = options.seed != 0 ? options.seed : fresh_seed();
    for (int i = 0; i < options.cores; ++i) cores_.push_back(std::make_unique<RealCore>(shared_, i));
    not_arrived_ = options.cores;
  }

  ~Real() override {
    // Threads first, all of them, then the event loops they post to.
    signals_.reset();
    end_services();
    shared_.pool.reset();
  }

  int cores() const override { return static_cast<int>(cores_.size()); }
  Core& core(int index) override { return *cores_.at(static_cast<std::size_t>(index)); }
  std::uint64_t seed() const override { return shared_.seed; }

  void run(std::function<void()> on_started) override {
    WEIR_ASSERT(!std::exchange(ran_, true), "a runtime runs once");
    cores_.front()->post(std::move(on_started));
    std::vector<std::thread> threads;
    try {
      for (std::size_t i = 1; i < cores_.size(); ++i)
        threads.push_back(start_thread("weir-core-" + std::to_string(i), [this, i] { serve(static_cast<int>(i)); }));
    } catch (...) {
      for (auto& core : cores_) core->end();
      for (auto& thread : threads) thread.join();
      throw;
    }
    serve(0);
    for (auto& thread : threads) thread.join();
    if (pin_) unpin_this_thread(shared_.inheritance);
    end_services();
  }

  void stop() override {
    if (stopping_.exchange(true)) return;
    for (auto& core : cores_) {
      core->post([this] {
        if (--not_arrived_ > 0) return;
        for (auto& each : cores_) each->end();
      });
    }
  }

  void on_signal(std::vector<int> numbers, std::function<void(int)> handler) override {
    WEIR_ASSERT(!signals_, "on_signal is called once");
    signals_ = std::make_unique<SignalThread>(numbers, std::move(handler));
  }

  Core& service(const std::string& name) override {
    auto service = std::make_unique<Service>();
    service->core = std::make_unique<RealCore>(shared_, -1);
    service->thread = start_thread(name, [this, core = service->core.get()] {
      unpin_this_thread(shared_.inheritance);
      core->serve();
    });
    services_.push_back(std::move(service));
    return *services_.back()->core;
  }

 private:
  struct Service {
    std::unique_ptr<RealCore> core;
    std::thread thread;
  };

  void serve(int index) noexcept {
    if (pin_ && shared_.inheritance.affinity_known) pin_this_thread(shared_.inheritance.affinity, index);
    cores_[static_cast<std::size_t>(index)]->serve();
  }

  void end_services() {
    for (auto& service : services_) {
      service->core->end();
      if (service->thread.joinable()) service->thread.join();
    }
  }

  bool pin_;
  bool ran_ = false;
  Shared shared_;
  std::vector<std::unique_ptr<RealCore>> cores_;
  std::vector<std::unique_ptr<Service>> services_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> not_arrived_ = 0;  // Cores that have not heard of stop().
  std::unique_ptr<SignalThread> signals_;
};

}  // namespace

std::unique_ptr<RealRuntime> make_real(const Options& options) { return std::make_unique<Real>(options); }

}  // namespace weir::runtime
