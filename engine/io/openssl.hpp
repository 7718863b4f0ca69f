// OpenSSL, loaded when somebody is about to speak TLS.
#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace weir::io::openssl {

/// Its functions under their own names. Where this namespace is used they go before those of the global one, in
/// OpenSSL's macros as well, so long as nobody writes `::` before them. To resolve its 5,000 symbols would take a
/// third of the time that weir takes to start, and most pipelines have no use for them.
// clang-format off
#define WEIR_OPENSSL_FUNCTIONS(each) \
  each(BIO_ctrl) each(BIO_ctrl_pending) each(BIO_free_all) each(BIO_new) each(BIO_read) each(BIO_s_mem) \
  each(BIO_write) each(ERR_clear_error) each(ERR_peek_last_error) each(ERR_reason_error_string) \
  each(OPENSSL_sk_pop_free) each(SSL_CTX_callback_ctrl) each(SSL_CTX_check_private_key) each(SSL_CTX_ctrl) \
  each(SSL_CTX_free) each(SSL_CTX_get0_certificate) each(SSL_CTX_get_ex_data) each(SSL_CTX_load_verify_locations) each(SSL_CTX_new) \
  each(SSL_CTX_set_alpn_select_cb) each(SSL_CTX_set_cipher_list) each(SSL_CTX_set_client_CA_list) \
  each(SSL_CTX_set_default_passwd_cb) each(SSL_CTX_set_ex_data) each(SSL_CTX_set_info_callback) each(SSL_CTX_set_options) each(SSL_CTX_set_session_id_context) \
  each(SSL_CTX_set_verify) each(SSL_CTX_use_PrivateKey_file) each(SSL_CTX_use_certificate_chain_file) \
  each(SSL_do_handshake) each(SSL_free) each(SSL_get1_peer_certificate) each(SSL_get_SSL_CTX) each(SSL_get_error) \
  each(SSL_get_servername) each(SSL_get_verify_result) each(SSL_is_init_finished) each(SSL_load_client_CA_file) \
  each(SSL_new) each(SSL_read_ex) each(SSL_set_SSL_CTX) each(SSL_set_accept_state) each(SSL_set_bio) \
  each(SSL_shutdown) each(SSL_write_ex) each(TLS_client_method) each(TLS_server_method) each(X509_NAME_free) each(X509_NAME_print_ex) \
  each(X509_check_host) each(X509_free) each(X509_get_subject_name) each(X509_verify_cert_error_string)
// clang-format on
#define WEIR_OPENSSL_DECLARE(name) extern decltype(&::name) name;
WEIR_OPENSSL_FUNCTIONS(WEIR_OPENSSL_DECLARE)
#undef WEIR_OPENSSL_DECLARE

/// Before any of them is called. Once, for good; any thread. Throws std::system_error where that fails.
void load();

}  // namespace weir::io::openssl
