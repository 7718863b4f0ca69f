// Payloads that can be had back (Batch::keep_originals).
#include <boost/test/unit_test.hpp>

#include <array>
#include <string>

#include "engine/message/batch.hpp"
#include "engine/message/document.hpp"

using namespace weir::message;

namespace {

Batch::Pointer three() {
  auto batch = Batch::make();
  for (const char* payload : {R"({"n":1})", R"({"n":2})", R"({"n":3})"}) batch->append(payload, {});
  return batch;
}

void set(Batch& batch, std::size_t row, std::int64_t value) {
  Document& document = batch.document(row);
  document.set(document.root(), "a", Value::integer(value));
}

}  // namespace

BOOST_AUTO_TEST_CASE(edited_and_replaced_payloads_come_back) {
  auto batch = three();
  set(*batch, 0, 1);
  batch->keep_originals();  // With what was edited before.
  set(*batch, 0, 2);
  batch->replace_payload(1, "other");
  BOOST_TEST(batch->restore_original(0));
  BOOST_TEST(batch->restore_original(1));
  BOOST_TEST(batch->payload(0) == R"({"n":1,"a":1})");
  BOOST_TEST(batch->payload(1) == R"({"n":2})");
  BOOST_TEST(batch->live_bytes() == 13U + 7U + 7U);
}

BOOST_AUTO_TEST_CASE(an_original_goes_with_its_row_and_later_rows_have_none) {
  auto batch = three();
  batch->keep_originals();
  for (std::size_t row = 0; row < 3; ++row) batch->replace_payload(row, std::string(row + 1, 'x'));
  const std::array<std::uint8_t, 2> kept{0, 2};
  batch->keep(kept);
  BOOST_TEST(batch->restore_original(1));
  BOOST_TEST(batch->payload(1) == R"({"n":3})");

  auto other = Batch::make();
  other->append("made", {});
  other->take_row(*batch, 0);
  batch.reset();
  BOOST_TEST(!other->restore_original(0));
  BOOST_TEST(other->restore_original(1));
  BOOST_TEST(other->payload(1) == R"({"n":1})");
}

BOOST_AUTO_TEST_CASE(what_is_made_of_a_row_has_its_original) {
  auto batch = three();
  batch->keep_originals();
  auto made = Batch::make();
  made->append("of the second", {});
  made->append("of none", {});
  made->share_original(0, *batch, 1);
  batch.reset();
  BOOST_TEST(made->restore_original(0));
  BOOST_TEST(made->payload(0) == R"({"n":2})");
  BOOST_TEST(!made->restore_original(1));
}

BOOST_AUTO_TEST_CASE(a_batch_that_is_used_again_has_forgotten_them) {
  auto batch = three();
  batch->keep_originals();
  batch->clear();
  batch->append("new", {});
  BOOST_TEST(!batch->restore_original(0));
}
