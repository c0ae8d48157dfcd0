#include "ringmaster/migrate/image.hpp"

#include <cstdio>
#include <cstring>

#include <sodium.h>

namespace ringmaster::migrate {
namespace {

/// Collects fields so that no two different sequences of fields are the same bytes.
class Fields {
  public:
    explicit Fields(std::string_view kind) { text(kind); }
    void number(std::uint64_t value) {
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void time(WallTime value) {
        number(static_cast<std::uint64_t>(value.time_since_epoch().count()));
    }
    void text(std::string_view value) {
        number(value.size());
        bytes_.append(value);
    }
    std::string_view bytes() const noexcept { return bytes_; }

  private:
    std::string bytes_;
};

}  // namespace

void Digest::add(const ringpool::PoolDefinition& pool) {
    Fields fields("pool");
    fields.text(pool.id);
    fields.text(pool.name);
    fields.text(pool.key);
    fields.number(static_cast<std::uint64_t>(pool.lifetime.count()));
    fields.number(static_cast<std::uint64_t>(pool.cooldown.count()));
    fields.number(static_cast<std::uint64_t>(pool.max_hold.count()));
    fields.number(pool.allow_overflow ? 1 : 0);
    fields.number(pool.overflow.number.digits());
    fields.text(pool.overflow.formatted.view());
    fields.text(pool.tracking_url);
    fields.text(pool.default_region);
    add_bytes(fields.bytes());
    ++pools_;
}

void Digest::add(std::string_view pool_id, const NumberImage& image) {
    Fields fields("number");
    fields.text(pool_id);
    fields.number(image.number.number.digits());
    fields.text(image.number.formatted.view());
    fields.number(image.draining ? 1 : 0);
    fields.number(image.slot.session.low);
    fields.number(image.slot.session.high);
    for (const WallTime time : {image.slot.allocated_at, image.slot.last_touch,
                                image.slot.expires_at, image.slot.eligible_at}) {
        fields.time(image.slot.session ? time : WallTime());
    }
    fields.number(image.holds.size());
    for (const ringpool::Hold& hold : image.holds) {
        fields.number(static_cast<std::uint64_t>(hold.detail));
        fields.text(hold.pool_id);
        fields.number(hold.session_id ? 1 : 0);
        fields.text(hold.session_id.value_or(""));
        fields.text(hold.context);
        for (const WallTime time :
             {hold.allocated_at, hold.last_touch, hold.expires_at, hold.free_at}) {
            fields.time(time);
        }
    }
    add_bytes(fields.bytes());
    ++numbers_;
    holds_ += image.holds.size();
}

void Digest::add_bytes(std::string_view bytes) {
    std::array<std::uint64_t, 2> hash{};
    crypto_generichash(reinterpret_cast<unsigned char*>(hash.data()), sizeof hash,
                       reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), nullptr,
                       0);
    sum_[0] += hash[0];
    sum_[1] += hash[1];
}

std::string Digest::checksum() const {
    std::array<char, 33> text{};
    std::snprintf(text.data(), text.size(), "%016llx%016llx",
                  static_cast<unsigned long long>(sum_[0]),
                  static_cast<unsigned long long>(sum_[1]));
    return text.data();
}

}  // namespace ringmaster::migrate
