// No allocation per message on the way of operators: what more messages allocate is a few blocks for each batch of 64.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <ostream>

#include "tests/support/real_run.hpp"

namespace {
std::atomic<std::uint64_t> allocations{0};
}

void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* const block = std::malloc(size)) return block;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size);
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace weir {
namespace {

struct Way {
  const char* name;
  const char* stages;  ///< From `in` to `out`.
};
std::ostream& operator<<(std::ostream& out, const Way& way) { return out << way.name; }

std::uint64_t allocated(const Way& way, int messages) {
  const std::string yaml = "stages:\n  in: {generate: {range: 1.." + std::to_string(messages) +
                           ", msg: {n: '{{ i }}', who: somebody, more: {a: [1, 2]}}}}\n" + way.stages;
  const std::uint64_t before = allocations.load();
  const tests::RealRun run(yaml);
  BOOST_TEST(run.ending.left == 0U);
  return allocations.load() - before;
}

// Under AddressSanitizer rows are slow, and time slices cut batches small.
#ifdef __SANITIZE_ADDRESS__
constexpr double most = 0.75;
#else
constexpr double most = 4.0 / 64;
#endif

double allocations_a_message(const Way& way) {
  constexpr int few = 6'000, many = 3 * few;
  allocated(way, few);  // Whatever is kept for the next run is there then.
  const auto of_few = static_cast<double>(allocated(way, few));
  return (static_cast<double>(allocated(way, many)) - of_few) / (many - few);
}

}  // namespace

BOOST_AUTO_TEST_CASE(operators_allocate_for_batches_and_not_for_messages) {
  const Way ways[] = {
      {"nothing between", "  out: {from: in, drop: {}}\n"},
      {"fused",
       "  all:\n    from: in\n    do:\n      - where: msg.n > 0\n      - set: {twice: '{{ msg.n * 2 }}', env: prod}\n"
       "      - rename: {who: name}\n      - remove: [more]\n      - keep: [n, twice, name]\n"
       "  out: {from: all, drop: {}}\n"},
      {"through channels",
       "  a: {from: in, where: msg.n > 0, edge: {capacity: 128}}\n"
       "  b: {from: a, set: {twice: '{{ msg.n * 2 }}'}, edge: {capacity: 128}}\n"
       "  out: {from: b, drop: {}, edge: {capacity: 128}}\n"},
      {"routed and together again",
       "  split: {from: in, route: {odd: msg.n % 2 == 1}}\n  a: {from: split.odd, pass: {}}\n"
       "  b: {from: split.else, pass: {}}\n  out: {from: [a, b], drop: {}}\n"},
      {"workers", "  a: {from: in, set: {twice: '{{ msg.n * 2 }}'}, workers: 4}\n  out: {from: a, drop: {}}\n"},
      {"Lua", "  a: {from: in, lua: 'msg.n = msg.n + 1'}\n  out: {from: a, drop: {}}\n"},
      {"Lua that returns", "  a: {from: in, lua: 'return {n = msg.n}'}\n  out: {from: a, drop: {}}\n"},
  };
  for (const Way& way : ways) {
    // A busy machine cuts batches small, which only ever adds: what is allocated for each message is there every time.
    double each = allocations_a_message(way);
    for (int again = 0; again < 4 && each >= most; ++again) each = std::min(each, allocations_a_message(way));
    BOOST_TEST(each < most, way << ": " << each);
  }
}

}  // namespace weir
