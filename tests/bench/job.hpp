// The work of every row: a message of 64 bytes is generated, upper-cased, summed and dropped. The same code in the loop
// that a row is compared with and in the stages of the real engine.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace weir::bench {

inline constexpr std::size_t payload_bytes = 64;

/// Vectors by hand: what -O2 makes of a plain loop differs between compilers, and a slow job would hide the engine.
using Block = unsigned char __attribute__((vector_size(16)));
using Words = std::uint64_t __attribute__((vector_size(16)));

/// Lower-case letters and a few others, which depend on `i`.
inline void fill(char* to, std::uint64_t i) noexcept {
  const std::uint64_t x = i * 0x9e3779b97f4a7c15;
  for (std::size_t k = 0; k < payload_bytes / 8; ++k) {
    const std::uint64_t word = 0x6161616161616161 + ((x >> k) & 0x0f0f0f0f0f0f0f0f);
    std::memcpy(to + 8 * k, &word, 8);
  }
}

/// The same for a payload of another size, a multiple of 16.
inline void fill(char* to, std::size_t size, std::uint64_t i) noexcept {
  const std::uint64_t x = i * 0x9e3779b97f4a7c15;
  for (std::size_t k = 0; k < size / 8; ++k) {
    const std::uint64_t word = 0x6161616161616161 + ((x >> (k & 7)) & 0x0f0f0f0f0f0f0f0f);
    std::memcpy(to + 8 * k, &word, 8);
  }
}

/// ASCII letters made upper case, `size` bytes of them, a multiple of 16; returns their words added up. Not inlined, so
/// that no row knows more of the size or the bytes than another.
[[gnu::noinline]] inline std::uint64_t upper(const char* from, char* to, std::size_t size) noexcept {
  Words sum{};
  for (std::size_t at = 0; at < size; at += sizeof(Block)) {
    Block block;
    std::memcpy(&block, from + at, sizeof block);
    const Block lower = reinterpret_cast<Block>(block - 'a' < 26);  // Bytes wrap, so one comparison finds a..z.
    block -= lower & 32;
    std::memcpy(to + at, &block, sizeof block);
    sum += reinterpret_cast<Words>(block);
  }
  return sum[0] + sum[1];
}

/// What the last stage looks at.
inline std::uint64_t first_word(const char* payload) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, payload, sizeof word);
  return word;
}

/// The sums of one run, by which every row shows that it has done the work.
struct Sums {
  std::uint64_t of_all = 0;
  std::uint64_t of_firsts = 0;
  bool operator==(const Sums&) const = default;
};

/// All of it on one thread, each message where the one before stood.
inline Sums loop(std::uint64_t messages) noexcept {
  Sums sums;
  std::array<char, payload_bytes> message;
  for (std::uint64_t i = 0; i < messages; ++i) {
    fill(message.data(), i);
    sums.of_all += upper(message.data(), message.data(), message.size());
    sums.of_firsts += first_word(message.data());
  }
  return sums;
}

/// The same as a batch does it: 64 messages are generated, then all made upper case, then all looked at. A loop that
/// takes one after the other waits for each; this one, like the engine, is as quick as the processor gets through it.
inline Sums loop_rows(std::uint64_t messages) noexcept {
  constexpr std::uint64_t rows = 64;
  Sums sums;
  std::array<char, rows * payload_bytes> bytes;
  for (std::uint64_t i = 0; i < messages; i += rows) {
    const std::size_t end = std::min(rows, messages - i) * payload_bytes;
    for (std::size_t at = 0; at < end; at += payload_bytes) fill(bytes.data() + at, i + at / payload_bytes);
    for (std::size_t at = 0; at < end; at += payload_bytes) {
      sums.of_all += upper(bytes.data() + at, bytes.data() + at, payload_bytes);
    }
    for (std::size_t at = 0; at < end; at += payload_bytes) sums.of_firsts += first_word(bytes.data() + at);
  }
  return sums;
}

/// The same with payloads of another size, at most what `message` has room for.
inline Sums loop(std::uint64_t messages, std::span<char> message) noexcept {
  Sums sums;
  for (std::uint64_t i = 0; i < messages; ++i) {
    fill(message.data(), message.size(), i);
    sums.of_all += upper(message.data(), message.data(), message.size());
    sums.of_firsts += first_word(message.data());
  }
  return sums;
}

/// Work that takes a processor some `ns` nanoseconds and touches no memory: each step waits for the one before, five
/// cycles. It is so many steps and not so long a time, so that a busy machine does not make it less; Calib/burn_200ns
/// says how long it is.
inline std::uint64_t burn(std::uint64_t x, std::uint64_t ns) noexcept {
  for (std::uint64_t steps = ns * 3 / 5; steps > 0; --steps) {
    x = (x ^ (x >> 32)) * 0x9e3779b97f4a7c15;
    asm volatile("" : "+r"(x));
  }
  return x;
}

}  // namespace weir::bench
