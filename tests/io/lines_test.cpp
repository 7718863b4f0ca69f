#include "engine/io/lines.hpp"

#include <rapidcheck.h>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

using weir::io::Line;
using weir::io::LineFramer;
using namespace std::string_literals;

namespace {

struct Got {
  std::string bytes;
  std::uint64_t number;
  bool too_long;
  bool operator==(const Got&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Got& got) {
  return out << got.number << (got.too_long ? "!" : ":") << "'" << got.bytes << "'";
}

void take(LineFramer& framer, std::vector<Got>& lines) {
  while (const auto line = framer.next()) {
    lines.push_back({std::string(line->bytes), line->number, line->too_long});
  }
}

/// In pieces of these sizes, over and over.
std::vector<Got> frame(const std::string& stream, std::size_t most, const std::vector<std::size_t>& pieces) {
  LineFramer framer(most);
  std::vector<Got> lines;
  std::size_t at = 0;
  for (std::size_t piece = 0; at < stream.size(); ++piece) {
    take(framer, lines);
    const auto space = framer.space();
    const std::size_t size = std::min({pieces[piece % pieces.size()], space.size(), stream.size() - at});
    std::memcpy(space.data(), stream.data() + at, size);
    framer.filled(size);
    at += size;
  }
  take(framer, lines);
  BOOST_TEST(!framer.ended());
  framer.end();
  take(framer, lines);
  BOOST_TEST(framer.ended());
  BOOST_TEST(framer.lines() == lines.size());
  return lines;
}

/// The same, said plainly.
std::vector<Got> expected(const std::string& stream, std::size_t most) {
  std::vector<Got> lines;
  for (std::size_t begin = 0; begin < stream.size();) {
    const auto found = stream.find('\n', begin);
    std::string line = stream.substr(begin, found == std::string::npos ? found : found - begin);
    begin = found == std::string::npos ? stream.size() : found + 1;
    if (found != std::string::npos && line.ends_with('\r')) line.pop_back();
    const bool too_long = line.size() > most;
    const std::size_t shown = too_long ? std::min(most, LineFramer::head_bytes) : line.size();
    lines.push_back({line.substr(0, shown), lines.size() + 1, too_long});
  }
  return lines;
}

std::vector<std::string> texts(const std::string& stream, std::size_t most = 1000) {
  std::vector<std::string> found;
  for (const auto& line : frame(stream, most, {stream.size() + 1})) found.push_back(line.bytes);
  return found;
}

using Texts = std::vector<std::string>;

}  // namespace

BOOST_AUTO_TEST_CASE(a_line_ends_with_a_newline_with_or_without_a_carriage_return) {
  BOOST_TEST(texts("one\ntwo\r\nthree\n") == (Texts{"one", "two", "three"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_stands_behind_the_last_newline_is_a_line_too) {
  BOOST_TEST(texts("one\ntwo") == (Texts{"one", "two"}), boost::test_tools::per_element());
  BOOST_TEST(texts("\n\n") == (Texts{"", ""}), boost::test_tools::per_element());
  BOOST_TEST(texts("").empty());
}

BOOST_AUTO_TEST_CASE(nul_and_lone_carriage_returns_belong_to_the_line) {
  BOOST_TEST(texts("a\0b\n"s) == (Texts{"a\0b"s}), boost::test_tools::per_element());
  BOOST_TEST(texts("a\rb\n\r\r\nc\r") == (Texts{"a\rb", "\r", "c\r"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_line_that_is_too_long_is_told_once_with_its_beginning) {
  const std::string stream = "before\n" + std::string(5000, 'x') + "\nafter\n";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{700}, std::size_t{100000}}) {
    const auto lines = frame(stream, 2000, {piece});
    BOOST_REQUIRE(lines.size() == 3);
    BOOST_TEST(lines[1] == (Got{std::string(1024, 'x'), 2, true}));
    BOOST_TEST(lines[2] == (Got{"after", 3, false}));
  }
}

BOOST_AUTO_TEST_CASE(a_line_of_just_the_most_passes_whatever_its_end) {
  for (const std::string end : {"\n", "\r\n", ""}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{10}, std::size_t{11}, std::size_t{12}}) {
      BOOST_TEST(frame("0123456789" + end, 10, {piece}).at(0) == (Got{"0123456789", 1, false}));
      BOOST_TEST(frame("0123456789a" + end, 10, {piece}).at(0) == (Got{"0123456789", 1, true}));
    }
  }
}

BOOST_AUTO_TEST_CASE(lines_stay_what_they_are_as_long_as_their_arena_is_held) {
  LineFramer framer(1 << 20);
  std::vector<std::pair<weir::message::ArenaRef, std::string_view>> held;
  std::string stream;
  for (int i = 0; i < 20000; ++i) stream += "line " + std::to_string(i) + "\n";
  for (std::size_t at = 0; at < stream.size();) {
    while (const auto line = framer.next()) held.emplace_back(framer.arena(), line->bytes);
    const auto space = framer.space();
    const std::size_t size = std::min({space.size(), stream.size() - at, std::size_t{5000}});
    std::memcpy(space.data(), stream.data() + at, size);
    framer.filled(size);
    at += size;
  }
  while (const auto line = framer.next()) held.emplace_back(framer.arena(), line->bytes);
  BOOST_REQUIRE(held.size() == 20000);
  for (std::size_t i = 0; i < held.size(); ++i) {
    BOOST_REQUIRE(held[i].second == "line " + std::to_string(i));
    // They are views of it, no copies.
    BOOST_REQUIRE(held[i].second.data() >= held[i].first->data());
    BOOST_REQUIRE(held[i].second.data() + held[i].second.size() <= held[i].first->data() + held[i].first->capacity());
  }
}

BOOST_AUTO_TEST_CASE(a_line_without_an_end_is_told_as_soon_as_it_is_too_long_and_takes_nothing_from_then_on) {
  LineFramer framer(100'000);
  std::size_t read = 0;
  int told = 0;
  for (int i = 0; i < 10'000; ++i) {
    while (const auto line = framer.next()) {
      BOOST_TEST(line->too_long);
      BOOST_TEST(read > 100'000U);
      BOOST_TEST(read < 500'000U);
      ++told;
    }
    const auto space = framer.space();
    BOOST_REQUIRE(framer.arena()->capacity() <= 500'000);
    std::memset(space.data(), 'x', space.size());
    framer.filled(space.size());
    read += space.size();
  }
  framer.end();
  BOOST_TEST(!framer.next());
  BOOST_TEST(framer.ended());
  BOOST_TEST(told == 1);
}

BOOST_AUTO_TEST_CASE(what_comes_out_does_not_depend_on_the_pieces) {
  BOOST_TEST(rc::check([] {
    const std::size_t most = *rc::gen::inRange(1, 40);
    std::string stream;
    for (const int kind : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 12))) {
      if (kind < 3)
        stream += '\n';
      else if (kind < 5)
        stream += "\r\n";
      else if (kind < 6)
        stream += '\r';
      else
        stream.append(static_cast<std::size_t>(kind) * 2, static_cast<char>('a' + kind));
    }
    const auto pieces = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::size_t>>(
        rc::gen::map(rc::gen::inRange(1, 60), [](int size) { return static_cast<std::size_t>(size); })));
    RC_ASSERT(frame(stream, most, pieces) == expected(stream, most));
  }));
}

BOOST_AUTO_TEST_CASE(long_streams_do_not_depend_on_the_pieces_either) {
  BOOST_TEST(rc::check([] {
    std::string stream;
    for (const int size : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 40000))) {
      stream.append(static_cast<std::size_t>(size), static_cast<char>('a' + size % 26));
      stream += size % 3 ? "\n" : "\r\n";
    }
    const std::size_t most = *rc::gen::element<std::size_t>(100, 9000, 20000, 1 << 20);
    const auto pieces = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::size_t>>(
        rc::gen::map(rc::gen::inRange(1, 70000), [](int size) { return static_cast<std::size_t>(size); })));
    RC_ASSERT(frame(stream, most, pieces) == expected(stream, most));
  }));
}
