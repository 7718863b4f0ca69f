// A shared library that is loaded when somebody needs it.
#pragma once
#include <string>

namespace weir::io {

/// Loaded for good, its symbols seen by nobody else. Any thread.
class Library {
 public:
  /// `file`: as the dynamic linker knows it; `name`: in words. Throws std::system_error where it is not there.
  Library(const char* file, std::string name);

  /// Throws std::system_error where it has no such function.
  template <class Function>
  void find(const char* symbol, Function*& function) const {
    function = reinterpret_cast<Function*>(address(symbol));
  }

  [[noreturn]] void unusable(const std::string& why) const;

 private:
  void* address(const char* symbol) const;
  std::string name_;
  void* handle_;
};

}  // namespace weir::io
