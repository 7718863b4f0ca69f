#include "engine/io/curl.hpp"

#include <dlfcn.h>

#include <string>
#include <system_error>

namespace weir::io {

namespace {

[[noreturn]] void unusable(const std::string& why) {
  throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory), "libcurl cannot be used: " + why);
}

template <class Function>
void find(void* library, const char* name, Function& function) {
  void* const symbol = ::dlsym(library, name);
  if (!symbol) unusable(std::string("it lacks ") + name);
  function = reinterpret_cast<Function>(symbol);
}

Curl load() {
  void* const library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (!library) unusable(::dlerror());
  Curl loaded;
#define WEIR_CURL_FIND(name) find(library, "curl_" #name, loaded.name);
  WEIR_CURL_FUNCTIONS(WEIR_CURL_FIND)
#undef WEIR_CURL_FIND
  if (loaded.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) unusable("it cannot be initialised");
  return loaded;
}

}  // namespace

const Curl& curl() {
  static const Curl loaded = load();
  return loaded;
}

}  // namespace weir::io
