#include "ringmaster/app/supervisor_link.hpp"

#include <algorithm>
#include <array>
#include <sys/socket.h>

namespace ringmaster::app {

std::string channel_line(std::string_view word, std::string_view text) {
    std::string line(word);
    if (!text.empty()) line.append(" ").append(text);
    line.resize(std::min(line.size(), SupervisorLink::kMaxLineBytes - 1));
    std::ranges::replace(line, '\n', ' ');
    return line += '\n';
}

SupervisorLink::SupervisorLink(runtime::Reactor& reactor, int fd)
    : stream_(reactor, AF_UNIX, fd), speaking_(reactor.scheduler()) {}

Result<std::string> SupervisorLink::hear() {
    while (true) {
        if (const auto end = heard_.find('\n'); end != heard_.npos) {
            std::string line = heard_.substr(0, end);
            heard_.erase(0, end + 1);
            return line;
        }
        if (heard_.size() >= kMaxLineBytes) {
            return Error{ErrorCode::invalid, "the supervisor has sent a line that is too long"};
        }
        std::array<char, kMaxLineBytes> buffer;
        const auto read = stream_.read_some(buffer, Deadline::never());
        if (!read) return read.error();
        if (*read == 0) return Error{ErrorCode::closed, "the supervisor is gone"};
        heard_.append(buffer.data(), *read);
    }
}

void SupervisorLink::say(std::string_view word, std::string_view text) {
    const auto turn = speaking_.lock();
    static_cast<void>(stream_.write(channel_line(word, text), Deadline::never()));
}

}  // namespace ringmaster::app
