#include "sentinel_topology.hpp"

#include "ringmaster/redis/sentinel_replies.hpp"

#include <utility>

namespace ringmaster::redis {

SentinelTopology::SentinelTopology(runtime::Scheduler& scheduler, Connect connect, Options options,
                                   Inquiry& sentinels, Inquiry& servers,
                                   std::function<void()> switched, std::function<void()> missed,
                                   Log& log)
    : scheduler_(scheduler),
      connect_(std::move(connect)),
      options_(std::move(options)),
      sentinels_(sentinels),
      servers_(servers),
      switched_(std::move(switched)),
      missed_(std::move(missed)),
      log_(log) {}

Result<bool> SentinelTopology::refresh(Deadline deadline) {
    if (listening_ == nullptr) listen();
    const unsigned switches = switches_;
    std::string why;
    for (const ServerAddress& sentinel : sentinels_.in_turn(options_.sentinels)) {
        auto address = ask(sentinel, deadline);
        // What has been told meanwhile is newer than any answer.
        if (switches_ != switches) return true;
        if (address) {
            if (primary_.size() == 1 && primary_.front() == *address) return false;
            primary_.assign(1, *std::move(address));
            return true;
        }
        why += (why.empty() ? "" : "; ") + address.error().message;
    }
    return Error{ErrorCode::unavailable,
                 "no sentinel names a primary called " + options_.master_name + ": " + why};
}

Result<ServerAddress> SentinelTopology::ask(const ServerAddress& sentinel, Deadline deadline) {
    static const Command kRole{"ROLE"};
    const Command question{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", options_.master_name};
    const auto reply = sentinels_.ask(sentinel, question, deadline);
    if (!reply) return reply.error();
    auto address = parse_master_address(*reply);
    if (!address) {
        sentinels_.distrust(sentinel);
        return Error{ErrorCode::unavailable, sentinel.text() + ": " + address.error().message};
    }
    const auto role = servers_.ask(*address, kRole, deadline);
    if (!role) return role.error();
    if (!is_role_of_primary(*role)) {
        return Error{ErrorCode::unavailable, sentinel.text() + " names " + address->text() +
                                                 ", which says that it is none"};
    }
    return address;
}

void SentinelTopology::listen() {
    const auto where = [this](Deadline) -> Result<ServerAddress> {
        return options_.sentinels[listening_turn_++ % options_.sentinels.size()];
    };
    listening_ = std::make_unique<Subscription>(
        scheduler_, connect_, where, options_.sentinel,
        SubscriptionOptions{.channel = "+switch-master"}, missed_,
        [this](std::string_view message) { heard(message); }, log_);
}

void SentinelTopology::heard(std::string_view message) {
    auto address = parse_switch_master(message, options_.master_name);
    if (!address || is_heard_at(*address)) return;
    log_.info("redis " + address->text() + " is the primary now, says a sentinel");
    primary_.assign(1, *std::move(address));
    ++switches_;
    switched_();
}

Result<ServerAddress> SentinelTopology::next_to_hear() {
    if (!primary_.empty()) return primary_.front();
    return Error{ErrorCode::unavailable, "no primary is known"};
}

void SentinelTopology::stop() {
    if (listening_ != nullptr) listening_->stop();
}

}  // namespace ringmaster::redis
