// When rows are copied out of arenas of which they use little (Batch::compact).
#include <boost/test/unit_test.hpp>
#include <string>

#include "engine/message/batch.hpp"

using namespace weir::message;

namespace {

class Source final : public TokenOwner {
 public:
  void completed(Token&) noexcept override { ++answered; }
  int answered = 0;
};

/// Rows of a few bytes in an arena of 64 KiB.
Batch::Pointer few(const ArenaRef& arena, std::size_t rows) {
  auto batch = Batch::make();
  for (std::size_t row = 0; row < rows; ++row) {
    const std::string text = "row " + std::to_string(row);
    char* const to = arena->end();
    arena->commit(text.copy(to, text.size()));
    batch->append_shared(arena, {to, text.size()}, {});
  }
  return batch;
}

bool lie_in(const Batch& batch, const ArenaRef& arena) {
  for (std::size_t row = 0; row < batch.size(); ++row) {
    const char* const at = batch.payload(row).data();
    if (at < arena->data() || at >= arena->data() + arena->capacity()) return false;
  }
  return true;
}

}  // namespace

BOOST_AUTO_TEST_CASE(few_rows_leave_a_large_arena) {
  const auto arena = ArenaRef::make();
  const auto batch = few(arena, 2);
  batch->compact();
  BOOST_TEST(!lie_in(*batch, arena));
  BOOST_TEST(batch->payload(1) == "row 1");
}

BOOST_AUTO_TEST_CASE(they_stay_where_their_source_keeps_it_until_they_are_answered) {
  Source source;
  const auto arena = ArenaRef::make();
  auto batch = few(arena, 3);
  Retained kept;
  Token token(source, 1, 3);
  batch->retain(kept);
  token.retains(kept);
  batch->open(&token, 1);
  batch->compact();
  BOOST_TEST(lie_in(*batch, arena));
  const auto part = Batch::make();
  part->take_row(*batch, 0);
  part->take_row(*batch, 2);
  part->compact();
  BOOST_TEST(lie_in(*part, arena));
  // What was made since is not kept.
  part->replace_payload(0, std::string(5000, 'x'));
  part->replace_payload(0, "short");
  part->compact();
  BOOST_TEST(!lie_in(*part, arena));
  BOOST_TEST(part->payload(0) == "short");
  BOOST_TEST(part->payload(1) == "row 2");
  batch->done_all();
  part->done_all();
  BOOST_TEST(source.answered == 1);
}

BOOST_AUTO_TEST_CASE(they_leave_what_only_others_keep) {
  Source source;
  const auto kept_arena = ArenaRef::make(), arena = ArenaRef::make();
  auto first = few(kept_arena, 1), second = few(arena, 1);
  Retained kept;
  Token one(source, 1, 1), other(source, 2, 1);
  first->retain(kept);
  one.retains(kept);
  first->open(&one, 1);
  second->open(&other, 2);
  second->compact();
  BOOST_TEST(!lie_in(*second, arena));
  // In one batch with those, they would hold it longer than their source does.
  first->take_row(*second, 0);
  first->compact();
  BOOST_TEST(!lie_in(*first, kept_arena));
  first->done_all();
  BOOST_TEST(source.answered == 2);
  one.reopen(3, 1);
  BOOST_TEST(!one.retained());
}
