#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/redis/cluster_replies.hpp"
#include "ringmaster/redis/redis_url.hpp"

#include <string_view>
#include <vector>

namespace ringmaster::redis {

/// Which server is the primary for which key, as far as is known, and how that is found out. A
/// RoutedClient asks it before each call, and has it look again when something goes wrong.
class Topology {
  public:
    virtual ~Topology() = default;

    /// The primary for a key; of the empty key, any one. Null where none is known now. Until the
    /// next change.
    virtual const ServerAddress* find(std::string_view key) const = 0;
    /// All that calls may go to.
    virtual const std::vector<ServerAddress>& primaries() const = 0;
    /// What MOVED has said.
    virtual void move(const Redirect& redirect) = 0;

    /// Suspends. Finds it out anew; whether anything has changed. On failure everything stays as it
    /// was. One call at a time.
    virtual Result<bool> refresh(Deadline deadline) = 0;

    /// A server has said that all of them refuse calls (CLUSTERDOWN).
    virtual void set_down() {}
    /// Whether that is still so, as far as is known.
    virtual bool is_down() const { return false; }

    /// The next server that a subscriber may try.
    virtual Result<ServerAddress> next_to_hear() = 0;
    /// Whether messages of channels are heard there.
    virtual bool is_heard_at(const ServerAddress& server) const = 0;

    /// Suspends. Ends its own fibers.
    virtual void stop() {}
};

}  // namespace ringmaster::redis
