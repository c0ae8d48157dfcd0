#include "ringmaster/app/shard_process.hpp"

#include "ringmaster/app/cli.hpp"
#include "ringmaster/app/logger.hpp"
#include "ringmaster/app/service.hpp"
#include "ringmaster/app/supervisor_link.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/store/disk.hpp"

#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace ringmaster::app {

int run_shard(const Config& config, const ShardSetup& setup, std::optional<NumberFiles> numbers) {
    // For the last word, when whoever has the channel is gone already.
    const store::UniqueFd spare(::dup(setup.channel));
    SystemClock clock;
    std::unique_ptr<Logger> log;
    try {
        log = std::make_unique<Logger>(config.log, clock, "shard " + std::to_string(setup.index));
        const auto reopen_log = [&] {
            if (const auto done = log->reopen(); !done) log->error(done.error().message);
        };
        Service service(config, setup, clock, *log, reopen_log);
        if (service.serve(std::move(numbers)) == Service::Ending::orderly) return kDone;
        // Requests are still at work on what the destructors would take away from under them.
        log.reset();
        std::_Exit(kFailed);
    } catch (const std::exception& error) {
        const std::string line = channel_line(channel::kFailed, error.what());
        if (log != nullptr) log->error(error.what());
        // The supervisor sees the end of this process in any case.
        static_cast<void>(::send(spare.get(), line.data(), line.size(), MSG_NOSIGNAL));
        return kFailed;
    }
}

}  // namespace ringmaster::app
