#include "engine/script/globals.hpp"

#include <cstdint>
#include <cstring>
#include <optional>

namespace weir::script {
namespace {

// Lua 5.4's instructions, as far as they can reach a global (lopcodes.h). An instruction is 32 bits, from the lowest:
// opcode 7, A 8, k 1, B 8, C 8; Bx is the 17 bits behind A.
enum Opcode : std::uint32_t {
  LOADK = 3,
  LOADKX = 4,
  GETUPVAL = 9,
  GETTABUP = 11,
  GETTABLE = 12,
  SETTABUP = 15,
  EXTRAARG = 82
};
std::uint32_t opcode(std::uint32_t i) { return i & 0x7f; }
std::uint32_t a(std::uint32_t i) { return (i >> 7) & 0xff; }
std::uint32_t b(std::uint32_t i) { return (i >> 16) & 0xff; }
std::uint32_t c(std::uint32_t i) { return (i >> 24) & 0xff; }
std::uint32_t bx(std::uint32_t i) { return i >> 15; }
std::uint32_t ax(std::uint32_t i) { return i >> 7; }

/// Runs through the dump; once something does not fit, ok() is false and all reads give nothing.
class Dump {
 public:
  explicit Dump(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }

  std::string_view take(std::uint64_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::uint8_t byte() {
    const auto taken = take(1);
    return taken.empty() ? 0 : static_cast<std::uint8_t>(taken[0]);
  }
  std::uint64_t size() {
    std::uint64_t value = 0;
    while (ok_) {
      const auto next = byte();
      value = (value << 7) | (next & 0x7fu);
      if (next & 0x80) break;
    }
    return value;
  }
  std::string_view string() {
    const auto with_one = size();
    return with_one == 0 ? std::string_view() : take(with_one - 1);
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

class Scan {
 public:
  explicit Scan(std::string_view bytes) : dump_(bytes) {}

  bool run() {
    const auto header = dump_.take(31);
    // Signature, 5.4, format 0, Lua's own check bytes, 4-byte instructions, 8-byte integers and floats.
    if (!header.starts_with(std::string_view("\x1bLua\x54\x00\x19\x93\r\n\x1a\n\x04\x08\x08", 15))) return false;
    dump_.byte();  // How many upvalues the main function has: one, _ENV.
    function({0}, true);
    return dump_.ok();
  }

  std::vector<GlobalUse> found;

 private:
  /// `outer`: which upvalues of the enclosing function are _ENV.
  void function(const std::vector<std::size_t>& outer, bool is_main) {
    dump_.string();
    const int first_line = static_cast<int>(dump_.size());
    dump_.size();
    dump_.take(3);
    const auto code_size = dump_.size();
    const auto code_bytes = dump_.take(code_size * 4);
    if (!dump_.ok()) return;
    std::vector<std::uint32_t> code(code_size);
    if (code_size) std::memcpy(code.data(), code_bytes.data(), code_bytes.size());

    std::vector<std::optional<std::string_view>> constants(checked(dump_.size()));
    for (auto& constant : constants) {
      const auto type = dump_.byte();
      if (type == 0x13 || type == 0x03) {
        dump_.take(8);
      } else if (type == 0x04 || type == 0x14) {
        constant = dump_.string();
      }
      if (!dump_.ok()) return;
    }
    std::vector<std::size_t> environments;
    const auto upvalues = checked(dump_.size());
    for (std::size_t i = 0; i < upvalues; ++i) {
      const bool in_stack = dump_.byte() != 0;
      const std::size_t index = dump_.byte();
      dump_.byte();
      bool is_environment = is_main && i == 0;
      if (!is_main && !in_stack) {
        for (const auto known : outer) is_environment |= known == index;
      }
      if (is_environment) environments.push_back(i);
    }
    const auto inner = checked(dump_.size());
    for (std::size_t i = 0; i < inner && dump_.ok(); ++i) function(environments, false);

    const auto lines = lines_of(first_line, code.size());
    const auto local_names = checked(dump_.size());
    for (std::size_t i = 0; i < local_names && dump_.ok(); ++i) {
      dump_.string();
      dump_.size();
      dump_.size();
    }
    const auto upvalue_names = checked(dump_.size());
    for (std::size_t i = 0; i < upvalue_names && dump_.ok(); ++i) dump_.string();
    if (!dump_.ok()) return;

    const auto is_environment = [&](std::size_t upvalue) {
      for (const auto known : environments) {
        if (known == upvalue) return true;
      }
      return false;
    };
    const auto use = [&](std::size_t constant, bool assigned, std::size_t at) {
      GlobalUse one;
      if (constant < constants.size() && constants[constant]) one.name = *constants[constant];
      one.assigned = assigned;
      one.line = lines[at];
      found.push_back(std::move(one));
    };
    for (std::size_t at = 0; at < code.size(); ++at) {
      const auto i = code[at];
      if (opcode(i) == GETTABUP && is_environment(b(i))) use(c(i), false, at);
      if (opcode(i) == SETTABUP && is_environment(a(i))) use(b(i), true, at);
      if (opcode(i) != GETUPVAL || !is_environment(b(i)) || at + 2 >= code.size()) continue;
      // A function of more than 255 constants, or a name of more than 40 letters: table and key come in registers.
      const auto load = code[at + 1];
      std::size_t constant = bx(load), next = at + 2;
      if (opcode(load) == LOADKX) constant = ax(code[next++]);
      const bool read =
          next < code.size() && opcode(code[next]) == GETTABLE && b(code[next]) == a(i) && c(code[next]) == a(load);
      use(opcode(load) == LOADK || opcode(load) == LOADKX ? constant : constants.size(), !read, at);
    }
  }

  std::vector<int> lines_of(int first_line, std::size_t instructions) {
    const auto deltas = dump_.take(dump_.size());
    struct Absolute {
      std::uint64_t at, line;
    };
    std::vector<Absolute> absolute(checked(dump_.size()));
    for (auto& one : absolute) {
      one.at = dump_.size();
      one.line = dump_.size();
    }
    std::vector<int> lines(instructions, first_line);
    int line = first_line;
    for (std::size_t at = 0; at < instructions && at < deltas.size(); ++at) {
      const auto delta = static_cast<signed char>(deltas[at]);
      if (delta != -0x80) {
        line += delta;
      } else {
        for (const auto& one : absolute) {
          if (one.at == at) line = static_cast<int>(one.line);
        }
      }
      lines[at] = line;
    }
    return lines;
  }

  /// No count in a dump of a megabyte of source is larger; a wrong format must not make us ask for all memory.
  std::size_t checked(std::uint64_t count) { return dump_.ok() && count < (1u << 24) ? count : (dump_.take(~0ull), 0); }

  Dump dump_;
};

}  // namespace

std::vector<GlobalUse> globals_of(std::string_view dumped, bool& understood) {
  Scan scan(dumped);
  understood = scan.run();
  if (!understood) scan.found.clear();
  return std::move(scan.found);
}

}  // namespace weir::script
