// No peer: what the sums of every peer that does the job must be, by the loop that the engine's rows are compared with.
//
//   job_sums MESSAGES      prints: sums ALL FIRSTS
#include <cstdio>
#include <cstdlib>

#include "tests/bench/job.hpp"

int main(int, char** words) {
  const auto sums = weir::bench::loop(std::strtoull(words[1], nullptr, 10));
  std::printf("sums %llx %llx\n", static_cast<unsigned long long>(sums.of_all),
              static_cast<unsigned long long>(sums.of_firsts));
}
