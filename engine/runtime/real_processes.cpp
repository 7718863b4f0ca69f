#include "engine/runtime/real_processes.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/this_coro.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "engine/runtime/descriptor.hpp"
#include "engine/runtime/wait.hpp"

extern char** environ;

namespace weir::runtime {

namespace {

constexpr int patience_for_death_ms = 200;  // A killed child takes microseconds unless it hangs inside the kernel.

constexpr int output_pipe_bytes = 256 * 1024;

struct Pipe {
  UniqueFd read, write;
};

Pipe make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) throw_errno("pipe");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// All the child needs, made before it exists: between vfork and exec nothing may be allocated or locked.
struct Plan {
  const char* program;
  char* const* argv;
  char* const* environment;
  const char* directory;  // Null: stay.
  int input, output, error;
  int report;  // Where a failed start leaves its errno; closed by a successful exec.
  pid_t parent;
  const Inheritance* inheritance;
  const Limits* limits;
};

[[noreturn]] void give_up(const Plan& plan, int error) {
  const ssize_t ignored = ::write(plan.report, &error, sizeof error);
  static_cast<void>(ignored);
  ::_exit(127);
}

bool set_limit(decltype(RLIMIT_CPU) what, std::uint64_t soft, std::uint64_t hard) {
  struct rlimit now {};
  if (::getrlimit(what, &now) != 0) return false;
  // Beyond what it has it may not go, and need not: that is less than was asked for.
  const rlimit wanted{std::min<rlim_t>(soft, now.rlim_max), std::min<rlim_t>(hard, now.rlim_max)};
  return ::setrlimit(what, &wanted) == 0;
}

bool set_limits(const Limits& limits) {
  if (limits.cpu_s) {
    const auto seconds = static_cast<std::uint64_t>(*limits.cpu_s);
    if (!set_limit(RLIMIT_CPU, seconds, seconds + 1)) return false;
  }
  if (limits.memory_bytes && !set_limit(RLIMIT_AS, *limits.memory_bytes, *limits.memory_bytes)) return false;
  return !limits.files || set_limit(RLIMIT_NOFILE, *limits.files, *limits.files);
}

// In the child, sharing the parent's memory. Only async-signal-safe calls, no write to anything of the parent's.
[[noreturn, gnu::noinline]] void become(const Plan& plan) {
  // No handler of the parent's may run here; ignored signals stay ignored, as under nohup.
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action;
    if (::sigaction(number, nullptr, &action) != 0 || action.sa_handler == SIG_IGN || action.sa_handler == SIG_DFL)
      continue;
    action.sa_handler = SIG_DFL;
    action.sa_flags = 0;
    ::sigaction(number, &action, nullptr);
  }
  ::sigaction(SIGPIPE, &plan.inheritance->on_sigpipe, nullptr);
  ::sigaction(SIGXFSZ, &plan.inheritance->on_sigxfsz, nullptr);
  if (::setpgid(0, 0) != 0) give_up(plan, errno);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(plan, errno);
  if (::getppid() != plan.parent) ::_exit(127);  // It ended before the request was in place.
  if (plan.inheritance->affinity_known)
    ::sched_setaffinity(0, sizeof plan.inheritance->affinity, &plan.inheritance->affinity);
  if (plan.directory != nullptr && ::chdir(plan.directory) != 0) give_up(plan, errno);
  // All of ours are above 2 (make_real sees to it), so no dup2 overwrites one still needed.
  if (::dup2(plan.input, 0) < 0 || ::dup2(plan.output, 1) < 0 || ::dup2(plan.error, 2) < 0) give_up(plan, errno);
  const auto& descriptors = plan.inheritance->descriptors;
  if (!set_limit(RLIMIT_NOFILE, descriptors.rlim_cur, descriptors.rlim_max)) give_up(plan, errno);
  if (!set_limits(*plan.limits)) give_up(plan, errno);
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);  // For what a library opened without O_CLOEXEC.
  ::pthread_sigmask(SIG_SETMASK, &plan.inheritance->signal_mask, nullptr);
  ::execve(plan.program, plan.argv, plan.environment);
  give_up(plan, errno);
}

[[gnu::noinline]] pid_t launch(const Plan& plan) {
  const pid_t pid = ::vfork();
  if (pid == 0) become(plan);
  return pid;
}

std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (!command.environment.contains(std::string(text.substr(0, text.find('='))))) variables.emplace_back(text);
  }
  for (const auto& [name, value] : command.environment) variables.push_back(name + "=" + value);
  return variables;
}

// As a shell would find it, but a file that may not be run is told from one that is not there.
std::string find_program(const Command& command) {
  const std::string& name = command.argv.front();
  if (name.empty()) throw std::system_error(ENOENT, std::generic_category(), "the empty program name");
  if (name.find('/') != std::string::npos) {
    // It is started in its directory.
    const std::string path = name.front() == '/' || command.directory.empty() ? name : command.directory + "/" + name;
    if (::access(path.c_str(), X_OK) != 0) throw_errno(name.c_str());
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
      throw std::system_error(EISDIR, std::generic_category(), name);
    }
    return name;
  }
  std::string path = "/usr/local/bin:/usr/bin:/bin";
  if (const auto own = command.environment.find("PATH"); own != command.environment.end())
    path = own->second;
  else if (const char* inherited = ::getenv("PATH"))
    path = inherited;
  int error = ENOENT;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    std::string candidate = path.substr(begin, end - begin);
    candidate = candidate.empty() ? "./" + name : candidate + "/" + name;
    if (candidate.front() != '/') candidate = std::filesystem::absolute(candidate).string();
    struct stat status {};
    if (::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
      if (::access(candidate.c_str(), X_OK) == 0) return candidate;
      error = EACCES;
    }
    begin = end + 1;
  }
  throw std::system_error(error, std::generic_category(), name);
}

/// What could not be run, and why where the system's word alone leads to the wrong file: that a script is missing it
/// says of one whose first line, `#!/bin/sh`, names a program that is not there, such as one that ends in a carriage
/// return.
std::string unable(const Command& command, const std::string& program, int error) {
  if (error != ENOENT && error != ENOEXEC) return program;
  std::ifstream file(program.front() == '/' || command.directory.empty() ? program : command.directory + "/" + program);
  std::array<char, 256> begin{};
  file.read(begin.data(), begin.size());
  std::string_view line(begin.data(), static_cast<std::size_t>(file.gcount()));
  if (!line.starts_with("#!")) {
    return program + (error == ENOEXEC && !line.starts_with("\x7f"
                                                            "ELF")
                          ? ", which does not begin with #!"
                          : "");
  }
  line = line.substr(0, line.find('\n'));
  line.remove_prefix(std::min(line.find_first_not_of(" \t", 2), line.size()));
  const bool returns = line.ends_with('\r');
  const std::string runs(line.substr(0, line.find_first_of(" \t\r")));
  if (error != ENOENT || (!returns && ::access(runs.c_str(), F_OK) == 0)) return program;
  return program + ", which is for `" + runs + "`" + (returns ? " (its first line ends in CR LF)" : "");
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

void reap(pid_t pid) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
  }
}

class RealChild final : public Child {
 public:
  RealChild(asio::io_context& io, pid_t pid, UniqueFd pid_fd, UniqueFd output, UniqueFd error, UniqueFd input)
      : pid_(pid),
        ended_(io, std::move(pid_fd), Sharing::own, "child process"),
        output_(io, std::move(output), Sharing::own, "output of child process"),
        error_(io, std::move(error), Sharing::own, "error output of child process") {
    if (input.get() >= 0) {
      input_ = std::make_shared<Descriptor>(io, std::move(input), Sharing::own, "input of child process");
    }
  }

  ~RealChild() override {
    ::kill(-pid_, SIGKILL);
    pollfd death{ended_.fd(), POLLIN, 0};
    int polled = 0;
    do {
      polled = ::poll(&death, 1, patience_for_death_ms);
    } while (polled < 0 && errno == EINTR);
    if (polled != 0) {
      reap(pid_);
      return;
    }
    // Stuck in the kernel (a dead network file system): a core must not wait for that.
    try {
      std::thread([pid = pid_] { reap(pid); }).detach();
    } catch (const std::system_error&) {
      // No thread to be had: a zombie until the engine ends is the lesser harm.
    }
  }

  Task<std::size_t> read_output(std::span<char> into) override { return output_.read(into); }
  std::optional<std::size_t> read_output_now(std::span<char> into) override { return output_.read_now(into); }
  Task<std::size_t> read_error(std::span<char> into) override { return error_.read(into); }
  Task<> write(std::span<const char> bytes) override {
    if (!input_) throw std::system_error(EPIPE, std::generic_category(), "input of child process");
    std::size_t done = 0;
    co_await input_->write(bytes, done);
  }
  void close_input() override {
    if (input_) input_->stop_waiting();
    input_.reset();
  }
  Task<> input_broken() override {
    const std::shared_ptr<Descriptor> input = input_;
    if (input) co_await input->wait_broken();
  }

  Task<Exit> wait() override {
    co_await ended_.wait_readable();
    siginfo_t info{};
    // WNOWAIT: its number stays taken, so that signal() and the destructor reach this group and no other.
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0)
      if (errno != EINTR) throw_errno("wait for child process");
    Exit exit;
    if (info.si_code == CLD_EXITED)
      exit.code = info.si_status;
    else
      exit.signal = info.si_status;
    co_return exit;
  }
  void signal(int number) override { ::kill(-pid_, number); }
  int id() const override { return pid_; }

 private:
  pid_t pid_;
  Descriptor ended_;
  Descriptor output_;
  Descriptor error_;
  std::shared_ptr<Descriptor> input_;  // input_broken() holds it too, until it has heard of the end.
};

}  // namespace

Inheritance Inheritance::now() {
  Inheritance result{};
  ::pthread_sigmask(SIG_SETMASK, nullptr, &result.signal_mask);
  result.affinity_known = ::sched_getaffinity(0, sizeof result.affinity, &result.affinity) == 0;
  ::sigaction(SIGPIPE, nullptr, &result.on_sigpipe);
  ::sigaction(SIGXFSZ, nullptr, &result.on_sigxfsz);
  ::getrlimit(RLIMIT_NOFILE, &result.descriptors);
  return result;
}

void RealProcesses::look_for(const Command& command) {
  find_program(command);
  if (command.directory.empty()) return;
  struct stat status {};
  if (::stat(command.directory.c_str(), &status) != 0) throw_errno(command.directory.c_str());
  if (!S_ISDIR(status.st_mode)) throw std::system_error(ENOTDIR, std::generic_category(), command.directory);
  if (::access(command.directory.c_str(), X_OK) != 0) throw_errno(command.directory.c_str());
}

std::unique_ptr<Child> RealProcesses::start(const Command& command) {
  if (command.argv.empty()) throw std::system_error(EINVAL, std::generic_category(), "no program given");
  const std::string program = find_program(command);
  std::vector<std::string> arguments = command.argv;
  std::vector<std::string> variables = environment_of(command);
  const auto argv = pointers_to(arguments);
  const auto environment = pointers_to(variables);

  Pipe output = make_pipe();
  // A child that prints much is then woken a quarter as often. Where the user has too many such pipes it is refused.
  ::fcntl(output.read.get(), F_SETPIPE_SZ, output_pipe_bytes);
  Pipe error = make_pipe();
  Pipe report = make_pipe();
  Pipe input;
  if (command.input) {
    input = make_pipe();
  } else {
    input.read = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (input.read.get() < 0) throw_errno("/dev/null");
  }

  const Plan plan{program.c_str(),    argv.data(),
                  environment.data(), command.directory.empty() ? nullptr : command.directory.c_str(),
                  input.read.get(),   output.write.get(),
                  error.write.get(),  report.write.get(),
                  ::getpid(),         &inheritance_,
                  &command.limits};
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // A handler in the child would run in our memory.
  const pid_t pid = launch(plan);
  const int start_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) throw std::system_error(start_error, std::generic_category(), program);

  report.write = UniqueFd();
  int exec_error = 0;
  ssize_t count = 0;
  do {
    count = ::read(report.read.get(), &exec_error, sizeof exec_error);
  } while (count < 0 && errno == EINTR);
  if (count != 0) {
    reap(pid);
    throw std::system_error(exec_error, std::generic_category(), unable(command, program, exec_error));
  }

  // glibc 2.36 declares pidfd_open without extern "C".
  UniqueFd pid_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  try {
    if (pid_fd.get() < 0) throw_errno("pidfd_open");
    return std::make_unique<RealChild>(io_, pid, std::move(pid_fd), std::move(output.read), std::move(error.read),
                                       std::move(input.write));
  } catch (...) {
    ::kill(-pid, SIGKILL);
    reap(pid);
    throw;
  }
}

}  // namespace weir::runtime
