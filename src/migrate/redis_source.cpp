#include "ringmaster/migrate/redis_source.hpp"

#include "ringmaster/redis_store/definition_format.hpp"
#include "ringmaster/redis_store/number_record.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace ringmaster::migrate {

using redis_store::FunctionCall;
using redis_store::unexpected_answer;

namespace {

constexpr std::size_t kPageNumbers = 200;

}  // namespace

Result<std::vector<ringpool::PoolDefinition>> RedisSource::pools() {
    FunctionCall catalog{.function = "catalog", .pool = {}, .arguments = {""}};
    catalog.reads_only = true;
    const auto answer = functions_.call(std::move(catalog));
    if (!answer) return answer.error();
    std::vector<std::string> ids;
    for (std::size_t i = 1; i + 1 < answer->elements.size(); i += 2) {
        const std::string& version = answer->elements[i + 1].text;
        if (!version.starts_with('-')) ids.push_back(answer->elements[i].text);
    }
    std::ranges::sort(ids);
    std::vector<ringpool::PoolDefinition> pools;
    for (const std::string& id : ids) {
        FunctionCall get{.function = "get_pool", .pool = id, .arguments = {}};
        get.reads_only = true;
        const auto told = functions_.call(std::move(get));
        if (!told) return told.error();
        if (told->elements.empty()) continue;  // removed meanwhile
        auto definition = redis_store::decode_definition(told->elements[0].text, id);
        if (!definition) {
            return Error{definition.error().code,
                         "the definition of pool " + id + " " + definition.error().message};
        }
        pools.push_back(*std::move(definition));
    }
    return pools;
}

Result<Source::Page> RedisSource::numbers(const ringpool::PoolDefinition& pool,
                                          std::uint64_t from) {
    FunctionCall call{.function = "export",
                      .pool = pool.id,
                      .arguments = {std::to_string(from), std::to_string(kPageNumbers)}};
    call.reads_only = true;
    const auto answer = functions_.call(std::move(call));
    if (!answer) return answer.error();
    const auto& words = answer->elements;
    if (words.empty() || words.size() % 2 == 0) return unexpected_answer("export");
    Page page;
    page.next = static_cast<std::uint64_t>(words[0].integer);
    for (std::size_t i = 1; i < words.size(); i += 2) {
        auto image = image_of(words[i].text, words[i + 1].text);
        if (!image) return image.error();
        page.numbers.push_back(*std::move(image));
    }
    return page;
}

Result<NumberImage> RedisSource::image_of(std::string_view digits, std::string_view state) {
    std::uint64_t number = 0;
    const auto end = digits.data() + digits.size();
    const auto record = redis_store::NumberRecord::decode(state);
    if (!record || std::from_chars(digits.data(), end, number).ptr != end) {
        return unexpected_answer("export");
    }
    NumberImage image;
    image.number = {ringpool::PhoneNumber::from_digits(number), record->formatted};
    image.draining = record->draining;
    if (!record->session) return image;
    auto holds = history_.holders(image.number.number, std::nullopt,
                                  std::numeric_limits<std::size_t>::max(), functions_.deadline());
    if (!holds) return holds.error();
    image.holds = *std::move(holds);
    image.slot.session = record->session;
    image.slot.allocated_at = record->allocated_at;
    if (!record->held_here && !image.holds.empty()) {
        image.slot.allocated_at = image.holds[0].allocated_at;
    }
    image.slot.last_touch = record->last_touch;
    image.slot.expires_at = record->expires_at;
    image.slot.eligible_at = record->eligible_at;
    const auto civil = [this](WallTime& time) { time += ahead_; };
    for (WallTime* time : {&image.slot.allocated_at, &image.slot.last_touch, &image.slot.expires_at,
                           &image.slot.eligible_at}) {
        civil(*time);
    }
    for (ringpool::Hold& hold : image.holds) {
        for (WallTime* time :
             {&hold.allocated_at, &hold.last_touch, &hold.expires_at, &hold.free_at}) {
            civil(*time);
        }
    }
    return image;
}

}  // namespace ringmaster::migrate
