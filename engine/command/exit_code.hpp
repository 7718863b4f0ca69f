// With what number weir ends: a contract with scripts and service managers, kept with sysexits(3) where it has a word.
#pragma once

namespace weir::command::exit_code {

constexpr int done = 0;            ///< Also after a drain that lost nothing, and after a closed stdout.
constexpr int failures = 1;        ///< Messages failed and reached nobody, or were left when the drain time ran out.
constexpr int tests = 2;           ///< Tests failed.
constexpr int usage = 64;          ///< The command line.
constexpr int unavailable = 69;    ///< An input file, program or port is missing at start.
constexpr int bug = 70;            ///< Ours.
constexpr int system = 71;         ///< No memory, descriptors, processes.
constexpr int io = 74;             ///< Reading or writing failed while running.
constexpr int configuration = 78;  ///< The pipeline file.
constexpr int signalled = 128;     ///< Plus the signal's number; only after a second signal.

}  // namespace weir::command::exit_code
