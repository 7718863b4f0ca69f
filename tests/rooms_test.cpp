// The rooms of the house keep their directions: who includes whom, which library lives where, and that time, threads
// and chance come from engine/runtime/ alone. A failure names the line.
#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/source_text.hpp"

namespace {

using weir::tests::Include;
using weir::tests::read_source;
using weir::tests::repository_sources;
using weir::tests::SourceFile;
using weir::tests::Token;
using namespace std::string_literals;
using namespace std::string_view_literals;

// ---------------------------------------------------------------------------------------------------------- directions

/// A room may include itself and the rooms before it.
constexpr std::array rooms{"runtime"sv, "config"sv, "policy"sv, "observe"sv, "message"sv, "flow"sv,
                           "io"sv,      "script"sv, "stage"sv,  "graph"sv,   "command"sv, "main.cpp"sv};

bool starts_with_any(std::string_view text, const std::vector<std::string_view>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](auto prefix) { return text.starts_with(prefix); });
}

/// The place of a path's room in `rooms`; nothing for a path that stands in none.
std::optional<std::size_t> room_of(std::string_view path) {
  if (!path.starts_with("engine/")) return std::nullopt;
  path.remove_prefix("engine/"sv.size());
  const auto room = path.substr(0, path.find('/'));
  const auto found = std::find(rooms.begin(), rooms.end(), room);
  if (found == rooms.end()) return std::nullopt;
  return static_cast<std::size_t>(found - rooms.begin());
}

std::string_view without_extension(std::string_view path) { return path.substr(0, path.rfind('.')); }

std::optional<std::string> wrong_direction(std::string_view path, std::string_view included) {
  if (included.starts_with("tests/")) return "only tests include tests/"s;
  if (path.starts_with("stages/")) {
    if (included.starts_with("stages/") && without_extension(included) != without_extension(path)) {
      return "a stage includes no neighbour"s;
    }
    if (included.starts_with("engine/") && !room_of(included)) return "no room has this file"s;
    return std::nullopt;
  }
  if (included.starts_with("stages/")) return "the engine never includes a stage"s;
  if (!included.starts_with("engine/")) return std::nullopt;
  const auto from = room_of(path), to = room_of(included);
  if (!to) return "no room has this file"s;
  if (from && *to > *from) {
    return "room " + std::string(rooms[*to]) + " lies to the right of room " + std::string(rooms[*from]);
  }
  return std::nullopt;
}

// --------------------------------------------------------------------------------------------------- outside libraries

struct Gate {
  std::string_view library;
  std::vector<std::string_view> headers;  ///< What its includes begin with.
  std::vector<std::string_view> folders;  ///< Where they may stand.
};

const std::vector<Gate> gates = {
    {"yaml-cpp", {"yaml-cpp/"}, {"engine/config/"}},
    {"concurrentqueue",
     {"concurrentqueue", "blockingconcurrentqueue.h", "lightweightsemaphore.h", "moodycamel/"},
     {"engine/flow/"}},
    {"Lua", {"lua.h", "lua5.", "lualib.h", "lauxlib.h", "luaconf.h"}, {"engine/script/"}},
    {"RE2", {"re2/"}, {"engine/script/"}},
    {"simdjson", {"simdjson"}, {"engine/message/"}},
    {"prometheus-cpp", {"prometheus/"}, {"engine/observe/"}},
    {"spdlog", {"spdlog/"}, {"engine/observe/"}},
    {"CLI11", {"CLI/", "CLI11"}, {"engine/command/"}},
    {"http_parser", {"http_parser"}, {"engine/io/"}},
    {"curl", {"curl/"}, {"engine/io/"}},
    {"wslay", {"wslay/"}, {"engine/io/"}},
    {"zlib", {"zlib.h", "zconf.h"}, {"engine/io/"}},
    {"zstd", {"zstd.h", "zstd_errors.h", "zdict.h"}, {"engine/io/"}},
    {"OpenSSL", {"openssl/"}, {"engine/io/"}},
    {"NATS", {"nats/", "nats.h"}, {"engine/io/"}},
    {"LMDB", {"lmdb.h"}, {"engine/io/"}},
    {"libxml2", {"libxml/", "libxml2/"}, {"engine/io/"}},
    {"Mosquitto", {"mosquitto"}, {"engine/io/"}},
    {"Asio", {"asio.hpp", "asio/"}, {"engine/runtime/", "engine/io/"}},
};

/// Those of Asio's headers that carry coroutines, their cancellation and their errors: no socket, timer or thread.
constexpr std::array open_asio{"asio/awaitable.hpp"sv,
                               "asio/any_io_executor.hpp"sv,
                               "asio/async_result.hpp"sv,
                               "asio/co_spawn.hpp"sv,
                               "asio/post.hpp"sv,
                               "asio/use_awaitable.hpp"sv,
                               "asio/error.hpp"sv,
                               "asio/this_coro.hpp"sv,
                               "asio/associated_cancellation_slot.hpp"sv};

/// What Linux and the compiler bring. Any other library has a gate above.
const std::vector<std::string_view> of_the_system = {"arpa/", "linux/", "net/", "netinet/", "sanitizer/", "sys/"};
constexpr std::array of_the_system_too{"dirent.h"sv, "dlfcn.h"sv,  "emmintrin.h"sv, "fcntl.h"sv,
                                       "limits.h"sv, "netdb.h"sv,  "poll.h"sv,      "pthread.h"sv,
                                       "sched.h"sv,  "signal.h"sv, "spawn.h"sv,     "unistd.h"sv};
/// Values of no behaviour: what formats may be asked anywhere.
const std::vector<std::string_view> open_libraries = {"fmt/"};

bool is_known(std::string_view included) {
  return included.find_first_of("./") == std::string_view::npos || starts_with_any(included, of_the_system) ||
         starts_with_any(included, open_libraries) ||
         std::find(of_the_system_too.begin(), of_the_system_too.end(), included) != of_the_system_too.end();
}

std::optional<std::string> wrong_gate(std::string_view path, std::string_view included) {
  if (std::find(open_asio.begin(), open_asio.end(), included) != open_asio.end()) return std::nullopt;
  for (const auto& gate : gates) {
    if (!starts_with_any(included, gate.headers)) continue;
    if (starts_with_any(path, gate.folders)) return std::nullopt;
    std::string allowed;
    for (const auto folder : gate.folders) allowed += (allowed.empty() ? "" : " and ") + std::string(folder);
    return std::string(gate.library) + " stays in " + allowed;
  }
  return std::nullopt;
}

std::optional<std::string> without_gate(std::string_view included) {
  const bool gated = std::any_of(gates.begin(), gates.end(),
                                 [&](const Gate& gate) { return starts_with_any(included, gate.headers); });
  if (gated || is_known(included)) return std::nullopt;
  return "a library without a gate: tests/rooms_test.cpp says where each may stand"s;
}

std::optional<std::string> trap_header(std::string_view included) {
  if (included == "regex") return "std::regex takes exponential time and overflows the stack: RE2, in engine/script/"s;
  if (included == "prometheus/exposer.h") return "Exposer is starved by slow clients: weir has its own HTTP server"s;
  return std::nullopt;
}

// -------------------------------------------------------------------------------------------------- words in the code

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// A window on the tokens around one of them; reading past either end gives nothing.
class Around {
 public:
  Around(const std::vector<Token>& tokens, std::size_t at) : tokens_(tokens), at_(at) {}
  std::string_view operator[](std::ptrdiff_t offset) const {
    const auto index = static_cast<std::ptrdiff_t>(at_) + offset;
    if (index < 0 || index >= static_cast<std::ptrdiff_t>(tokens_.size())) return {};
    return tokens_[static_cast<std::size_t>(index)].text;
  }
  bool is_member() const { return (*this)[-1] == "." || (*this)[-1] == "->"; }
  /// Named in the global namespace, in std or in std::this_thread, or without a qualifier.
  bool is_global() const {
    if (is_member()) return false;
    if ((*this)[-1] != "::") return true;
    const auto qualifier = (*this)[-2];
    return qualifier == "std" || qualifier == "this_thread" || qualifier == "chrono" || qualifier == "return" ||
           qualifier.empty() ||
           !(std::isalnum(static_cast<unsigned char>(qualifier.back())) || qualifier.back() == '_' ||
             qualifier.back() == '>');
  }
  bool is_std() const { return (*this)[-1] == "::" && (*this)[-2] == "std"; }
  bool is_called() const { return (*this)[1] == "("; }
  /// `int rand(...)`: the declaration of something else by that name. `return rand()` is not one.
  bool is_declared() const {
    const auto before = (*this)[-1];
    return !before.empty() && before != "return" && before != "co_return" && before != "co_yield" && before != "else" &&
           before != "do" &&
           (std::isalnum(static_cast<unsigned char>(before.back())) || is_one_of(before, {">", "&", "*"}));
  }

 private:
  const std::vector<Token>& tokens_;
  std::size_t at_;
};

/// A clock, timer, thread or source of chance that the simulation could not replace.
std::optional<std::string> from_outside_the_runtime(const Around& around) {
  const auto word = around[0];
  if (is_one_of(word, {"steady_clock", "high_resolution_clock"})) return "a clock"s;
  // Their time_point may be named; an alias of the clock would tell the time under another name.
  if (is_one_of(word, {"system_clock", "file_clock", "utc_clock", "tai_clock", "clock"}) && around[1] == "::" &&
      around[2] == "now") {
    return "a clock"s;
  }
  if (word == "system_clock" && around[1] == ";") return "a clock"s;
  if (is_one_of(word, {"clock_gettime", "gettimeofday", "timespec_get", "ftime"})) return "a clock"s;
  const bool is_c_call = around.is_called() && around[-1] == "::" && around.is_global();
  if (word == "clock" && is_c_call) return "a clock"s;
  if (word == "time" && around.is_called() && around.is_global() &&
      (around[-1] == "::" || is_one_of(around[2], {"nullptr", "NULL", "0"}))) {
    return "a clock"s;
  }
  if (is_one_of(word, {"steady_timer", "system_timer", "high_resolution_timer", "basic_waitable_timer",
                       "waitable_timer", "deadline_timer", "timerfd_create", "timer_create", "setitimer"})) {
    return "a timer"s;
  }
  // (Unqualified, clock() is a unit's own.)
  const bool is_bare_call = around.is_called() && around.is_global() && !around.is_declared();
  if (word == "alarm" && is_bare_call) return "a timer"s;
  // A stage's own sleep_until() is the runtime's; the other is reached through this_thread, or by opening it.
  if (is_one_of(word, {"sleep_for", "sleep_until"}) && around[-1] == "::" && around[-2] == "this_thread") {
    return "a sleep"s;
  }
  if (word == "this_thread" && around[1] == ";") return "a sleep"s;
  if (is_one_of(word, {"usleep", "nanosleep", "clock_nanosleep"}) && !around.is_member()) return "a sleep"s;
  if (word == "sleep" && is_bare_call) return "a sleep"s;
  if (is_one_of(word, {"condition_variable", "condition_variable_any", "counting_semaphore", "binary_semaphore",
                       "timed_mutex", "latch", "barrier"}) &&
      around.is_std()) {
    return "a wait of a whole thread"s;
  }
  if (is_one_of(word, {"thread", "jthread", "async"}) && around.is_std()) return "a thread"s;
  if (is_one_of(word, {"pthread_create", "thrd_create", "thread_pool"})) return "a thread"s;
  if (is_one_of(word,
                {"mt19937", "mt19937_64", "minstd_rand", "minstd_rand0", "default_random_engine", "ranlux24",
                 "ranlux48", "knuth_b", "mersenne_twister_engine", "linear_congruential_engine", "random_device"})) {
    return "a source of chance"s;
  }
  if (is_one_of(word, {"rand", "srand", "rand_r", "drand48", "lrand48", "mrand48", "getrandom", "getentropy",
                       "arc4random"}) &&
      around.is_called() && around.is_global() && !around.is_declared()) {
    return "a source of chance"s;
  }
  if (word == "random" && is_bare_call) return "a source of chance"s;
  return std::nullopt;
}

std::optional<std::string> trap_word(const Around& around) {
  const auto word = around[0];
  if (is_one_of(word, {"regex", "basic_regex", "wregex", "regex_match", "regex_search", "regex_replace",
                       "sregex_iterator"}) &&
      around.is_std()) {
    return "std::regex takes exponential time and overflows the stack: RE2, in engine/script/"s;
  }
  if (is_one_of(word, {"LoadAll", "LoadAllFromFile"}) && around[-1] == "::" && around[-2] == "YAML") {
    return "YAML::LoadAll never returns on some inputs: YAML::Load"s;
  }
  if (word == "Exposer" && around[-1] == "::" && around[-2] == "prometheus") {
    return "Exposer is starved by slow clients: weir has its own HTTP server"s;
  }
  if (is_one_of(word, {"system", "popen"}) && around.is_called() && around.is_global() && !around.is_declared()) {
    return std::string(word) + "() hands a command line to a shell: engine/runtime/ starts children from argv"s;
  }
  return std::nullopt;
}

// ----------------------------------------------------------------------------------------------------------- the check

/// What stands wrong in one file of engine/ or stages/, each as `path:line: what: why`.
std::vector<std::string> misplaced(const SourceFile& file) {
  std::vector<std::string> found;
  const auto report = [&](int line, const std::string& what, const std::string& why) {
    found.push_back(file.path + ":" + std::to_string(line) + ": " + what + ": " + why);
  };
  if (file.path.starts_with("engine/") && !room_of(file.path)) {
    report(1, file.path, "stands in no room");
  }
  const auto source = read_source(file.text);
  for (const auto& include : source.includes) {
    const auto what = "#include " + (include.angled ? "<" + include.path + ">" : "\"" + include.path + "\"");
    if (const auto why = wrong_direction(file.path, include.path)) report(include.line, what, *why);
    if (const auto why = wrong_gate(file.path, include.path)) report(include.line, what, *why);
    if (const auto why = without_gate(include.path); why && include.angled) report(include.line, what, *why);
    if (const auto why = trap_header(include.path)) report(include.line, what, *why);
    if (!include.angled && !starts_with_any(include.path, {"engine/", "stages/", "tests/"})) {
      report(include.line, what, "quotes name a file from the repository's root, angles a library");
    }
  }
  const bool is_runtime = file.path.starts_with("engine/runtime/");
  for (std::size_t i = 0; i < source.tokens.size(); ++i) {
    const Around around(source.tokens, i);
    const auto& token = source.tokens[i];
    if (const auto what = from_outside_the_runtime(around); what && !is_runtime) {
      report(token.line, token.text, *what + ", which only engine/runtime/ may name");
    }
    if (const auto why = trap_word(around)) report(token.line, token.text, *why);
  }
  return found;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += "\n  " + line;
  return text;
}

std::vector<std::string> misplaced(std::string path, std::string text) {
  return misplaced(SourceFile(std::move(path), std::move(text)));
}

/// Checks one planted line: what stands wrong begins with `path:2: expected`, and nothing else does.
void check_caught(const std::string& path, const std::string& line, const std::string& expected) {
  const auto found = misplaced(path, "// planted\n" + line + "\n");
  BOOST_CHECK_MESSAGE(found.size() == 1 && found.front().starts_with(path + ":2: " + expected),
                      path << " with `" << line << "`: expected one `" << expected << "`, found" << joined(found));
}

void check_clean(const std::string& path, const std::string& line) {
  const auto found = misplaced(path, line);
  BOOST_CHECK_MESSAGE(found.empty(), path << " with `" << line << "`: found" << joined(found));
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_file_of_the_engine_and_every_stage_keeps_to_its_room) {
  const auto files = repository_sources({"engine", "stages"});
  BOOST_TEST(!files.empty());
  for (const auto& file : files) {
    for (const auto& complaint : misplaced(file)) BOOST_ERROR(complaint);
  }
}

BOOST_AUTO_TEST_CASE(a_room_includes_itself_and_those_to_its_left_but_none_to_its_right) {
  check_clean("engine/flow/channel.cpp", "#include \"engine/flow/channel.hpp\"\n#include \"engine/message/batch.hpp\"");
  check_clean("engine/main.cpp", "#include \"engine/command/run.hpp\"");
  check_caught("engine/flow/channel.hpp", "#include \"engine/stage/stage.hpp\"",
               "#include \"engine/stage/stage.hpp\": room stage lies to the right of room flow");
  check_caught("engine/runtime/core.hpp", "  #  include \"engine/config/units.hpp\"",
               "#include \"engine/config/units.hpp\": room config lies to the right of room runtime");
  check_caught("engine/command/run.cpp", "#include \"engine/main.cpp\"", "#include \"engine/main.cpp\": room main.cpp");
  check_caught("engine/graph/plan.cpp", "#include \"engine/attic/plan.hpp\"",
               "#include \"engine/attic/plan.hpp\": no room has this file");
  BOOST_TEST(misplaced("engine/attic/plan.cpp", "").size() == 1U);
}

BOOST_AUTO_TEST_CASE(the_engine_includes_no_stage_and_a_stage_no_neighbour) {
  check_clean("stages/limit.cpp", "#include \"engine/stage/spec.hpp\"\n#include \"engine/graph/plan.hpp\"");
  check_caught("engine/graph/plan.cpp", "#include \"stages/pass.cpp\"",
               "#include \"stages/pass.cpp\": the engine never includes a stage");
  check_caught("stages/limit.cpp", "#include \"stages/pass.hpp\"",
               "#include \"stages/pass.hpp\": a stage includes no neighbour");
  check_caught("stages/limit.cpp", "#include \"tests/support/bench.hpp\"",
               "#include \"tests/support/bench.hpp\": only tests include tests/");
  check_caught("engine/flow/channel.cpp", "#include \"channel.hpp\"",
               "#include \"channel.hpp\": quotes name a file from the repository's root");
}

BOOST_AUTO_TEST_CASE(a_library_stays_behind_its_gate) {
  struct Case {
    std::string header, home, away;
  };
  const std::vector<Case> cases = {
      {"yaml-cpp/yaml.h", "engine/config/yaml.cpp", "engine/graph/plan.cpp"},
      {"concurrentqueue/concurrentqueue.h", "engine/flow/channel.cpp", "stages/queue.cpp"},
      {"lua.h", "engine/script/lua.cpp", "stages/lua.cpp"},
      {"lua.hpp", "engine/script/lua.cpp", "engine/flow/channel.cpp"},
      {"lauxlib.h", "engine/script/lua.cpp", "engine/command/run.cpp"},
      {"re2/re2.h", "engine/script/re.cpp", "stages/where.cpp"},
      {"simdjson.h", "engine/message/json.cpp", "stages/file.cpp"},
      {"prometheus/registry.h", "engine/observe/meters.cpp", "engine/command/admin.cpp"},
      {"spdlog/spdlog.h", "engine/observe/log.cpp", "engine/command/run.cpp"},
      {"CLI/CLI.hpp", "engine/command/arguments.cpp", "engine/main.cpp"},
      {"http_parser.h", "engine/io/http.cpp", "engine/command/admin.cpp"},
      {"curl/curl.h", "engine/io/http_client.cpp", "stages/http.cpp"},
      {"openssl/ssl.h", "engine/io/tls.cpp", "engine/runtime/core.cpp"},
      {"zlib.h", "engine/io/compress.cpp", "stages/file.cpp"},
      {"zstd.h", "engine/io/compress.cpp", "engine/stage/lineup.cpp"},
      {"asio.hpp", "engine/runtime/core.cpp", "engine/flow/channel.cpp"},
      {"asio/ip/tcp.hpp", "engine/io/listener.cpp", "stages/http.cpp"},
  };
  for (const auto& [header, home, away] : cases) {
    const auto line = "#include <" + header + ">";
    check_clean(home, line);
    check_caught(away, line, line + ": ");
  }
  check_caught("stages/pass.cpp", "#include <nlohmann/json.hpp>",
               "#include <nlohmann/json.hpp>: a library without a gate");
  check_caught("engine/io/tls.cpp", "#include <gnutls.h>", "#include <gnutls.h>: a library without a gate");
  check_clean("stages/pass.cpp", "#include <sys/stat.h>\n#include <fmt/format.h>\n#include <vector>");
  check_clean("stages/pass.cpp", "#include <asio/awaitable.hpp>\n#include <asio/this_coro.hpp>");
  check_caught("engine/observe/meters.cpp", "#include <prometheus/exposer.h>",
               "#include <prometheus/exposer.h>: Exposer");
  check_caught("stages/where.cpp", "#include <regex>", "#include <regex>: std::regex");
}

BOOST_AUTO_TEST_CASE(time_threads_and_chance_are_named_in_the_runtime_alone) {
  for (const std::string line : {"auto now = std::chrono::steady_clock::now();",
                                 "using Clock = std::chrono::high_resolution_clock;",
                                 "auto now = system_clock::now();",
                                 "clock_gettime(CLOCK_REALTIME, &t);",
                                 "auto t = time(nullptr);",
                                 "auto t = ::time(&now);",
                                 "asio::steady_timer timer(executor);",
                                 "std::this_thread::sleep_for(1s);",
                                 "using namespace std::this_thread;",
                                 "usleep(5);",
                                 "::sleep(1);",
                                 "std::thread worker(f);",
                                 "std::vector<std::jthread> workers;",
                                 "auto f = std::async(g);",
                                 "std::mt19937_64 engine;",
                                 "std::random_device device;",
                                 "return rand() % 6;",
                                 "int n = ::rand();",
                                 "int n = std::rand();",
                                 "using Clock = std::chrono::system_clock;",
                                 "auto now = std::filesystem::file_time_type::clock::now();",
                                 "auto used = std::clock();",
                                 "auto used = ::clock();",
                                 "::alarm(1);",
                                 "asio::thread_pool pool;",
                                 "thrd_create(&thread, f, nullptr);",
                                 "auto n = lrand48();",
                                 "auto n = ::random();",
                                 "std::mersenne_twister_engine<Word, 32> engine;",
                                 "ftime(&now);",
                                 "sleep(1);",
                                 "if (late) return alarm(1);",
                                 "auto n = random();",
                                 "std::condition_variable woken;",
                                 "std::counting_semaphore<8> free;"}) {
    check_clean("engine/runtime/real.cpp", line);
    const auto found = misplaced("engine/io/listener.cpp", "// planted\n" + line + "\n");
    BOOST_CHECK_MESSAGE(found.size() == 1 && found.front().starts_with("engine/io/listener.cpp:2: "),
                        "`" << line << "`: expected one complaint, found" << joined(found));
  }
}

BOOST_AUTO_TEST_CASE(words_that_only_look_alike_are_left_alone) {
  for (const std::string line : {"std::chrono::milliseconds wait{5};",
                                 "std::chrono::system_clock::time_point written;",
                                 "co_await stage.clock.sleep_until(at);",
                                 "co_await runtime::sleep_for(1s);",
                                 "stage.random.rand();",
                                 "// std::thread, steady_clock and rand() stay away",
                                 "/* std::regex\n steady_clock */",
                                 "auto text = \"steady_clock::now() system(x)\";",
                                 "auto text = R\"lua(os.time() rand() popen())lua\";",
                                 "auto quote = '\"'; auto many = 1'000'000; auto end = '\\'';",
                                 "throw std::system_error(code);",
                                 "std::error_category& c = std::system_category();",
                                 "auto id = std::this_thread::get_id();",
                                 "Task<> sleep(Duration time) { return sleep_until(now() + time); }",
                                 "message.time(5);",
                                 "Instant time(Field field);",
                                 "stage.system(1);",
                                 "core_.alarm(due, ring);",
                                 "core_.random().next();",
                                 "const Clock& clock() const;"}) {
    check_clean("stages/pass.cpp", line);
  }
}

BOOST_AUTO_TEST_CASE(known_traps_are_refused_everywhere) {
  for (const std::string path : {"engine/runtime/core.cpp", "engine/config/yaml.cpp", "stages/exec.cpp"}) {
    check_caught(path, "std::regex pattern(text);", "regex: std::regex");
    check_caught(path, "auto all = YAML::LoadAll(text);", "LoadAll: YAML::LoadAll");
    check_caught(path, "prometheus::Exposer exposer(address);", "Exposer: Exposer");
    check_caught(path, "std::system(command.c_str());", "system: system()");
    check_caught(path, "FILE* pipe = popen(command, \"r\");", "popen: popen()");
    check_caught(path, "return ::popen(command, \"r\");", "popen: popen()");
  }
}
