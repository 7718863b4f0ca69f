#include "engine/io/compress.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <system_error>

#include "engine/runtime/simulated.hpp"

using namespace weir;
using io::Compression;

namespace {

const auto both = {Compression::gzip, Compression::zstd};

std::string packed(Compression by, std::string_view bytes) {
  std::string out;
  io::compress(by, bytes, out);
  return out;
}

runtime::Task<> read_all(runtime::Reader& reader, std::size_t at_once, std::string& into) {
  std::string bytes(at_once, '\0');
  while (const std::size_t size = co_await reader.read(bytes)) into.append(bytes.data(), size);
}

/// What is read of it; `error`: what it threw.
std::string read(Compression by, const std::string& bytes, std::size_t at_once = 1000, std::uint64_t cut = 0,
                 std::string* error = nullptr) {
  runtime::SimulatedRuntime runtime(1);
  runtime.files().put("a", bytes);
  runtime.files().shorten_reads(cut);
  const auto reader = io::decompress(by, runtime.files().open("a"), "a");
  std::string text;
  const auto coroutine = runtime.core().spawn(read_all(*reader, at_once, text), [&](std::exception_ptr why) {
    try {
      if (why) std::rethrow_exception(why);
    } catch (const std::system_error& failed) {
      BOOST_REQUIRE(error);
      *error = failed.what();
    }
  });
  runtime.run_until_idle();
  return text;
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i * 7919) + "\n";
  return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_was_compressed_is_read_again_however_it_is_cut) {
  for (const auto by : both) {
    for (const std::string& text : {std::string(), std::string("a"), std::string(300'000, 'a'), long_text()}) {
      const std::string bytes = packed(by, text);
      for (const std::size_t at_once : {1U, 7U, 100'000U}) {
        if (text.size() > 1000 && at_once == 1) continue;
        BOOST_TEST((read(by, bytes, at_once, at_once % 5) == text));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(members_that_follow_each_other_are_one_text) {
  for (const auto by : both) {
    BOOST_TEST(read(by, packed(by, "one\n") + packed(by, "") + packed(by, "two\n")) == "one\ntwo\n");
  }
}

BOOST_AUTO_TEST_CASE(what_is_damaged_or_ends_too_early_is_an_error) {
  for (const auto by : both) {
    const std::string bytes = packed(by, long_text());
    for (const std::string& wrong : {bytes.substr(0, bytes.size() - 1), std::string("plain text"), bytes + "x"}) {
      std::string error;
      read(by, wrong, 1000, 0, &error);
      const std::string plain = by == Compression::gzip ? "a is not gzip" : "a is not zstd";
      BOOST_TEST(error == (wrong == "plain text" ? plain : "a is damaged, or ends too early") + ": Bad message");
    }
  }
}

BOOST_AUTO_TEST_CASE(zeros_behind_the_last_member_of_gzip_are_padding) {
  const std::string bytes = packed(Compression::gzip, "one\n"), zeros(100'000, '\0');
  for (const std::uint64_t cut : {0U, 1U, 1000U}) {
    BOOST_TEST(read(Compression::gzip, bytes + bytes + zeros, 1000, cut) == "one\none\n");
    std::string error;
    BOOST_TEST(read(Compression::gzip, bytes + zeros + bytes, 1000, cut, &error) == "one\n");
    BOOST_TEST(error == "a is damaged, or ends too early: Bad message");
  }
  std::string error, out;
  read(Compression::gzip, zeros, 1000, 0, &error);
  BOOST_TEST(error == "a is not gzip: Bad message");
  BOOST_TEST((io::unpack_gzip(bytes + zeros, 100, out) == io::Unpacked::whole));
  BOOST_TEST(out == "one\n");
}

BOOST_AUTO_TEST_CASE(a_frame_that_wants_much_memory_is_not_called_damaged) {
  const std::string window_of_256_mib("\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00", 9);
  std::string error;
  read(Compression::zstd, window_of_256_mib, 1000, 0, &error);
  BOOST_TEST(error == "a wants more memory to be read than the 128 MiB that are allowed: Cannot allocate memory");
}

BOOST_AUTO_TEST_CASE(a_name_says_how_a_file_is_compressed) {
  BOOST_TEST((io::compression_of("a.ndjson.gz") == Compression::gzip));
  BOOST_TEST((io::compression_of("a.zst") == Compression::zstd));
  BOOST_TEST((io::compression_of("a.log") == Compression::none));
  BOOST_TEST(io::without_compression("a.ndjson.gz") == "a.ndjson");
  BOOST_TEST(io::without_compression("a.csv.zst") == "a.csv");
  BOOST_TEST(io::without_compression("gz") == "gz");
}
