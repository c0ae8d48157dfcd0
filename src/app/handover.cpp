#include "ringmaster/app/handover.hpp"

#include "ringmaster/app/admin_client.hpp"
#include "ringmaster/app/read_file.hpp"
#include "ringmaster/http/query.hpp"
#include "ringmaster/shard/placement.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace ringmaster::app {
namespace {

using shard::ShardPhase;

constexpr std::string_view kTitle = "ringmaster-handover 1";
constexpr std::string_view kEnd = "end";  // so that a part is never taken for the whole
constexpr std::size_t kMaxBytes = 4 * 1024 * 1024;

/// The words of one line, which blanks stand between. What is not as expected makes it bad, and all
/// that is read afterwards is empty.
class Words {
  public:
    explicit Words(std::string_view line) : rest_(line) {}

    std::string_view word() {
        const std::size_t end = rest_.find(' ');
        const std::string_view word = rest_.substr(0, end);
        rest_ = end == rest_.npos ? "" : rest_.substr(end + 1);
        return word;
    }
    std::string text() {
        std::string decoded;
        good_ &= http::percent_decode(word(), false, decoded).ok();
        return decoded;
    }
    template <class Number>
    void number(Number& number) {
        const std::string_view digits = word();
        const auto end = digits.data() + digits.size();
        const auto [at, error] = std::from_chars(digits.data(), end, number);
        good_ &= error == std::errc() && at == end;
    }
    void phase(ShardPhase& phase) {
        std::uint32_t number = 0;
        this->number(number);
        good_ &= number <= static_cast<std::uint32_t>(ShardPhase::dead);
        phase = static_cast<ShardPhase>(number);
    }
    bool all_good() const noexcept { return good_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool good_ = true;
};

template <class... Parts>
void append_line(std::string& text, const Parts&... parts) {
    const std::size_t begin = text.size();
    ((text.append(text.size() == begin ? "" : " ").append(parts)), ...);
    text += '\n';
}

bool read_line(std::string_view line, Handover& handover) {
    Words words(line);
    const std::string_view what = words.word();
    if (what == "page") {
        words.number(handover.page);
    } else if (what == "lock") {
        words.number(handover.lock.emplace());
    } else if (what == "control") {
        words.number(handover.control);
    } else if (what == "client") {
        words.number(handover.clients.emplace_back());
    } else if (what == "setting") {
        Setting& setting = handover.settings.emplace_back();
        setting.name = words.text();
        setting.value = words.text();
    } else if (what == "shard") {
        Handover::Shard& shard = handover.shards.emplace_back();
        words.number(shard.public_socket);
        words.number(shard.own_socket);
        words.number(shard.peer_socket);
        words.number(shard.channel);
        words.number(shard.pid);
        words.phase(shard.phase);
        words.number(shard.stream);
        shard.heard = words.text();
    } else {
        return false;
    }
    return words.all_good();
}

}  // namespace

std::vector<int> Handover::descriptors() const {
    std::vector<int> all = {page};
    if (lock) all.push_back(*lock);
    all.push_back(control);
    all.insert(all.end(), clients.begin(), clients.end());
    for (const Shard& shard : shards) {
        for (const int fd : {shard.public_socket, shard.own_socket, shard.peer_socket}) {
            all.push_back(fd);
        }
        if (shard.channel >= 0) all.push_back(shard.channel);
    }
    return all;
}

std::string write_handover(const Handover& handover) {
    std::string text;
    append_line(text, kTitle);
    append_line(text, "page", std::to_string(handover.page));
    if (handover.lock) append_line(text, "lock", std::to_string(*handover.lock));
    append_line(text, "control", std::to_string(handover.control));
    for (const int client : handover.clients) append_line(text, "client", std::to_string(client));
    for (const Setting& setting : handover.settings) {
        append_line(text, "setting", percent_encode(setting.name), percent_encode(setting.value));
    }
    for (const Handover::Shard& shard : handover.shards) {
        append_line(text, "shard", std::to_string(shard.public_socket),
                    std::to_string(shard.own_socket), std::to_string(shard.peer_socket),
                    std::to_string(shard.channel), std::to_string(shard.pid),
                    std::to_string(static_cast<std::uint32_t>(shard.phase)),
                    std::to_string(shard.stream), percent_encode(shard.heard));
    }
    append_line(text, kEnd);
    return text;
}

Result<Handover> read_handover(std::string_view text) {
    const Error invalid{ErrorCode::invalid,
                        "what the running supervisor would hand over is not of a version that "
                        "this program knows"};
    Handover handover;
    const auto next_line = [&] {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        return line;
    };
    if (next_line() != kTitle) return invalid;
    for (auto line = next_line(); line != kEnd; line = next_line()) {
        if (!read_line(line, handover)) return invalid;
    }
    if (!text.empty() || handover.page < 0 || handover.lock.value_or(0) < 0 ||
        handover.control < 0 || handover.shards.empty() ||
        handover.shards.size() > shard::Placement::kMaxShards) {
        return invalid;
    }
    return handover;
}

int make_handover_file(const Handover& handover) {
    const int fd = ::memfd_create("ringmaster-handover", MFD_CLOEXEC);
    const std::string text = write_handover(handover);
    if (fd < 0) return fd;
    if (::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size())) return fd;
    ::close(fd);
    return -1;
}

Result<std::optional<Handover>> receive_handover() {
    const char* const variable = std::getenv(kHandoverVariable);
    if (variable == nullptr) return std::optional<Handover>();
    const std::string number(variable);
    ::unsetenv(kHandoverVariable);
    int fd = -1;
    std::from_chars(number.data(), number.data() + number.size(), fd);
    const auto text = read_file("/proc/self/fd/" + std::to_string(fd), kMaxBytes);
    ::close(fd);
    if (!text) return text.error();
    auto handover = read_handover(*text);
    if (!handover) return handover.error();
    set_close_on_exec(handover->descriptors(), true);
    return std::optional(*std::move(handover));
}

void set_close_on_exec(const std::vector<int>& descriptors, bool close) noexcept {
    for (const int fd : descriptors) ::fcntl(fd, F_SETFD, close ? FD_CLOEXEC : 0);
}

}  // namespace ringmaster::app
