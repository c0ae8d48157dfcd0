#include "ringmaster/http/middleware/rate_limit.hpp"

#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/http/router.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <sodium/crypto_shorthash_siphash24.h>
#include <sodium/randombytes.h>

namespace ringmaster::http {
namespace {

using Duration = SteadyTime::duration;

std::int64_t seconds_up(Duration time) {
    return std::chrono::ceil<std::chrono::seconds>(time).count();
}

/// What became of one request.
struct Verdict {
    bool allowed;
    std::int64_t left;    ///< requests
    Duration until_full;  ///< then all are left
    Duration until_next;  ///< of a refused one: then one is left
};

/// All the buckets of one policy.
class Buckets {
  public:
    explicit Buckets(const RateLimitOptions& options)
        : per_request_(Duration(options.window) / options.requests),
          capacity_(per_request_ * options.requests),
          max_keys_(options.max_keys) {
        randombytes_buf(hash_key_.data(), hash_key_.size());
    }

    Verdict take(std::string_view key, SteadyTime now) {
        Bucket& bucket = bucket_of(hash(key));
        // What has been taken out and has not come back yet, as the time that this needs.
        const Duration taken = std::max(bucket.full_at, now) - now;
        const Duration room = capacity_ - taken;
        if (room < per_request_) return {false, 0, taken, per_request_ - room};
        bucket.full_at = now + taken + per_request_;
        return {true, (room - per_request_) / per_request_, taken + per_request_, {}};
    }

  private:
    struct Hash {
        std::array<std::uint64_t, 2> words;
        bool operator==(const Hash&) const = default;
    };
    struct FirstWord {
        std::size_t operator()(const Hash& hash) const noexcept { return hash.words[0]; }
    };
    struct Bucket : ListHook<Buckets> {
        Hash key{};
        SteadyTime full_at = SteadyTime::min();
    };

    Hash hash(std::string_view key) const noexcept {
        Hash hash;
        static_assert(sizeof(hash.words) == crypto_shorthash_siphashx24_BYTES);
        crypto_shorthash_siphashx24(reinterpret_cast<unsigned char*>(hash.words.data()),
                                    reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                                    hash_key_.data());
        return hash;
    }

    Bucket& bucket_of(const Hash& key) {
        const auto [place, is_new] = buckets_.try_emplace(key);
        Bucket& bucket = place->second;
        bucket.key = key;
        bucket.unlink();
        by_use_.push_back(bucket);
        if (buckets_.size() > max_keys_) buckets_.erase(by_use_.front()->key);
        return bucket;
    }

    const Duration per_request_;
    const Duration capacity_;
    const std::size_t max_keys_;
    std::array<unsigned char, crypto_shorthash_siphashx24_KEYBYTES> hash_key_;
    std::unordered_map<Hash, Bucket, FirstWord> buckets_;
    IntrusiveList<Bucket, Buckets> by_use_;  ///< the one not used for longest comes first
};

void check(const RateLimitOptions& options) {
    constexpr std::uint32_t kMostRequests = 1'000'000;
    if (options.requests == 0 || options.requests > kMostRequests) {
        throw std::invalid_argument("a rate limit of no requests, or more than a million");
    }
    if (options.window < std::chrono::seconds(1) || options.window > std::chrono::days(366)) {
        throw std::invalid_argument("a rate limit with a window of less than 1 s, or over a year");
    }
    if (options.max_keys == 0) throw std::invalid_argument("a rate limit of no keys");
    const auto is_plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
    if (!std::ranges::all_of(options.name, is_plain)) {
        throw std::invalid_argument("a rate limit whose name can't stand in a field");
    }
}

class Limiter {
  public:
    Limiter(const RateLimitOptions& options, RateLimitKey key, Clock& clock)
        : item_("\"" + options.name + "\""),
          policy_(item_ + ";q=" + std::to_string(options.requests) +
                  ";w=" + std::to_string(options.window.count())),
          key_(std::move(key)),
          clock_(clock),
          buckets_(options) {}

    /// Adds the fields. False: the request is refused, and its answer made.
    bool admit(const Request& request, Response& response) {
        const Verdict verdict = buckets_.take(key_(request), clock_.steady_now());
        response.add_header("RateLimit-Policy", policy_);
        response.add_header("RateLimit", item_ + ";r=" + std::to_string(verdict.left) + ";t=" +
                                             std::to_string(seconds_up(verdict.until_full)));
        if (verdict.allowed) return true;
        const std::string wait = std::to_string(seconds_up(verdict.until_next));
        set_error(response, 429, "TooManyRequests",
                  "too many requests; try again in " + wait + " s");
        response.add_header("Retry-After", wait);
        return false;
    }

  private:
    const std::string item_;
    const std::string policy_;
    const RateLimitKey key_;
    Clock& clock_;
    Buckets buckets_;
};

}  // namespace

Middleware rate_limit(const RateLimitOptions& options, RateLimitKey key, Clock& clock) {
    check(options);
    const auto limiter = std::make_shared<Limiter>(options, std::move(key), clock);
    return [limiter](RequestHandler next) -> RequestHandler {
        return [limiter, next = std::move(next)](Request& request, Response& response) {
            if (limiter->admit(request, response)) next(request, response);
        };
    };
}

}  // namespace ringmaster::http
