#include "engine/io/curl.hpp"

#include <dlfcn.h>

#include <stdexcept>
#include <string>

namespace weir::io {

namespace {

template <class Function>
void find(void* library, const char* name, Function& function) {
  void* const symbol = ::dlsym(library, name);
  if (!symbol) throw std::runtime_error(std::string("libcurl lacks ") + name);
  function = reinterpret_cast<Function>(symbol);
}

Curl load() {
  void* const library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (!library) throw std::runtime_error(std::string("libcurl cannot be loaded: ") + ::dlerror());
  Curl loaded;
#define WEIR_CURL_FIND(name) find(library, "curl_" #name, loaded.name);
  WEIR_CURL_FUNCTIONS(WEIR_CURL_FIND)
#undef WEIR_CURL_FIND
  if (loaded.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw std::runtime_error("libcurl cannot be initialised");
  return loaded;
}

}  // namespace

const Curl& curl() {
  static const Curl loaded = load();
  return loaded;
}

}  // namespace weir::io
