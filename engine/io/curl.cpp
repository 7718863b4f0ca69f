#include "engine/io/curl.hpp"

#include "engine/io/library.hpp"

namespace weir::io {

namespace {

Curl load() {
  const Library library("libcurl.so.4", "libcurl");
  Curl loaded;
#define WEIR_CURL_FIND(name) library.find("curl_" #name, loaded.name);
  WEIR_CURL_FUNCTIONS(WEIR_CURL_FIND)
#undef WEIR_CURL_FIND
  if (loaded.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) library.unusable("it cannot be initialised");
  return loaded;
}

}  // namespace

const Curl& curl() {
  static const Curl loaded = load();
  return loaded;
}

}  // namespace weir::io
