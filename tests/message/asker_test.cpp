// What an asker is told without a reply.
#include "engine/message/asker.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "engine/message/batch.hpp"

namespace {

using namespace weir::message;
using namespace std::chrono_literals;

class Remembers final : public Asker {
 public:
  bool answer(Answer answer) noexcept override {
    if (!answers.empty()) return false;
    answers.push_back(std::move(answer));
    return true;
  }
  bool waits() const noexcept override { return answers.empty(); }
  std::vector<Answer> answers;
};

class Owner final : public TokenOwner {
 public:
  void completed(Token&) noexcept override { ++ended; }
  int ended = 0;
};

std::string header(const Answer& answer, const std::string& name) {
  for (const auto& [key, value] : answer.headers) {
    if (key == name) return value;
  }
  return "none";
}

Answer told(Reason reason, std::optional<weir::runtime::Duration> retry_after = std::nullopt) {
  Failure failure(reason, "POST http://10.0.0.7/inside?key=secret");
  failure.retry_after = retry_after;
  return Asker::answer_to(failure);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_failure_is_told_by_its_kind) {
  for (int reason = 0; reason < reasons; ++reason) {
    int expected = 500;
    switch (static_cast<Reason>(reason)) {
      case Reason::decode:
        expected = 400;
        break;
      case Reason::unrouted:
        expected = 404;
        break;
      case Reason::limit:
        expected = 429;
        break;
      case Reason::full:
      case Reason::open:
      case Reason::stopped:
        expected = 503;
        break;
      case Reason::timeout:
      case Reason::deadline:
        expected = 504;
        break;
      case Reason::status:
      case Reason::connect:
        expected = 502;
        break;
      default:
        break;
    }
    BOOST_TEST(told(static_cast<Reason>(reason)).status == expected, word(static_cast<Reason>(reason)));
  }
}

BOOST_AUTO_TEST_CASE(what_is_inside_is_not_told) {
  for (int reason = 0; reason < reasons; ++reason) {
    if (static_cast<Reason>(reason) == Reason::decode) continue;  // That is about what the asker sent.
    BOOST_TEST(told(static_cast<Reason>(reason)).body.find("10.0.0.7") == std::string::npos);
  }
  BOOST_TEST(told(Reason::status).failed->text == "POST http://10.0.0.7/inside?key=secret");
}

BOOST_AUTO_TEST_CASE(when_to_come_again_is_said_in_whole_seconds_never_too_early) {
  BOOST_TEST(header(told(Reason::limit), "retry-after") == "1");
  BOOST_TEST(header(told(Reason::full), "retry-after") == "1");
  BOOST_TEST(header(told(Reason::open), "retry-after") == "1");
  BOOST_TEST(header(told(Reason::open, 4001ms), "retry-after") == "5");
  BOOST_TEST(header(told(Reason::limit, 0ms), "retry-after") == "1");
  BOOST_TEST(header(told(Reason::limit, 20ms), "retry-after") == "1");
  BOOST_TEST(header(told(Reason::status, 30s), "retry-after") == "30");
  BOOST_TEST(header(told(Reason::timeout), "retry-after") == "none");
}

BOOST_AUTO_TEST_CASE(a_row_that_fails_unheard_tells_its_asker_before_its_token) {
  Owner owner;
  Token token(owner, 1, 2);
  const auto asker = std::make_shared<Remembers>();
  auto batch = Batch::make();
  batch->append("a", {});
  batch->append("b", {});
  batch->open(&token, 1);
  batch->edit_metadata(0).asker = asker;
  batch->edit_metadata(1).asker = asker;
  batch->fail(0, Failure(Reason::timeout, "late"));
  BOOST_REQUIRE(asker->answers.size() == 1U);
  BOOST_TEST(asker->answers.front().status == 504);
  batch->fail(1, Failure(Reason::decode, "no JSON"));
  BOOST_TEST(asker->answers.size() == 1U);
  BOOST_TEST(owner.ended == 1);
}

BOOST_AUTO_TEST_CASE(what_is_left_when_weir_ends_is_told_so) {
  Owner owner;
  Token token(owner, 1, 1);
  const auto asker = std::make_shared<Remembers>();
  {
    auto batch = Batch::make();
    batch->append("a", {});
    batch->open(&token, 1);
    batch->edit_metadata(0).asker = asker;
  }
  BOOST_REQUIRE(asker->answers.size() == 1U);
  BOOST_TEST(asker->answers.front().status == 503);
  BOOST_TEST(asker->answers.front().body == "the server is ending\n");
}

BOOST_AUTO_TEST_CASE(a_message_is_shed_where_all_that_was_made_of_it_is) {
  const auto full = [] { return Failure(Reason::full, "the edge a.main->b is full"); };
  Owner owner;
  Token whole(owner, 1, 1), parted(owner, 2, 1), withdrawn(owner, 3, 1), many(owner, 4, 2);
  whole.add(1);
  parted.add(1);
  withdrawn.add(1);
  whole.shed(2, full);
  parted.shed(1, full);
  parted.done(1);
  withdrawn.shed(1, full);
  withdrawn.withdraw();
  many.shed(2, full);
  BOOST_TEST(owner.ended == 4);
  BOOST_REQUIRE(whole.shed_why() && withdrawn.shed_why());
  BOOST_TEST(whole.shed_why()->text == full().text);
  BOOST_TEST(!parted.shed_why());
  BOOST_TEST(!many.shed_why());  // Nobody asks.
  whole.reopen(5, 1);
  whole.done(1);
  BOOST_TEST(!whole.shed_why());
}

BOOST_AUTO_TEST_CASE(of_a_reply_that_was_broken_nobody_is_told_what_was_wrong_with_it) {
  Failure broken(Reason::decode, "the reply is compressed more than once");
  broken.of_peer = true;
  const auto answer = Asker::answer_to(broken);
  BOOST_TEST(answer.status == 502);
  BOOST_TEST(answer.body == "who was asked for it gave no good answer\n");
}
