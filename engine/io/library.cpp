#include "engine/io/library.hpp"

#include <dlfcn.h>

#include <system_error>
#include <utility>

namespace weir::io {

Library::Library(const char* file, std::string name)
    : name_(std::move(name)), handle_(::dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
  if (!handle_) unusable(::dlerror());
}

void Library::unusable(const std::string& why) const {
  throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory),
                          name_ + " cannot be used: " + why);
}

void* Library::address(const char* symbol) const {
  void* const found = ::dlsym(handle_, symbol);
  if (!found) unusable(std::string("it lacks ") + symbol);
  return found;
}

}  // namespace weir::io
