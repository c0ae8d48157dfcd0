#include "ringmaster/redis_store/catalog_follower.hpp"

#include "ringmaster/redis_store/definition_format.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace ringmaster::redis_store {

using ringpool::PoolIndex;

namespace {

/// What a registry says that nobody has written to.
constexpr std::string_view kNoVersion = "0";
constexpr std::size_t kReadAtOnce = 64;     ///< definitions
constexpr std::size_t kMaxWanted = 10'000;  ///< of more, all are looked at
constexpr std::size_t kMaxIdBytes = 64;

std::optional<std::int64_t> integer_of(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

CatalogFollower::CatalogFollower(runtime::Reactor& reactor, FunctionCaller& functions,
                                 ringpool::Catalog& catalog, Log& log, Options options)
    : reactor_(reactor),
      functions_(functions),
      catalog_(catalog),
      log_(log),
      options_(std::move(options)),
      wake_(reactor.scheduler()),
      ended_(reactor.scheduler()),
      reading_(reactor.scheduler()) {
    ended_.set();
}

Result<void> CatalogFollower::start(Deadline deadline) {
    {
        const auto lock = reading_.lock();
        if (auto read = read_catalog(deadline); !read) return read;
    }
    ended_.reset();
    if (!reactor_.scheduler().spawn("catalog", [this] { follow(); })) {
        ended_.set();
        return Error{ErrorCode::unavailable, "there is no fiber to follow the catalog"};
    }
    // What was said before somebody listened, the first look after that finds.
    functions_.client().subscribe(
        functions_.channel(),
        [this] {
            catalog_wanted_ = true;
            wake_.set();
        },
        [this](std::string_view id) { heard(id); });
    return {};
}

void CatalogFollower::stop() {
    stopping_ = true;
    wake_.set();
    ended_.wait();
}

void CatalogFollower::follow() {
    runtime::Scheduler& scheduler = reactor_.scheduler();
    SteadyTime next_look = scheduler.now() + options_.catalog_period;
    while (true) {
        wake_.wait(Deadline::at(next_look));
        wake_.reset();
        if (stopping_) break;
        const auto lock = reading_.lock();
        const Deadline deadline = functions_.deadline();
        Result<void> done;
        if (std::exchange(catalog_wanted_, false) || scheduler.now() >= next_look) {
            done = read_catalog(deadline);
            next_look = scheduler.now() + options_.catalog_period;
        }
        const auto wanted = std::exchange(wanted_, {});
        if (done && !wanted.empty()) {
            done = read(std::vector<std::string>(wanted.begin(), wanted.end()), deadline);
        }
        if (!done) catalog_version_.clear();  // so that all are looked at again
        tell(done);
    }
    ended_.set();
}

void CatalogFollower::tell(const Result<void>& done) {
    if (done && failing_) log_.info("the catalog of pools can be read from Redis again");
    if (!done && !failing_) {
        log_.warning("the catalog of pools can't be read from Redis: " + done.error().message);
    }
    failing_ = !done;
}

void CatalogFollower::heard(std::string_view id) {
    if (!id.empty() && id.size() <= kMaxIdBytes) wake_for(std::string(id));
}

void CatalogFollower::look_again(PoolIndex pool) {
    wake_for(catalog_.at(pool).id);
}

void CatalogFollower::wake_for(std::string id) {
    if (wanted_.size() < kMaxWanted) {
        wanted_.insert(std::move(id));
    } else {
        catalog_wanted_ = true;
    }
    wake_.set();
}

Result<void> CatalogFollower::catch_up(std::string_view id, Deadline deadline) {
    const auto lock = reading_.lock(deadline);
    if (!lock) return Error{ErrorCode::timeout, "the catalog was not read in time"};
    const std::string copy(id);
    return read({&copy, 1}, deadline);
}

Result<void> CatalogFollower::read_catalog(Deadline deadline) {
    FunctionCall question{"catalog", {}, {catalog_version_}};
    question.reads_only = true;
    functions_.call({&question, 1}, deadline);
    if (!question.answer) return question.answer.error();
    const std::vector<redis::Reply>& words = question.answer->elements;
    if (words.empty() || words.size() % 2 == 0) return unexpected_answer("catalog");
    const std::string& version = words[0].text;
    if (version == catalog_version_) return {};
    if (version == kNoVersion && !known_.empty() && options_.lost) {
        log_.error("Redis has lost all pools, and who had which number");
        if (auto begun = options_.lost(deadline); !begun) return begun;
    }
    std::vector<std::string> changed;
    for (std::size_t i = 1; i < words.size(); i += 2) {
        const std::string& id = words[i].text;
        const auto now = integer_of(words[i + 1].text);
        if (!now) return unexpected_answer("catalog");
        const auto known = known_.find(id);
        if (*now < 0) {
            // Unless it has come back, and that is not in the catalog yet.
            const auto since = static_cast<std::uint64_t>(-*now);
            if (known != known_.end() && known->second < since) remove(id);
        } else if (known == known_.end() || known->second != static_cast<std::uint64_t>(*now)) {
            changed.push_back(id);
        }
    }
    if (auto done = read(changed, deadline); !done) return done;
    catalog_version_ = version;
    return {};
}

Result<void> CatalogFollower::read(std::span<const std::string> ids, Deadline deadline) {
    for (std::size_t begin = 0; begin < ids.size(); begin += kReadAtOnce) {
        const auto some = ids.subspan(begin, std::min(kReadAtOnce, ids.size() - begin));
        std::vector<FunctionCall> questions(some.size());
        for (std::size_t i = 0; i < some.size(); ++i) {
            questions[i].function = "get_pool";
            questions[i].pool = some[i];
            questions[i].reads_only = true;
        }
        functions_.call(questions, deadline);
        for (std::size_t i = 0; i < some.size(); ++i) {
            if (!questions[i].answer) return questions[i].answer.error();
            take(some[i], *questions[i].answer);
        }
    }
    return {};
}

void CatalogFollower::take(const std::string& id, const redis::Reply& answer) {
    if (answer.elements.size() >= 2) {
        put(id, answer.elements[0].text, static_cast<std::uint64_t>(answer.elements[1].integer));
    } else if (answer.type == redis::Reply::Type::array) {
        remove(id);
    } else if (catalog_.find(id) && lost_.insert(id).second) {
        log_.warning("Redis has lost pool '" + id + "'; it hands out its overflow number only");
    }
}

void CatalogFollower::put(const std::string& id, std::string_view bytes, std::uint64_t version) {
    lost_.erase(id);
    const auto [known, is_new] = known_.try_emplace(id, 0);
    const bool told = !is_new && known->second == version;
    known->second = version;
    auto definition = decode_definition(bytes, id);
    if (!definition) {
        if (!told) {
            log_.error("the definition of pool '" + id + "' in Redis " +
                       definition.error().message);
        }
        return;
    }
    const auto before = catalog_.find(id);
    const PoolIndex index = before && catalog_.at(*before) == *definition
                                ? *before
                                : catalog_.put(*std::move(definition)).value();
    if (versions_.size() <= index) versions_.resize(index + 1);
    versions_[index] = version;
}

void CatalogFollower::remove(const std::string& id) {
    known_.erase(id);
    lost_.erase(id);
    const auto index = catalog_.find(id);
    if (!index) return;
    catalog_.remove(*index);
    if (*index < versions_.size()) versions_[*index] = 0;
}

}  // namespace ringmaster::redis_store
