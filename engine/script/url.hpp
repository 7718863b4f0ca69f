// URLs, as far as scripts need them (RFC 3986).
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace weir::script {

/// The host in lower case, without port, brackets of IPv6 kept; nothing where there is none.
std::optional<std::string> url_host(std::string_view url);
/// Scheme and host in lower case, the scheme's own port and the fragment removed, dot segments resolved, an empty path
/// made `/`. What a URL may not hold as it is (`é`, a blank) becomes %XX, in capitals; unreserved characters are
/// unescaped. Nothing where it has no scheme and host.
std::optional<std::string> url_normalise(std::string_view url);
/// A reference as it is meant on a page at `base`, without blanks, tabs and line breaks around it, and not normalised
/// further. Nothing where base has no scheme.
std::optional<std::string> url_join(std::string_view base, std::string_view reference);
/// Everything but letters, digits and `-._~` as %XX: safe as one part of a path, a query or a form.
std::string url_escape(std::string_view text);

}  // namespace weir::script
