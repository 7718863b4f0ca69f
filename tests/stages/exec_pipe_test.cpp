// exec pipe with `from`: children that stay and take messages, what they may do to us, and what becomes of the
// messages.
#include <csignal>
#include <map>
#include <set>
#include <system_error>

#include "engine/io/frames.hpp"
#include "engine/runtime/random.hpp"
#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using weir::runtime::Behaviour;
using weir::runtime::Command;
using weir::runtime::Exit;
using weir::runtime::Time;
using Lines = std::vector<std::string>;
using Reaction = Behaviour::Reaction;

namespace {

/// Messages of these payloads go to children of `exec: EXEC`, with `more` keys; what comes out or fails is written.
struct Talked {
  Talked(const std::string& exec, const std::string& payloads, const std::string& more = {},
         const std::string& stages = {}, std::uint64_t seed = 1)
      : bench(
            "stages:\n"
            "  in: {generate: {" +
                payloads +
                "}}\n"
                "  talk:\n"
                "    from: in\n"
                "    exec: " +
                exec + "\n" + more +
                "  out: {from: talk, file: {write: out, format: lines}}\n"
                "  told:\n"
                "    from: talk.failed\n"
                "    lua: return {kind = failed.kind, why = failed.text, text = text, attempts = failed.attempts}\n"
                "  failed: {from: told, file: {write: failed, format: lines}}\n" +
                stages,
            seed) {
    BOOST_REQUIRE_MESSAGE(bench.mistakes().empty(), bench.mistakes());
  }
  void program(const std::string& name, std::function<Behaviour(const Command&)> what) {
    bench.runtime.programs().script(name, std::move(what));
  }
  void run() {
    bench.run();
    over();
  }
  void over() {
    BOOST_TEST(bench.runtime.programs().running() == 0U);
    BOOST_TEST(bench.runtime.alarms() == 0U);
  }
  std::string out() { return bench.files().text("out"); }
  std::string failed() { return bench.files().text("failed"); }
  std::size_t started() { return bench.runtime.programs().started(); }

  Bench bench;
};

const std::string five = "each: [a, b, c, d, e], text: '{{ item }}'";

/// A child that reads frames and does something of each.
Behaviour reads(std::function<void(const std::string&, Reaction&)> each,
                weir::io::Framing framing = weir::io::Framing::lines) {
  Behaviour behaviour;
  const auto framer = std::make_shared<weir::io::Framer>(framing, 1 << 24);
  behaviour.reacts = [framer, each](std::string_view text) {
    Reaction reaction;
    while (!text.empty()) {
      const auto space = framer->space();
      const std::size_t size = std::min(space.size(), text.size());
      std::copy_n(text.data(), size, space.data());
      framer->filled(size);
      text.remove_prefix(size);
      while (const auto line = framer->next()) {
        each(std::string(line->bytes), reaction);
        if (reaction.exit || reaction.deaf) return reaction;
      }
    }
    return reaction;
  };
  behaviour.until_input_ends = true;
  return behaviour;
}
Behaviour echo() {
  return reads([](const std::string& line, Reaction& reaction) { reaction.output += line + "!\n"; });
}
/// A child that keeps its answers back until it has so many, or up to the end of its input.
Behaviour hoards(int after, const std::string& end) {
  const auto held = std::make_shared<std::string>();
  auto behaviour = reads([=, n = 0](const std::string& line, Reaction& reaction) mutable {
    *held += line + end;
    if (++n % after == 0) reaction.output += std::exchange(*held, {});
  });
  behaviour.at_end = [held] { return *held; };
  return behaviour;
}
Exit exit_of(int code, int signal = 0) {
  Exit exit;
  exit.code = code;
  exit.signal = signal;
  return exit;
}
std::string numbers(int from, int to, const std::string& behind = "\n") {
  std::string text;
  for (int i = from; i <= to; ++i) text += std::to_string(i) + behind;
  return text;
}

/// What came of each key, in its order; the key is the first letter of a word.
std::map<char, std::string> by_key(const std::string& out) {
  std::map<char, std::string> answers;
  std::istringstream words(out);
  for (std::string word; words >> word;) answers[word.front()] += word.substr(1) + ' ';
  return answers;
}

}  // namespace

// ------------------------------------------------------------------------------------------------------ it answers

BOOST_AUTO_TEST_CASE(each_answer_takes_the_place_of_its_message_and_many_are_under_way) {
  Talked talk("{pipe: [echo]}", five);
  std::size_t most = 0;
  talk.program("echo", [&](const Command& command) {
    BOOST_TEST(command.input);
    auto behaviour = echo();
    behaviour.reacts = [&, inner = behaviour.reacts](std::string_view text) {
      most = std::max(most, static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')));
      return inner(text);
    };
    return behaviour;
  });
  talk.run();
  BOOST_TEST(talk.out() == "a!\nb!\nc!\nd!\ne!\n");
  BOOST_TEST(talk.failed() == "");
  BOOST_TEST(talk.started() == 1U);
  BOOST_TEST(most == 5U);
  BOOST_TEST(talk.bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(with_merge_the_message_is_kept_and_an_answer_is_result_text) {
  Talked talk("{pipe: [echo], stdin: '{{ msg.n }}'}", "range: 1..3, msg: {n: '{{ i }}'}",
              "    merge: {said: '{{ result.text }}'}\n");
  talk.program("echo", [](const Command&) { return echo(); });
  talk.run();
  BOOST_TEST(talk.out() == "{\"n\":1,\"said\":\"1!\"}\n{\"n\":2,\"said\":\"2!\"}\n{\"n\":3,\"said\":\"3!\"}\n");
}

BOOST_AUTO_TEST_CASE(a_message_whose_answer_merge_could_put_nowhere_is_not_given_to_the_child) {
  Talked talk("{pipe: [echo]}", "each: [a, {n: 1}], text: '{{ item }}'", "    merge: {said: '{{ result.text }}'}\n");
  Lines got;
  talk.program("echo", [&](const Command&) {
    return reads(
        [&](const std::string& message, Reaction& reaction) {
          got.push_back(message);
          weir::io::append_frame(weir::io::Framing::lines, "ok", reaction.output);
        },
        weir::io::Framing::lines);
  });
  talk.run();
  BOOST_TEST(got == Lines{"{\"n\":1}"}, boost::test_tools::per_element());
  BOOST_TEST(talk.out() == "{\"n\":1,\"said\":\"ok\"}\n");
  BOOST_TEST(talk.failed().find("`decode: {format: text, into: line}` makes one of a text") != std::string::npos,
             talk.failed());
}

BOOST_AUTO_TEST_CASE(what_can_be_no_line_fails_and_json_loses_only_its_white_space) {
  Talked talk("{pipe: [echo]}", R"(each: ["{\n\"a\":\n1}", "x\ny", z], text: '{{ item }}')");
  talk.program("echo", [](const Command&) { return echo(); });
  talk.run();
  BOOST_TEST(talk.out() == "{ \"a\": 1}!\nz!\n");
  BOOST_TEST(
      talk.failed().find("\"kind\":\"type\",\"text\":\"x\\ny\",\"why\":\"it holds a line break") != std::string::npos,
      talk.failed());
}

BOOST_AUTO_TEST_CASE(lengths_and_netstrings_carry_any_bytes) {
  for (const auto& [word, framing] :
       {std::pair("length", weir::io::Framing::length), std::pair("netstring", weir::io::Framing::netstring)}) {
    Talked talk("{pipe: [echo], framing: " + std::string(word) + "}", R"(each: ["a\nb", "", c], text: '{{ item }}')",
                "    merge: {}\n", "");
    Lines got;
    talk.program("echo", [&, framing = framing](const Command&) {
      return reads(
          [&, framing](const std::string& message, Reaction& reaction) {
            got.push_back(message);
            weir::io::append_frame(framing, "<" + message + ">", reaction.output);
          },
          framing);
    });
    talk.run();
    BOOST_TEST(got == (Lines{"a\nb", "", "c"}));
    BOOST_TEST(talk.failed() == "");
  }
}

BOOST_AUTO_TEST_CASE(a_child_that_answers_only_after_many_or_at_the_end_locks_nothing) {
  for (const int after : {1, 7, 150, 1000, 5000}) {
    Talked talk("{pipe: [sort], unanswered: 1500}", "range: 1..1000");
    talk.program("sort", [after](const Command&) { return hoards(after, "!\n"); });
    talk.run();
    BOOST_TEST((talk.out() == numbers(1, 1000, "!\n")), after);
    BOOST_TEST(talk.started() == 1U);
  }
}

BOOST_AUTO_TEST_CASE(a_child_whose_output_must_be_read_before_it_reads_on_locks_nothing) {
  Talked talk("{pipe: [long]}", "range: 1..500");
  talk.program("long", [](const Command&) {
    return reads(
        [](const std::string& line, Reaction& reaction) { reaction.output += line + std::string(9'000, 'x') + "\n"; });
  });
  talk.run();
  BOOST_TEST(talk.bench.out("talk") == 500U);
}

// --------------------------------------------------------------------------------------- it ends, and is started again

BOOST_AUTO_TEST_CASE(a_child_killed_at_any_moment_has_exactly_its_unanswered_messages_sent_again) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Talked talk("{pipe: [echo], restart: 1ms..2ms, attempts: 1000}", "range: 1..400, every: 1ms", "", "", seed);
    weir::runtime::Random random(seed);
    std::size_t answered = 0, kills = 0;
    int first = 0;
    talk.program("echo", [&](const Command&) {
      first = 0;
      const auto held = std::make_shared<std::string>();
      const auto let_go = [&, held] {
        answered += static_cast<std::size_t>(std::count(held->begin(), held->end(), '\n'));
        return std::exchange(*held, {});
      };
      auto behaviour = reads([&, held, let_go](const std::string& line, Reaction& reaction) {
        // The first that a new child gets is the first that has no answer, and the others follow in order.
        const int number = std::stoi(line);
        const int expected = first == 0 ? static_cast<int>(answered) + 1 : first + 1;
        if (number != expected) BOOST_TEST(number == expected);
        first = number;
        *held += line + "!\n";
        if (random.below(3) != 0) return;
        reaction.output += let_go();
        if (random.below(8) != 0) return;
        ++kills;
        reaction.output += line.substr(0, random.below(line.size()));  // Half an answer to the next.
        reaction.exit = exit_of(0, SIGKILL);
      });
      behaviour.at_end = let_go;
      return behaviour;
    });
    talk.run();
    BOOST_TEST((talk.out() == numbers(1, 400, "!\n")), "seed " << seed);
    BOOST_TEST(talk.failed() == "");
    BOOST_TEST(talk.started() >= kills);
  }
}

BOOST_AUTO_TEST_CASE(killed_from_outside_at_any_time_nothing_is_lost_and_nothing_comes_twice) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Talked talk("{pipe: [slow], restart: 1ms..2ms, attempts: 1000}", "range: 1..300, every: 1ms", "    workers: 3\n",
                "", seed);
    weir::runtime::Random random(seed);
    talk.program("slow", [&](const Command&) { return echo(); });
    talk.bench.start();
    for (int i = 0; i < 60; ++i) {
      talk.bench.advance(std::chrono::microseconds(random.below(9'000)));
      talk.bench.runtime.programs().signal_all(SIGKILL);
    }
    talk.bench.run();
    talk.over();
    BOOST_TEST((talk.out() == numbers(1, 300, "!\n")), "seed " << seed);
    BOOST_TEST(talk.started() > 10U);
    BOOST_TEST(talk.bench.stage("talk").child_restarts.value_or(0) + 3 == talk.started());
  }
}

BOOST_AUTO_TEST_CASE(a_message_that_kills_its_child_again_and_again_fails_and_the_others_are_answered) {
  Talked talk("{pipe: [fragile]}", five);
  talk.program("fragile", [](const Command&) {
    return reads([](const std::string& line, Reaction& reaction) {
      if (line != "c") {
        reaction.output += line + "!\n";
      } else {
        reaction.error += "no such c\n";
        reaction.exit = exit_of(0, SIGSEGV);
      }
    });
  });
  talk.run();
  BOOST_TEST(talk.out() == "a!\nb!\nd!\ne!\n");
  BOOST_TEST(
      talk.failed() ==
      "{\"attempts\":3,\"kind\":\"exit\",\"text\":\"c\",\"why\":\"`fragile` was killed by SIGSEGV: no such c, and "
      "it was this message's turn each of 3 times\"}\n");
  BOOST_TEST(talk.started() == 4U);
}

BOOST_AUTO_TEST_CASE(a_child_that_answers_a_few_and_exits_is_started_for_the_rest) {
  Talked talk("{pipe: [head, '-2']}", five);
  talk.program("head", [](const Command&) {
    return reads([n = 0](const std::string& line, Reaction& reaction) mutable {
      reaction.output += line + "!\n";
      if (++n == 2) reaction.exit = exit_of(0);
    });
  });
  talk.run();
  BOOST_TEST(talk.out() == "a!\nb!\nc!\nd!\ne!\n");
  BOOST_TEST(talk.started() == 3U);
}

BOOST_AUTO_TEST_CASE(half_an_answer_is_none) {
  Talked talk("{pipe: [half]}", five);
  bool done = false;
  talk.program("half", [&](const Command&) {
    return reads([&](const std::string& line, Reaction& reaction) {
      if (line == "c" && !std::exchange(done, true)) {
        reaction.output += "c";
        reaction.exit = exit_of(1);
      } else {
        reaction.output += line + "!\n";
      }
    });
  });
  talk.run();
  BOOST_TEST(talk.out() == "a!\nb!\nc!\nd!\ne!\n");
  BOOST_TEST(talk.started() == 2U);
}

BOOST_AUTO_TEST_CASE(a_child_that_says_more_than_it_was_asked_is_replaced) {
  Talked talk("{pipe: [chatty]}", "each: [a, b], every: 1s, text: '{{ item }}'");
  int children = 0;
  talk.program("chatty", [&](const Command&) {
    const bool chatty = ++children == 1;
    return reads([chatty](const std::string& line, Reaction& reaction) {
      reaction.output += line + "!\n";
      if (chatty) reaction.output += "and more\n";
    });
  });
  talk.bench.start();
  talk.bench.advance(10s);
  talk.bench.stop();
  talk.bench.advance(2s);
  BOOST_TEST(children == 2);
  BOOST_TEST(talk.bench.log.find("it answered more than it was asked") != std::string::npos, talk.bench.log);
  // The pairs that it has made before may be wrong ones: somebody has to hear of it.
  BOOST_TEST(talk.bench.out("talk", "failed") == 1U);
}

BOOST_AUTO_TEST_CASE(an_answer_that_announces_too_much_fails_its_message_and_ends_the_child_as_does_what_is_no_frame) {
  Talked talk("{pipe: [odd], framing: netstring}", five);
  int children = 0;
  talk.program("odd", [&](const Command&) {
    const int number = ++children;
    auto behaviour = reads(
        [number](const std::string& message, Reaction& reaction) {
          if (message == "b") {
            reaction.output += "20000000:xxx";
          } else if (message == "d" && number == 2) {
            reaction.output += "hello";
          } else {
            weir::io::append_frame(weir::io::Framing::netstring, message + "!", reaction.output);
          }
        },
        weir::io::Framing::netstring);
    behaviour.forever = number < 3;
    behaviour.ignores = {SIGTERM};
    return behaviour;
  });
  talk.run();
  BOOST_TEST(talk.out() == "a!\nc!\nd!\ne!\n");
  BOOST_TEST(talk.failed() ==
             "{\"attempts\":1,\"kind\":\"size\",\"text\":\"b\",\"why\":\"message 2 has 20000000 bytes, more than "
             "16MiB\"}\n");
  BOOST_TEST(children == 3);
  BOOST_TEST(talk.bench.log.find("what should be a netstring begins with no length") != std::string::npos);
  BOOST_TEST((talk.bench.runtime.now() < Time(2s)));
}

BOOST_AUTO_TEST_CASE(an_answer_without_an_end_fails_its_message_as_soon_as_it_is_too_long_and_ends_the_child) {
  Talked talk("{pipe: [flood]}", five);
  Lines got;
  talk.program("flood", [&](const Command&) {
    const bool first = got.empty();
    auto behaviour = reads([&got, first](const std::string& line, Reaction& reaction) {
      got.push_back(line);
      if (line == "b") {
        reaction.output += std::string(17'000'000, 'x');
        reaction.deaf = true;
      } else {
        reaction.output += line + "!\n";
      }
    });
    behaviour.forever = first;
    behaviour.ignores = {SIGTERM};
    return behaviour;
  });
  talk.run();
  BOOST_TEST(talk.out() == "a!\nc!\nd!\ne!\n");
  BOOST_TEST(talk.failed() ==
             "{\"attempts\":1,\"kind\":\"size\",\"text\":\"b\",\"why\":\"line 2 is longer than 16MiB\"}\n");
  BOOST_TEST(got == (Lines{"a", "b", "c", "d", "e"}));
  BOOST_TEST(talk.bench.log.find("because=\"an answer is longer than 16MiB: `flood` was killed by SIGKILL\"") !=
                 std::string::npos,
             talk.bench.log);
  BOOST_TEST((talk.bench.runtime.now() < Time(2s)));
}

BOOST_AUTO_TEST_CASE(a_child_that_closes_one_of_its_streams_is_ended_a_second_later_and_replaced) {
  for (const bool input : {true, false}) {
    Talked talk("{pipe: [shy]}", "range: 1..4, every: 2s");
    int children = 0;
    talk.program("shy", [&](const Command&) {
      const bool first = ++children == 1;
      auto behaviour = reads([first, input](const std::string& line, Reaction& reaction) {
        reaction.output += line + "!\n";
        if (first && line == "2") (input ? reaction.closes_input : reaction.closes_output) = true;
      });
      behaviour.forever = first;
      behaviour.ignores = {SIGTERM};
      return behaviour;
    });
    talk.run();
    BOOST_TEST(talk.out() == "1!\n2!\n3!\n4!\n", input);
    BOOST_TEST(children == 2);
    BOOST_TEST(talk.bench.log.find(input ? "it closed its input" : "it closed its output") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(one_that_closes_its_input_and_owes_answers_is_ended_though_nothing_more_is_written_to_it) {
  // Its source has read everything, or goes on a day later.
  for (const std::string payloads : {"range: 1..4", "lua: 'for i = 1, 4 do yield(\"\" .. i) end sleep(\"24h\")'"}) {
    Talked talk("{pipe: [shy]}", payloads);
    Lines got;
    int children = 0;
    talk.program("shy", [&](const Command&) {
      const bool first = ++children == 1;
      auto behaviour = reads([&got, first](const std::string& line, Reaction& reaction) {
        got.push_back(line);
        reaction.output += line + "!\n";
        if (first && line == "2") reaction.closes_input = reaction.deaf = true;
      });
      behaviour.forever = first;
      return behaviour;
    });
    talk.bench.start();
    talk.bench.advance(29s);
    BOOST_TEST(talk.bench.out("talk") == 2U, payloads);
    talk.bench.advance(3s);
    BOOST_TEST(talk.bench.out("talk") == 4U, payloads);
    BOOST_TEST(got == (Lines{"1", "2", "3", "4"}), payloads);
    BOOST_TEST(children == 2);
    BOOST_TEST(talk.bench.log.find("because=\"it closed its input: `shy` was killed by SIGTERM\"") != std::string::npos,
               talk.bench.log);
    talk.bench.run();
    talk.over();
    BOOST_TEST(talk.out() == "1!\n2!\n3!\n4!\n");
    BOOST_TEST(talk.failed() == "");
  }
}

BOOST_AUTO_TEST_CASE(a_program_that_is_missing_when_the_run_begins_stops_it_and_later_it_is_waited_for) {
  Talked missing("{pipe: [nothing]}", five);
  missing.bench.run();
  std::string fault;
  try {
    std::rethrow_exception(missing.bench.ending().fault);
  } catch (const std::exception& error) {
    fault = error.what();
  }
  BOOST_TEST(fault == "exec: cannot start `nothing`: No such file or directory");

  Talked later("{pipe: [job]}", five);
  int asked = 0;
  later.program("job", [&](const Command&) -> Behaviour {
    if (++asked == 2) throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory), "job");
    return reads([n = 0](const std::string& line, Reaction& reaction) mutable {
      reaction.output += line + "!\n";
      if (++n == 3) reaction.exit = exit_of(1);
    });
  });
  later.run();
  BOOST_TEST(later.out() == "a!\nb!\nc!\nd!\ne!\n");
  BOOST_TEST(asked == 3);
}

// --------------------------------------------------------------------------------------------------------------- time

BOOST_AUTO_TEST_CASE(a_message_past_its_time_fails_and_only_the_others_are_sent_again) {
  Talked talk("{pipe: [stuck]}", five, "    timeout: 5s\n");
  Lines got;
  talk.program("stuck", [&](const Command&) {
    auto behaviour = reads([&](const std::string& line, Reaction& reaction) {
      got.push_back(line);
      if (line == "c") {
        reaction.deaf = true;
      } else {
        reaction.output += line + "!\n";
      }
    });
    behaviour.forever = got.empty();
    return behaviour;
  });
  talk.run();
  BOOST_TEST(talk.out() == "a!\nb!\nd!\ne!\n");
  BOOST_TEST(talk.failed() ==
             "{\"attempts\":1,\"kind\":\"timeout\",\"text\":\"c\",\"why\":\"it took longer than 5s\"}\n");
  BOOST_TEST(got == (Lines{"a", "b", "c", "d", "e"}));
  BOOST_TEST((talk.bench.runtime.now() < Time(6s)));
}

BOOST_AUTO_TEST_CASE(on_error_pass_merges_what_there_is_of_a_message_that_got_no_answer) {
  Talked talk("{pipe: [silent]}", "range: 1..1, msg: {n: '{{ i }}'}",
              "    merge: {said: '{{ result.text:upper() }}', why: '{{ failed.kind }}'}\n"
              "    on_error: pass\n");
  talk.program("silent", [](const Command&) {
    return reads([](const std::string&, Reaction& reaction) { reaction.deaf = true; });
  });
  talk.run();
  BOOST_TEST(talk.out() == "{\"n\":1,\"why\":\"exit\"}\n");
  BOOST_TEST(talk.failed() == "");
}

BOOST_AUTO_TEST_CASE(the_time_of_a_message_runs_from_the_answer_before) {
  Talked talk("{pipe: [slow]}", five, "    timeout: 1500ms\n");
  talk.program("slow", [&](const Command&) {
    Behaviour behaviour;
    for (int i = 0; i < 5; ++i) {
      Behaviour::Step step;
      step.after = 1s;
      step.output = std::to_string(i) + "\n";
      behaviour.steps.push_back(step);
    }
    behaviour.until_input_ends = true;
    return behaviour;
  });
  talk.run();
  BOOST_TEST(talk.out() == "0\n1\n2\n3\n4\n");
  BOOST_TEST(talk.started() == 1U);
}

BOOST_AUTO_TEST_CASE(the_time_stands_still_while_nobody_takes_what_it_says) {
  // 200 answers at once, of which the stage behind takes one a second.
  Bench bench(
      "stages:\n"
      "  in: {generate: {range: 1..200}}\n"
      "  talk: {from: in, exec: {pipe: [echo]}, timeout: 2s}\n"
      "  slow: {from: talk, exec: {run: [sleep]}, edge: {capacity: 2}}\n"
      "  out: {from: slow, drop: {}}\n");
  bench.runtime.programs().script("echo", [](const Command&) {
    return reads(
        [](const std::string& line, Reaction& reaction) { reaction.output += line + std::string(2'000, 'x') + "\n"; });
  });
  bench.runtime.programs().script("sleep", [](const Command&) {
    Behaviour behaviour;
    Behaviour::Step step;
    step.after = 1s;
    behaviour.steps.push_back(step);
    return behaviour;
  });
  bench.run();
  BOOST_TEST(bench.ending().unheard == 0U);
  BOOST_TEST(bench.out("talk") == 200U);
  BOOST_TEST(bench.stage("talk").child_restarts.value_or(9) == 0U);
}

BOOST_AUTO_TEST_CASE(a_child_that_reads_nothing_more_is_waited_for_and_no_more_is_taken_in) {
  Bench bench(
      "stages:\n"
      "  in: {generate: {range: 1..100000}}\n"
      "  talk: {from: in, exec: {pipe: [deaf], unanswered: 300}}\n"
      "  out: {from: talk, drop: {}}\n");
  bench.runtime.programs().script("deaf", [](const Command&) {
    auto behaviour = reads([](const std::string&, Reaction& reaction) { reaction.deaf = true; });
    behaviour.forever = true;
    behaviour.ignores = {SIGTERM};
    return behaviour;
  });
  bench.start();
  bench.advance(1h);
  BOOST_TEST(bench.stage("talk").in <= 300U + 128U);
  BOOST_TEST(bench.stage("talk").in_flight >= 300);
  bench.stop();
  bench.advance(5s);
  BOOST_TEST(bench.has_ended());
  BOOST_TEST(bench.ending().left > 0U);
  BOOST_TEST(bench.runtime.programs().running() == 0U);
}

// ------------------------------------------------------------------------------------------------------ many children

BOOST_AUTO_TEST_CASE(workers_are_children_and_the_order_is_kept_unless_it_need_not_be) {
  for (const bool kept : {true, false}) {
    Talked talk("{pipe: [job]}", "range: 1..6", "    workers: 3\n" + std::string(kept ? "" : "    order: free\n"));
    int children = 0;
    std::size_t most = 0;
    talk.program("job", [&](const Command&) {
      // The first child is the slowest.
      const auto pause = std::chrono::seconds(4 - ++children);
      most = std::max(most, talk.bench.runtime.programs().running() + 1);
      Behaviour behaviour;
      for (int i = 0; i < 2; ++i) {
        Behaviour::Step step;
        step.after = pause;
        step.output = std::to_string(children) + std::to_string(i) + "\n";
        behaviour.steps.push_back(step);
      }
      behaviour.until_input_ends = true;
      return behaviour;
    });
    talk.run();
    BOOST_TEST(most == 3U);
    const auto out = talk.out();
    if (kept) {
      // Dealt in turn: the first child has the first and the fourth.
      for (std::size_t i = 0; i < 9; i += 3) BOOST_TEST(out.substr(i, 1) + "1" == out.substr(i + 9, 2), out);
    } else {
      BOOST_TEST(out.starts_with("30\n"), out);
      BOOST_TEST(out.ends_with("21\n11\n"), out);
    }
  }
}

BOOST_AUTO_TEST_CASE(with_a_key_each_has_a_child_of_its_own_and_no_more_than_workers_live) {
  Talked talk("{pipe: [count]}",
              "range: 1..200, every: 1s, text: '{{ i < 9 and string.sub(\"abacbadc\", i, i) or \"z\" }}'",
              "    workers: 2\n    order: {key: '{{ text }}'}\n");
  std::size_t most = 0;
  talk.program("count", [&](const Command&) {
    most = std::max(most, talk.bench.runtime.programs().running() + 1);
    return reads([n = 0, key = std::string()](const std::string& line, Reaction& reaction) mutable {
      if (!key.empty() && key != line) BOOST_TEST(key == line);
      key = line;
      reaction.output += line + std::to_string(++n) + "\n";
    });
  });
  talk.bench.start();
  talk.bench.advance(7500ms);
  BOOST_TEST(most == 2U);
  BOOST_TEST(talk.bench.runtime.programs().running() == 2U);
  talk.bench.advance(65s);
  BOOST_TEST(talk.bench.runtime.programs().running() == 1U);  // The other was idle for a minute.
  talk.bench.stop();
  talk.bench.advance(2s);
  talk.over();
}

BOOST_AUTO_TEST_CASE(a_key_that_finds_no_free_child_waits_and_the_order_of_each_is_kept) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Talked talk("{pipe: [echo], restart: 1ms..2ms, attempts: 1000}", "range: 1..200, text: '{{ i % 7 }} {{ i }}'",
                "    workers: 3\n    order: {key: '{{ string.sub(text, 1, 1) }}'}\n", "", seed);
    talk.program("echo", [&](const Command&) { return echo(); });
    talk.bench.start();
    weir::runtime::Random random(seed);
    for (int i = 0; i < 10; ++i) {
      talk.bench.advance(std::chrono::microseconds(random.below(3'000)));
      talk.bench.runtime.programs().signal_all(SIGKILL);
    }
    talk.bench.run();
    talk.over();
    std::map<int, int> last;
    std::set<int> seen;
    std::istringstream out(talk.out());
    for (int key, number; out >> key >> number; out.ignore(2)) {
      BOOST_TEST(last[key] < number);
      last[key] = number;
      seen.insert(number);
    }
    BOOST_TEST(seen.size() == 200U);
  }
}

BOOST_AUTO_TEST_CASE(what_fails_of_a_key_leaves_before_what_of_it_is_answered_later_whatever_another_key_waits_for) {
  Talked talk("{pipe: [job], restart: 1ms..2ms, attempts: 1}", "range: 1..8, text: '{{ i % 2 }}{{ i }}'",
              "    workers: 2\n    order: {key: '{{ string.sub(text, 1, 1) }}'}\n    on_error: pass\n");
  talk.program("job", [](const Command&) {
    return reads([](const std::string& line, Reaction& reaction) {
      if (line == "13") {
        reaction.deaf = true;  // Up to the end of its input.
      } else if (line == "04") {
        reaction.exit = exit_of(1);
      } else {
        reaction.output += line + "!\n";
      }
    });
  });
  talk.run();
  auto answers = by_key(talk.out());
  BOOST_TEST(answers['0'] == "2! 4 6! 8! ");
  BOOST_TEST(answers['1'] == "1! 3 5! 7! ");
}

BOOST_AUTO_TEST_CASE(what_no_child_can_be_given_leaves_in_its_place_among_those_of_its_key) {
  Talked talk("{pipe: [held], stdin: '{{ string.sub(text, 2) == \"b\" and \"two\\nlines\" or text }}'}",
              "each: [1a, 2b, 1b, 1c, 2a], text: '{{ item }}'",
              "    workers: 2\n    order: {key: '{{ string.sub(text, 1, 1) }}'}\n    on_error: pass\n");
  talk.program("held", [](const Command&) { return hoards(2, "!\n"); });
  talk.run();
  auto answers = by_key(talk.out());
  BOOST_TEST(answers['1'] == "a! b c! ");
  BOOST_TEST(answers['2'] == "b a! ");
}

BOOST_AUTO_TEST_CASE(a_key_that_waits_gets_the_place_of_one_that_keeps_its_answers_back) {
  for (const int after : {2, 1000}) {
    Talked talk("{pipe: [held]}", "range: 1..30, text: '{{ i % 5 }} {{ i }}'",
                "    workers: 2\n    order: {key: '{{ string.sub(text, 1, 1) }}'}\n");
    talk.program("held", [after](const Command&) { return hoards(after, "\n"); });
    talk.run();
    std::map<int, std::string> by_key;
    std::istringstream out(talk.out());
    for (int key, number; out >> key >> number;) by_key[key] += std::to_string(number) + ' ';
    for (int key = 0; key < 5; ++key) {
      std::string all;
      for (int i = key == 0 ? 5 : key; i <= 30; i += 5) all += std::to_string(i) + ' ';
      BOOST_TEST(by_key[key] == all, after);
    }
    BOOST_TEST(talk.failed() == "");
  }
}

BOOST_AUTO_TEST_CASE(children_that_answer_nothing_and_are_given_no_more_are_told_of_once) {
  Talked talk("{pipe: [held], unanswered: 10}", "range: 1..30");
  talk.program("held", [](const Command&) { return hoards(11, "\n"); });
  talk.bench.start();
  talk.bench.advance(29s);
  BOOST_TEST(talk.bench.log.find("`unanswered`") == std::string::npos, talk.bench.log);
  talk.bench.advance(1h);
  const auto told = talk.bench.log.find("a larger `unanswered`");
  BOOST_REQUIRE(told != std::string::npos);
  BOOST_TEST(talk.bench.log.find("a child that never answers wants `reply: none`") != std::string::npos,
             talk.bench.log);
  BOOST_TEST(talk.bench.log.find("`unanswered`", told + 20) == std::string::npos, talk.bench.log);
  talk.bench.stop();
  talk.bench.advance(2s);
  talk.over();
}

// ------------------------------------------------------------------------------------------ it does not answer at all

BOOST_AUTO_TEST_CASE(a_child_that_does_not_answer_is_a_sink_and_its_end_is_awaited) {
  const auto run = [](int code, const std::string& more) {
    Bench bench(
        "stages:\n"
        "  in: {generate: {range: 1..500}}\n"
        "  load: {from: in, exec: {pipe: [load], reply: none}}\n" +
        more);
    std::string got;
    bench.runtime.programs().script("load", [&got, code](const Command&) {
      auto behaviour = reads([&got](const std::string& line, Reaction& reaction) {
        got += line + "\n";
        reaction.output += "thrown away " + line + std::string(1'000, 'x') + "\n";
      });
      behaviour.steps.resize(1);
      behaviour.steps[0].after = 1h;
      behaviour.steps[0].error = "the disk is full\n";
      behaviour.exit.code = code;
      return behaviour;
    });
    bench.run();
    BOOST_TEST((got == numbers(1, 500)));
    BOOST_TEST((bench.runtime.now() >= Time(1h)));
    return std::pair(bench.ending().unheard, more.empty() ? std::string() : bench.files().text("why"));
  };
  BOOST_TEST(run(0, "").first == 0U);
  BOOST_TEST(run(3, "").first == 1U);
  const auto heard = run(3,
                         "  told: {from: load.failed, lua: 'return failed.text .. text'}\n"
                         "  why: {from: told, file: {write: why, format: lines}}\n");
  BOOST_TEST(heard.first == 0U);
  BOOST_TEST(heard.second == "`load` exited with 3: the disk is fullthe disk is full\n\n");
}

BOOST_AUTO_TEST_CASE(what_such_a_child_has_not_taken_goes_to_the_next) {
  Bench bench(
      "stages:\n"
      "  in: {generate: {range: 1..6, every: 1s}}\n"
      "  load: {from: in, exec: {pipe: [load], reply: none}}\n");
  std::string got;
  bench.runtime.programs().script("load", [&](const Command&) {
    return reads([&, n = 0](const std::string& line, Reaction& reaction) mutable {
      got += line + " ";
      if (++n == 2) reaction.exit = exit_of(1);
    });
  });
  bench.run();
  BOOST_TEST(got == "1 2 3 4 5 6 ");
  BOOST_TEST(bench.stage("load").child_restarts.value_or(0) >= 2U);
}

BOOST_AUTO_TEST_CASE(what_a_child_says_freely_is_new_and_who_loses_it_is_told) {
  const std::string yaml =
      "stages:\n"
      "  in: {generate: {range: 1..3}}\n"
      "  talk: {from: in, exec: {pipe: [free], reply: free}}\n"
      "  picky: {from: talk, lua: if text == \"2b\" then fail(\"not that\") end}\n"
      "  out: {from: picky, file: {write: out, format: lines}}\n";
  const auto script = [](Bench& bench) {
    bench.runtime.programs().script("free", [](const Command&) {
      auto behaviour =
          reads([](const std::string& line, Reaction& reaction) { reaction.output += line + "a\n" + line + "b\n"; });
      behaviour.at_end = [] { return std::string("the end"); };
      return behaviour;
    });
  };
  Bench unheard(yaml);
  script(unheard);
  unheard.run();
  BOOST_TEST(unheard.files().text("out") == "1a\n1b\n2a\n3a\n3b\nthe end\n");
  BOOST_TEST(unheard.ending().unheard == 1U);
  const auto cells = unheard.stage("talk");
  BOOST_TEST(cells.in == 3U);
  BOOST_TEST(cells.created == 7U);
  BOOST_TEST(cells.absorbed == 3U);

  for (const char* from : {"talk.failed", "any.failed"}) {
    Bench heard(yaml + "  dead: {from: " + from + ", file: {write: dead, format: lines}}\n");
    script(heard);
    heard.run();
    BOOST_TEST(heard.files().text("dead") == "2b\n", from);
    BOOST_TEST(heard.ending().unheard == 0U);
  }
}

// ------------------------------------------------------------------------------------------------------------ the end

BOOST_AUTO_TEST_CASE(whoever_collects_behind_it_gets_all_before_the_end) {
  Bench bench(
      "stages:\n"
      "  list: {generate: {each: [[1, 2, 3], [4], [5, 6]]}}\n"
      "  one: {from: list, expand: {as: n}}\n"
      "  talk: {from: one, exec: {pipe: [echo]}, merge: {}}\n"
      "  all: {from: talk, gather: {of: one, into: all}}\n"
      "  some: {from: all, batch: {count: 100}}\n"
      "  out: {from: some, file: {write: out, format: lines}}\n");
  bench.runtime.programs().script("echo", [](const Command&) { return echo(); });
  if (!bench.mistakes().empty()) BOOST_TEST(bench.mistakes() == "");
  bench.run();
  BOOST_TEST(bench.files().text("out") ==
             "[{\"all\":[{\"n\":1},{\"n\":2},{\"n\":3}]},{\"all\":[{\"n\":4}]},{\"all\":[{\"n\":5},{\"n\":6}]}]\n");
}

BOOST_AUTO_TEST_CASE(a_child_that_was_let_go_for_one_source_makes_room_for_what_another_sends) {
  for (const bool stays : {false, true}) {
    Bench bench(
        "stages:\n"
        "  first: {generate: {range: 1..3}}\n"
        "  later: {generate: {range: 4..6, every: 10s}}\n"
        "  talk: {from: [first, later], exec: {pipe: [held]}}\n"
        "  out: {from: talk, file: {write: out, format: lines}}\n");
    int children = 0;
    bench.runtime.programs().script("held", [&](const Command&) {
      ++children;
      auto behaviour = hoards(1000, "\n");
      behaviour.forever = stays && children == 1;  // Its input ends, and it does not.
      return behaviour;
    });
    bench.run();
    auto lines = bench.files().text("out");
    std::sort(lines.begin(), lines.end());
    BOOST_TEST(lines == "\n\n\n\n\n\n123456", stays);
    BOOST_TEST(children >= 2);
    BOOST_TEST(bench.runtime.programs().running() == 0U);
  }
}

BOOST_AUTO_TEST_CASE(a_child_that_was_let_go_makes_room_for_what_is_sent_again) {
  for (const bool stays : {false, true}) {
    Bench bench(
        "stages:\n"
        "  in: {generate: {range: 1..3}}\n"
        "  talk: {from: in, exec: {pipe: [held], stdin: '{{ msg }}'}, merge: {}}\n"
        "  known: {from: talk, exec: {run: [judge, '{{ msg }}']}, merge: {}}\n"
        "  out: {from: known, file: {write: out, format: lines}}\n");
    int children = 0;
    bench.runtime.programs().script("judge", [failed = false](const Command& command) mutable {
      Behaviour behaviour;
      if (command.argv.at(1) == "2" && !std::exchange(failed, true)) behaviour.exit.code = 1;
      return behaviour;
    });
    bench.runtime.programs().script("held", [&](const Command&) {
      ++children;
      auto behaviour = hoards(1000, "\n");
      behaviour.forever = stays && children == 1;  // Its input ends, and it does not.
      return behaviour;
    });
    bench.run();
    auto lines = bench.files().text("out");
    std::sort(lines.begin(), lines.end());
    BOOST_TEST(lines == "\n\n\n123", stays);
    BOOST_TEST(children == 2);
    BOOST_TEST(bench.runtime.programs().running() == 0U);
  }
}

BOOST_AUTO_TEST_CASE(one_that_has_answered_all_and_does_not_end_is_ended_when_the_program_drains) {
  Bench bench(
      "stages:\n"
      "  in: {generate: {range: 1..3}}\n"
      "  talk: {from: in, exec: {pipe: [stays]}}\n"
      "  out: {from: talk, file: {write: out, format: lines}}\n");
  bench.runtime.programs().script("stays", [](const Command&) {
    auto behaviour = echo();
    behaviour.forever = true;
    return behaviour;
  });
  bench.start();
  bench.advance(1h);
  BOOST_TEST(!bench.has_ended());
  bench.drain();
  bench.advance(2s);
  BOOST_TEST(bench.has_ended());
  BOOST_TEST(bench.files().text("out") == "1!\n2!\n3!\n");
  BOOST_TEST(bench.runtime.programs().running() == 0U);
}

BOOST_AUTO_TEST_CASE(one_that_ends_with_its_input_and_has_answered_nothing_fails_its_messages_at_once) {
  int children = 0;
  Bench bench(
      "stages:\n"
      "  in: {generate: {range: 1..9}, attempts: 2}\n"
      "  talk: {from: in, exec: {pipe: [mute]}, timeout: 1m, merge: {}}\n"
      "  lost: {from: any.failed, file: {write: lost, format: lines}}\n");
  bench.runtime.programs().script("mute", [&](const Command&) {
    ++children;
    return reads([](const std::string&, Reaction&) {});
  });
  bench.run();
  const auto lines = bench.files().text("lost");
  BOOST_TEST(std::count(lines.begin(), lines.end(), '\n') == 9);
  BOOST_TEST(children == 2);
  BOOST_TEST((bench.runtime.now() < Time(10s)));
}

BOOST_AUTO_TEST_CASE(one_that_is_killed_at_the_end_of_its_input_is_followed_by_as_many_as_there_may_be) {
  Bench bench(
      "stages:\n"
      "  in: {generate: {range: 1..1}, attempts: 1}\n"
      "  talk: {from: in, exec: {pipe: [dies], attempts: 5}, merge: {}}\n"
      "  lost: {from: any.failed, file: {write: lost, format: lines}}\n");
  int children = 0;
  bench.runtime.programs().script("dies", [&](const Command&) {
    ++children;
    auto behaviour = reads([](const std::string&, Reaction&) {});
    behaviour.exit = exit_of(0, SIGKILL);
    return behaviour;
  });
  bench.run();
  BOOST_TEST(children == 5);
}

BOOST_AUTO_TEST_CASE(one_that_closes_its_output_and_owes_answers_is_ended) {
  Bench bench(
      "stages:\n"
      "  in: {generate: {range: 1..1}, attempts: 1}\n"
      "  talk: {from: in, exec: {pipe: [silent], attempts: 1}, merge: {}}\n"
      "  lost: {from: any.failed, file: {write: lost, format: lines}}\n");
  bench.runtime.programs().script("silent", [](const Command&) {
    auto behaviour = reads([](const std::string&, Reaction& reaction) { reaction.closes_output = true; });
    behaviour.forever = true;
    return behaviour;
  });
  bench.run();
  BOOST_TEST(bench.files().text("lost") == "1\n");
}

BOOST_AUTO_TEST_CASE(a_drain_closes_its_input_and_takes_its_answers) {
  Bench bench(
      "stages:\n"
      "  in: {generate: {every: 1s}}\n"
      "  talk: {from: in, exec: {pipe: [held]}, merge: {}}\n"
      "  out: {from: talk, file: {write: out, format: lines}}\n");
  bench.runtime.programs().script("held", [](const Command&) { return hoards(1000, "\n"); });
  bench.start();
  bench.advance(4500ms);
  bench.drain();
  bench.advance(1s);
  BOOST_TEST(bench.has_ended());
  BOOST_TEST(bench.files().text("out") == "{}\n{}\n{}\n{}\n{}\n");
  BOOST_TEST(bench.ending().left == 0U);
}

BOOST_AUTO_TEST_CASE(of_one_that_owes_answers_when_the_drain_is_over_the_log_does_not_say_that_it_has_answered_all) {
  for (const bool answers : {true, false}) {
    Bench bench(
        "stages:\n"
        "  in: {generate: {range: 1..10}}\n"
        "  talk: {from: in, exec: {pipe: [stays]}}\n"
        "  out: {from: talk, drop: {}}\n");
    bench.runtime.programs().script("stays", [answers](const Command&) {
      auto behaviour = answers ? echo() : reads([](const std::string&, Reaction&) {});
      behaviour.forever = true;
      return behaviour;
    });
    bench.start();
    bench.advance(100ms);
    bench.drain();
    if (!answers) {
      bench.advance(30s);
      bench.running().expire();
    }
    bench.advance(5s);
    BOOST_TEST(bench.has_ended());
    const std::string because = " because=\"it did not end with its input: `stays` was killed by SIGTERM\"";
    const std::string all = "msg=\"the child has answered all and ended badly\"";
    const std::string not_all = "msg=\"the child had not answered all when the drain was over, and ended badly\"";
    BOOST_TEST((bench.log.find(all) != std::string::npos) == answers, bench.log);
    BOOST_TEST((bench.log.find(not_all) != std::string::npos) == !answers, bench.log);
    BOOST_TEST(bench.log.find(because) != std::string::npos, bench.log);
  }
}

BOOST_AUTO_TEST_CASE(stopped_it_leaves_no_child_and_tells_what_is_left) {
  Bench bench(
      "stages:\n"
      "  in: {generate: {range: 1..10}}\n"
      "  talk: {from: in, exec: {pipe: [stubborn]}, workers: 2}\n"
      "  out: {from: talk, drop: {}}\n");
  bench.runtime.programs().script("stubborn", [](const Command&) {
    auto behaviour = reads([](const std::string&, Reaction&) {});
    behaviour.forever = true;
    behaviour.ignores = {SIGTERM};
    return behaviour;
  });
  bench.start();
  bench.advance(1s);
  BOOST_TEST(bench.runtime.programs().running() == 2U);
  bench.stop();
  bench.advance(1500ms);
  BOOST_TEST(bench.has_ended());
  BOOST_TEST(bench.ending().left == 10U);
  BOOST_TEST(bench.runtime.programs().running() == 0U);
  BOOST_TEST(bench.runtime.alarms() == 0U);
}

BOOST_AUTO_TEST_CASE(when_nobody_wants_its_answers_any_more_all_ends) {
  Bench bench(
      "stages:\n"
      "  in: {generate: {every: 1ms}}\n"
      "  talk: {from: in, exec: {pipe: [echo]}}\n"
      "  few: {from: talk, take: 3}\n"
      "  out: {from: few, file: {write: out, format: lines}}\n");
  bench.runtime.programs().script("echo", [](const Command&) { return echo(); });
  bench.run(1min);
  BOOST_TEST(bench.has_ended());
  BOOST_TEST(bench.out("few") == 3U);
  BOOST_TEST(bench.runtime.programs().running() == 0U);
}

BOOST_AUTO_TEST_CASE(standard_error_leaves_line_by_line_also_the_last) {
  Talked talk("{pipe: [job]}", five, "", "  said: {from: talk.stderr, file: {write: said, format: lines}}\n");
  talk.program("job", [](const Command&) {
    return reads([](const std::string& line, Reaction& reaction) {
      reaction.output += line + "!\n";
      reaction.error += "about " + line + "\n";
    });
  });
  talk.run();
  BOOST_TEST(talk.bench.files().text("said") == "about a\nabout b\nabout c\nabout d\nabout e\n");
}

// ----------------------------------------------------------------------------------------------------------- mistakes

BOOST_AUTO_TEST_CASE(what_makes_no_sense_is_refused_with_its_cure) {
  const auto mistakes = [](const std::string& keys) {
    return Bench("stages:\n  in: {generate: {count: 1}}\n  talk: {from: in, " + keys +
                 "}\n  out: {from: talk, stdout: {}}\n")
        .mistakes();
  };
  const auto tells = [&](const std::string& keys, const std::string& what) {
    const auto told = mistakes(keys);
    BOOST_TEST(told.find(what) != std::string::npos, told);
  };
  tells("exec: {pipe: [a], framing: raw}", "of raw bytes nobody can say where an answer ends");
  tells("exec: {pipe: [a, '{{ text }}']}", "the child is there before its messages");
  tells("exec: {pipe: [a], env: {A: '{{ text }}'}}", "a message is written into `stdin`");
  tells("exec: {pipe: [a]}, retry: 3", "its own `attempts` and `restart` say how often a message is tried");
  tells("exec: {pipe: [a]}, breaker: {failures: 3}", "what this stage talks to stays, and is not called");
  tells("exec: {pipe: [a]}, cache: {key: a, fresh: 1s}", "what this stage talks to stays: each message is told to it");
  tells("exec: {pipe: [a]}, hedge: 1s", "what this stage talks to stays: each message is told to it once");
  tells("exec: {pipe: [a]}, limit: 1/s", "put a stage `throttle: 10/s` before it");
  tells("exec: {pipe: [a]}, order: {key: '{{ text }}'}", "say `workers: 8`");
  tells("exec: {pipe: [a], reply: free}, timeout: 1s", "only a stage that calls can take too long");
  tells("pass: {}, order: {key: '{{ text }}'}", "one worker keeps the order of all keys anyway");
  BOOST_TEST(mistakes("pass: {}, workers: 2, order: {key: '{{ text }}'}") == "");
  BOOST_TEST(mistakes("exec: {run: [a]}, workers: 2, order: {key: '{{ text }}'}") == "");
  BOOST_TEST(mistakes("exec: {pipe: [a], stdin: '{{ msg.a }}'}, workers: 4, merge: {}, timeout: 1s") == "");
  BOOST_TEST(Read("exec", "{pipe: [a], reply: one}").mistake() ==
             "nobody gives this child anything to answer; say `from: STAGE`");
}
