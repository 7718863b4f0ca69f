// Framing: what is put into a stream comes out of it, wherever it is cut.
#include "engine/io/frames.hpp"

#include <rapidcheck.h>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

using weir::io::append_frame;
using weir::io::fits;
using weir::io::Framer;
using weir::io::Framing;
using namespace std::string_literals;
using Texts = std::vector<std::string>;

namespace {

struct Cut {
  Texts messages;
  std::string wrong;
  bool announced_too_much = false;
};

/// In pieces of `piece` bytes.
Cut cut(Framing framing, const std::string& stream, std::size_t piece, std::size_t most = 1 << 20) {
  Framer framer(framing, most);
  Cut made;
  const auto take = [&] {
    while (const auto message = framer.next()) {
      made.messages.emplace_back(message->bytes);
      BOOST_TEST(message->number == made.messages.size());
    }
  };
  for (std::size_t at = 0; at < stream.size();) {
    const auto space = framer.space();
    const std::size_t size = std::min({piece, space.size(), stream.size() - at});
    std::memcpy(space.data(), stream.data() + at, size);
    framer.filled(size);
    at += size;
    take();
  }
  BOOST_TEST(!framer.ended());
  framer.end();
  take();
  BOOST_TEST(framer.ended());
  made.wrong = framer.wrong();
  made.announced_too_much = framer.announced_too_much();
  return made;
}

std::string stream_of(Framing framing, const Texts& messages) {
  std::string stream;
  for (const auto& message : messages) append_frame(framing, message, stream);
  return stream;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_stands_in_a_stream) {
  BOOST_TEST(stream_of(Framing::lines, {"ab", ""}) == "ab\n\n");
  BOOST_TEST(stream_of(Framing::length, {"ab", ""}) == "\0\0\0\2ab\0\0\0\0"s);
  BOOST_TEST(stream_of(Framing::length, {std::string(0x10203, 'x')}).substr(0, 5) == "\0\1\2\3x"s);
  BOOST_TEST(stream_of(Framing::netstring, {"hello", ""}) == "5:hello,0:,");
  BOOST_TEST(stream_of(Framing::raw, {"ab", "c"}) == "abc");
}

BOOST_AUTO_TEST_CASE(a_line_holds_no_line_break_and_the_others_hold_anything) {
  BOOST_TEST(!fits(Framing::lines, "a\nb"));
  BOOST_TEST(fits(Framing::lines, "a\rb"));
  for (const auto framing : {Framing::length, Framing::netstring, Framing::raw}) BOOST_TEST(fits(framing, "a\nb"));
}

BOOST_AUTO_TEST_CASE(what_goes_in_comes_out_wherever_the_stream_is_cut) {
  const bool good = rc::check("frames", [](const Texts& some) {
    for (const auto framing : {Framing::lines, Framing::length, Framing::netstring}) {
      Texts messages = some;
      for (auto& message : messages) {
        if (framing == Framing::lines)
          std::replace_if(
              message.begin(), message.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
      }
      const std::string stream = stream_of(framing, messages);
      const std::size_t piece = *rc::gen::inRange<std::size_t>(1, stream.size() + 2);
      const Cut made = cut(framing, stream, piece);
      RC_ASSERT(made.messages == messages);
      RC_ASSERT(made.wrong.empty());
    }
  });
  BOOST_TEST(good);
}

BOOST_AUTO_TEST_CASE(large_messages_are_cut_at_every_byte_of_their_frames) {
  const Texts messages{"a", std::string(70'000, 'b'), "", std::string(9'000, 'c'), "d"};
  for (const auto framing : {Framing::lines, Framing::length, Framing::netstring}) {
    const std::string stream = stream_of(framing, messages);
    for (const std::size_t piece : {1UL, 2UL, 3UL, 7UL, 4095UL, 65'536UL, stream.size()}) {
      BOOST_TEST((cut(framing, stream, piece).messages == messages));
    }
  }
}

BOOST_AUTO_TEST_CASE(raw_is_what_was_read_at_once) {
  BOOST_TEST(cut(Framing::raw, "abcdefg", 3).messages == (Texts{"abc", "def", "g"}));
  BOOST_TEST(cut(Framing::raw, "abcdefg", 3).wrong == "");
}

BOOST_AUTO_TEST_CASE(a_message_that_announces_too_much_breaks_the_stream_before_any_of_it_has_come) {
  const Texts messages{"ab", std::string(10, 'x'), std::string(11, 'y'), "cd"};
  for (const auto framing : {Framing::length, Framing::netstring}) {
    const std::string stream = stream_of(framing, messages);
    const std::size_t announced = stream.find('y');
    for (const std::size_t size : {announced, announced + 1, stream.size()}) {
      for (const std::size_t piece : {1UL, 2UL, 1'000UL}) {
        const Cut made = cut(framing, stream.substr(0, size), piece, 10);
        BOOST_TEST(made.messages == (Texts{"ab", std::string(10, 'x')}));
        BOOST_TEST(made.wrong == "message 3 has 11 bytes, more than 10B");
        BOOST_TEST(made.announced_too_much);
      }
    }
  }
  BOOST_TEST(cut(Framing::length, "\xff\xff\xff\xff", 1, 16 << 20).wrong ==
             "message 1 has 4294967295 bytes, more than 16MiB");
}

BOOST_AUTO_TEST_CASE(a_stream_that_ends_inside_a_message_is_wrong) {
  for (const auto framing : {Framing::length, Framing::netstring}) {
    const std::string stream = stream_of(framing, {"ab", "cdefg"});
    const std::size_t whole = stream_of(framing, {"ab"}).size();
    for (std::size_t size = 0; size <= stream.size(); ++size) {
      const Cut made = cut(framing, stream.substr(0, size), 1);
      const bool between = size == 0 || size == whole || size == stream.size();
      BOOST_TEST(made.wrong == (between ? "" : "the stream ends inside a message"));
      BOOST_TEST(made.messages.size() == (size == stream.size() ? 2U : size >= whole ? 1U : 0U));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_netstring_breaks_the_stream) {
  const std::string no_length = "what should be a netstring begins with no length";
  const std::string no_comma = "behind a netstring stands no comma";
  for (const std::size_t piece : {1UL, 100UL}) {
    BOOST_TEST(cut(Framing::netstring, "2:ab,hello", piece).wrong == no_length);
    BOOST_TEST(cut(Framing::netstring, "2:ab,hello", piece).messages == Texts{"ab"});
    BOOST_TEST(cut(Framing::netstring, ":ab,", piece).wrong == no_length);
    BOOST_TEST(cut(Framing::netstring, "02:ab,", piece).wrong == no_length);
    BOOST_TEST(cut(Framing::netstring, "-2:ab,", piece).wrong == no_length);
    BOOST_TEST(cut(Framing::netstring, "1234567890:ab,", piece).wrong == no_length);
    BOOST_TEST(cut(Framing::netstring, "2:abc,", piece).wrong == no_comma);
    BOOST_TEST(!cut(Framing::netstring, "2:abc,", piece).announced_too_much);
  }
}
