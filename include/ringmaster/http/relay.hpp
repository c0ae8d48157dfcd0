#pragma once

#include "ringmaster/http/client.hpp"
#include "ringmaster/http/response.hpp"

namespace ringmaster::http {

/// Makes an upstream's answer ours, as a proxy does: status, content, and the fields but those that
/// concern one connection only (RFC 9110, 7.6.1) and those that the server writes itself.
void relay(ClientResponse answer, Response& response);

}  // namespace ringmaster::http
