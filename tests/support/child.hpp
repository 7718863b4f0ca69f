// A program under test as a child: started, read line by line, told to end, waited for. No sleeping: every wait is for
// something the child does, and gives up after half a minute.
#pragma once
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace weir::tests {

struct ChildEnd {
  int code = -1;  ///< Its exit code; -1 where a signal ended it.
  int signal = 0;
  std::string out;  ///< All of it.
  std::string err;
};

class Child {
 public:
  /// Standard input is empty. `environment`: NAME=VALUE, beside our own.
  explicit Child(std::vector<std::string> argv, std::vector<std::string> environment = {}) {
    BOOST_REQUIRE(::pipe2(out_.data(), O_CLOEXEC) == 0 && ::pipe2(err_.data(), O_CLOEXEC) == 0);
    id_ = ::fork();
    BOOST_REQUIRE(id_ >= 0);
    if (id_ == 0) {
      const int nothing = ::open("/dev/null", O_RDONLY);
      ::dup2(nothing, 0);
      ::dup2(out_[1], 1);
      ::dup2(err_[1], 2);
      ::signal(SIGHUP, SIG_DFL);  // Whoever runs the tests may have it ignored: nohup.
      for (auto& entry : environment) ::putenv(entry.data());
      std::vector<char*> arguments;
      for (auto& argument : argv) arguments.push_back(argument.data());
      arguments.push_back(nullptr);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(std::exchange(out_[1], -1));
    ::close(std::exchange(err_[1], -1));
  }
  ~Child() {
    if (id_ > 0 && !waited_) {
      ::kill(id_, SIGKILL);
      ::waitpid(id_, nullptr, 0);
    }
    for (const int fd : {out_[0], err_[0]}) {
      if (fd >= 0) ::close(fd);
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int id() const { return id_; }
  void signal(int number) { ::kill(id_, number); }
  /// As `| head -1` does once it has its line.
  void close_output() {
    if (out_[0] >= 0) ::close(std::exchange(out_[0], -1));
  }

  /// Reads this stream, and not the other, until the text stands there; false if it ends or half a minute passes first.
  bool saw_on_out(const std::string& text) { return saw(out_[0], end_.out, text); }
  bool saw_on_err(const std::string& text) { return saw(err_[0], end_.err, text); }

  /// What it has said so far.
  const std::string& out() const { return end_.out; }
  const std::string& err() const { return end_.err; }

  /// Reads to the end and waits for it.
  ChildEnd end() {
    while (read_some(out_[0], err_[0])) {
    }
    int status = 0;
    while (::waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
    waited_ = true;
    if (WIFEXITED(status)) end_.code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) end_.signal = WTERMSIG(status);
    return end_;
  }

 private:
  bool saw(int stream, const std::string& where, const std::string& text) {
    while (where.find(text) == std::string::npos) {
      if (!(stream == out_[0] ? read_some(stream, -1) : read_some(-1, stream))) return false;
      if (out_[0] != stream && err_[0] != stream) return where.find(text) != std::string::npos;
    }
    return true;
  }

  /// False: both have ended. A child that says nothing for so long is stuck, and is killed so that the test can end.
  bool read_some(int out, int err) {
    std::array<pollfd, 2> streams{pollfd{out, POLLIN, 0}, pollfd{err, POLLIN, 0}};
    if (out < 0 && err < 0) return false;
    const int ready = ::poll(streams.data(), streams.size(), 30'000);
    if (ready < 0 && errno == EINTR) return true;
    if (ready <= 0) {
      BOOST_ERROR("the child says nothing more and does not end");
      ::kill(id_, SIGKILL);
      return false;
    }
    take(out_[0], streams[0].revents, end_.out);
    take(err_[0], streams[1].revents, end_.err);
    return true;
  }
  static void take(int& fd, short events, std::string& into) {
    if (fd < 0 || events == 0) return;
    std::array<char, 65536> bytes;
    const auto count = ::read(fd, bytes.data(), bytes.size());
    if (count > 0) into.append(bytes.data(), static_cast<std::size_t>(count));
    if (count == 0) ::close(std::exchange(fd, -1));
  }

  std::array<int, 2> out_{-1, -1}, err_{-1, -1};
  pid_t id_ = -1;
  bool waited_ = false;
  ChildEnd end_;
};

}  // namespace weir::tests
