#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/histogram.hpp"
#include "ringmaster/http/handler.hpp"
#include "ringmaster/http/request.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace ringmaster::http {

/// Counts answers, and measures how long their handlers were at work: two readings of the clock and
/// a few additions for each request. Belongs to one reactor.
class RequestMeter {
  public:
    /// Requests that are counted together.
    struct Group {
        std::string_view name;
        Histogram durations;  ///< from the handler's begin to its end; streamed answers don't count
        /// By the first digit of the status: answers[2] is how many were 200 to 299.
        std::array<std::uint64_t, 6> answers{};
    };
    /// Which of the groups a request belongs to, an index. Called for each; must not throw.
    using GroupOf = std::size_t (*)(const Request&) noexcept;

    /// `names` must outlive this, and so must `clock`.
    RequestMeter(Clock& clock, std::vector<std::string_view> names, GroupOf group_of);

    /// The layer that counts: the answer is the one that the layers inside of it leave, so one that
    /// makes answers of exceptions belongs there. A handler that throws all the same is not
    /// counted. This must outlive the layer.
    Middleware layer();

    std::size_t size() const noexcept { return groups_.size(); }
    const Group& group(std::size_t i) const noexcept { return *groups_[i]; }

  private:
    Clock& clock_;
    const GroupOf group_of_;
    std::vector<std::unique_ptr<Group>> groups_;  ///< each is large
};

}  // namespace ringmaster::http
