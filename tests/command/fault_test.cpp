// What broke decides with what number weir ends.
#include "engine/command/fault.hpp"

#include <boost/test/unit_test.hpp>
#include <new>
#include <stdexcept>
#include <system_error>

#include "engine/stage/context.hpp"

namespace {

using weir::command::describe;
using weir::command::When;

template <class Error>
int code_of(const Error& error, When when) {
  return describe(std::make_exception_ptr(error), when).exit_code;
}

int code_of(std::errc error, When when) {
  return code_of(std::system_error(std::make_error_code(error), "orders.txt"), when);
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_missing_is_unavailable_whenever_it_shows) {
  for (const auto error : {std::errc::no_such_file_or_directory, std::errc::permission_denied,
                           std::errc::is_a_directory, std::errc::address_in_use}) {
    BOOST_TEST(code_of(error, When::start) == 69);
    BOOST_TEST(code_of(error, When::running) == 69);
  }
}

BOOST_AUTO_TEST_CASE(a_machine_without_room_is_a_matter_of_the_system) {
  BOOST_TEST(code_of(std::errc::too_many_files_open, When::running) == 71);
  BOOST_TEST(code_of(std::errc::not_enough_memory, When::start) == 71);
  BOOST_TEST(code_of(std::bad_alloc(), When::running) == 71);
}

BOOST_AUTO_TEST_CASE(reading_or_writing_that_fails_under_way_is_74) {
  BOOST_TEST(code_of(std::errc::io_error, When::running) == 74);
  BOOST_TEST(code_of(std::errc::no_space_on_device, When::running) == 74);
  BOOST_TEST(code_of(std::errc::io_error, When::start) == 71);
}

BOOST_AUTO_TEST_CASE(a_stage_that_says_why_is_quoted) {
  const auto fault = describe(std::make_exception_ptr(weir::stage::Fault("the child does not stay")), When::start);
  BOOST_TEST(fault.what == "the child does not stay");
  BOOST_TEST(fault.exit_code == 69);
}

BOOST_AUTO_TEST_CASE(everything_else_is_a_bug_of_ours_and_says_so) {
  const auto fault = describe(std::make_exception_ptr(std::logic_error("row 7 twice")), When::running);
  BOOST_TEST(fault.what == "a bug in weir: row 7 twice");
  BOOST_TEST(fault.exit_code == 70);
  BOOST_TEST(code_of(7, When::running) == 70);
}
