#include "inquiry.hpp"

#include "ringmaster/redis/request.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

namespace ringmaster::redis {
namespace {

/// Closes at the end of a scope.
struct Closing {
    ~Closing() { connection.close(); }
    Connection& connection;
};

bool is_in(const std::vector<ServerAddress>& list, const ServerAddress& server) {
    return std::ranges::find(list, server) != list.end();
}

}  // namespace

Inquiry::Inquiry(runtime::Scheduler& scheduler, Connect connect, Login login,
                 ConnectionOptions options, std::chrono::milliseconds timeout)
    : scheduler_(scheduler),
      connect_(std::move(connect)),
      login_(std::move(login)),
      options_(options),
      timeout_(timeout),
      fibers_(scheduler) {}

Result<Reply> Inquiry::ask(const ServerAddress& server, const Command& command, Deadline deadline) {
    const auto failed = [&](const std::string& why) {
        distrust(server);
        return Error{ErrorCode::unavailable, server.text() + ": " + why};
    };
    const Deadline until =
        Deadline::at(std::min(deadline.time(), scheduler_.precise_now() + timeout_));
    auto stream = connect_(server, until);
    if (!stream) return failed(stream.error().message);
    const auto connection = Connection::open(scheduler_, fibers_, std::move(stream).value(), login_,
                                             options_, counters_, until);
    if (!connection) return failed(connection.error().message);
    const Closing closing{**connection};
    Batch batch(scheduler_, 1);
    Request& request = batch[0];
    request.command = command.bytes();
    (*connection)->send(request, until);
    batch.wait(until);
    if (!request.answered()) return failed(request.error().message);
    if (request.reply().is_error()) return failed(request.reply().text);
    std::erase(failed_, server);
    return std::move(request.reply());
}

std::vector<ServerAddress> Inquiry::in_turn(std::vector<ServerAddress> servers) {
    const auto has_failed = [&](const ServerAddress& server) { return is_in(failed_, server); };
    std::erase_if(failed_, [&](const ServerAddress& failed) { return !is_in(servers, failed); });
    if (!servers.empty()) {
        const auto first = static_cast<std::ptrdiff_t>(turn_++ % servers.size());
        std::rotate(servers.begin(), servers.begin() + first, servers.end());
    }
    std::stable_partition(servers.begin(), servers.end(), std::not_fn(has_failed));
    if (servers.size() > kMostInTurn) servers.resize(kMostInTurn);
    return servers;
}

void Inquiry::distrust(const ServerAddress& server) {
    if (!is_in(failed_, server)) failed_.push_back(server);
}

}  // namespace ringmaster::redis
