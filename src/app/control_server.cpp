#include "ringmaster/app/control_server.hpp"

#include "ringmaster/app/fleet_sockets.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <sys/socket.h>
#include <utility>

namespace ringmaster::app {
namespace {

using store::UniqueFd;

constexpr std::size_t kMaxClients = 16;
constexpr std::size_t kMaxLineBytes = 64;
constexpr std::size_t kMaxAnswerBytes = 1024 * 1024;
constexpr std::chrono::seconds kPatience{5};

constexpr std::array kCommands = {
    std::pair{ControlCommand::status, std::string_view("status")},
    std::pair{ControlCommand::status_json, std::string_view("status --json")},
    std::pair{ControlCommand::stop, std::string_view("stop")},
    std::pair{ControlCommand::reload, std::string_view("reload")},
    std::pair{ControlCommand::restart, std::string_view("restart")},
};
constexpr std::string_view kDoneLine = "done\n";
constexpr std::string_view kFailedLine = "failed\n";

bool would_block() noexcept {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

std::string_view name_of(ControlCommand command) noexcept {
    for (const auto& [one, name] : kCommands) {
        if (one == command) return name;
    }
    return "unknown";
}

std::optional<ControlCommand> parse_control(std::string_view line) noexcept {
    for (const auto& [command, name] : kCommands) {
        if (name == line) return command;
    }
    return std::nullopt;
}

std::string control_answer(bool good, std::string_view text) {
    return std::string(good ? kDoneLine : kFailedLine).append(text);
}

Result<std::string> read_control_answer(std::string_view answer) {
    if (answer.starts_with(kDoneLine)) return std::string(answer.substr(kDoneLine.size()));
    if (answer.starts_with(kFailedLine)) {
        return Error{ErrorCode::unavailable, std::string(answer.substr(kFailedLine.size()))};
    }
    return Error{ErrorCode::closed, "the daemon has gone without an answer"};
}

ControlServer::ControlServer(UniqueFd listening) : listening_(std::move(listening)) {}

ControlClient ControlServer::adopt(int fd) {
    clients_.push_back({.id = ++last_id_, .fd = UniqueFd(fd), .asked = true});
    return last_id_;
}

void ControlServer::add_polled(std::vector<pollfd>& polled) const {
    if (clients_.size() < kMaxClients) polled.push_back({listening_.get(), POLLIN, 0});
    for (const Client& client : clients_) {
        const short writable = client.output.empty() ? 0 : POLLOUT;
        polled.push_back({client.fd.get(), static_cast<short>(POLLIN | writable), 0});
    }
}

std::optional<SteadyTime> ControlServer::next_time() const {
    std::optional<SteadyTime> next;
    for (const Client& client : clients_) {
        if (client.until && (!next || *client.until < *next)) next = client.until;
    }
    return next;
}

std::vector<ControlServer::Request> ControlServer::turn(SteadyTime now) {
    accept_all(now);
    std::vector<Request> requests;
    for (Client& client : clients_) {
        if (auto request = read_from(client, now)) requests.push_back(*request);
        write_to(client);
        if (client.until && *client.until <= now) client.gone = true;
    }
    std::erase_if(clients_, [](const Client& client) { return client.gone; });
    return requests;
}

void ControlServer::accept_all(SteadyTime now) {
    while (clients_.size() < kMaxClients) {
        UniqueFd fd(::accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd.get() < 0) return;
        clients_.push_back({.id = ++last_id_, .fd = std::move(fd), .until = now + kPatience});
    }
}

std::optional<ControlServer::Request> ControlServer::read_from(Client& client, SteadyTime now) {
    std::array<char, kMaxLineBytes> buffer;
    const ssize_t got = ::recv(client.fd.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) {
        client.gone = got == 0 || !would_block();
        return std::nullopt;
    }
    if (client.asked) return std::nullopt;  // it has nothing more to say
    client.input.append(buffer.data(), static_cast<std::size_t>(got));
    const std::size_t end = client.input.find('\n');
    if (end == std::string::npos && client.input.size() < kMaxLineBytes) return std::nullopt;
    client.asked = true;
    const auto command = parse_control(std::string_view(client.input).substr(0, end));
    if (!command) {
        answer(client.id, false,
               "the daemon does not know this command; expected status, status --json, stop, "
               "reload or restart",
               now);
        return std::nullopt;
    }
    client.until.reset();
    return Request{*command, client.id};
}

void ControlServer::answer(ControlClient id, bool good, std::string_view text, SteadyTime now) {
    const auto client = std::ranges::find(clients_, id, &Client::id);
    if (client == clients_.end()) return;
    client->output = control_answer(good, text);
    client->until = now + kPatience;
    write_to(*client);
}

/// The end of the answer is that of the connection.
void ControlServer::write_to(Client& client) {
    if (client.output.empty()) return;
    const ssize_t sent =
        ::send(client.fd.get(), client.output.data(), client.output.size(), MSG_NOSIGNAL);
    if (sent < 0) {
        client.gone = !would_block();
        return;
    }
    client.output.erase(0, static_cast<std::size_t>(sent));
    if (!client.output.empty()) return;
    ::shutdown(client.fd.get(), SHUT_WR);
    client.gone = true;
}

std::vector<int> ControlServer::descriptors(const std::vector<ControlClient>& clients) const {
    std::vector<int> found;
    for (const Client& client : clients_) {
        if (std::ranges::find(clients, client.id) != clients.end()) {
            found.push_back(client.fd.get());
        }
    }
    return found;
}

Result<std::string> ask_supervisor(const std::filesystem::path& run_dir, ControlCommand command) {
    auto socket = connect_unix(control_path(run_dir));
    if (!socket) {
        Error error = std::move(socket).error();
        if (error.code == ErrorCode::not_found) {
            error.message = "no daemon is there: " + error.message;
        }
        return error;
    }
    const std::string line = std::string(name_of(command)) + '\n';
    if (::send(socket->get(), line.data(), line.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(line.size())) {
        return read_control_answer("");
    }
    std::string answer;
    std::array<char, 4096> buffer;
    while (answer.size() < kMaxAnswerBytes) {
        const ssize_t got = ::recv(socket->get(), buffer.data(), buffer.size(), 0);
        if (got == 0 || (got < 0 && errno != EINTR)) break;
        if (got > 0) answer.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return read_control_answer(answer);
}

}  // namespace ringmaster::app
