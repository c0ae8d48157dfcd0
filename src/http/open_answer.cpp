#include "ringmaster/http/open_answer.hpp"

#include <utility>

#include "connection.hpp"

namespace ringmaster::http {

bool OpenAnswer::send(std::string_view part) {
    return connection_ != nullptr && connection_->send_part(part);
}

std::size_t OpenAnswer::unsent_bytes() const noexcept {
    return connection_ != nullptr ? connection_->unsent() : 0;
}

void OpenAnswer::end() noexcept {
    if (connection_ != nullptr) std::exchange(connection_, nullptr)->end_open_answer();
}

}  // namespace ringmaster::http
