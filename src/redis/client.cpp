#include "ringmaster/redis/client.hpp"

#include <utility>

#include "routed_client.hpp"
#include "single_client.hpp"

namespace ringmaster::redis {
namespace {

/// `how` is what the client's constructor takes to connect.
template <class... How>
std::unique_ptr<Client> make(ClientOptions options, Log& log, How&&... how) {
    if (options.url.kind == RedisUrl::Kind::single) {
        return std::make_unique<SingleClient>(std::forward<How>(how)..., std::move(options), log);
    }
    return std::make_unique<RoutedClient>(std::forward<How>(how)..., std::move(options), log);
}

}  // namespace

std::unique_ptr<Client> make_client(runtime::Reactor& reactor, ClientOptions options, Log& log) {
    return make(std::move(options), log, reactor);
}

std::unique_ptr<Client> make_client(runtime::Scheduler& scheduler, Connect connect,
                                    ClientOptions options, Log& log) {
    return make(std::move(options), log, scheduler, std::move(connect));
}

Result<Reply> call(Client& client, std::string_view key, const Command& command,
                   Deadline deadline) {
    Call one{.key = key, .command = command.bytes()};
    client.call({&one, 1}, deadline);
    return std::move(one.answer);
}

}  // namespace ringmaster::redis
