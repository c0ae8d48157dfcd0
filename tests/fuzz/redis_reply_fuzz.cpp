// What a Redis server sends, as replies. Whole or torn, the same bytes are the same replies, none
// is beyond the limits, and what has been read can be written and read again.

#include "ringmaster/redis/reply_reader.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "fuzz_target.hpp"
#include "redis/reply_text.hpp"

namespace {

using namespace ringmaster;
using namespace ringmaster::fuzz;
using namespace ringmaster::redis;

constexpr ReplyLimits kLimits{.max_reply_bytes = 1000, .max_line_bytes = 100, .max_elements = 50};

struct Replies {
    std::string bytes;  ///< of all, as a server would send them
    bool failed = false;
};

std::size_t check_and_count(const Reply& reply, std::size_t depth) {
    expect(depth <= ReplyLimits::kMaxDepth, "arrays are not nested too deeply");
    const bool is_line = reply.type == Reply::Type::status || reply.type == Reply::Type::error;
    expect(reply.text.size() <= (is_line ? kLimits.max_line_bytes : kLimits.max_reply_bytes),
           "no text is too long");
    std::size_t count = reply.elements.size();
    for (const Reply& element : reply.elements) count += check_and_count(element, depth + 1);
    return count;
}

Replies read(std::string_view input, std::size_t step) {
    ReplyReader reader(kLimits);
    Replies replies;
    while (true) {
        const auto reply = reader.next();
        if (!reply) {
            replies.failed = true;
            return replies;
        }
        if (reply.value()) {
            expect(check_and_count(*reply.value(), 0) <= kLimits.max_elements,
                   "no reply has too many elements");
            replies.bytes += to_resp(*reply.value());
            continue;
        }
        if (input.empty()) return replies;
        const std::size_t size = std::min(step, input.size());
        reader.feed(input.substr(0, size));
        input.remove_prefix(size);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = as_text(data, size);
    const Replies whole = read(input, std::max<std::size_t>(size, 1));
    for (const std::size_t step : {1, 3, 64}) {
        const Replies torn = read(input, step);
        expect_same(torn.bytes, whole.bytes, "the replies are the same however they come");
        expect(torn.failed == whole.failed, "so is whether they make sense");
    }
    const Replies again = read(whole.bytes, std::max<std::size_t>(whole.bytes.size(), 1));
    expect(!again.failed, "what was read can be read again");
    expect_same(again.bytes, whole.bytes, "and is the same");
    return 0;
}
