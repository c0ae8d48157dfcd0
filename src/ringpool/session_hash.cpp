#include "ringmaster/ringpool/session_hash.hpp"

#include "ringmaster/ringpool/context.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <bit>
#include <cassert>
#include <cstring>

#include <sodium/crypto_shorthash_siphash24.h>

namespace ringmaster::ringpool {
namespace {

constexpr char kVisitor = 'v';
constexpr char kContext = 'c';

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

SessionHash SessionHasher::hash(std::string_view pool_id, const Session& session) {
    // Kind, length of the pool's id, pool's id, and the rest is the session: no two different
    // inputs give the same bytes.
    assert(pool_id.size() <= 255);
    buffer_.clear();
    buffer_ += session.id ? kVisitor : kContext;
    buffer_ += static_cast<char>(pool_id.size());
    buffer_ += pool_id;
    buffer_ += session.id ? *session.id : session.context.bytes();

    std::array<std::uint64_t, 2> words;
    static_assert(sizeof(words) == crypto_shorthash_siphashx24_BYTES);
    static_assert(sizeof(Key) == crypto_shorthash_siphashx24_KEYBYTES);
    static_assert(std::endian::native == std::endian::little, "the hash is stored in files");
    crypto_shorthash_siphashx24(reinterpret_cast<unsigned char*>(words.data()), bytes_of(buffer_),
                                buffer_.size(), key_.data());
    const SessionHash result{words[0], words[1]};
    return result ? result : SessionHash{1, 0};
}

}  // namespace ringmaster::ringpool
