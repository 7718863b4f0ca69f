#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "engine/runtime/files.hpp"
#include "tests/runtime/on_core.hpp"

using namespace weir::runtime;

namespace {

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "weir-files-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
  std::string path;
};

Task<std::string> read_all(Reader& reader) {
  std::string text;
  std::array<char, 65536> bytes;
  while (const std::size_t count = co_await reader.read(bytes)) text.append(bytes.data(), count);
  co_return text;
}

Task<> round_trip(Core& core, const Folder& folder) {
  auto& files = core.files();
  const std::string big(300'000, 'x');
  {
    const auto writer = files.create(folder / "a.part", Files::Mode::truncate);
    co_await writer->write(big);
    BOOST_TEST(writer->written() == big.size());
    co_await writer->sync();
    co_await writer->write(big);
    co_await writer->sync();
    BOOST_TEST(writer->size() == 600'000u);
    writer->truncate(300'000);
    BOOST_TEST(writer->size() == 300'000u);
    const std::string end = "end";
    co_await writer->write(end);
  }
  files.rename(folder / "a.part", folder / "a");
  BOOST_TEST(!files.exists(folder / "a.part"));
  BOOST_TEST(files.exists(folder / "a"));
  BOOST_TEST(files.is_directory(folder.path));
  BOOST_TEST(!files.is_directory(folder / "a"));
  BOOST_TEST(!files.is_link(folder.path));
  std::filesystem::create_directory_symlink(folder.path, folder / "to_folder");
  BOOST_TEST(files.is_directory(folder / "to_folder"));
  BOOST_TEST(files.is_link(folder / "to_folder"));
  {
    const auto writer = files.create(folder / "a", Files::Mode::append);
    BOOST_TEST(writer->size() == 300'003u);
    const std::string more = "more";
    co_await writer->write(more);
  }
  const auto reader = files.open(folder / "a");
  BOOST_TEST((reader->size() == 300'007u));
  const std::string text = co_await read_all(*reader);
  BOOST_TEST((text == big + "endmore"));
  {
    const auto mine = files.create(folder / "a", Files::Mode::alone);
    BOOST_TEST(mine->size() == 300'007u);
    BOOST_CHECK_EXCEPTION(files.create(folder / "a", Files::Mode::truncate), std::system_error,
                          [](const auto& error) { return error.code() == std::errc::device_or_resource_busy; });
  }
  std::filesystem::create_symlink(folder / "a", folder / "link");
  for (const auto mode : {Files::Mode::alone, Files::Mode::truncate}) {
    BOOST_CHECK_EXCEPTION(files.create(folder / "link", mode), std::system_error,
                          [](const auto& error) { return error.code() == std::errc::too_many_symbolic_link_levels; });
  }
  files.create(folder / "a", Files::Mode::truncate);
  const auto emptied = files.open(folder / "a");
  BOOST_TEST((emptied->size() == 0u));
  const auto writer = files.create(folder / "a", Files::Mode::append);
  files.rename(folder / "a", folder / "b");
  BOOST_TEST(!writer->removed());
  files.remove(folder / "b");
  BOOST_TEST(writer->removed());
  BOOST_TEST(!files.create("/dev/null", Files::Mode::append)->removed());
  BOOST_TEST(!files.exists(folder / "a"));
  BOOST_TEST(!files.exists(folder / "a/b/c"));
}

Task<> fill_a_full_disk(Core& core, std::error_code& error) {
  const auto writer = core.files().create("/dev/full", Files::Mode::append);
  const std::string text = "x";
  try {
    co_await writer->write(text);
  } catch (const std::system_error& e) {
    error = e.code();
  }
  BOOST_TEST(writer->written() == 0u);
}

Task<> read_nothing(Core& core, std::string path, std::string& text) {
  const auto reader = core.files().open(path);
  BOOST_TEST(!reader->size().has_value());
  text = co_await read_all(*reader);
}

Task<> read_fifo(Core& core, std::string path, std::string& text) {
  const auto reader = core.files().open(path);
  text = co_await read_all(*reader);
}

Task<> write_fifo(Core& core, std::string path, std::string text) {
  const auto writer = core.files().create(path, Files::Mode::truncate);
  co_await writer->write(text);
}

Task<> known_by_its_number(Core& core, const Folder& folder) {
  auto& files = core.files();
  std::ofstream(folder / "a") << "one\ntwo\n";
  const auto reader = files.open(folder / "a");
  const auto first = files.status(folder / "a");
  BOOST_REQUIRE(first);
  BOOST_TEST(first->size == 8U);
  BOOST_REQUIRE(reader->status());
  const auto same_file = [&reader](const std::optional<FileStatus>& named) {
    const auto opened = reader->status();
    return named && opened && named->device == opened->device && named->inode == opened->inode;
  };
  BOOST_TEST(same_file(first));
  reader->seek(4);
  const std::string rest = co_await read_all(*reader);
  BOOST_TEST(rest == "two\n");
  files.rename(folder / "a", folder / "b");
  std::ofstream(folder / "a") << "three\n";
  BOOST_TEST(!same_file(files.status(folder / "a")));
  BOOST_TEST(same_file(files.status(folder / "b")));
  std::ofstream(folder / "b", std::ios::app) << "more\n";
  const std::string more = co_await read_all(*reader);
  BOOST_TEST(more == "more\n");
  BOOST_TEST(!files.status(folder / "none"));
  BOOST_TEST(!files.status(folder.path));  // No regular file.
  BOOST_TEST(!files.status("/dev/null"));
  auto names = files.list(folder.path);
  std::sort(names.begin(), names.end());
  BOOST_TEST(names == (std::vector<std::string>{"a", "b"}));
  BOOST_CHECK_THROW(files.list(folder / "none"), std::system_error);
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_written_can_be_cut_renamed_read_and_removed) {
  const Folder folder;
  on_core([&](Core& core) { return round_trip(core, folder); });
}

BOOST_AUTO_TEST_CASE(errors_name_the_path_and_the_systems_own_reason) {
  const Folder folder;
  const auto runtime = make_real(Options{});
  auto& files = runtime->core(0).files();
  const auto says = [](std::errc wanted, std::string path) {
    return [wanted, path](const std::system_error& e) {
      return e.code() == std::make_error_condition(wanted) && std::string(e.what()).find(path) != std::string::npos;
    };
  };
  const std::string none = folder / "none";
  using enum std::errc;
  BOOST_CHECK_EXCEPTION(files.open(none), std::system_error, says(no_such_file_or_directory, none));
  BOOST_CHECK_EXCEPTION(files.open(folder.path), std::system_error, says(is_a_directory, folder.path));
  BOOST_CHECK_EXCEPTION(files.create(folder.path, Files::Mode::append), std::system_error,
                        says(is_a_directory, folder.path));
  BOOST_CHECK_EXCEPTION(files.create(none + "/x", Files::Mode::append), std::system_error,
                        says(no_such_file_or_directory, none));
  BOOST_CHECK_EXCEPTION(files.remove(none), std::system_error, says(no_such_file_or_directory, none));
  BOOST_CHECK_EXCEPTION(files.rename(none, folder / "b"), std::system_error, says(no_such_file_or_directory, none));
}

BOOST_AUTO_TEST_CASE(directories_are_made_with_those_on_the_way_to_them) {
  const Folder folder;
  const auto runtime = make_real(Options{});
  auto& files = runtime->core(0).files();
  const ::mode_t before = ::umask(027);
  files.make_directories(folder / "a/b//c/");
  ::umask(before);
  for (const auto* made : {"a", "a/b", "a/b/c"}) {
    struct stat status {};
    BOOST_REQUIRE(::stat((folder / made).c_str(), &status) == 0);
    BOOST_TEST((status.st_mode & 07777) == 0750u, made);
  }
  files.make_directories(folder / "a/b/c");
  files.create(folder / "a/b/c/file", Files::Mode::append);
  const auto no_directory = [](const std::system_error& error) { return error.code() == std::errc::not_a_directory; };
  BOOST_CHECK_EXCEPTION(files.make_directories(folder / "a/b/c/file"), std::system_error, no_directory);
  BOOST_CHECK_EXCEPTION(files.make_directories(folder / "a/b/c/file/d"), std::system_error, no_directory);
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_told) {
  std::error_code error;
  on_core([&](Core& core) { return fill_a_full_disk(core, error); });
  BOOST_TEST((error == std::errc::no_space_on_device));
}

BOOST_AUTO_TEST_CASE(a_device_that_cannot_be_waited_for_is_read_at_once) {
  std::string text = "something";
  on_core([&](Core& core) { return read_nothing(core, "/dev/null", text); });
  BOOST_TEST(text.empty());
}

BOOST_AUTO_TEST_CASE(a_fifo_waits_for_its_other_side_and_carries_everything) {
  const Folder folder;
  const std::string path = folder / "fifo";
  BOOST_REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const std::string sent(500'000, 'y');
  for (const bool reader_first : {true, false}) {
    std::string text;
    const auto runtime = make_real(Options{});
    std::unique_ptr<Coroutine> reader, writer;
    int running = 2;
    const auto ended = [&](std::exception_ptr error) {
      BOOST_TEST(!error);
      if (--running == 0) runtime->stop();
    };
    runtime->run([&] {
      Core& core = runtime->core(0);
      if (reader_first) reader = core.spawn(read_fifo(core, path, text), ended);
      writer = core.spawn(write_fifo(core, path, sent), ended);
      if (!reader_first) core.post([&] { reader = core.spawn(read_fifo(core, path, text), ended); });
    });
    BOOST_TEST((text == sent));
  }
}

BOOST_AUTO_TEST_CASE(a_file_is_known_by_its_number_whatever_it_is_called) {
  const Folder folder;
  on_core([&](Core& core) { return known_by_its_number(core, folder); });
}

namespace {

bool is_below(Files& files, const std::string& directory, const std::string& path) {
  try {
    return files.open_below(directory, path) != nullptr;
  } catch (const std::system_error& error) {
    BOOST_TEST((error.code() == std::errc::no_such_file_or_directory), path << ": " << error.what());
    return false;
  }
}

Task<> only_what_lies_below(Core& core, const Folder& folder) {
  namespace fs = std::filesystem;
  fs::create_directories(folder / "in/sub");
  fs::create_directory(folder / "out");
  for (const auto* name : {"in/a", "in/sub/b", "out/c"}) std::ofstream(folder / name) << name;
  fs::create_symlink("a", folder / "in/near");
  fs::create_symlink(folder / "out/c", folder / "in/far");
  fs::create_directory_symlink("../out", folder / "in/linked");
  BOOST_TEST(::mkfifo((folder / "in/fifo").c_str(), 0600) == 0);
  fs::create_directory_symlink("in", folder / "itself");
  auto& files = core.files();
  const auto reader = files.open_below(folder / "in", "sub/b");
  const auto text = co_await read_all(*reader);
  BOOST_TEST(text == "in/sub/b");
  BOOST_TEST(reader->status().has_value());
  const auto age = core.wall() - reader->status()->modified;
  BOOST_TEST((age < std::chrono::hours(1) && age > -std::chrono::hours(1)));
  BOOST_TEST(is_below(files, folder / "itself", "a"));  // How the directory itself is reached is its owner's affair.
  for (const auto* path : {"", "/a", "a/", "sub", "sub//b", "./a", "../out/c", "sub/../a", "a/b", "none", "near", "far",
                           "linked/c", "fifo"}) {
    BOOST_TEST(!is_below(files, folder / "in", path), path);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_does_not_lie_below_a_directory_is_not_there) {
  const Folder folder;
  on_core([&](Core& core) { return only_what_lies_below(core, folder); });
}
