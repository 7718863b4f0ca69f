#include <boost/test/unit_test.hpp>
#include <string>
#include <system_error>

#include "engine/runtime/simulated.hpp"

using namespace weir::runtime;
using namespace std::chrono_literals;

namespace {

void rethrow(std::exception_ptr error) {
  if (error) std::rethrow_exception(error);
}

void run(SimulatedRuntime& runtime, Task<> body) {
  const auto coroutine = runtime.core().spawn(std::move(body), rethrow);
  runtime.run_until_idle();
}

Task<> read_all(Reader& reader, std::string& into) {
  char bytes[100];
  while (const std::size_t count = co_await reader.read(bytes)) into.append(bytes, count);
}

Task<> write(Writer& writer, std::string text, std::errc& error) {
  error = std::errc();
  try {
    co_await writer.write(text);
  } catch (const std::system_error& e) {
    error = static_cast<std::errc>(e.code().value());
  }
}

Task<> sync(Writer& writer) { co_await writer.sync(); }

struct Seen {
  std::string output, error;
  Exit exit;
  Time ended;
};

Task<> watch(Core& core, Command command, std::string input, Seen& seen) {
  const auto child = core.processes().start(command);
  char bytes[1000];
  if (!input.empty()) {
    co_await child->write(input);
    child->close_input();
  }
  while (const std::size_t count = co_await child->read_output(bytes)) seen.output.append(bytes, count);
  while (const std::size_t count = co_await child->read_error(bytes)) seen.error.append(bytes, count);
  seen.exit = co_await child->wait();
  seen.ended = core.now();
}

Task<> terminate_after(Core& core, Duration time, Seen& seen) {
  Command command;
  command.argv = {"server"};
  const auto child = core.processes().start(command);
  co_await core.sleep(time);
  child->signal(SIGTERM);
  seen.exit = co_await child->wait();
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_program_that_nobody_scripted_may_be_played_by_one_for_all) {
  SimulatedRuntime runtime(1);
  Command command;
  command.argv = {"any"};
  BOOST_CHECK_THROW(runtime.core().processes().start(command), std::system_error);
  runtime.programs().otherwise([](const Command& asked) {
    Behaviour behaviour;
    behaviour.steps.push_back({{}, asked.argv.front(), ""});
    return behaviour;
  });
  const auto child = runtime.core().processes().start(command);
  BOOST_TEST(runtime.programs().commands().back().argv.front() == "any");
}

BOOST_AUTO_TEST_CASE(what_is_written_can_be_read_renamed_and_removed) {
  SimulatedRuntime runtime(1);
  auto& files = runtime.core().files();
  std::errc error;
  files.make_directories("out");
  {
    const auto writer = files.create("out/a.part", Files::Mode::truncate);
    run(runtime, write(*writer, "one\n", error));
    run(runtime, sync(*writer));
    run(runtime, write(*writer, "two\n", error));
    BOOST_TEST(writer->size() == 8u);
    BOOST_TEST(runtime.files().synced("out/a.part") == 4u);
  }
  files.rename("out/a.part", "out/a");
  BOOST_TEST(!files.exists("out/a.part"));
  BOOST_TEST(files.is_directory("out"));
  std::string text;
  run(runtime, read_all(*files.open("out/a"), text));
  BOOST_TEST(text == "one\ntwo\n");
  const auto writer = files.create("out/a", Files::Mode::append);
  BOOST_TEST(!writer->removed());
  files.remove("out/a");
  BOOST_TEST(writer->removed());
  BOOST_TEST(!files.exists("out/a"));
}

BOOST_AUTO_TEST_CASE(the_errors_of_files_are_those_of_a_real_system) {
  SimulatedRuntime runtime(1);
  auto& files = runtime.core().files();
  runtime.files().make_directory("dir");
  runtime.files().put("secret", "x");
  runtime.files().make_unreadable("secret");
  const auto code = [](std::errc wanted) {
    return [wanted](const std::system_error& e) { return e.code() == std::make_error_condition(wanted); };
  };
  BOOST_CHECK_EXCEPTION(files.open("none"), std::system_error, code(std::errc::no_such_file_or_directory));
  BOOST_CHECK_EXCEPTION(files.open("/proc/self/stat"), std::system_error, code(std::errc::no_such_file_or_directory));
  BOOST_CHECK_EXCEPTION(files.open("dir"), std::system_error, code(std::errc::is_a_directory));
  BOOST_CHECK_EXCEPTION(files.open("secret"), std::system_error, code(std::errc::permission_denied));
  runtime.files().put("dir/sub/a", "x");
  BOOST_TEST((files.open_below("dir", "sub/a") != nullptr));
  for (const auto* path : {"", "sub", "sub/", "sub//a", "./sub/a", "sub/../sub/a", "none"}) {
    BOOST_CHECK_EXCEPTION(files.open_below("dir", path), std::system_error, code(std::errc::no_such_file_or_directory));
  }
  BOOST_CHECK_EXCEPTION(files.remove("none"), std::system_error, code(std::errc::no_such_file_or_directory));
}

BOOST_AUTO_TEST_CASE(a_file_wants_its_directory_and_those_on_the_way_to_it_are_made_with_it) {
  SimulatedRuntime runtime(1);
  auto& files = runtime.core().files();
  const auto error_of = [](const auto& work) {
    try {
      work();
    } catch (const std::system_error& error) {
      return static_cast<std::errc>(error.code().value());
    }
    return std::errc();
  };
  const auto create = [&](const std::string& path) {
    return error_of([&] { files.create(path, Files::Mode::truncate); });
  };
  BOOST_TEST((create("a/b/c") == std::errc::no_such_file_or_directory));
  BOOST_TEST(!files.exists("a/b/c"));
  files.make_directories("a/b/");
  files.make_directories("a/b");
  BOOST_TEST(files.is_directory("a"));
  BOOST_TEST((create("a/b/c") == std::errc()));
  BOOST_TEST((create("a/b/c/d") == std::errc::not_a_directory));
  BOOST_TEST((error_of([&] { files.make_directories("a/b/c/d"); }) == std::errc::not_a_directory));
  BOOST_TEST((error_of([&] { files.rename("a/b/c", "x/c"); }) == std::errc::no_such_file_or_directory));
  files.remove("a/b/c");
  BOOST_TEST(files.is_directory("a/b"));
  BOOST_TEST((create("/root") == std::errc()));
}

BOOST_AUTO_TEST_CASE(a_standard_output_that_is_a_file_shares_the_disk) {
  SimulatedRuntime runtime(1);
  runtime.files().put("a", "1234");
  runtime.files().redirect_standard_output();
  runtime.files().set_capacity(10);
  const auto output = runtime.core().files().standard_output();
  std::errc error;
  run(runtime, write(*output, "12345678", error));
  BOOST_TEST((error == std::errc::no_space_on_device));
  BOOST_TEST(output->written() == 6u);
  BOOST_TEST(output->size() == 6u);
  output->truncate(4);
  BOOST_TEST(runtime.files().printed() == "1234");
}

BOOST_AUTO_TEST_CASE(a_full_disk_takes_what_fits_and_the_rest_can_be_cut_off) {
  SimulatedRuntime runtime(1);
  runtime.files().set_capacity(10);
  const auto writer = runtime.core().files().create("a", Files::Mode::append);
  std::errc error;
  run(runtime, write(*writer, "12345678", error));
  BOOST_TEST((error == std::errc()));
  run(runtime, write(*writer, "12345678", error));
  BOOST_TEST((error == std::errc::no_space_on_device));
  BOOST_TEST(writer->written() == 2u);
  writer->truncate(8);
  BOOST_TEST(runtime.files().text("a") == "12345678");
}

BOOST_AUTO_TEST_CASE(standard_input_and_output_are_given_and_captured) {
  SimulatedRuntime runtime(1);
  runtime.files().give_standard_input("hello");
  runtime.files().shorten_reads(2);
  runtime.files().break_standard_output(8);
  auto& files = runtime.core().files();
  const auto input = files.standard_input();
  BOOST_TEST(!input->size().has_value());
  std::string text;
  run(runtime, read_all(*input, text));
  BOOST_TEST(text == "hello");
  const auto output = files.standard_output();
  std::errc error;
  run(runtime, write(*output, text, error));
  run(runtime, write(*output, text, error));
  BOOST_TEST((error == std::errc::broken_pipe));
  BOOST_TEST(runtime.files().printed() == "hellohel");
}

BOOST_AUTO_TEST_CASE(a_simulated_child_prints_in_virtual_time_and_ends_as_told) {
  SimulatedRuntime runtime(1);
  runtime.programs().script("report", [](const Command& command) {
    Behaviour behaviour;
    behaviour.steps = {{1min, "a\n", ""}, {1min, command.argv.at(1), "odd\n"}};
    behaviour.exit.code = 3;
    return behaviour;
  });
  Command command;
  command.argv = {"report", "b\n"};
  Seen seen;
  run(runtime, watch(runtime.core(), command, "", seen));
  BOOST_TEST(seen.output == "a\nb\n");
  BOOST_TEST(seen.error == "odd\n");
  BOOST_TEST(seen.exit.code == 3);
  BOOST_TEST((seen.ended == Time(2min)));
  BOOST_TEST(runtime.programs().running() == 0u);
}

BOOST_AUTO_TEST_CASE(a_simulated_child_answers_its_input_until_that_ends) {
  SimulatedRuntime runtime(1);
  runtime.programs().script("cat", [](const Command&) {
    Behaviour behaviour;
    behaviour.until_input_ends = true;
    behaviour.answer = [](std::string_view text) { return std::string(text); };
    return behaviour;
  });
  Command command;
  command.argv = {"cat"};
  command.input = true;
  Seen seen;
  run(runtime, watch(runtime.core(), command, "echo", seen));
  BOOST_TEST(seen.output == "echo");
  BOOST_TEST(seen.exit.ok());
}

BOOST_AUTO_TEST_CASE(a_simulated_child_waits_while_nobody_reads_its_output) {
  SimulatedRuntime runtime(1);
  runtime.programs().script("loud", [](const Command&) {
    Behaviour behaviour;
    for (int i = 0; i < 10; ++i) behaviour.steps.push_back({1s, std::string(20'000, 'x'), ""});
    return behaviour;
  });
  Command command;
  command.argv = {"loud"};
  const auto child = runtime.core().processes().start(command);
  runtime.run_until_idle();
  BOOST_TEST((runtime.now() == Time(4s)));
  BOOST_TEST(runtime.programs().running() == 1u);
}

BOOST_AUTO_TEST_CASE(a_simulated_child_dies_of_a_signal) {
  SimulatedRuntime runtime(1);
  runtime.programs().script("server", [](const Command&) {
    Behaviour behaviour;
    behaviour.forever = true;
    return behaviour;
  });
  Seen seen;
  run(runtime, terminate_after(runtime.core(), 5s, seen));
  BOOST_TEST(seen.exit.signal == SIGTERM);
}

BOOST_AUTO_TEST_CASE(a_program_nobody_scripted_is_not_found) {
  SimulatedRuntime runtime(1);
  Command command;
  command.argv = {"nothing"};
  BOOST_CHECK_EXCEPTION(runtime.core().processes().start(command), std::system_error,
                        [](const std::system_error& e) { return e.code() == std::errc::no_such_file_or_directory; });
}
