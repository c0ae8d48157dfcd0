#include "ringmaster/ringpool/pool_definition.hpp"

#include "ringmaster/base/text.hpp"

#include <algorithm>
#include <utility>

namespace ringmaster::ringpool {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxIdBytes = 64;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxTrackingUrlBytes = 2048;

Error invalid(std::string_view field, std::string_view value, std::string_view expected) {
    std::string message(field);
    message.append(" is ").append(value).append("; expected ").append(expected);
    return {ErrorCode::invalid, std::move(message)};
}

std::string quoted(std::string_view text) {
    return std::string("'").append(text).append("'");
}

Result<void> check_range(std::string_view field, std::chrono::seconds value,
                         std::chrono::seconds least, std::chrono::seconds most,
                         std::string_view expected) {
    if (value >= least && value <= most) return {};
    return invalid(field, std::to_string(value.count()) + " s", expected);
}

Result<void> check_text(std::string_view field, std::string_view text, std::size_t most_bytes) {
    // It goes to clients in JSON, XML and CSV: what one of those can't hold, none shall have.
    const bool clean = is_utf8(text) && std::ranges::none_of(text, [](char c) {
                           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
                       });
    if (clean && text.size() <= most_bytes) return {};
    return invalid(
        field, clean ? std::to_string(text.size()) + " bytes long" : "not plain text",
        "at most " + std::to_string(most_bytes) + " bytes of UTF-8 without control characters");
}

bool is_id(std::string_view id) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    };
    return !id.empty() && id.size() <= kMaxIdBytes && std::ranges::all_of(id, allowed);
}

bool is_region(std::string_view region) {
    const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
    return region.size() == 2 && std::ranges::all_of(region, is_capital);
}

}  // namespace

Result<void> PoolDefinition::validate() const {
    if (!is_id(id)) return invalid("id", quoted(id), "1 to 64 of A-Z a-z 0-9 . _ -");
    if (auto checked = check_text("name", name, kMaxNameBytes); !checked) return checked;
    if (key.empty() || key.size() > kMaxKeyBytes) {
        return invalid("key", std::to_string(key.size()) + " bytes long", "1 to 128 bytes");
    }
    if (auto checked = check_range("lifetime", lifetime, 1s, 720h, "1 s to 2592000 s (30 days)");
        !checked) {
        return checked;
    }
    if (auto checked = check_range("cooldown", cooldown, 0s, 720h, "0 s to 2592000 s (30 days)");
        !checked) {
        return checked;
    }
    if (auto checked =
            check_range("max_hold", max_hold, 0s, 8760h, "0 s (no limit) to 31536000 s (365 days)");
        !checked) {
        return checked;
    }
    if (allow_overflow && !overflow.number) {
        return invalid("overflow number", "missing", "one, because allow_overflow is true");
    }
    if (auto checked = check_text("tracking_url", tracking_url, kMaxTrackingUrlBytes); !checked) {
        return checked;
    }
    if (!is_region(default_region)) {
        return invalid("default_region", quoted(default_region),
                       "two capital letters (ISO 3166-1), e.g. 'US'");
    }
    return {};
}

Result<PoolIndex> Catalog::put(PoolDefinition definition) {
    if (auto checked = definition.validate(); !checked) return checked.error();
    const auto [entry, is_new] = by_id_.try_emplace(definition.id, end_index());
    const PoolIndex index = entry->second;
    if (is_new) {
        definitions_.emplace_back();
        secrets_.emplace_back("");
        live_.push_back(false);
    }
    if (!live_[index]) ++size_;
    live_[index] = true;
    secrets_[index] = Secret(definition.key);
    definitions_[index] = std::make_unique<const PoolDefinition>(std::move(definition));
    return index;
}

void Catalog::remove(PoolIndex index) noexcept {
    if (!live_[index]) return;
    live_[index] = false;
    secrets_[index] = Secret("");
    --size_;
}

const PoolIndex* Catalog::authorize(std::string_view id, std::string_view key) const noexcept {
    // An unknown pool is asked for its key as well; nothing matches that of no pool.
    static const Secret kNobody("");
    const auto found = by_id_.find(id);
    const bool known = found != by_id_.end() && live_[found->second];
    const bool matches = (known ? secrets_[found->second] : kNobody).matches(key);
    return known && matches ? &found->second : nullptr;
}

std::optional<PoolIndex> Catalog::find(std::string_view id) const noexcept {
    const auto found = by_id_.find(id);
    if (found == by_id_.end() || !live_[found->second]) return std::nullopt;
    return found->second;
}

}  // namespace ringmaster::ringpool
