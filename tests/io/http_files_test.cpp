// A folder's files as pages: what is there, what has not changed, a part of it, and what can't be had.
#include "engine/io/http_files.hpp"

#include <boost/test/unit_test.hpp>
#include <optional>
#include <string>

#include "engine/runtime/files.hpp"
#include "engine/runtime/simulated.hpp"

namespace {

using namespace weir;
using io::HttpFields;
using io::HttpFiles;
using io::HttpRequest;
using io::HttpResponse;

/// A folder with two pages in it.
struct Folder {
  Folder() {
    runtime.files().put("pages/index.html", "<p>hello</p>");
    runtime.files().put("pages/sub/index.html", "<p>below</p>");
    runtime.files().put("pages/numbers.txt", "0123456789");
    runtime.files().put("pages/.secret", "no");
    runtime.files().put("outside.txt", "no");
  }

  HttpResponse ask(std::string rest, HttpFields headers = {}) {
    HttpRequest request;
    request.method = "GET";
    request.target = request.path = "/at/" + rest;
    request.headers = std::move(headers);
    std::optional<HttpResponse> response;
    const auto asking = runtime.core().spawn(answer(std::move(request), std::move(rest), response),
                                             [](std::exception_ptr fault) { BOOST_TEST(!fault); });
    runtime.run_until_idle();
    return std::move(response.value());
  }
  runtime::Task<> answer(HttpRequest request, std::string rest, std::optional<HttpResponse>& response) {
    auto answering = files.answer(runtime.core(), std::move(request), std::move(rest));
    response.emplace(co_await std::move(answering));
  }

  runtime::SimulatedRuntime runtime{1};
  HttpFiles files{"pages"};
};

std::string header(const HttpResponse& response, std::string_view name) {
  for (const auto& [field, value] : response.headers) {
    if (field == name) return value;
  }
  return "none";
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_file_comes_with_its_type_and_a_folder_by_its_page) {
  Folder folder;
  const auto numbers = folder.ask("numbers.txt");
  BOOST_TEST(numbers.status == 200);
  BOOST_TEST(numbers.body == "0123456789");
  BOOST_TEST(header(numbers, "Content-Type") == "text/plain; charset=utf-8");
  BOOST_TEST(folder.ask("").body == "<p>hello</p>");
  BOOST_TEST(folder.ask("sub/").body == "<p>below</p>");
  const auto moved = folder.ask("sub");
  BOOST_TEST(moved.status == 301);
  BOOST_TEST(header(moved, "Location") == "/at/sub/");
}

BOOST_AUTO_TEST_CASE(what_is_not_below_the_folder_is_not_there) {
  Folder folder;
  for (const auto* rest : {"nothing.txt", ".secret", "../outside.txt", "%2e%2e/outside.txt", "sub%2findex.html",
                           "numbers.txt/", "numbers.txt%00", "a//b", "%zz"}) {
    BOOST_TEST_CONTEXT(rest) BOOST_TEST(folder.ask(rest).status == 404);
  }
}

BOOST_AUTO_TEST_CASE(a_page_is_one_file_whatever_was_asked_for) {
  Folder folder;
  folder.files = HttpFiles("outside.txt", HttpFiles::Of::page);
  BOOST_TEST(folder.ask("").body == "no");
  BOOST_TEST(header(folder.ask(""), "Content-Type") == "text/plain; charset=utf-8");
  folder.runtime.files().remove("outside.txt");
  BOOST_TEST(folder.ask("").status == 404);
}

BOOST_AUTO_TEST_CASE(what_has_not_changed_does_not_come_again) {
  Folder folder;
  const auto tag = header(folder.ask("numbers.txt"), "ETag");
  for (const auto& tags : {tag, "W/" + tag, "\"other\", " + tag, std::string("*")}) {
    const auto again = folder.ask("numbers.txt", {{"if-none-match", tags}});
    BOOST_TEST_CONTEXT(tags) BOOST_TEST(again.status == 304);
    BOOST_TEST(again.body == "");
    BOOST_TEST(header(again, "Vary") == "Accept-Encoding");
  }
  BOOST_TEST(folder.ask("numbers.txt", {{"if-none-match", "\"other\""}}).status == 200);
  BOOST_TEST(folder.ask("numbers.txt", {{"if-match", "\"other\", " + tag}}).status == 200);
  BOOST_TEST(folder.ask("numbers.txt", {{"if-match", "\"other\""}}).status == 412);
  folder.runtime.files().overwrite("pages/numbers.txt", "012345678");
  BOOST_TEST(folder.ask("numbers.txt", {{"if-none-match", tag}}).status == 200);
}

BOOST_AUTO_TEST_CASE(a_part_comes_alone_and_what_is_malformed_is_as_if_not_asked_for) {
  Folder folder;
  const auto part = [&](const std::string& range) { return folder.ask("numbers.txt", {{"range", range}}); };
  const auto middle = part("bytes=2-5");
  BOOST_TEST(middle.status == 206);
  BOOST_TEST(middle.body == "2345");
  BOOST_TEST(header(middle, "Content-Range") == "bytes 2-5/10");
  BOOST_TEST(part("bytes=7-").body == "789");
  BOOST_TEST(part("bytes=-3").body == "789");
  BOOST_TEST(part("bytes=-30").body == "0123456789");
  BOOST_TEST(part("bytes=8-99999999999999999999").body == "89");
  BOOST_TEST(part("bytes=10-").status == 416);
  BOOST_TEST(part("bytes=-0").status == 416);
  for (const auto* range : {"bytes=5-2", "bytes=1-2,4-5", "bytes=", "bytes=a-b", "lines=1-2"}) {
    BOOST_TEST_CONTEXT(range) BOOST_TEST(part(range).status == 200);
  }
}

BOOST_AUTO_TEST_CASE(where_no_file_can_be_opened_it_is_not_said_that_there_is_none) {
  Folder folder;
  for (const auto error : {std::errc::too_many_files_open, std::errc::too_many_files_open_in_system}) {
    folder.runtime.files().fail_opens(error);
    const auto refused = folder.ask("numbers.txt");
    BOOST_TEST(refused.status == 503);
    BOOST_TEST(header(refused, "Retry-After") == "1");
  }
  folder.runtime.files().fail_opens({});
  BOOST_TEST(folder.ask("numbers.txt").status == 200);
}
