#pragma once

#include "ringmaster/http/router.hpp"

#include <string_view>

namespace ringmaster::api {

/// The script by which a page shows each of its visitors a number: src/api/embed/embed.js, as it
/// is.
std::string_view embed_script_text() noexcept;

/// GET /embed.js: that script, for pages of any site and for every cache, with an entity tag by
/// which it is asked whether it has changed.
void register_embed_script(http::Router& router);

}  // namespace ringmaster::api
