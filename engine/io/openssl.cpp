#include "engine/io/openssl.hpp"

#include "engine/io/library.hpp"

namespace weir::io::openssl {

#define WEIR_OPENSSL_DEFINE(name) decltype(&::name) name = nullptr;
WEIR_OPENSSL_FUNCTIONS(WEIR_OPENSSL_DEFINE)
#undef WEIR_OPENSSL_DEFINE

void load() {
  static const bool loaded = [] {
    const Library library("libssl.so.3", "OpenSSL");  // It brings libcrypto, which is searched with it.
#define WEIR_OPENSSL_FIND(name) library.find(#name, name);
    WEIR_OPENSSL_FUNCTIONS(WEIR_OPENSSL_FIND)
#undef WEIR_OPENSSL_FIND
    return true;
  }();
  static_cast<void>(loaded);
}

}  // namespace weir::io::openssl
