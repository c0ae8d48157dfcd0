#include "ringmaster/migrate/migrate.hpp"

namespace ringmaster::migrate {
namespace {

/// Calls `take(pool, page)`, from what `begin(pool)` says on.
template <class Begin, class Take>
Result<void> walk(Source& source, const std::function<void(const Progress&)>& tell, Begin&& begin,
                  Take&& take) {
    const auto pools = source.pools();
    if (!pools) return pools.error();
    Progress progress{.pool = 0, .pools = pools->size(), .pool_id = {}, .numbers = 0};
    for (const ringpool::PoolDefinition& pool : *pools) {
        progress.pool_id = pool.id;
        tell(progress);
        const Result<Target::Resumed> resumed = begin(pool);
        if (!resumed) return resumed.error();
        std::uint64_t from = resumed->from;
        for (bool more = !resumed->complete; more; more = from != 0) {
            const auto page = source.numbers(pool, from);
            if (!page) return page.error();
            if (auto taken = take(pool, *page); !taken) return taken;
            from = page->next;
            progress.numbers += page->numbers.size();
            tell(progress);
        }
        ++progress.pool;
    }
    progress.pool_id = {};
    tell(progress);
    return {};
}

}  // namespace

Result<void> move_all(Source& source, Target& target,
                      const std::function<void(const Progress&)>& tell) {
    const auto secret = source.secret();
    if (!secret) return secret.error();
    const auto ahead = target.begin(*secret, source.fingerprint(), source.ahead());
    if (!ahead) return ahead.error();
    source.set_ahead(*ahead);
    auto moved = walk(
        source, tell, [&](const ringpool::PoolDefinition& pool) { return target.begin_pool(pool); },
        [&](const ringpool::PoolDefinition& pool, const Source::Page& page) {
            return target.add(pool, page.numbers, page.next);
        });
    return moved ? target.finish() : moved;
}

Result<Digest> digest_of(Source& source, const std::function<void(const Progress&)>& tell) {
    Digest digest;
    auto walked = walk(
        source, tell,
        [&](const ringpool::PoolDefinition& pool) {
            digest.add(pool);
            return Result<Target::Resumed>(Target::Resumed{});
        },
        [&](const ringpool::PoolDefinition& pool, const Source::Page& page) {
            for (const NumberImage& number : page.numbers) digest.add(pool.id, number);
            return Result<void>();
        });
    if (!walked) return walked.error();
    return digest;
}

}  // namespace ringmaster::migrate
