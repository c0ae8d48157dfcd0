#include "ringmaster/net/resolver.hpp"

#include "ringmaster/runtime/sync.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <exception>
#include <netdb.h>
#include <utility>

namespace ringmaster::net {

/// A name that is being looked up, or that has been.
struct Resolver::Entry {
    explicit Entry(runtime::Scheduler& scheduler) noexcept : known(scheduler) {}
    runtime::Event known;
    Result<std::vector<Endpoint>> answer = std::vector<Endpoint>();
    SteadyTime good_until{};
};

Resolver::Resolver(runtime::Scheduler& scheduler, runtime::HelperThread& helper,
                   ResolverOptions options, LookUp look_up)
    : scheduler_(scheduler),
      helper_(helper),
      options_(options),
      look_up_(std::move(look_up)),
      idle_(scheduler) {}

Resolver::~Resolver() {
    assert(looking_up_ == 0);
}

Result<std::vector<Endpoint>> Resolver::resolve(const std::string& host, std::uint16_t port,
                                                Deadline deadline) {
    const std::string name = host + ":" + std::to_string(port);
    std::shared_ptr<Entry> entry;
    if (const auto found = entries_.find(name); found != entries_.end()) entry = found->second;
    if (entry && entry->known.is_set() && scheduler_.now() >= entry->good_until) entry = nullptr;
    if (!entry) {
        entry = std::make_shared<Entry>(scheduler_);
        remember(name, entry);
        ++looking_up_;
        // In a fiber of its own: who asked may give up before the answer is there.
        const auto started = scheduler_.spawn("name look-up", [this, host, port, entry] {
            try {
                entry->answer = helper_.run([&] { return look_up_(host, port); });
            } catch (const std::exception& error) {  // who waits must be told all the same
                entry->answer = Error{ErrorCode::unavailable, error.what()};
            }
            entry->good_until = scheduler_.now();
            if (entry->answer) entry->good_until += options_.cache_time;
            if (--looking_up_ == 0) idle_.notify_all();
            entry->known.set();
        });
        if (!started) {
            --looking_up_;
            entries_.erase(name);
            return Error{ErrorCode::unavailable, "no fiber is free to look up " + host};
        }
    }
    if (!entry->known.wait(deadline)) {
        return Error{ErrorCode::timeout, "the deadline passed while looking up " + host};
    }
    return entry->answer;
}

void Resolver::wait_until_idle() {
    while (looking_up_ > 0) idle_.wait();
}

void Resolver::remember(const std::string& name, std::shared_ptr<Entry> entry) {
    if (entries_.size() >= options_.max_names && !entries_.contains(name)) {
        const auto oldest = std::ranges::min_element(
            entries_, {}, [](const auto& other) { return other.second->good_until; });
        entries_.erase(oldest);
    }
    entries_[name] = std::move(entry);
}

Result<std::vector<Endpoint>> Resolver::system_look_up(const std::string& host,
                                                       std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
    if (error != 0) {
        const bool none = error == EAI_NONAME || error == EAI_NODATA || error == EAI_ADDRFAMILY;
        const std::string reason = error == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(error);
        return Error{none ? ErrorCode::not_found : ErrorCode::unavailable,
                     "can't look up " + host + ": " + reason};
    }
    std::vector<Endpoint> endpoints;
    for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
        endpoints.emplace_back(at->ai_addr, at->ai_addrlen);
    }
    ::freeaddrinfo(list);
    return endpoints;
}

Result<std::unique_ptr<Stream>> connect(runtime::Reactor& reactor, Resolver& resolver,
                                        const std::string& host, std::uint16_t port,
                                        Deadline deadline) {
    const auto endpoints = resolver.resolve(host, port, deadline);
    if (!endpoints) return endpoints.error();
    Result<std::unique_ptr<Stream>> stream = Error{ErrorCode::not_found, host + " has no address"};
    for (const Endpoint& endpoint : *endpoints) {
        stream = connect(reactor, endpoint, deadline);
        if (stream || stream.error().code == ErrorCode::timeout) break;
    }
    return stream;
}

}  // namespace ringmaster::net
