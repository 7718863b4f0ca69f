// libcurl, loaded when somebody is about to call.
#pragma once
#include <curl/curl.h>

namespace weir::io {

/// Its functions under their names, less `curl_`. It brings 26 libraries: where nobody calls, they would be half of the
/// time that weir takes to start and a tenth of its memory.
struct Curl {
#define WEIR_CURL_FUNCTIONS(each)                                                                         \
  each(easy_cleanup) each(easy_getinfo) each(easy_init) each(easy_setopt) each(easy_strerror) each(free)  \
      each(global_init) each(multi_add_handle) each(multi_cleanup) each(multi_info_read) each(multi_init) \
          each(multi_remove_handle) each(multi_setopt) each(multi_socket_action) each(slist_append)       \
              each(slist_free_all) each(url) each(url_cleanup) each(url_get) each(url_set) each(version_info)
#define WEIR_CURL_MEMBER(name) decltype(&::curl_##name) name;
  WEIR_CURL_FUNCTIONS(WEIR_CURL_MEMBER)
#undef WEIR_CURL_MEMBER
};

/// Loaded and initialised once, for good; any thread. Throws std::system_error where that fails.
const Curl& curl();

}  // namespace weir::io
