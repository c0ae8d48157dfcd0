#include "ringmaster/redis_store/open_store.hpp"

#include "ringmaster/redis_store/function_library.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <sys/random.h>
#include <system_error>

namespace ringmaster::redis_store {
namespace {

using Key = ringpool::SessionHasher::Key;

constexpr std::string_view kFormat = "1";

Result<Key> random_key() {
    Key key;
    if (::getrandom(key.data(), key.size(), 0) == static_cast<ssize_t>(key.size())) return key;
    return Error{ErrorCode::unavailable, "random bytes: " + std::generic_category().message(errno)};
}

}  // namespace

Result<Key> open_store(FunctionCaller& functions, Deadline deadline,
                       const std::optional<Key>& secret) {
    auto candidate = secret ? Result<Key>(*secret) : random_key();
    if (!candidate) return candidate;
    if (auto loaded = load_function_library(functions.client(), deadline); !loaded) {
        return loaded.error();
    }
    FunctionCall begin;
    begin.function = "begin";
    begin.arguments = {
        std::string(reinterpret_cast<const char*>(candidate->data()), candidate->size()),
        std::string(kFormat)};
    functions.call({&begin, 1}, deadline);
    if (!begin.answer) return begin.answer.error();
    const redis::Reply& reply = *begin.answer;
    if (reply.elements.size() != 2) return unexpected_answer("begin");
    const std::string& format = reply.elements[0].text;
    const std::string& key = reply.elements[1].text;
    if (format != kFormat) {
        return Error{ErrorCode::invalid, "the data is of format " + format +
                                             ", and this program knows format " +
                                             std::string(kFormat)};
    }
    if (key.size() != candidate->size()) return unexpected_answer("begin");
    std::ranges::copy(key, candidate->begin());
    return candidate;
}

}  // namespace ringmaster::redis_store
