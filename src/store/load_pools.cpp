#include "ringmaster/store/load_pools.hpp"

#include <string>
#include <utility>

namespace ringmaster::store {

using ringpool::PhoneNumber;
using ringpool::PoolDefinition;
using ringpool::PoolIndex;
using ringpool::SlotIndex;

namespace {

std::string in_pool(std::string_view id) {
    return "pool '" + std::string(id) + "'";
}

Error damaged(const PoolFiles& files, std::string_view id, PhoneNumber number,
              const std::string& what) {
    return {ErrorCode::damaged, "the pool's file " + files.path_of(id).string() + " has " +
                                    number.e164() + ", which " + what};
}

Result<void> load_numbers(const StoredPool& pool, PoolIndex index, const PoolFiles& files,
                          const ringpool::Catalog& catalog, Holdings& holdings) {
    holdings.put_pool(index, rules_of(pool.definition));
    auto room = holdings.make_room(index, pool.numbers.size());
    holdings.take_room(room);
    for (const StoredNumber& stored : pool.numbers) {
        const PhoneNumber number = stored.number.number;
        if (const auto* const place = holdings.place(number)) {
            return damaged(files, pool.definition.id, number,
                           "is in " + in_pool(catalog.at(place->pool).id) + " already");
        }
        const SlotIndex slot = holdings.add(index, stored.number);
        if (stored.draining) holdings.pool(index).drain(slot);
    }
    return {};
}

Result<void> check_overflows(const PoolFiles& files, const ringpool::Catalog& catalog,
                             const Holdings& holdings) {
    Result<void> result;
    catalog.for_each([&](PoolIndex, const PoolDefinition& definition) {
        const auto* const place = holdings.place(definition.overflow.number);
        if (place == nullptr || !result) return;
        result = damaged(files, catalog.at(place->pool).id, definition.overflow.number,
                         "is the overflow number of " + in_pool(definition.id));
    });
    return result;
}

}  // namespace

// Other processes may be making changes meanwhile, but none that lets a number or an overflow
// number of theirs be a number of this process's pools: for those they would have to ask it.
Result<void> load_pools(const PoolFiles& files, const Neighbours& neighbours,
                        ringpool::Catalog& catalog, Holdings& holdings) {
    const auto is_mine = [&](std::string_view id) { return neighbours.owns(id); };
    if (auto removed = files.remove_unfinished(is_mine); !removed) return removed;
    const auto ids = files.list();
    if (!ids) return ids.error();
    for (const std::string& id : *ids) {
        if (is_mine(id)) {
            const auto pool = files.load(id);
            if (!pool) return pool.error();
            const auto index = catalog.put(pool->definition);
            if (!index) return index.error();
            auto loaded = load_numbers(*pool, *index, files, catalog, holdings);
            if (!loaded) return loaded;
        } else if (auto definition = files.load_definition(id)) {
            if (auto index = catalog.put(*std::move(definition)); !index) return index.error();
        } else if (definition.error().code != ErrorCode::not_found) {  // removed meanwhile
            return definition.error();
        }
    }
    return check_overflows(files, catalog, holdings);
}

}  // namespace ringmaster::store
